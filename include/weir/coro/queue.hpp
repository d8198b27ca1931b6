// A bounded queue between coroutines: senders wait while it is full, receivers while it is empty.
//
// Values come out in the order in which they were accepted, and those who wait are served in the order in which they
// came. No value is lost: a value waits in the queue until a receiver really takes it, so a receiver that is cancelled
// or destroyed, even when it had been woken already, leaves it to the next one. A send that fails (`canceled`, `timed_out`,
// `closed`) has not delivered its value and never will; the value ends with the awaiter. Use `try_send` to keep it.
//
// The queue owns the values in it; memory for all of its capacity is allocated once. A queue that dies is closed,
// and what it held is gone. Loop thread only: from other threads go through the loop.
#pragma once

#include <weir/coro/awaitable.hpp>
#include <weir/coro/waiter.hpp>

#include <cstddef>
#include <utility>

namespace weir::inline v0 {

template <class T>
class queue {
    static_assert(__is_nothrow_constructible(T, T&&), "a value that can throw on the way could be lost");

public:
    // `capacity`: how many values are held at most, at least 1.
    explicit queue(std::size_t capacity) : x_ring(new std::optional<T>[capacity]), x_capacity(capacity) {
        assert(capacity >= 1);
    }
    queue(const queue&) = delete;
    queue& operator=(const queue&) = delete;
    ~queue() {
        wake_all(x_senders, errc::closed);
        wake_all(x_receivers, errc::closed);
        while (receive_awaiter* each = x_promised.pop_front()) {
            each->x_queue = nullptr;
            each->x_promised = false;
        }
        delete[] x_ring;
    }

    std::size_t size() const noexcept { return x_size; }
    std::size_t capacity() const noexcept { return x_capacity; }
    bool is_closed() const noexcept { return x_closed; }

    // Takes no more values. Who waits to send gets `closed`; what is in the queue can still be received. Idempotent.
    void close() noexcept {
        x_closed = true;
        wake_all(x_senders, errc::closed);
        settle();
    }

    // Delivers at once or not at all: `buffer_full`, or `closed`. `value` is moved from only when it was delivered.
    template <class U = T>
        requires(__is_constructible(T, U&&))
    result<> try_send(U&& value) {
        if (x_closed) return errc::closed;
        if (x_size == x_capacity) return errc::buffer_full;
        push(std::forward<U>(value));
        return {};
    }

    // The oldest value that is not promised to a receiver that waited; nothing when there is none.
    std::optional<T> try_receive() noexcept {
        if (x_size == x_promised_count) return std::nullopt;
        return pop();
    }

    class [[nodiscard]] send_awaiter : public awaitable<send_awaiter>, private list_node<send_awaiter> {
    public:
        send_awaiter(queue& to, T&& value) noexcept : x_queue(&to), x_value(std::move(value)) {}
        send_awaiter(send_awaiter&& other) noexcept
            : awaitable<send_awaiter>(), list_node<send_awaiter>(), x_queue(other.x_queue),
              x_value(std::move(other.x_value)) {
            assert(!other.x_waiter.waiting() && "an awaitable was moved while it was being awaited");
        }

        bool await_ready() {
            if (x_queue->x_closed) return false;
            return x_sent = static_cast<bool>(x_queue->try_send(std::move(x_value)));
        }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            if (x_queue->x_closed)
                x_waiter.bounce(who, in, errc::closed);
            else if (x_waiter.suspend(who, in))
                x_queue->x_senders.push_back(*this);
            return true;
        }
        result<> await_resume() const noexcept {
            if (x_sent) return {};
            return x_waiter.outcome() != errc{} ? x_waiter.outcome() : errc::closed;
        }

    private:
        friend queue;
        friend list<send_awaiter>;

        queue* x_queue;
        T x_value;
        bool x_sent = false;
        waiter x_waiter;
    };

    class [[nodiscard]] receive_awaiter : public awaitable<receive_awaiter>, private list_node<receive_awaiter> {
    public:
        explicit receive_awaiter(queue& from) noexcept : x_queue(&from) {}
        receive_awaiter(receive_awaiter&& other) noexcept
            : awaitable<receive_awaiter>(), list_node<receive_awaiter>(), x_queue(other.x_queue) {
            assert(!other.x_waiter.waiting() && "an awaitable was moved while it was being awaited");
        }
        ~receive_awaiter() {
            if (!x_promised) return;
            renounce();
            x_queue->settle();
        }

        bool await_ready() const noexcept {
            if (x_queue->x_promised_count != 0) return false; // these were here before
            return x_queue->x_size != 0;
        }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            if (!x_waiter.suspend(who, in)) return true;
            x_queue->x_receivers.push_back(*this);
            x_queue->settle();
            return true;
        }
        result<T> await_resume() noexcept {
            if (x_waiter.outcome() != errc{}) return x_waiter.outcome();
            if (!x_queue) return errc::closed; // it died in between
            if (x_promised) renounce();
            if (x_queue->x_size == 0) return errc::closed;
            return x_queue->pop();
        }

    private:
        friend queue;
        friend list<receive_awaiter>;

        void renounce() noexcept {
            this->unlink();
            x_promised = false;
            --x_queue->x_promised_count;
        }

        queue* x_queue;
        bool x_promised = false; // woken for a value, but not resumed yet: the value is kept for it
        waiter x_waiter;
    };

    // Completes when the queue has taken `value`; waits while it is full.
    send_awaiter send(T value) noexcept { return send_awaiter(*this, std::move(value)); }

    // The next value; `closed` once the queue is closed and drained.
    receive_awaiter receive() noexcept { return receive_awaiter(*this); }

private:
    template <class U>
    void push(U&& value) {
        x_ring[(x_first + x_size) % x_capacity].emplace(std::forward<U>(value));
        ++x_size;
        settle();
    }

    T pop() noexcept {
        std::optional<T>& slot = x_ring[x_first];
        T value(std::move(*slot));
        slot.reset();
        x_first = (x_first + 1) % x_capacity;
        --x_size;
        if (send_awaiter* first = first_waiting(x_senders)) {
            first->unlink();
            first->x_sent = true;
            first->x_waiter.wake();
            push(std::move(first->x_value));
        } else {
            settle();
        }
        return value;
    }

    // Wakes receivers for values that are promised to nobody; all of them when none will come any more.
    void settle() noexcept {
        while (x_size > x_promised_count) {
            receive_awaiter* first = first_waiting(x_receivers);
            if (!first) return;
            first->unlink();
            first->x_waiter.wake();
            first->x_promised = true;
            x_promised.push_back(*first);
            ++x_promised_count;
        }
        if (x_closed && x_size == 0) wake_all(x_receivers, errc::closed);
    }

    // The oldest that still waits. One that was cancelled is passed over; it may not have been resumed yet.
    template <class Awaiter>
    static Awaiter* first_waiting(list<Awaiter>& of) noexcept {
        while (Awaiter* first = of.front()) {
            if (first->x_waiter.outcome() == errc{}) return first;
            first->unlink();
        }
        return nullptr;
    }

    template <class Awaiter>
    static void wake_all(list<Awaiter>& waiting, errc outcome) noexcept {
        while (Awaiter* first = first_waiting(waiting)) {
            first->unlink();
            first->x_waiter.wake(outcome);
        }
    }

    std::optional<T>* const x_ring;
    std::size_t x_capacity;
    std::size_t x_first = 0;
    std::size_t x_size = 0;
    std::size_t x_promised_count = 0;
    list<send_awaiter> x_senders;      // who waits, only while full
    list<receive_awaiter> x_receivers; // who waits, and is promised no value
    list<receive_awaiter> x_promised;  // who is promised one
    bool x_closed = false;
};

} // namespace weir::inline v0
