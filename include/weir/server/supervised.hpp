// A handler's task in a context of its own, destroyed when it goes on and on although that is cancelled.
//
// A loop that looks at no result, `for (;;) { (void)co_await sleep(100ms); ws.send("x"); }`, is told of its cancellation at each
// wait and would never end. It is known by the waits that are refused: one that does something behind a shield has
// none. Owns the task. Loop thread only.
#pragma once

#include <weir/coro/task.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0::detail {

// Awaits to true when the task has ended, and to false when it was given up, `patience` after `where` was cancelled.
// Movable until it is awaited.
class [[nodiscard]] supervised : public awaitable<supervised>, private timer, private cancel_hook {
public:
    supervised(context& where, task<>&& handler, std::chrono::nanoseconds patience) noexcept
        : x_where(&where), x_patience(patience), x_handler(std::move(handler)) {}
    supervised(supervised&& other) noexcept
        : awaitable<supervised>(), timer(), cancel_hook(), x_where(other.x_where), x_patience(other.x_patience),
          x_handler(std::move(other.x_handler)) {}

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context*) {
        x_who = who;
        if (!x_handler.suspend(who, x_where)) return false;
        if (x_where->canceled())
            on_cancel();
        else
            x_where->add(*this);
        return true;
    }
    bool await_resume() {
        disarm();
        cancel_hook::unlink();
        if (x_given_up) return false;
        x_handler.await_resume();
        return true;
    }

private:
    static constexpr std::uint32_t heedless = 100; // waits

    [[gnu::cold]] void on_cancel() noexcept override { x_where->runs_on().arm(*this, x_patience / 2); }

    // Looks at the second half of the time only: the first is for those who tidy up.
    [[gnu::cold]] void expire() noexcept override {
        const std::uint32_t refused = x_where->refused();
        const bool goes_on = x_looked && refused - x_refused > heedless;
        x_looked = true;
        x_refused = refused;
        if (!goes_on) return x_where->runs_on().arm(*this, x_patience / 2);
        x_given_up = true;
        x_handler = {};
        x_waiter.bounce(x_who, nullptr);
    }

    context* x_where;
    std::chrono::nanoseconds x_patience;
    std::coroutine_handle<> x_who;
    task<> x_handler;
    waiter x_waiter;
    std::uint32_t x_refused = 0;
    bool x_looked = false;
    bool x_given_up = false;
};

} // namespace weir::inline v0::detail
