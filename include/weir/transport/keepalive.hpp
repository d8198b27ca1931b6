// When a connection pings its peer, and when it gives the peer up.
//
// Only decides: whoever owns it tells it what happens, asks it when the time has come, and does what it says. A ping is
// due when nothing has been received for an interval; the peer is lost when a ping has left and nothing at all has come
// within the timeout, or when the ping cannot even leave and nothing else does for that long. A ping may also stand
// behind much else in the system's own queue: as long as that shrinks, the peer is there. Any byte is a sign of
// life. While we do not listen, because enough was received ahead, silence is our own and proves nothing, unless a send
// waits for the peer to take something: then neither side would ever go on.
//
// The round trip is from when a ping has left to the pong with its payload. Of several pings under way the oldest and the
// newest are known, since a peer may answer the newest alone (RFC 6455, 5.5.3).
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/coro/duration.hpp>

#include <cstdint>

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

    // What tells the payload of one ping from that of others: few are under way at a time.
    static std::uint32_t mark_of(bytes_view payload) noexcept {
        std::uint32_t mark = 2166136261u; // FNV-1a
        for (const std::byte each : payload) mark = (mark ^ std::to_integer<std::uint32_t>(each)) * 16777619u;
        return mark;
    }

    // A ping was queued, and later: everything that was queued with it has left.
    void ping_queued(std::uint64_t mark) noexcept {
        x_queued = true;
        if (x_under_way < 2) ++x_under_way;
        x_pings[x_under_way - 1] = {mark, unsent};
    }
    void control_left(time now, std::uint64_t bytes_out) noexcept {
        if (!exchanged(x_queued, false)) return;
        x_end = bytes_out;
        if (!exchanged(x_awaited, true)) x_left = now;
        for (ping_under_way& each : x_pings)
            if (each.left == unsent) each.left = now;
    }

    // One that was not asked for is a sign of life like any other (RFC 6455, 5.5.3). One that answers a ping which was
    // not seen to leave shows that it has left, though something queued with it has not: nothing is awaited then.
    void pong(std::uint64_t mark, time now) noexcept {
        for (unsigned i = 0; i < x_under_way; ++i) {
            if (x_pings[i].mark != mark) continue;
            if (x_pings[i].left != unsent)
                x_round_trip = now - x_pings[i].left;
            else if (i + 1 == x_under_way)
                x_queued = false;
            x_pings[0] = x_pings[1];
            x_under_way -= i + 1;
            return;
        }
    }
    time round_trip() const noexcept { return x_round_trip; }

    // What to do now. `bytes_out` is what has left so far, and `under_way`, how much of that the peer's system may not
    // have; `listening`, whether we would have received something; `stuck`, whether a send waits.
    decision decide(time now, std::uint64_t bytes_out, std::size_t under_way, bool listening, bool stuck, time interval,
                    time timeout) noexcept {
        const std::uint64_t arrived = bytes_out > under_way ? bytes_out - under_way : 0;
        const bool moves = exchanged(x_arrived, arrived) != arrived;
        if (x_awaited && listening) {
            const bool on_its_way = arrived < x_end;
            if (on_its_way && moves) x_left = now;
            return wait_or_lose(now - x_left, timeout, on_its_way);
        }
        x_awaited = false;
        const time idle = now - x_received;
        if (idle < interval) return {verdict::wait, interval - idle};
        if (!x_queued) {
            x_marked = now;
            return {verdict::ping, under_way ? timeout / looks : timeout};
        }
        if (moves || !(listening || stuck)) x_marked = now;
        return wait_or_lose(now - x_marked, timeout, true);
    }

private:
    static constexpr time unsent{-1};
    static constexpr int looks = 4; // during a timeout, at how a ping gets on
    struct ping_under_way {
        std::uint64_t mark;
        time left;
    };

    static decision wait_or_lose(time silent, time timeout, bool look_again) noexcept {
        if (silent >= timeout) return {verdict::lost, {}};
        const time left = timeout - silent;
        return {verdict::wait, look_again && left > timeout / looks ? timeout / looks : left};
    }

    time x_received;
    time x_left{0};              // when the ping left that nothing was received after, or was last seen to get on
    time x_marked{0};            // since when nothing has left, while a ping is queued
    std::uint64_t x_end = 0;     // bytes that had left with the last ping
    std::uint64_t x_arrived = 0; // and that the peer's system had, when we looked last
    time x_round_trip{-1};
    ping_under_way x_pings[2] = {}; // the oldest and the newest, of which x_under_way are there
    unsigned x_under_way = 0;
    bool x_queued = false;
    bool x_awaited = false;
};

} // namespace weir::inline v0::detail
