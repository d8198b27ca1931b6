// What all awaitables of weir have in common.
//
// An awaitable derives from `awaitable<itself>` and has three members: `await_ready()`, `suspend(who, in)` and
// `await_resume()`. `suspend` is given the context of the awaiting coroutine (null when its type is foreign) and says
// whether it really suspended. The base turns that into the language's protocol and adds `.within(duration)` and
// `.on(stop_token)`, which bound the wait by running it in a context of its own:
//
//     auto message = co_await ws.read().within(1s);     // errc::timed_out after a second; nothing is lost
//
// Both turn a result type T into `result<T>`; a type that already carries an error stays as it is.
#pragma once

#include <weir/core/result.hpp>
#include <weir/coro/context.hpp>

#include <concepts>
#include <coroutine>
#include <optional>

namespace weir::inline v0 {

template <class Inner, class Trigger>
class bounded;
class deadline_trigger;
template <class Token>
class stop_trigger;

namespace detail {

// The context that a coroutine runs in; null for promises that are not weir's.
template <class Promise>
context* context_of(std::coroutine_handle<Promise> who) noexcept {
    if constexpr (requires { { who.promise().current_context() } -> std::same_as<context*>; })
        return who.promise().current_context();
    else
        return nullptr;
}

// A type that can say by itself that an operation failed: `result<T>` and its like.
template <class T>
concept fallible = requires(const T& value) {
    T(errc::canceled);
    std::error_code{value.error()};
    static_cast<bool>(value);
};

template <class T>
struct as_fallible {
    using type = result<T>;
};
template <fallible T>
struct as_fallible<T> {
    using type = T;
};

} // namespace detail

template <class Derived>
class awaitable {
public:
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> who) {
        return static_cast<Derived&>(*this).suspend(who, detail::context_of(who));
    }

    // The same wait, ended with `errc::timed_out` when it has not completed after `duration`. What was being waited
    // for is left as if it had not been asked for, unless its own documentation says otherwise.
    [[nodiscard]] bounded<Derived, deadline_trigger> within(std::chrono::nanoseconds duration) && {
        return bounded<Derived, deadline_trigger>(static_cast<Derived&&>(*this), duration);
    }

    // The same wait, ended with `errc::canceled` when a stop is requested of `token` (a `std::stop_token`), from any
    // thread. Needs <weir/coro/stop.hpp>, or WEIR_WITH_STOP_TOKEN before the single header.
    template <class Token>
    [[nodiscard]] bounded<Derived, stop_trigger<Token>> on(Token token) && {
        return bounded<Derived, stop_trigger<Token>>(static_cast<Derived&&>(*this), static_cast<Token&&>(token));
    }
};

} // namespace weir::inline v0
