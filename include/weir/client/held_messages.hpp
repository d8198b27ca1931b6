// The outbox of a reconnecting session: messages that wait for a connection, within a bound. Loop thread only.
#pragma once

#include <weir/client/reconnecting_options.hpp>
#include <weir/core/fifo.hpp>
#include <weir/core/sequence.hpp>
#include <weir/transport/message.hpp>

namespace weir::inline v0::detail {

class held_messages {
public:
    // All that it holds fits into the queue of a connection with these options.
    explicit held_messages(const reconnecting_options& options) noexcept
        : x_most(options.outbox_bytes.value_or(0)), x_frame_bytes(options.connect.websocket.frame_bytes), x_policy(options.overflow) {
        if (options.connect.websocket.queue_bytes < x_most) x_most = options.connect.websocket.queue_bytes;
    }

    bool empty() const noexcept { return x_held.empty(); }
    std::size_t bytes() const noexcept { return x_bytes; }

    // How many were given up to make room.
    std::uint64_t dropped() const noexcept { return x_dropped; }

    // errc{}, or `buffer_full`.
    errc push(const message& any) {
        const std::size_t more = cost(any.size());
        while (!empty() && (more > x_most || x_bytes > x_most - more)) {
            if (x_policy == outbox_policy::refuse) return errc::buffer_full;
            pop();
            ++x_dropped;
        }
        x_held.push(any.take());
        x_bytes += more;
        return {};
    }

    // The oldest, which must be there. Valid until the next call that changes something.
    message front() const noexcept { return message(x_held[0]); }
    void pop() noexcept {
        x_bytes -= cost(x_held[0].data.size());
        (void)x_held.pop();
    }

    // Copies of all, the oldest first.
    sequence<owned_message> copies() const {
        sequence<owned_message> all;
        for (std::size_t i = 0; i < x_held.size(); ++i) all.push_back(x_held[i]);
        return all;
    }

private:
    // More than a frame adds: its header, and what compression adds to what cannot be compressed.
    static constexpr std::size_t frame_cost = 64;

    std::size_t cost(std::size_t size) const noexcept { return size + frame_cost * (size / x_frame_bytes + 1); }

    fifo<owned_message> x_held;
    std::size_t x_bytes = 0;
    std::uint64_t x_dropped = 0;
    std::size_t x_most;
    std::size_t x_frame_bytes;
    outbox_policy x_policy;
};

} // namespace weir::inline v0::detail
