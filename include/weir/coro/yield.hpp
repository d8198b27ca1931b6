// `co_await weir::yield()`: lets everything else that is ready run first.
//
// For a coroutine that computes for long. It always yields, in a cancelled context too, so a loop around it never keeps
// the others from running; there it gives `errc::canceled`, so that the loop can end:
//
//     auto go_on = co_await weir::yield();
//     if (!go_on) co_return;
#pragma once

#include <weir/coro/awaitable.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0 {

class [[nodiscard]] yield_awaiter : public awaitable<yield_awaiter> {
public:
    yield_awaiter() noexcept = default;
    yield_awaiter(yield_awaiter&&) noexcept {}

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        x_context = in;
        x_waiter.bounce(who, in);
        return true;
    }
    result<> await_resume() const noexcept { return x_context && x_context->canceled() ? errc::canceled : errc{}; }

private:
    context* x_context = nullptr;
    waiter x_waiter;
};

inline yield_awaiter yield() noexcept { return {}; }

} // namespace weir::inline v0
