// A handler's task in a context of its own, destroyed when it goes on and on although that is cancelled.
//
// A loop that looks at no result, `for (;;) { (void)co_await sleep(100ms); ws.send("x"); }`, is told of its cancellation at
// each wait and would never end. It is known by the waits that are refused: one that does something behind a shield has
// none. Every connection has one of these, so what is needed after a cancellation or a failure only is on the heap, and its
// context and whom it resumes stand in the task alone. Owns the task. Loop thread only.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/owned.hpp>
#include <weir/coro/caught.hpp>
#include <weir/coro/task.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0::detail {

class [[nodiscard]] supervised : public awaitable<supervised>, private cancel_hook {
public:
    // What went wrong, for a log: the handler threw, or was given up, `patience` after `where` was cancelled. Null when it has
    // ended in order.
    using outcome = owned<const std::string>;

    // Everything that is given by reference must live until it has been awaited.
    supervised(context& where, task<>&& handler, const std::chrono::nanoseconds& patience) noexcept
        : x_patience(patience), x_handler(std::move(handler)) {
        x_handler.promise().will_run_in(where);
    }
    supervised(const supervised&) = delete;
    [[gnu::cold]] ~supervised() { cancel_hook::unlink(); } // before the handler, whose end may cancel the context

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context*) {
        context& in = where();
        if (!x_handler.suspend(who, &in)) return false;
        if (in.canceled())
            on_cancel();
        else
            in.add(*this);
        return true;
    }
    outcome await_resume() {
        cancel_hook::unlink();
        if (x_reaper && x_reaper->has_reaped()) return said("gave up a handler that went on when cancelled");
        x_reaper.reset();
        std::string thrown;
        if (runs_through([this] { x_handler.await_resume(); }, thrown)) return {};
        return said(concat({"a handler threw: ", thrown}));
    }

private:
    [[gnu::cold]] static outcome said(std::string what) { return outcome(new std::string(std::move(what))); }

    // Looks twice: at what the handler does in the second half of the time. The first is for those who tidy up.
    class reaper final : private timer {
    public:
        explicit reaper(supervised& of) noexcept : x_of(of) { wait(); }
        bool has_reaped() const noexcept { return x_reaped; }

    private:
        static constexpr std::uint32_t heedless = 100; // waits

        void wait() noexcept { x_of.where().runs_on().arm(*this, x_of.x_patience / 2); }

        [[gnu::cold]] void expire() noexcept override {
            const std::uint32_t refused = x_of.where().refused();
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

    [[gnu::cold]] void on_cancel() noexcept override { x_reaper = owned<reaper>(new reaper(*this)); }

    context& where() const noexcept { return *x_handler.promise().current_context(); }

    const std::chrono::nanoseconds& x_patience;
    task<> x_handler;
    owned<reaper> x_reaper;
};

} // namespace weir::inline v0::detail
