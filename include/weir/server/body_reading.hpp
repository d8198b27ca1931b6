// What `exchange::read` returns: waits for a piece of the body.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/coro/bounded.hpp>
#include <weir/coro/waiter.hpp>

namespace weir::inline v0::detail {

// `Exchange`: which has it as a friend, and must outlive it.
template <class Exchange>
class [[nodiscard]] body_reading : public awaitable<body_reading<Exchange>> {
public:
    explicit body_reading(Exchange& from) noexcept : x_from(&from) {}
    body_reading(body_reading&& other) noexcept : x_from(other.x_from) {}
    ~body_reading() { leave(); }

    bool await_ready() noexcept { return x_from->x_reader || x_from->look_for_reader(); }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        if (x_waiter.suspend(who, in)) x_from->begin_wait(x_waiter);
        return true;
    }
    result<bytes_view> await_resume() noexcept {
        if (x_from->x_reader && x_from->x_reader != &x_waiter) return errc::busy;
        leave();
        return x_from->take_found(x_waiter.outcome());
    }

private:
    void leave() noexcept {
        if (x_from->x_reader == &x_waiter) x_from->end_wait();
    }

    Exchange* x_from;
    waiter x_waiter;
};

} // namespace weir::inline v0::detail
