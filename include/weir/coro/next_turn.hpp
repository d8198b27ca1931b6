// `co_await weir::next_turn()`: goes on in the loop's next turn, when new events were taken in.
//
// For work in steps that each take a while: `yield` lets what is ready run first, this lets the loop look for more. In a
// cancelled context it gives `errc::canceled`. Loop thread only.
#pragma once

#include <weir/coro/awaitable.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0 {

class [[nodiscard]] next_turn_awaiter : public awaitable<next_turn_awaiter>, private ready_item {
public:
    next_turn_awaiter() noexcept = default;
    next_turn_awaiter(next_turn_awaiter&&) noexcept {}

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        if (x_waiter.suspend(who, in)) x_waiter.runs_on().post_next_turn(*this);
        return true;
    }
    result<> await_resume() const noexcept { return x_waiter.outcome(); }

private:
    void run() noexcept override { x_waiter.wake(); }

    waiter x_waiter;
};

inline next_turn_awaiter next_turn() noexcept { return {}; }

} // namespace weir::inline v0
