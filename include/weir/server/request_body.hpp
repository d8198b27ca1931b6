// What a client has sent behind the head of a request: its body, and what follows that.
//
// Bytes go in as they are received and come out as pieces of the body. A piece stays where it is until the next one is asked
// for; what arrives meanwhile goes to a second buffer. Does no I/O, and has no bound: whoever puts in sees to that.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/protocol/http/body.hpp>

namespace weir::inline v0::detail {

class request_body {
public:
    request_body(block_pool& pool, http::body_framing framing) noexcept
        : x_framing(framing), x_decoder(framing, UINT64_MAX), x_reading(pool), x_arriving(pool) {}

    // Takes what was received.
    void append(bytes_view more) noexcept {
        [[maybe_unused]] const bool fits = x_arriving.append(more);
        assert(fits && "these buffers have no bound of their own");
    }

    // How many bytes are kept that nobody has looked at.
    std::size_t kept_bytes() const noexcept { return x_reading.size() - x_used + x_arriving.size(); }

    // Looks for the next piece, which is valid until the next call of this.
    http::body_event next() noexcept {
        for (;;) {
            bytes_view input = std::as_const(x_reading).view().subspan(x_used);
            const http::body_event found = x_decoder.decode(input);
            x_used = x_reading.size() - input.size();
            if (found.what != http::body_event::need_more) return found;
            if (x_arriving.empty()) {
                if (!exchanged(x_ends, false)) return found;
                x_decoder.end_of_stream();
                continue;
            }
            x_reading.clear();
            x_used = 0;
            swap_contents(x_reading, x_arriving);
        }
    }

    // The stream has ended: if the body is not complete, `next` fails once what has come is used up.
    void end_of_stream() noexcept { x_ends = true; }

    weir::error error() const noexcept { return x_decoder.error(); }
    http::body_framing framing() const noexcept { return x_framing; }

    // Moves what follows the body, all of which must have been taken, to a place with room for `kept_bytes`.
    void take_rest(std::byte* to) noexcept {
        const bytes_view first = std::as_const(x_reading).view().subspan(x_used), second = std::as_const(x_arriving).view();
        if (!first.empty()) std::memcpy(to, first.data(), first.size());
        if (!second.empty()) std::memcpy(to + first.size(), second.data(), second.size());
        x_reading.clear();
        x_arriving.clear();
        x_used = 0;
    }

private:
    http::body_framing x_framing;
    http::body_decoder x_decoder;
    buffer x_reading;
    buffer x_arriving;
    std::size_t x_used = 0; // bytes of x_reading
    bool x_ends = false;
};

} // namespace weir::inline v0::detail
