// How many pings and pongs a peer has sent, against how many it may send.
//
// A window of ten seconds holds ten seconds' worth, however they are spread over it. It stays open, and what it may
// hold grows, until we have seen everything that the peer sent: a loop that was busy does not blame the peer. For the
// time in which we did not want to hear anything, because enough was received ahead, the peer keeps what it might have
// sent. A pong that answers a ping of ours is not counted. The clock is that of the loop, and there is no timer.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/duration.hpp>

#include <cstdint>

namespace weir::inline v0::detail {

class control_budget {
    using time = std::chrono::nanoseconds;

public:
    static constexpr time window = std::chrono::seconds(10);

    explicit control_budget(time now) noexcept : x_began(now) {}

    // Everything that the peer has sent before now has been seen. Says nothing while we do not look.
    void caught_up(time now) noexcept {
        if (now - x_began < window || is_paused()) return;
        x_began = now;
        if (x_count > 0) x_count = 0;
    }

    // We look no longer; and we look again.
    void pause(time now) noexcept {
        if (is_paused()) return;
        const std::int64_t after = (now - x_began) / milliseconds(1), most = not_paused - 1; // seven weeks
        x_paused_after = static_cast<std::uint32_t>(after < most ? after : most);
    }
    bool is_paused() const noexcept { return x_paused_after != not_paused; }
    [[gnu::cold, gnu::noinline]] void resume(time now, std::uint32_t a_second) noexcept {
        const time away = now - x_began - milliseconds(exchanged(x_paused_after, not_paused));
        x_began += away;
        const std::int64_t kept = away / std::chrono::seconds(1) * std::int64_t{a_second}, least = INT32_MIN;
        x_count = static_cast<std::int32_t>(kept > x_count - least ? least : x_count - kept);
    }

    // A ping of ours: one pong is due.
    void ping_queued() noexcept { ++x_due; }

    // A ping, or a pong, has come. False when there are more than `a_second` allows.
    bool ping(time now, std::uint32_t a_second) noexcept {
        const time open = now - x_began < window ? window : now - x_began;
        if (x_count < INT32_MAX) ++x_count;
        return x_count <= open / std::chrono::seconds(1) * std::int64_t{a_second};
    }
    bool pong(time now, std::uint32_t a_second) noexcept {
        if (!x_due) return ping(now, a_second);
        --x_due;
        return true;
    }

    // How many were counted, and since when: of interest once there were too many.
    std::uint64_t count() const noexcept { return static_cast<std::uint64_t>(x_count); }
    time began() const noexcept { return x_began; }

private:
    using milliseconds = std::chrono::milliseconds;
    static constexpr std::uint32_t not_paused = UINT32_MAX;

    time x_began;
    std::int32_t x_count = 0; // negative: what was kept
    std::uint32_t x_due = 0;
    std::uint32_t x_paused_after = not_paused; // since when we do not look: milliseconds after x_began
};

} // namespace weir::inline v0::detail
