// When a connection pings its peer, and when it gives the peer up.
//
// Only decides: whoever owns it tells it what happens, asks it when the time has come, and does what it says. A ping is
// due when nothing has been received for an interval; the peer is lost when a ping has left and nothing at all has come
// within the timeout, or when the ping cannot even leave and nothing else does for that long. Any byte is a sign of
// life. While we do not listen, because enough was received ahead, silence is our own and proves nothing.
#pragma once

#include <weir/core/version.hpp>

#include <chrono>
#include <cstdint>
#include <utility>

namespace weir::inline v0::detail {

class keepalive {
    using time = std::chrono::nanoseconds;

public:
    enum class verdict : unsigned char { wait, ping, lost };
    struct decision {
        verdict what;
        time again; // when to ask next, from now
    };

    explicit keepalive(time now) noexcept : x_received(now) {}

    void received(time now) noexcept {
        x_received = now;
        x_awaited = false;
    }
    time last_received() const noexcept { return x_received; }

    // A ping was queued, and later: everything that was queued with it has left.
    void ping_queued() noexcept { x_queued = true; }
    void control_left(time now) noexcept {
        if (!std::exchange(x_queued, false)) return;
        if (!std::exchange(x_awaited, true)) x_left = now;
        if (!std::exchange(x_pong_due, true)) x_sent = now; // of several pings under way, the oldest is measured
    }

    // One that was not asked for is a sign of life like any other (RFC 6455, 5.5.3).
    void pong(time now) noexcept {
        if (std::exchange(x_pong_due, false)) x_round_trip = now - x_sent;
    }
    time round_trip() const noexcept { return x_round_trip; }

    // What to do now. `bytes_out` is what has left so far; `listening`, whether we would have received something.
    decision decide(time now, std::uint64_t bytes_out, bool listening, time interval, time timeout) noexcept {
        if (x_awaited && listening) {
            if (now - x_left >= timeout) return {verdict::lost, {}};
            return {verdict::wait, timeout - (now - x_left)};
        }
        x_awaited = false;
        const time idle = now - x_received;
        if (idle < interval) return {verdict::wait, interval - idle};
        if (!x_queued) {
            x_mark = bytes_out;
            x_marked = now;
            return {verdict::ping, timeout};
        }
        if (bytes_out != x_mark || !listening) {
            x_mark = bytes_out;
            x_marked = now;
        }
        if (now - x_marked >= timeout) return {verdict::lost, {}};
        return {verdict::wait, timeout - (now - x_marked)};
    }

private:
    time x_received;
    time x_left{0};   // when the ping left that nothing was received after
    time x_sent{0};   // when the ping left whose pong is due
    time x_marked{0}; // since when x_mark bytes have left, while a ping is queued
    std::uint64_t x_mark = ~std::uint64_t{0};
    time x_round_trip{-1};
    bool x_queued = false;
    bool x_awaited = false;
    bool x_pong_due = false;
};

} // namespace weir::inline v0::detail
