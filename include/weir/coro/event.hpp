// A flag that coroutines wait for.
//
// Any number may wait; `set` has all of them resumed, later in the turn, in the order in which they came. A waiter that
// was woken stays woken when the event is reset before it runs. An event that dies ends the waits for it with
// `errc::closed`. Owns no memory. Loop thread only.
#pragma once

#include <weir/coro/awaitable.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0 {

class event {
public:
    event() noexcept = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event() { wake_all(errc::closed); }

    bool is_set() const noexcept { return x_set; }

    // Lets all who wait go on, and all who will, until `reset`. Resumes nobody inside the call.
    void set() noexcept {
        x_set = true;
        wake_all(errc{});
    }

    void reset() noexcept { x_set = false; }

    class [[nodiscard]] wait_awaiter : public awaitable<wait_awaiter> {
    public:
        explicit wait_awaiter(event& awaited) noexcept : x_event(&awaited) {}
        wait_awaiter(wait_awaiter&& other) noexcept : x_event(other.x_event) {
            assert(!other.x_waiter.waiting() && "an awaitable was moved while it was being awaited");
        }

        bool await_ready() const noexcept { return x_event->x_set; }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            if (x_waiter.suspend(who, in)) x_event->x_waiting.push_back(x_waiter);
            return true;
        }
        result<> await_resume() const noexcept { return x_waiter.outcome(); }

    private:
        event* x_event;
        waiter x_waiter;
    };

    // Completes once the event is set, at once when it is; `canceled` or `closed` otherwise.
    wait_awaiter wait() noexcept { return wait_awaiter(*this); }

private:
    void wake_all(errc outcome) noexcept {
        while (ready_item* first = x_waiting.front()) static_cast<waiter*>(first)->wake(outcome); // which leaves the list
    }

    list<ready_item> x_waiting; // of waiters
    bool x_set = false;
};

} // namespace weir::inline v0
