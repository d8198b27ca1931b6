// When a connection pings its peer, and when it gives the peer up.
//
// Only decides: whoever owns it tells it what happens, asks it when the time has come, and does what it says. A ping is
// due when nothing has been received for an interval; the peer is lost when a ping has left and nothing at all has come
// within the timeout, or when the ping cannot even leave and nothing else does for that long. Any byte is a sign of
// life. While we do not listen, because enough was received ahead, silence is our own and proves nothing.
//
// The round trip is from when a ping has left to the pong with its payload. Of several pings under way the oldest and the
// newest are known, since a peer may answer the newest alone (RFC 6455, 5.5.3).
#pragma once

#include <weir/core/bytes.hpp>

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

    // What tells the payload of one ping from that of others.
    static std::uint64_t mark_of(bytes_view payload) noexcept {
        std::uint64_t mark = 14695981039346656037u; // FNV-1a
        for (const std::byte each : payload) mark = (mark ^ std::to_integer<unsigned>(each)) * 1099511628211u;
        return mark;
    }

    // A ping was queued, and later: everything that was queued with it has left.
    void ping_queued(std::uint64_t mark) noexcept {
        x_queued = true;
        if (x_under_way < 2) ++x_under_way;
        x_pings[x_under_way - 1] = {mark, unsent};
    }
    void control_left(time now) noexcept {
        if (!std::exchange(x_queued, false)) return;
        if (!std::exchange(x_awaited, true)) x_left = now;
        for (ping_under_way& each : x_pings)
            if (each.left == unsent) each.left = now;
    }

    // One that was not asked for is a sign of life like any other (RFC 6455, 5.5.3).
    void pong(std::uint64_t mark, time now) noexcept {
        for (unsigned i = 0; i < x_under_way; ++i) {
            if (x_pings[i].mark != mark || x_pings[i].left == unsent) continue;
            x_round_trip = now - x_pings[i].left;
            x_pings[0] = x_pings[1];
            x_under_way -= i + 1;
            return;
        }
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
    static constexpr time unsent{-1};
    struct ping_under_way {
        std::uint64_t mark;
        time left;
    };

    time x_received;
    time x_left{0};   // when the ping left that nothing was received after
    time x_marked{0}; // since when x_mark bytes have left, while a ping is queued
    std::uint64_t x_mark = ~std::uint64_t{0};
    time x_round_trip{-1};
    ping_under_way x_pings[2] = {}; // the oldest and the newest, of which x_under_way are there
    unsigned x_under_way = 0;
    bool x_queued = false;
    bool x_awaited = false;
};

} // namespace weir::inline v0::detail
