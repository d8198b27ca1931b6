// A client that stays connected: one websocket after the other to the same URL, for as long as that makes sense.
//
//     weir::reconnecting feed("wss://example.com/feed", {.connect = {.timeout = 5s}});
//     while (auto ws = co_await feed.next())                      // a connected websocket, or why there will be none any more
//         while (auto message = co_await ws->read()) use(*message);
//
// A leaf: programs that do not stay connected do not compile it. It opens connections as `weir::connect` does, and waits after each
// failure for a time that chance decides and that grows (client/reconnecting_options.hpp). A failure after which another attempt
// can only fail too ends it; client/retry_verdict.hpp has the table, and programs may decide otherwise.
//
// What is sent is sent at most once. A message is handed to one connection, and when that breaks it may have arrived or not: it is not
// sent again. While nothing is connected, `send` keeps messages in an outbox, if there is one: the next connection gets them first,
// in their order, and they are handed over all at once. Who has to know that nothing is lost uses `weir::open` and a
// server's channel instead.
//
// The session owns the websocket that `next` refers to. It is made on the thread of a loop, by a coroutine that the loop runs, and used
// on that thread only. Attempts go on by themselves once `next` has asked for a connection, also when nobody waits for it any
// more: a `next` that was cancelled, timed out or destroyed has lost nothing. Destroying the session ends everything at once, and
// closes the websocket in the background, as dropping one does; nobody may be waiting on either then.
#pragma once

#include <weir/client/backoff.hpp>
#include <weir/client/connect.hpp>
#include <weir/client/held_messages.hpp>
#include <weir/client/reconnecting_options.hpp>
#include <weir/client/retry_verdict.hpp>
#include <weir/coro/caught.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/member_timer.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/sleep.hpp>
#include <weir/protocol/http/retry_after.hpp>

#include <ctime>

namespace weir::inline v0 {

class reconnecting {
    using time = std::chrono::nanoseconds;

public:
    // Copies what it is given. Nothing is done before `next` asks for it, which also tells of a URL or options that make no sense.
    explicit reconnecting(std::string_view url, const reconnecting_options& options = {})
        : x_loop(io::loop::current()), x_options(options), x_opening(prepare(url)), x_held(options) {
        x_options.connect = {};
        if (x_opening) x_name = x_opening->where.substr(opening_text.size());
    }
    reconnecting(const reconnecting&) = delete;
    reconnecting& operator=(const reconnecting&) = delete;
    ~reconnecting() {
        if (x_waiting) x_waiting->x_of = nullptr;
    }

    // Waits for the next connection. Gives each one once: what it refers to is valid until the next call, by which one that still
    // stands is dropped, and so closed. Errors are final, and each further call gives the same: that of the last attempt, as
    // `weir::connect` has it; what a connection has ended by, or `closed` where it ended in order; `canceled` after `stop`. But
    // `canceled`, `timed_out` or `busy` of this wait alone say nothing about the session, and the next call goes on.
    class [[nodiscard]] next_awaiter : public awaitable<next_awaiter> {
    public:
        explicit next_awaiter(reconnecting& of) noexcept : x_of(&of), x_wait(of.x_news.wait()) {}
        next_awaiter(next_awaiter&& other) noexcept : x_of(other.x_of), x_wait(std::move(other.x_wait)) {}
        ~next_awaiter() { leave(); }

        bool await_ready() { return !x_of->x_waiting && x_of->ask(); }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            if (x_of->x_waiting) return false; // it has asked for nothing
            x_of->x_waiting = this;
            return x_wait.suspend(who, in);
        }
        result<websocket&> await_resume() {
            if (!x_of) return errc::closed; // the session is gone
            if (x_of->x_waiting == this) {
                leave();
                const result<> told = x_wait.await_resume();
                if (!told) return told.error();
            } else if (x_of->x_waiting) {
                return errc::busy;
            }
            return x_of->hand_out();
        }

    private:
        friend class reconnecting;

        void leave() noexcept {
            if (x_of && x_of->x_waiting == this) x_of->x_waiting = nullptr;
        }

        reconnecting* x_of;
        event::wait_awaiter x_wait;
    };
    next_awaiter next() noexcept { return next_awaiter(*this); }

    // Ends all of it: an attempt, or the wait for one, at once; a `next` that waits or will be called gives `canceled`. A connection is
    // closed (1000) behind what was sent on it, and broken off where that takes longer than `grace`, at once where that is
    // zero: reads on it end with that. From anywhere on the loop's thread, and as often as one likes: the shortest grace holds.
    void stop(time grace = std::chrono::seconds(5)) noexcept {
        if (!x_over) end(error(make_error_code(errc::canceled), "it was stopped"));
        if (x_work) x_work->cancel();
        if (!x_here) return;
        if (grace <= time(0)) return x_here->reset();
        x_here->close();
        const time until = x_loop->now() + at_most_a_year(grace);
        if (x_bound.armed() && until >= x_due) return;
        x_due = until;
        x_loop->arm(x_bound, grace);
    }

    // Awaits to what became of a send. Cancelling that takes nothing back.
    class send_awaiter : public awaitable<send_awaiter> {
    public:
        send_awaiter(reconnecting& of, websocket::send_awaiter by) noexcept : x_of(&of), x_by(std::move(by)) {}
        send_awaiter(reconnecting& of, errc kept) noexcept : x_of(&of), x_kept(kept) {}
        send_awaiter(send_awaiter&& other) noexcept : x_of(other.x_of), x_by(std::move(other.x_by)), x_kept(other.x_kept) {}

        bool await_ready() noexcept { return x_by ? x_by->await_ready() : !x_of->is_too_eager(); }
        bool suspend(std::coroutine_handle<> who, context* in) {
            if (x_by) return x_by->suspend(who, in);
            x_waiter.bounce(who, in);
            return true;
        }
        send_status await_resume() const noexcept { return x_by ? x_by->await_resume() : send_status(x_kept); }

    private:
        reconnecting* x_of;
        std::optional<websocket::send_awaiter> x_by;
        errc x_kept{};
        waiter x_waiter;
    };

    // Sends a message, text being UTF-8, on the connection that there is, with its rules and its back-pressure. Where there is none it goes
    // into the outbox, as a copy, and completes at once; `closed` without an outbox or after the end, `buffer_full` where that is
    // full.
    send_awaiter send(std::string_view text) {
        assert(is_utf8(as_bytes(text)) && "text messages must be UTF-8; send bytes as binary");
        return send(message(as_bytes(text), true));
    }
    send_awaiter send(bytes_view binary) { return send(message(binary, false)); }
    send_awaiter send(const message& any) {
        if (is_connected()) return send_awaiter(*this, x_here->send(any));
        if (x_over || !x_opening || !x_options.outbox_bytes) return send_awaiter(*this, errc::closed);
        return send_awaiter(*this, x_held.push(any));
    }

    // --- where it stands ---

    // Whether a connection is open; whether there will be none any more.
    bool is_connected() const noexcept { return x_here && x_here->is_open(); }
    bool is_over() const noexcept { return x_over; }

    // How many attempts it has made, and how many of them have succeeded.
    std::uint64_t attempts() const noexcept { return x_attempts; }
    std::uint64_t connections() const noexcept { return x_connections; }

    // How many attempts have failed, or connections broken, since one stood for `stable`; as far as `next` was called since.
    unsigned failures() const noexcept { return x_failures; }

    // What went wrong last, or why it is over: "opening ws://localhost:9/: connecting to 127.0.0.1:9: Connection refused". No error
    // while nothing did.
    const error& last_error() const noexcept { return x_last_error; }

    // What the server or the proxy said that refused the last attempt, if one did.
    const connect_refusal& last_answer() const noexcept { return *x_answer; }

    // How long it is until the next attempt; nothing while none is waited for.
    std::optional<time> next_attempt() const noexcept {
        if (!x_sleeps) return std::nullopt;
        return x_due > x_loop->now() ? x_due - x_loop->now() : time(0);
    }

    // What waits in the outbox; and how many messages have had to make room there.
    std::size_t held_bytes() const noexcept { return x_held.bytes(); }
    sequence<owned_message> held() const { return x_held.copies(); }
    std::uint64_t dropped() const noexcept { return x_held.dropped(); }

private:
    static constexpr std::string_view opening_text = "opening ";
    static constexpr unsigned sends_in_a_row = 64; // before a sender that never waits lets others run

    static const char* complaint(const reconnecting_options& of) noexcept {
        if (of.first_delay < time(0) || of.longest_delay < time(0)) return "a delay below zero";
        if (!(of.factor >= 1)) return "a factor below 1";
        if (of.stable < time(0)) return "a stable time below zero";
        if (of.longest_retry_after < time(0)) return "a longest Retry-After below zero";
        if (of.connect.websocket.frame_bytes == 0) return "frames of no bytes";
        return nullptr;
    }

    result<detail::opening> prepare(std::string_view url) {
        connect_options how = x_options.connect;
        if (!how.refusal) how.refusal = &x_own_answer;
        x_answer = how.refusal;
        result<detail::opening> made = detail::prepare(url, how);
        const char* const wrong = complaint(x_options);
        if (made && wrong) return error(make_error_code(errc::unsupported), concat({made->where, ": ", wrong}));
        return made;
    }

    // --- what `next` does ---

    // Has the next connection made, unless it is; whether there is an answer already.
    bool ask() {
        if (x_over || (x_here && !x_handed_out)) return true;
        if (!x_opening) end(x_opening.error());
        if (x_here) note_end();
        if (x_over) return true;
        x_news.reset();
        if (exchanged(x_tries, true)) return false;
        if (!x_work) x_work.emplace();
        x_work->spawn(connect_again());
        return false;
    }

    result<websocket&> hand_out() {
        if (x_over) return x_last_error;
        x_handed_out = true;
        return *x_here;
    }

    // The last connection is of no use any more.
    void note_end() {
        const close_info was = x_here->closed();
        x_here = nullptr;
        if (was.age >= x_options.stable) x_failures = 0;
        const std::string_view reason = was.cause == close_cause::open ? "left by this side" : to_text(was.cause);
        std::string what = concat({"connected to ", x_name, ": ", reason});
        if (was.cause != close_cause::open) what.append(": ").append(number_text(static_cast<std::uint16_t>(was.code)));
        if (!was.reason.empty()) what.append(" \"").append(was.reason).append("\"");
        note_failure(error(was.error ? was.error : make_error_code(errc::closed), std::move(what)), &was);
    }

    // --- attempts ---

    task<> connect_again() {
        std::string what;
        const bool done = co_await caught(make_attempts(), what);
        x_tries = x_sleeps = false;
        if (!done && !x_over) end(error(make_error_code(errc::task_threw), what));
        x_news.set();
    }

    // Until one succeeds, or there is no point in another one.
    task<> make_attempts() {
        while (!x_over) {
            const time left = x_due - x_loop->now();
            if (left > time(0)) {
                x_sleeps = true;
                const result<> slept = co_await sleep(left);
                x_sleeps = false;
                if (!slept) co_return;
            } else { // what fails without waiting would keep the loop to itself
                const result<> given_way = co_await yield();
                if (!given_way) co_return;
            }
            ++x_attempts;
            result<detail::opening> prepared = prepare_again();
            result<websocket> opened = co_await detail::open(std::move(prepared));
            if (x_over) co_return; // and what was opened is dropped
            if (opened) {
                arrive(std::move(*opened));
                co_return;
            }
            note_failure(opened.error(), nullptr);
        }
    }

    // Each handshake has a key of its own.
    result<detail::opening> prepare_again() {
        result<detail::opening> made = x_opening;
        std::array<std::byte, 16> random;
        x_loop->random().fill(random);
        (void)made->request.fields.set("Sec-WebSocket-Key", ws::handshake_key(random));
        return made;
    }

    void arrive(websocket&& opened) {
        x_here = make_owned<websocket>(std::move(opened));
        x_handed_out = false;
        ++x_connections;
        for (; !x_held.empty() && x_here->is_open(); x_held.pop()) (void)x_here->try_send(x_held.front()); // it has room for all
        if (x_options.log) x_options.log({log_level::info, "connected", x_name, {}, x_here->number()});
    }

    // Decides what comes after a failure.
    void note_failure(const error& why, const close_info* of) {
        ++x_failures;
        x_last_error = why; // a copy: `decide` may call `stop`, and looks at `why` all the same
        const bool worthwhile = of ? detail::is_worth_another(*of) : detail::is_worth_another(x_last_error, *x_answer);
        const retry_hook& decide = x_options.decide;
        const setback what{why, *x_answer, of, x_failures, worthwhile};
        const bool again = decide.function ? decide.function(decide.self, what) : worthwhile;
        if (x_over) return; // it has called `stop`
        if (!again) return end(x_last_error);
        const time most = detail::most_backoff(x_options.first_delay, x_options.factor, x_options.longest_delay, x_failures);
        const time delay = at_most_a_year(asked_for()) + at_most_a_year(detail::any_between(time(0), most, x_loop->random()));
        x_due = x_loop->now() + delay;
        if (!x_options.log) return;
        const number_text in(static_cast<std::uint64_t>(delay.count() / 1'000'000));
        note(log_level::warning, concat({"next attempt in ", in, " ms: ", told_of(x_last_error)}));
    }

    // What the server has asked for that is busy.
    time asked_for() const {
        const http::response_head& head = x_answer->head;
        const unsigned status = http::to_number(head.status);
        const auto value = head.fields.get("Retry-After");
        if (!value || (status != 429 && status != 503)) return time(0);
        const std::optional<std::uint64_t> date = http::parse_date(head.fields.get("Date").value_or(""));
        const auto system = [] { return static_cast<std::uint64_t>(std::time(nullptr)); };
        const std::uint64_t now = date ? *date : x_options.clock ? x_options.clock() : system();
        const std::uint64_t seconds = http::parse_retry_after(*value, now).value_or(0);
        const time most = x_options.longest_retry_after;
        const auto whole = static_cast<std::uint64_t>(most.count() / 1'000'000'000);
        return seconds > whole ? most : time(std::chrono::seconds(static_cast<std::int64_t>(seconds)));
    }

    static time at_most_a_year(time of) noexcept {
        constexpr time year = std::chrono::hours(24 * 365);
        return of < year ? of : year;
    }

    // There will be no connection any more.
    void end(error why) noexcept {
        x_over = true;
        x_last_error = std::move(why);
        x_sleeps = false;
        x_news.set();
        const bool stopped = x_last_error == errc::canceled;
        if (x_options.log) note(stopped ? log_level::info : log_level::warning, concat({"over: ", told_of(x_last_error)}));
    }

    void note(log_level level, std::string_view what) const { x_options.log({level, what, x_name, x_last_error.code(), 0}); }

    // The context without the URL, which the log has beside it.
    std::string_view told_of(const error& why) const noexcept {
        std::string_view text = why.context();
        for (const std::string_view before : {opening_text, std::string_view("connected to ")})
            if (text.starts_with(before) && text.substr(before.size()).starts_with(x_name))
                text.remove_prefix(before.size() + x_name.size());
        while (text.starts_with(':') || text.starts_with(' ') || text.starts_with(',')) text.remove_prefix(1);
        return text;
    }

    void break_off() noexcept {
        if (x_here) x_here->reset();
    }

    bool is_too_eager() noexcept {
        if (++x_sends < sends_in_a_row) return false;
        x_sends = 0;
        return true;
    }

    io::loop* x_loop;
    reconnecting_options x_options;
    connect_refusal x_own_answer;
    const connect_refusal* x_answer = nullptr; // that one, or the options'
    result<detail::opening> x_opening;         // what each attempt begins with
    std::string x_name;                        // the URL, without a password
    detail::held_messages x_held;
    owned<websocket> x_here;
    error x_last_error;
    event x_news; // there is a connection that was not handed out, or it is over
    detail::member_timer<reconnecting, &reconnecting::break_off> x_bound{*this};
    next_awaiter* x_waiting = nullptr; // in `next`
    time x_due{0}; // when the next attempt is; after `stop`, when the connection is broken off
    std::uint64_t x_attempts = 0;
    std::uint64_t x_connections = 0;
    unsigned x_failures = 0;
    unsigned x_sends = 0;
    bool x_handed_out = false;
    bool x_tries = false;   // attempts are made
    bool x_sleeps = false;  // and the next one is not due yet
    bool x_over = false;
    late<scope> x_work; // last: what runs in it is destroyed before all else
};

} // namespace weir::inline v0
