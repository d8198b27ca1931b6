// `co_await weir::in_context(where, operation)`: runs the operation in a context of the caller's choice.
//
// The operation is cancelled with `where`, which must outlive it, and not with the awaiting coroutine, unless `where` is a
// child of its context. A `.within()` belongs on the operation, inside. Loop thread only.
#pragma once

#include <weir/coro/awaitable.hpp>

#include <utility>

namespace weir::inline v0 {

// Movable until it is awaited.
template <class Inner>
class [[nodiscard]] placed : public awaitable<placed<Inner>> {
public:
    placed(context& where, Inner&& inner) : x_where(&where), x_inner(std::move(inner)) {}

    bool await_ready() { return x_inner.await_ready(); }
    bool suspend(std::coroutine_handle<> who, context*) { return x_inner.suspend(who, x_where); }
    decltype(auto) await_resume() { return x_inner.await_resume(); }

private:
    context* x_where;
    Inner x_inner;
};

template <class Awaitable>
placed<Awaitable> in_context(context& where, Awaitable operation) {
    return placed<Awaitable>(where, std::move(operation));
}

} // namespace weir::inline v0
