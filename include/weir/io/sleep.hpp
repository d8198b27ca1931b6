// Waiting for time to pass.
#pragma once

#include <weir/coro/bounded.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0 {

// Awaits to success once the time has passed, or to `errc::canceled`.
class [[nodiscard]] sleep_awaiter : public awaitable<sleep_awaiter>, private timer {
public:
    explicit sleep_awaiter(std::chrono::nanoseconds duration) noexcept : x_duration(duration) {}
    sleep_awaiter(sleep_awaiter&& other) noexcept : x_duration(other.x_duration) {}

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        if (x_waiter.suspend(who, in)) x_waiter.runs_on().arm(*this, x_duration);
        return true;
    }
    result<> await_resume() noexcept {
        disarm();
        if (x_waiter.outcome() != errc{}) return x_waiter.outcome();
        return {};
    }

private:
    void expire() noexcept override { x_waiter.wake(); }

    std::chrono::nanoseconds x_duration;
    waiter x_waiter;
};

// `co_await weir::sleep(20ms)`: resumes no earlier than `duration` after this turn began, on the loop's thread.
inline sleep_awaiter sleep(std::chrono::nanoseconds duration) noexcept { return sleep_awaiter(duration); }

} // namespace weir::inline v0
