// Where a coroutine runs: its scheduler and its place in the tree of cancellation.
//
// Each promise of weir carries a pointer to a context and inherits it from whoever awaits it. Cancelling a context
// cancels everything below it and is level-triggered: what waits in it is woken with `errc::canceled`, and so is, at
// once, whatever would wait in it later: it only lets the others run first. A context without a parent is a shield.
// Loop thread only; nothing is resumed inside `cancel()`, only posted.
#pragma once

#include <weir/core/chain.hpp>
#include <weir/coro/scheduler.hpp>

namespace weir::inline v0 {

// Something that waits in a context and is to be told when the context is cancelled.
class cancel_hook : public chain_node<cancel_hook> {
public:
    // The hook has left the context's list by then. Must not destroy contexts or resume coroutines.
    virtual void on_cancel() noexcept = 0;

protected:
    ~cancel_hook() = default;
};

class context : public chain_node<context> {
public:
    // A root: never cancelled from above.
    explicit context(scheduler& runs_on) noexcept : x_scheduler(&runs_on) {}

    // A child: cancelled with its parent, which must outlive it; cancelled from the start if the parent is.
    explicit context(context& parent) noexcept : x_scheduler(parent.x_scheduler) { adopt_by(parent); }

    ~context() {
        while (context* child = x_children.front()) {
            child->unlink();
            child->x_parent = nullptr;
        }
    }

    scheduler& runs_on() const noexcept { return *x_scheduler; }
    bool canceled() const noexcept { return x_canceled; }

    // Cancels this context and everything below it, the oldest first. Doing so twice is doing it once.
    void cancel() noexcept;

    // Makes this context a child of `parent`.
    void adopt_by(context& parent) noexcept {
        unlink();
        x_parent = &parent;
        parent.x_children.push_front(*this);
        if (parent.x_canceled) cancel();
    }

    context* parent() const noexcept { return x_parent; }

    // Counts a wait that was refused since this context is cancelled, and in those above it that are. How one tells a
    // coroutine that does not heed its cancellation.
    void refuse() noexcept {
        for (context* each = this; each && each->x_canceled; each = each->x_parent) ++each->x_refused;
    }
    std::uint32_t refused() const noexcept { return x_refused; }

    // Has `hook` told when this context is cancelled, which it must not be yet.
    void add(cancel_hook& hook) noexcept { x_hooks.push_front(hook); }

    // Whether `hook` is the one that was added last, of those that are to be told.
    bool tells_first(const cancel_hook& hook) const noexcept { return x_hooks.begins_with(hook); }

private:
    friend class owned_context;

    scheduler* x_scheduler;
    context* x_parent = nullptr;
    chain<context> x_children; // the youngest first
    chain<cancel_hook> x_hooks; // the same
    std::uint32_t x_refused = 0;
    bool x_canceled = false;
    bool x_tells_owner = false;
};

// A context that says when it is cancelled: for one with an owner that looks after what runs in it, who needs no hook so.
class owned_context : public context {
public:
    explicit owned_context(context& parent) noexcept : context(parent) {}

    // Whether to say so, from now on.
    void tell_owner(bool wanted) noexcept { x_tells_owner = wanted; }

    // Has been told of by then: all that waits in it. Must not destroy contexts or resume coroutines.
    virtual void on_canceled() noexcept = 0;

protected:
    ~owned_context() = default;
};

[[gnu::cold]] inline void context::cancel() noexcept {
    if (x_canceled) return;
    x_canceled = true;
    x_hooks.reverse();
    while (cancel_hook* hook = x_hooks.front()) {
        hook->unlink();
        hook->on_cancel();
    }
    if (x_tells_owner) static_cast<owned_context*>(this)->on_canceled();
    x_children.reverse();
    for (context* child = x_children.front(); child; child = x_children.after(*child)) child->cancel();
}

} // namespace weir::inline v0
