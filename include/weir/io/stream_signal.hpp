// Waiting for a stream in a coroutine.
//
// One reader and one writer may wait at a time. What was told before anybody waited is remembered, so no event is
// missed between a `blocked` and the wait for it.
#pragma once

#include <weir/coro/bounded.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/io/stream.hpp>

namespace weir::inline v0::io {

// The observer of a stream, or of any two events, for as long as it lives.
class stream_signal final : public stream_observer {
    struct side {
        bool told = false;
        waiter* waits = nullptr;

        void tell() noexcept {
            told = true;
            if (waits) std::exchange(waits, nullptr)->wake();
        }
    };

public:
    // Observes `of`, which must outlive this object or be given another observer first.
    explicit stream_signal(stream& of) noexcept : x_stream(&of) { of.observe(this); }
    stream_signal(const stream_signal&) = delete;
    stream_signal& operator=(const stream_signal&) = delete;
    ~stream_signal() { detach(); }

    // Observes again, after somebody else has: what was told meanwhile is not known here.
    void attach(stream& of) noexcept {
        x_stream = &of;
        of.observe(this);
    }

    // Observes no longer.
    void detach() noexcept {
        if (x_stream) std::exchange(x_stream, nullptr)->observe(nullptr);
    }

    class [[nodiscard]] wait : public awaitable<wait> {
    public:
        explicit wait(side& which) noexcept : x_side(&which) {}
        wait(wait&& other) noexcept : x_side(other.x_side) {}
        ~wait() { leave(); }

        bool await_ready() const noexcept { return x_side->told; }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            if (x_side->waits) {
                x_busy = true;
                return false;
            }
            if (x_waiter.suspend(who, in)) x_side->waits = &x_waiter;
            return true;
        }
        result<> await_resume() noexcept {
            leave();
            if (x_busy) return errc::busy;
            if (x_waiter.outcome() != errc{}) return x_waiter.outcome();
            x_side->told = false;
            return {};
        }

    private:
        void leave() noexcept {
            if (x_side->waits == &x_waiter) x_side->waits = nullptr;
        }

        side* x_side;
        waiter x_waiter;
        bool x_busy = false;
    };

    // Completes when `fill` has news.
    wait readable() noexcept { return wait(x_readable); }

    // Completes when `write` can take more, or connecting has come to an end.
    wait writable() noexcept { return wait(x_writable); }

private:
    void on_readable() noexcept override { x_readable.tell(); }
    void on_writable() noexcept override { x_writable.tell(); }

    stream* x_stream;
    side x_readable;
    side x_writable;
};

} // namespace weir::inline v0::io
