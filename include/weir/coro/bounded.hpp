// A wait inside a context of its own, which a trigger may cancel: what `.within(duration)` and `.on(token)` return.
//
// The trigger lives in the awaiting frame, is armed only if the wait really suspends, and is gone when it ends.
#pragma once

#include <weir/core/late.hpp>
#include <weir/coro/awaitable.hpp>

#include <cassert>
#include <utility>

namespace weir::inline v0 {

// Cancels its context at a deadline.
class deadline_trigger final : private timer {
public:
    using setting = std::chrono::nanoseconds;

    deadline_trigger(context* parent, const setting& after) noexcept
        : x_context(parent ? parent->runs_on() : *scheduler::current()) {
        if (parent) x_context.adopt_by(*parent);
        x_context.runs_on().arm(*this, after);
    }

    context& inner() noexcept { return x_context; }
    bool canceled() const noexcept { return x_context.canceled(); }

    // Why the inner wait ended early, given that it ended with `canceled`.
    errc reason() const noexcept { return x_fired ? errc::timed_out : errc::canceled; }

private:
    [[gnu::cold]] void expire() noexcept override {
        x_fired = !x_context.canceled();
        x_context.cancel();
    }

    context x_context;
    bool x_fired = false;
};

// `Inner`, bounded by `Trigger`. Movable until it is awaited.
template <class Inner, class Trigger>
class [[nodiscard]] bounded : public awaitable<bounded<Inner, Trigger>> {
public:
    using inner_type = decltype(std::declval<Inner&>().await_resume());
    using result_type = typename detail::as_fallible<inner_type>::type;

    bounded(Inner&& inner, typename Trigger::setting setting)
        : x_setting(std::move(setting)), x_inner(std::move(inner)) {}
    bounded(bounded&& other) noexcept : x_setting(std::move(other.x_setting)), x_inner(std::move(other.x_inner)) {
        assert(!other.x_trigger && "an awaitable was moved while it was being awaited");
    }

    bool await_ready() { return x_inner.await_ready(); }

    bool suspend(std::coroutine_handle<> who, context* in) {
        x_trigger.emplace(in, x_setting);
        return x_inner.suspend(who, &x_trigger->inner());
    }

    result_type await_resume() {
        if constexpr (detail::fallible<inner_type>) {
            result_type outcome = x_inner.await_resume();
            if (!outcome && outcome.error() == errc::canceled)
                if (const errc why = ended_early(); why != errc{}) return result_type(why);
            return outcome;
        } else if constexpr (std::is_void_v<inner_type>) {
            x_inner.await_resume();
            if (const errc why = ended_early(); why != errc{}) return why;
            return {};
        } else {
            inner_type value = x_inner.await_resume();
            if (const errc why = ended_early(); why != errc{}) return why;
            return result_type(std::forward<inner_type>(value));
        }
    }

private:
    // Why it ended early, if it did. What knows better than its context whether it was cut short says so.
    errc ended_early() const noexcept {
        if (!x_trigger || !x_trigger->canceled()) return errc{};
        if constexpr (requires { x_inner.interrupted(); })
            if (!x_inner.interrupted()) return errc{};
        return x_trigger->reason();
    }

    typename Trigger::setting x_setting;
    late<Trigger> x_trigger; // before x_inner, whose waits are in its context and must end first
    Inner x_inner;
};

} // namespace weir::inline v0
