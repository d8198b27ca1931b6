// A handler's task in a context of its own, destroyed when it goes on and on although that is cancelled.
//
// A loop that looks at no result, `for (;;) { (void)co_await sleep(100ms); ws.send("x"); }`, is told of its cancellation at
// each wait and would never end. It is known by the waits that are refused: one that does something behind a shield has
// none. Every connection has one of these, so what is needed after a cancellation or a failure only is on the heap, and whom it
// resumes stands in the task alone. Loop thread only.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/owned.hpp>
#include <weir/coro/caught.hpp>
#include <weir/coro/task.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0::detail {

// The context, a child of `parent`, which must outlive it; and, once it has been given a task, an awaitable for that.
class supervised : public owned_context, public awaitable<supervised> {
public:
    // What went wrong, for a log: the handler threw, or was given up, `patience` after its context was cancelled. Null when it
    // has ended in order.
    using outcome = owned<const std::string>;

    explicit supervised(context& parent) noexcept : owned_context(parent) {}
    supervised(const supervised&) = delete;

    // Takes over what is to be awaited next; once that has ended, there may be something else.
    void look_after(task<>&& handler) noexcept {
        tell_owner(false); // before the one that goes, whose end may cancel the context
        x_handler = std::move(handler);
    }

    // Where the handler uses what goes before this does: made behind that, and the handler goes with it.
    struct [[nodiscard]] user {
        explicit user(supervised& by) noexcept : x_by(by) {}
        user(const user&) = delete;
        ~user() { x_by.look_after({}); }

    private:
        supervised& x_by;
    };

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context*) {
        if (!x_handler.suspend(who, this)) return false;
        if (canceled())
            on_canceled();
        else
            tell_owner(true);
        return true;
    }
    outcome await_resume() {
        tell_owner(false);
        task<> ended = std::move(x_handler); // which goes at once, whatever it gives
        const owned<reaper> looked = std::move(x_reaper);
        if (looked && looked->has_reaped()) return said("gave up a handler that went on when cancelled");
        std::string thrown;
        if (runs_through([&ended] { ended.await_resume(); }, thrown)) return {};
        return said(concat({"a handler threw: ", thrown}));
    }

protected:
    [[gnu::cold]] ~supervised() { tell_owner(false); } // as `look_after`

    virtual std::chrono::nanoseconds patience() const noexcept = 0;

    bool x_failed = false; // for whoever derives from this; there is room for it here, behind what the context ends with

private:
    [[gnu::cold]] static outcome said(std::string what) { return outcome(new std::string(std::move(what))); }

    // Looks twice: at what the handler does in the second half of the time. The first is for those who tidy up.
    class reaper final : private timer {
    public:
        explicit reaper(supervised& of) noexcept : x_of(of) { wait(); }
        bool has_reaped() const noexcept { return x_reaped; }

    private:
        static constexpr std::uint32_t heedless = 100; // waits

        [[gnu::cold]] void wait() noexcept { x_of.runs_on().arm(*this, x_of.patience() / 2); }

        [[gnu::cold]] void expire() noexcept override {
            const std::uint32_t refused = x_of.refused();
            const bool goes_on = x_looked && refused - x_refused > heedless;
            x_looked = true;
            x_refused = refused;
            if (!goes_on) return wait();
            x_reaped = true;
            const std::coroutine_handle<> who = x_of.x_handler.promise().parent();
            x_of.x_handler = {};
            x_resumes.bounce(who, nullptr);
        }

        supervised& x_of;
        waiter x_resumes;
        std::uint32_t x_refused = 0;
        bool x_looked = false;
        bool x_reaped = false;
    };

    [[gnu::cold]] void on_canceled() noexcept override { x_reaper = owned<reaper>(new reaper(*this)); }

    task<> x_handler;
    owned<reaper> x_reaper;
};

// The same with a patience that stands somewhere else, as long.
class supervised_for final : public supervised {
public:
    supervised_for(context& parent, const std::chrono::nanoseconds& patience) noexcept : supervised(parent), x_patience(patience) {}

private:
    std::chrono::nanoseconds patience() const noexcept override { return x_patience; }

    const std::chrono::nanoseconds& x_patience;
};

} // namespace weir::inline v0::detail
