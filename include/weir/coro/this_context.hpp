// `co_await weir::this_context()`: the context that the awaiting coroutine runs in, without suspending it.
//
// Null in a coroutine of a foreign type. The context is whole as long as the awaiting coroutine runs in it: do not keep
// the pointer longer than that.
#pragma once

#include <weir/coro/awaitable.hpp>

namespace weir::inline v0 {

class [[nodiscard]] this_context_awaiter : public awaitable<this_context_awaiter> {
public:
    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<>, context* in) noexcept {
        x_context = in;
        return false;
    }
    context* await_resume() const noexcept { return x_context; }

private:
    context* x_context = nullptr;
};

inline this_context_awaiter this_context() noexcept { return {}; }

} // namespace weir::inline v0
