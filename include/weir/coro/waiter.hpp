// A suspended coroutine, waiting in a list for something to happen.
//
// Every awaiter of weir that suspends holds one, in the coroutine's frame. It is a node of three lists in turn or at
// once: the list of what it waits for, the ready list, and the context's list of what to cancel. Destroying
// it leaves all of them, so a suspended frame may be destroyed at any moment. Loop thread only.
#pragma once

#include <weir/core/errc.hpp>
#include <weir/coro/context.hpp>

#include <cassert>
#include <coroutine>

namespace weir::inline v0 {

class waiter final : public ready_item, private cancel_hook {
public:
    waiter() noexcept = default;
    explicit waiter(scheduler& on) noexcept : x_scheduler(&on) {} // where it will wait: `runs_on` knows it from the start

    // Notes who waits, in which context; the coroutine suspends in any case. False when the context is cancelled already:
    // then the waiter is woken with `canceled`, and there is nothing to wait for. So a coroutine that goes on in
    // a cancelled context gives way to the others at each wait. `in` may be null for a coroutine of a foreign type.
    bool suspend(std::coroutine_handle<> who, context* in) noexcept { return suspend_here(who, in); }

    // The same, inline: for what happens with every message.
    [[gnu::always_inline]] inline bool suspend_here(std::coroutine_handle<> who, context* in) noexcept {
        x_who = who;
        x_outcome = errc{};
        x_scheduler = in ? &in->runs_on() : scheduler::current();
        assert(x_scheduler && "an operation of weir was awaited on a thread that runs no loop");
        cancel_hook::unlink();
        if (in && in->canceled()) [[unlikely]] return refuse(*in);
        if (in) in->add(*this);
        return true;
    }

    // The same for one whose last wait, in the same context, was ended by `resume`: it has stayed in the context's list. False, and
    // nothing done, where it is not the first there: it has waited elsewhere, others have come, or the context is cancelled.
    [[gnu::always_inline]] inline bool suspend_again(std::coroutine_handle<> who, const context* in) noexcept {
        if (!in || !in->tells_first(*this)) return false;
        x_who = who;
        return true;
    }

    // Suspends only to give way: the coroutine is resumed with this outcome, cancelled or not.
    [[gnu::cold]] void bounce(std::coroutine_handle<> who, context* in, errc outcome = errc{}) noexcept {
        if (in) in->refuse();
        suspend(who, nullptr);
        wake(outcome);
    }

    // Leaves whatever it waits in and has the coroutine resumed from the ready list. The outcome is `errc{}` or why
    // the wait ended otherwise.
    [[gnu::noinline]] void wake(errc outcome = errc{}) noexcept {
        cancel_hook::unlink();
        x_outcome = outcome;
        x_scheduler->post(*this);
    }

    // The same at once, from the bottom of the loop, where nothing else is under way that the coroutine might disturb. It
    // must be waiting and not woken. It stays in the list of the context, of which it will not be told anything while it does
    // not wait: a reader need not go there for each message.
    void resume() noexcept { waiter::run(); }

    // Gives the wait up: the coroutine is not resumed by it.
    void abandon() noexcept {
        ready_item::unlink();
        cancel_hook::unlink();
        x_who = nullptr;
    }

    // `errc{}` when what was waited for has happened; `canceled`, or what `wake` was given, otherwise.
    errc outcome() const noexcept { return x_outcome; }
    bool canceled() const noexcept { return x_outcome == errc::canceled; }

    // Whether it is suspended and not yet woken, or woken and not yet resumed.
    bool waiting() const noexcept { return static_cast<bool>(x_who); }

    // Whether it was woken and not yet resumed; `posted`: of one that is waiting.
    bool woken() const noexcept { return waiting() && posted(); }
    bool posted() const noexcept { return ready_item::linked(); }

    scheduler& runs_on() const noexcept { return *x_scheduler; }

private:
    [[gnu::noinline]] bool refuse(context& in) noexcept {
        in.refuse();
        wake(errc::canceled);
        return false;
    }
    void run() noexcept override {
        const std::coroutine_handle<> who = x_who;
        x_who = nullptr;
        who.resume();
    }
    void on_cancel() noexcept override {
        if (x_who) wake(errc::canceled);
    }

    std::coroutine_handle<> x_who;
    scheduler* x_scheduler = nullptr;
    errc x_outcome{};
};

} // namespace weir::inline v0
