// The body of an answer, as it is being sent.
//
//     weir::response_stream& out = http.stream({http::status::ok, {}});
//     co_await out.write("one line\n");
//
// Goes out in chunks; to a client of HTTP/1.0, and where it is told a length, as it is. What is written within one turn of the
// loop leaves in one system call. A client that does not take 64 KiB within `handshake_timeout` is broken off. Belongs to
// its exchange. Loop thread only.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/coro/awaitable.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/io/stream.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/transport/send_status.hpp>

#include <cstdint>

namespace weir::inline v0 {

class response_stream : private ready_item, private timer {
public:
    // From so many waiting bytes on `write` waits, until half of that is left; and with so many the client is broken off.
    static constexpr std::size_t high_water_bytes = 256 * 1024;
    static constexpr std::size_t most_queued_bytes = 16 * 1024 * 1024;

    response_stream(const response_stream&) = delete;
    response_stream& operator=(const response_stream&) = delete;
    ~response_stream() { wake_all(); }

    // Awaited by the writer, for back-pressure.
    class writing : public awaitable<writing> {
    public:
        explicit writing(response_stream& to) noexcept : x_to(&to) {}
        writing(writing&& other) noexcept : x_to(other.x_to) {}

        bool await_ready() const noexcept { return x_to->queued_bytes() < high_water_bytes || x_to->x_gone; }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            if (x_waiter.suspend(who, in)) x_to->x_writers.push_back(x_waiter);
            return true;
        }
        send_status await_resume() const noexcept {
            return x_to->x_gone ? errc::closed : x_waiter.outcome();
        }

    private:
        response_stream* x_to;
        waiter x_waiter;
    };

    // Takes the text at the call. What it gives may be awaited, and is ready while not much is waiting: a writer that does
    // so keeps pace with the client. True, or why what is written no longer arrives: `errc::closed`, `errc::canceled`.
    writing write(std::string_view text) noexcept { return write(as_bytes(text)); }
    writing write(bytes_view bytes) noexcept {
        if (is_open()) put(bytes);
        return writing(*this);
    }

    // How many bytes the client's system has not taken yet.
    std::size_t queued_bytes() const noexcept { return x_queue.size(); }

    // False once the client is gone, or the answer complete: what is written then is dropped.
    bool is_open() const noexcept { return x_how != form::none && !x_gone; }

    // Completes the answer. So does the end of the handler.
    void end() noexcept {
        if (!is_open()) return;
        if (x_how == form::chunked && !x_head_only) append(as_bytes(http::last_chunk));
        x_complete = x_how != form::length || x_left == 0 || x_head_only;
        x_how = form::none;
        schedule();
    }

private:
    friend class exchange;

    enum class form : unsigned char { none, chunked, until_close, length };

    static constexpr std::size_t patient_bytes = 64 * 1024;

    // `work` and `held` are cancelled when the client is gone.
    response_stream(io::stream& over, block_pool& pool, scheduler& on, std::chrono::nanoseconds patience, context& work,
                    context& held) noexcept
        : x_stream(over), x_scheduler(on), x_work(work), x_held(held), x_patience(patience), x_queue(pool) {}

    void put(bytes_view bytes) noexcept {
        if (x_how == form::length) {
            if (bytes.size() > x_left) bytes = bytes.first(static_cast<std::size_t>(x_left));
            x_left -= bytes.size();
        }
        if (bytes.empty() || x_head_only) return;
        if (x_queue.size() + bytes.size() > most_queued_bytes) return abort();
        if (x_how == form::chunked) {
            [[maybe_unused]] const bool fits = http::append_chunk(x_queue, bytes);
            assert(fits);
        } else {
            append(bytes);
        }
        if (x_queue.size() >= patient_bytes)
            flush();
        else
            schedule();
    }

    void append(bytes_view bytes) noexcept {
        [[maybe_unused]] const bool fits = x_queue.append(bytes);
        assert(fits && "the queue has no bound of its own");
    }

    void schedule() noexcept {
        if (!ready_item::linked()) x_scheduler.post_at_turn_end(*this);
    }

    // Hands the stream what it takes now.
    void flush() noexcept {
        while (!x_queue.empty() && !x_broken) {
            const bytes_view all = std::as_const(x_queue).view();
            const std::size_t size = all.size() < write_bytes ? all.size() : write_bytes;
            const bytes_view some = all.first(size);
            const std::size_t taken = x_stream.write_piece(some);
            x_queue.consume(taken);
            x_patient_for = taken < x_patient_for ? x_patient_for - taken : 0;
            if (x_stream.failure()) return give_up();
            if (taken < size) break;
        }
        if (x_queue.empty()) {
            timer::disarm();
        } else if (!timer::armed() || x_patient_for == 0) {
            x_patient_for = patient_bytes;
            x_scheduler.arm(*this, x_patience);
        }
        if (x_queue.size() <= high_water_bytes / 2) wake_all();
    }

    void abort() noexcept {
        x_stream.reset();
        give_up();
    }

    // Nothing can be sent any more.
    void give_up() noexcept {
        x_broken = true;
        x_queue.clear();
        timer::disarm();
        leave();
    }

    // The client is gone; it may have ended its own direction only, and still be there for what is queued.
    void leave() noexcept {
        if (exchanged(x_gone, true)) return;
        wake_all();
        x_held.cancel();
        x_work.cancel();
    }

    void wake_all() noexcept {
        while (ready_item* first = x_writers.front()) static_cast<waiter*>(first)->wake(); // which leaves the list
    }

    void run() noexcept override { flush(); }
    void expire() noexcept override { abort(); }

    static constexpr std::size_t write_bytes = 1024 * 1024;

    io::stream& x_stream;
    scheduler& x_scheduler;
    context& x_work;
    context& x_held;
    std::chrono::nanoseconds x_patience;
    buffer x_queue;
    list<ready_item> x_writers; // of waiters
    std::uint64_t x_left = 0;       // bytes of a known length that are to be written yet
    std::size_t x_patient_for = 0;  // bytes that are to be taken until the timer fires
    form x_how = form::none;
    bool x_head_only = false;
    bool x_complete = true; // nothing is missing of what the head has announced
    bool x_gone = false;
    bool x_broken = false;
};

} // namespace weir::inline v0
