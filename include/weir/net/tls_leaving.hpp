// Sends the rest of what a TLS stream had taken when it was closed, and then closes the stream below. Part of net/tls.hpp.
//
// A socket does that by itself, but records can only be sent whole, so the end of one may still be here when the socket takes
// no more. Frees itself when all is out, when the stream below breaks, or when that takes nothing for 5 s. Loop thread
// only; the loop does not end before it.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/owned.hpp>
#include <weir/io/loop.hpp>

namespace weir::inline v0::net::detail {

class tls_leaving final : private io::stream_observer, private timer, private ready_item, private lingering {
public:
    static constexpr std::chrono::nanoseconds patience = std::chrono::seconds(5);

    [[gnu::cold]] static void begin(owned<io::stream> below, buffer&& rest, io::loop& on) {
        new tls_leaving(std::move(below), std::move(rest), on);
    }

private:
    tls_leaving(owned<io::stream> below, buffer&& rest, io::loop& on) noexcept
        : x_below(std::move(below)), x_rest(std::move(rest)), x_loop(on) {
        x_below->observe(this);
        x_loop.keep(*this);
        x_loop.arm(*this, patience);
    }
    ~tls_leaving() {
        x_below->observe(nullptr);
        x_rest.empty() ? x_below->close() : x_below->reset();
    }

    [[gnu::cold]] void on_readable() noexcept override {}
    [[gnu::cold]] void on_writable() noexcept override {
        const std::size_t sent = x_below->write_piece(std::as_const(x_rest).view());
        x_rest.consume(sent);
        if (x_rest.empty() || x_below->failure()) return x_loop.post(*this); // not from within the stream's call
        if (sent > 0) x_loop.arm(*this, patience);
    }
    [[gnu::cold]] void run() noexcept override { delete this; }
    [[gnu::cold]] void expire() noexcept override { delete this; }
    [[gnu::cold]] void abandon() noexcept override { delete this; }

    owned<io::stream> x_below;
    buffer x_rest;
    io::loop& x_loop;
};

} // namespace weir::inline v0::net::detail
