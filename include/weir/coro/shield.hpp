// `co_await weir::shield(operation)`: runs the operation in a context without a parent, so that it goes on when the
// awaiting coroutine is cancelled.
//
// For what must be done in any case, such as a close handshake. Give it a deadline of its own, inside:
//
//     co_await weir::shield(ws.close().within(5s));
//
// A `.within()` or `.on()` outside has no effect on what is shielded. A shield keeps cancellation out, not the end: when
// the awaiting frame is destroyed, so is the operation. Loop thread only.
#pragma once

#include <weir/core/late.hpp>
#include <weir/coro/awaitable.hpp>

#include <cassert>
#include <utility>

namespace weir::inline v0 {

// Movable until it is awaited.
template <class Inner>
class [[nodiscard]] shielded : public awaitable<shielded<Inner>> {
public:
    explicit shielded(Inner&& inner) : x_inner(std::move(inner)) {}
    shielded(shielded&& other) : x_inner(std::move(other.x_inner)) {
        assert(!other.x_context && "an awaitable was moved while it was being awaited");
    }

    bool await_ready() { return x_inner.await_ready(); }
    bool suspend(std::coroutine_handle<> who, context* in) {
        x_context.emplace(in ? in->runs_on() : *scheduler::current());
        return x_inner.suspend(who, &*x_context);
    }
    decltype(auto) await_resume() { return x_inner.await_resume(); }

    // Whether cancellation cut it short: never. Tells `.within()` that the value is whole.
    static constexpr bool interrupted() noexcept { return false; }

private:
    late<context> x_context; // before x_inner, whose waits are in it and must end first
    Inner x_inner;
};

template <class Awaitable>
shielded<Awaitable> shield(Awaitable operation) {
    return shielded<Awaitable>(std::move(operation));
}

} // namespace weir::inline v0
