// Requests and their answers over a connection on which messages come in any order: each answer goes to whoever asked.
//
//     weir::requests calls(ws, answered_id);                  // finds the id in a message that is an answer, or nothing
//     auto answer = co_await calls.ask(7, text).within(2s);   // sends the text, and waits for the answer to 7
//     while (auto message = co_await calls.read()) …          // what answers nothing: notifications, requests of the peer
//
// Reads the connection while somebody waits in `ask` or `read`, and never otherwise: there is no task beside them. Any number may
// ask, one may read, in any order and none of them has to; a coroutine that reads may ask in between. What answers nothing is kept
// for `read`, within bounds (requests_options.hpp). When the connection ends, all who wait get the error that it ended with.
//
// An id that is used again too early would get the answer to another request. So one that is in flight is refused, and so is one
// whose request was given up (timed out, cancelled, destroyed) until its answer has come: that is dropped, and counted by
// `late()`. An answer to what was never asked, or to what was answered already, is an ordinary message for `read`.
//
// `Connection` is a websocket, a channel or a client_channel, of either role; it must outlive this, is not moved and is read by
// nobody else meanwhile; anybody may send on it. Whoever still waits when this dies gets `errc::closed`, and what was kept for
// `read` goes with it. Loop thread only.
// Leaf header, `WEIR_WITH_REQUESTS` with the single header: programs without requests do not compile it.
#pragma once

#include <weir/core/fifo.hpp>
#include <weir/coro/bounded.hpp>
#include <weir/coro/frame_pool.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/transport/message.hpp>
#include <weir/transport/request_table.hpp>
#include <weir/transport/requests_options.hpp>
#include <weir/transport/websocket.hpp>

#include <exception>
#include <optional>

namespace weir::inline v0 {

// `Id`: a number, a text, or what else can be copied and compared; std::hash is used where there is one. Of a std::string_view,
// which may be one of the message, the text is kept.
template <class Id, class Connection = websocket>
class requests {
    using kept_id = std::conditional_t<std::is_same_v<Id, std::string_view>, std::string, Id>;

public:
    class ask_awaiter;
    class read_awaiter;

    // Gives the id of the request that a message answers; nothing when it answers none. What an exception leaves answers none.
    // Called while the connection is read: it looks at the message, and leaves this and those who wait alone.
    using id_finder = std::optional<Id> (*)(const message&);

    requests(Connection& over, id_finder answered_id, const requests_options& options = {}) noexcept
        : x_connection(over), x_answered_id(answered_id), x_options(options), x_table(options.in_flight) {}
    requests(const requests&) = delete;
    requests& operator=(const requests&) = delete;
    ~requests() {
        stop_reading();
        tell_all(errc::closed);
        if (x_reader) exchanged(x_reader, nullptr)->left_alone();
    }

    // Sends a request, whose answer has this id, at the call, as the connection's `send` does, and waits for the answer, which the
    // caller owns. `errc::busy` for an id that is in use, `errc::buffer_full` when too many are in flight or too much is queued,
    // `errc::closed` when the connection is no longer open: nothing was sent then. While it is awaited, the error that the
    // connection ended with, and `errc::busy` when somebody else reads it. A wait that was cancelled or timed out does not take
    // the request back.
    ask_awaiter ask(Id id, std::string_view text) {
        assert(is_utf8(as_bytes(text)) && "text messages must be UTF-8; send bytes as binary");
        return ask(std::move(id), message(as_bytes(text), true));
    }
    ask_awaiter ask(Id id, bytes_view binary) { return ask(std::move(id), message(binary, false)); }
    ask_awaiter ask(Id id, const message& any) {
        error refused = send(id, any);
        if (refused) return ask_awaiter(*this, std::move(refused));
        return ask_awaiter(*this, kept_id(std::move(id)));
    }

    // Waits for the next message that answers nothing, whose bytes are valid until the next read. The error that the connection
    // ended with, behind the last one; `errc::busy` while another coroutine reads, here or from the connection. A read that was
    // cancelled or timed out has lost nothing.
    read_awaiter read() noexcept {
        x_listened_to = true;
        return read_awaiter(*this);
    }

    // How many requests wait for their answers.
    std::size_t in_flight() const noexcept { return x_table.size(); }

    // How many answers came when nobody wanted them any more.
    std::uint64_t late() const noexcept { return x_late; }

    // How many messages were dropped that nobody had read.
    std::uint64_t dropped() const noexcept { return x_dropped; }

    // Movable until it is awaited, also while its answer is on the way.
    class [[nodiscard]] ask_awaiter : public awaitable<ask_awaiter> {
    public:
        ask_awaiter(ask_awaiter&& other) noexcept
            : awaitable<ask_awaiter>(), x_calls(other.x_calls), x_request(exchanged(other.x_request, nullptr)),
              x_answer(std::move(other.x_answer)) {
            assert(!other.x_waits && "an awaitable was moved while it was being awaited");
            if (x_request) x_request->asker = this;
        }
        ~ask_awaiter() {
            if (x_request) x_calls.give_up(*this);
        }

        bool await_ready() const noexcept { return x_answer.has_value(); }
        bool suspend(std::coroutine_handle<> who, context* in) {
            if (!x_request)
                x_waiter.bounce(who, in);
            else if (x_waiter.suspend(who, in))
                x_calls.wait(*this);
            return true;
        }
        result<owned_message> await_resume() noexcept {
            if (!x_request) return std::move(x_answer);
            x_calls.give_up(*this);
            return x_waiter.outcome();
        }

    private:
        friend requests;

        ask_awaiter(requests& of, error refused) noexcept : x_calls(of), x_answer(std::move(refused)) {}
        ask_awaiter(requests& of, kept_id id) : x_calls(of), x_request(&of.x_table.add(std::move(id), *this)) {}

        // The answer is there, or why there will be none.
        void complete(result<owned_message>&& answer) noexcept {
            x_answer = std::move(answer);
            x_request = nullptr;
            if (x_waits && !x_waiter.woken()) x_waiter.wake();
        }

        requests& x_calls; // there as long as x_request
        typename detail::request_table<kept_id, ask_awaiter>::request* x_request = nullptr; // until it is answered
        result<owned_message> x_answer = errc::closed;
        bool x_waits = false;
        waiter x_waiter;
    };

    class [[nodiscard]] read_awaiter : public awaitable<read_awaiter> {
    public:
        explicit read_awaiter(requests& from) noexcept : x_calls(&from) {}
        read_awaiter(read_awaiter&& other) noexcept : awaitable<read_awaiter>(), x_calls(other.x_calls) {
            assert(!other.x_reads && "an awaitable was moved while it was being awaited");
        }
        ~read_awaiter() {
            if (x_reads) x_calls->end_read();
        }

        bool await_ready() const noexcept { return x_calls->readable(); }
        bool suspend(std::coroutine_handle<> who, context* in) {
            x_busy = x_calls->x_reader;
            if (x_busy) return false;
            x_reads = true;
            x_calls->begin_read(*this);
            if (x_waiter.suspend(who, in)) x_calls->wait_readable();
            return true;
        }
        result<message> await_resume() noexcept {
            if (x_busy) return errc::busy;
            if (!x_calls) return errc::closed;
            if (exchanged(x_reads, false)) {
                x_calls->end_read();
                if (x_waiter.outcome() != errc{}) return x_waiter.outcome();
            }
            return x_calls->take();
        }

    private:
        friend requests;

        bool waits() const noexcept { return !x_waiter.woken(); }
        void wake(errc outcome = errc{}) noexcept {
            if (waits()) x_waiter.wake(outcome);
        }
        void left_alone() noexcept {
            x_calls = nullptr;
            x_reads = false;
            wake();
        }

        requests* x_calls; // null when it is gone
        bool x_reads = false; // it is the one who reads
        bool x_busy = false;  // another was
        waiter x_waiter;
    };

private:
    using request = typename detail::request_table<kept_id, ask_awaiter>::request;

    // Reads the connection for those who wait, as long as there is somebody. It is in nobody's context, and destroyed when nobody
    // waits any more: the connection allows that at any moment, and loses nothing.
    struct reading {
        struct promise_type : pooled_frame {
            reading get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
            std::suspend_always initial_suspend() const noexcept { return {}; }
            std::suspend_never final_suspend() const noexcept { return {}; }
            void return_void() const noexcept {}
            [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
        };
        std::coroutine_handle<promise_type> self;
    };
    reading read_on() {
        bool wanted = true;
        while (wanted) {
            const result<message> next = co_await x_connection.read();
            if (next)
                pass_on(*next);
            else
                end(next.error());
            wanted = is_wanted();
        }
        x_reading = nullptr;
    }

    bool is_full() const noexcept { return !drops() && !x_unread.empty() && x_unread_bytes >= x_options.unread_bytes; }
    bool drops() const noexcept { return x_options.drop_unread || !x_listened_to; }
    bool is_wanted() const noexcept { return (x_reader && x_reader->waits()) || (x_waiting > 0 && !is_full()); }

    // Has the connection read, or left alone, as those want it who wait.
    void settle() {
        if (!is_wanted()) return stop_reading();
        if (x_reading) return;
        x_reading = read_on().self;
        x_reading.resume();
    }
    void stop_reading() noexcept {
        if (x_reading) exchanged(x_reading, nullptr).destroy();
    }

    void pass_on(const message& next) {
        const std::optional<Id> id = id_in(next);
        request* const answered = id ? x_table.find(*id) : nullptr;
        if (!answered) return keep(next);
        if (answered->asker)
            complete(*answered->asker, next.take());
        else
            ++x_late;
        x_table.remove(*answered);
    }

    std::optional<Id> id_in(const message& in) const {
#if defined(__cpp_exceptions)
        try {
            return x_answered_id(in);
        } catch (...) { // what a peer sends ends no program
            return std::nullopt;
        }
#else
        return x_answered_id(in);
#endif
    }

    void keep(const message& next) {
        x_unread.push(next.take());
        x_unread_bytes += cost(x_unread[x_unread.size() - 1]);
        for (; drops() && x_unread_bytes > x_options.unread_bytes && x_unread.size() > 1; ++x_dropped)
            x_unread_bytes -= cost(x_unread.pop());
        if (x_reader) x_reader->wake();
    }
    static std::size_t cost(const owned_message& of) noexcept { return of.data.size() + sizeof(owned_message); }

    // The connection is over, or somebody else reads it.
    void end(const error& reason) noexcept {
        const bool is_over = reason != errc::busy;
        if (is_over) x_end = reason;
        tell_all(reason);
        if (x_reader) x_reader->wake(is_over ? errc{} : errc::busy);
    }
    void tell_all(const error& reason) noexcept {
        while (request* const each = x_table.oldest()) {
            complete(*each->asker, reason);
            x_table.give_up(*each);
        }
    }

    // --- for those who ask ---

    // Sends a request, or says why not.
    error send(const Id& id, const message& any) {
        if (x_end) return x_end;
        if (x_table.find(id)) return errc::busy;
        if (x_table.size() >= x_options.in_flight) return errc::buffer_full;
        if (!x_connection.is_open()) return errc::closed;
        return x_connection.try_send(any) ? error() : error(errc::buffer_full);
    }

    void wait(ask_awaiter& by) {
        by.x_waits = true;
        ++x_waiting;
        settle();
    }
    void complete(ask_awaiter& by, result<owned_message>&& answer) noexcept {
        if (by.x_waits) --x_waiting;
        by.complete(std::move(answer));
    }
    void give_up(ask_awaiter& by) noexcept {
        if (exchanged(by.x_waits, false)) --x_waiting;
        x_table.give_up(*exchanged(by.x_request, nullptr));
        settle();
    }

    // --- for the one who reads ---

    static constexpr unsigned messages_in_a_row = 64;
    static constexpr std::size_t kept_bytes = 256;

    // Whether a read would not have to wait. Now and then it does all the same, to let the others run.
    bool readable() noexcept { return !x_reader && !x_unread.empty() && ++x_streak <= messages_in_a_row; }

    void begin_read(read_awaiter& by) noexcept {
        x_streak = 0;
        x_reader = &by;
        if (x_given.data.capacity() > kept_bytes) x_given = owned_message();
    }
    void wait_readable() {
        if (x_end || !x_unread.empty())
            x_reader->wake();
        else
            settle();
    }
    void end_read() noexcept {
        x_reader = nullptr;
        settle();
    }

    // The oldest message; without one the connection is over.
    result<message> take() noexcept {
        if (x_unread.empty()) return x_end;
        x_given = x_unread.pop();
        x_unread_bytes -= cost(x_given);
        settle();
        return message(x_given);
    }

    Connection& x_connection;
    const id_finder x_answered_id;
    const requests_options x_options;
    detail::request_table<kept_id, ask_awaiter> x_table;
    std::size_t x_waiting = 0; // of those who asked, and are suspended
    read_awaiter* x_reader = nullptr;
    std::coroutine_handle<> x_reading; // while it waits for the connection, or runs
    fifo<owned_message> x_unread;
    std::size_t x_unread_bytes = 0;
    owned_message x_given; // what was read last
    error x_end;           // why the connection is over
    unsigned x_streak = 0; // messages that were ready at once, since a read last waited
    bool x_listened_to = false;
    std::uint64_t x_late = 0;
    std::uint64_t x_dropped = 0;
};

// `requests calls(ws, answered_id)`, for a function or a lambda that captures nothing.
template <class Connection, class Finder>
requests(Connection&, Finder) -> requests<typename std::invoke_result_t<Finder, const message&>::value_type, Connection>;
template <class Connection, class Finder>
requests(Connection&, Finder, const requests_options&)
    -> requests<typename std::invoke_result_t<Finder, const message&>::value_type, Connection>;

} // namespace weir::inline v0
