// When a connection pings its peer, and when it gives the peer up.
//
// Only decides: whoever owns it tells it what happens, asks it when the time has come, and does what it says. A ping is
// due when nothing has been received for an interval; the peer is lost when a ping has left and nothing at all has come
// within the timeout, or when the ping cannot even leave and nothing else does for that long. A ping may also stand
// behind much else in the system's own queue: as long as that shrinks, the peer is there. Any byte is a sign of
// life. While we do not listen, because enough was received ahead, silence is our own and proves nothing, unless a send
// waits for the peer to take something: then neither side would ever go on.
//
// The round trip is from when a ping has left to the pong with its payload, in whole microseconds and up to half an hour. Of several
// pings under way the oldest and the newest are known, since a peer may answer the newest alone (RFC 6455, 5.5.3).
//
// What is known of pings is on the heap, only while there are any: most of its time an idle connection has none. The owner keeps it,
// and gives it up when `pong` says so. A ping for which there is no memory is not watched, and of our own none is sent then.
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

    // The oldest ping and the newest, of which `under_way` are there.
    struct pings {
        static constexpr time unsent{-1};

        time left[2] = {unsent, unsent};
        time silent_since{0};      // when the ping left that nothing was received after, or was last seen to get on
        time stuck_since = unsent; // since when nothing has left, while a ping is queued
        std::uint64_t end = 0;     // bytes that had left with the last ping
        std::uint64_t arrived = 0; // and that the peer's system had, when we looked last
        std::uint32_t marks[2] = {};
        unsigned under_way = 0;
        bool queued = false;
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
    void ping_queued(pings& all, std::uint32_t mark) noexcept {
        all.queued = true;
        if (all.under_way < 2) ++all.under_way;
        all.marks[all.under_way - 1] = mark;
        all.left[all.under_way - 1] = unsent;
    }
    void control_left(pings& all, time now, std::uint64_t bytes_out) noexcept {
        if (!exchanged(all.queued, false)) return;
        all.end = bytes_out;
        if (!exchanged(x_awaited, true)) all.silent_since = now;
        for (unsigned i = 0; i < all.under_way; ++i)
            if (all.left[i] == unsent) all.left[i] = now;
    }

    // One that was not asked for is a sign of life like any other (RFC 6455, 5.5.3). One that answers a ping which was
    // not seen to leave shows that it has left, though something queued with it has not: nothing is awaited then. True when
    // no ping is under way any more.
    bool pong(pings& all, std::uint32_t mark, time now) noexcept {
        for (unsigned i = 0; i < all.under_way; ++i) {
            if (all.marks[i] != mark) continue;
            if (all.left[i] != unsent)
                x_round_trip = microseconds(now - all.left[i]);
            else if (i + 1 == all.under_way)
                all.queued = false;
            all.marks[0] = all.marks[1];
            all.left[0] = all.left[1];
            all.under_way -= i + 1;
            return !all.under_way && !all.queued && !x_awaited;
        }
        return false;
    }
    time round_trip() const noexcept { return std::chrono::microseconds(x_round_trip); }

    // What to do now; `all` is null while there are no pings. `bytes_out` is what has left so far, and `under_way`, how much of that
    // the peer's system may not have; `listening`, whether we would have received something; `stuck`, whether a send waits.
    decision decide(pings* all, time now, std::uint64_t bytes_out, std::size_t under_way, bool listening, bool stuck, time interval,
                    time timeout) noexcept {
        const std::uint64_t arrived = arrived_of(bytes_out, under_way);
        const bool moves = all && exchanged(all->arrived, arrived) != arrived;
        if (x_awaited && listening) {
            const bool on_its_way = arrived < all->end;
            if (on_its_way && moves) all->silent_since = now;
            return wait_or_lose(now - all->silent_since, timeout, on_its_way);
        }
        x_awaited = false;
        const time idle = now - x_received;
        if (idle < interval) return {verdict::wait, interval - idle};
        if (!all || !all->queued) return {verdict::ping, under_way ? timeout / looks : timeout};
        if (moves || !(listening || stuck) || all->stuck_since == unsent) all->stuck_since = now;
        return wait_or_lose(now - all->stuck_since, timeout, true);
    }
    // What it says is to be done: a ping is about to be queued.
    void begin_ping(pings& all, time now, std::uint64_t bytes_out, std::size_t under_way) noexcept {
        all.arrived = arrived_of(bytes_out, under_way);
        all.stuck_since = now;
    }

private:
    static constexpr time unsent = pings::unsent;
    static constexpr int looks = 4; // during a timeout, at how a ping gets on

    static std::uint64_t arrived_of(std::uint64_t bytes_out, std::size_t under_way) noexcept {
        return bytes_out > under_way ? bytes_out - under_way : 0;
    }

    static std::int32_t microseconds(time of) noexcept {
        const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(of).count();
        return whole < INT32_MAX ? static_cast<std::int32_t>(whole) : INT32_MAX;
    }

    static decision wait_or_lose(time silent, time timeout, bool look_again) noexcept {
        if (silent >= timeout) return {verdict::lost, {}};
        const time left = timeout - silent;
        return {verdict::wait, look_again && left > timeout / looks ? timeout / looks : left};
    }

    time x_received;
    std::int32_t x_round_trip = -1; // in microseconds, which spares every connection half of the place
    bool x_awaited = false; // a ping has left, and nothing was received after it
};

} // namespace weir::inline v0::detail
