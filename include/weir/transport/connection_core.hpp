// The workings of a WebSocket connection: the protocol over a stream, on one loop.
//
// `websocket` is the handle that users hold; this is what it points at, at an address that never changes, since the
// stream, the timer and the loop's lists point at it as well. All of it runs on the loop's thread. The parts:
//
//   inbox       what was received: parsed in place, handed out as views, or kept while nobody reads.
//   outgoing    what is to be sent: encoded at the call, written at the end of the turn, with back-pressure.
//   keepalive   when to ping, and when to give up.
//   ending      why it ended: the first cause is kept.
//
// This class is the rest: it does the I/O, once a turn in each direction, and sees a connection to its end. A close that
// we begin goes behind everything queued, and so does our answer to the peer's; a failure passes at the next frame
// boundary and drops the rest. Each phase is bounded by close_timeout. The stream is closed as soon as both sides are
// through; the lease stays until the last view of it is gone.
//
// A stream tells only those whose last `fill` was blocked (x_listening). So whatever takes bytes away goes on until one
// is, now or at the end of the turn, unless enough is kept already. Whoever waits is posted, never resumed from within a
// call into this class.
#pragma once

#include <weir/core/result.hpp>
#include <weir/transport/ending.hpp>
#include <weir/transport/inbox.hpp>
#include <weir/transport/keepalive.hpp>
#include <weir/transport/message.hpp>
#include <weir/transport/outgoing.hpp>
#include <weir/transport/remote_port.hpp>

#include <atomic>

namespace weir::inline v0 {

// What a connection needs of its loop. Everything must outlive the connection.
struct connection_environment {
    scheduler& runs_on;
    block_pool& blocks;
    entropy& random;
};

namespace detail {

class connection_core final : private io::stream_observer, private timer, private lingering, private remote_target {
public:
    using reading = detail::reading;

    // `first` holds what came behind the handshake, in `rest`. `options` is shared and never changes.
    connection_core(ws::role side, std::unique_ptr<io::stream> over, io::lease&& first, mutable_bytes rest,
                    const connection_environment& around, std::shared_ptr<const websocket_options> options) noexcept
        : x_scheduler(around.runs_on), x_options(std::move(options)), x_stream(std::move(over)),
          x_inbox(side, around.blocks, ws::limits{.message_fragments = x_options->message_fragments}, std::move(first), rest),
          x_out(around.blocks, around.random, *x_options), x_turn_end(*this), x_retry(*this),
          x_keepalive(x_scheduler.now()), x_ending(x_scheduler.now()) {
        static std::atomic<std::uint64_t> count{0};
        x_number = ++count;
        x_stream->observe(this);
        if (x_options->ping_interval) x_scheduler.arm(*this, *x_options->ping_interval);
        note(log_level::debug, "connection open");
        serve_at_turn_end(); // what came behind the handshake may hold a ping or a close
    }
    connection_core(const connection_core&) = delete;
    connection_core& operator=(const connection_core&) = delete;

    ~connection_core() {
        close_port();
        x_out.clear();
        outgoing::wake(x_closers, errc::closed);
        x_stream->observe(nullptr);
        x_inbox.stop_parsing();
        x_stream->release(x_inbox.take_lease());
    }

    // Lets the connection end by itself, at most one close_timeout for each phase from now. It frees itself.
    void linger(ws::close_code code) noexcept {
        assert(!x_reader && "a websocket was destroyed while a read waited on it");
        if (over()) return delete this;
        x_context = nullptr;
        x_dropped = true;
        x_inbox.forget_unread();
        begin_close(code, {});
        x_scheduler.keep(*this);
        serve_at_turn_end();
    }

    // --- reading ---

    // True when a read would not have to wait: something is there to hand out, or the connection is over.
    bool readable(reading how) noexcept {
        if (x_reader || ++x_streak > messages_in_a_row) return false;
        x_attended = true;
        const bool found = advance(how);
        x_attended = false;
        return found;
    }

    // Has `who` wait for `readable`. errc{}, or why it may not.
    errc wait_readable(reading how, std::coroutine_handle<> who, context* in) noexcept {
        if (x_reader) return errc::busy;
        const bool enough = std::exchange(x_streak, 0) > messages_in_a_row;
        if (!x_read_waiter.suspend(who, in)) return errc::canceled;
        x_reading = how;
        x_reader = true;
        if (enough && advance(how)) wake_reader(); // enough for one turn: let the others run, then go on
        return {};
    }

    // Ends the wait of `wait_readable`: the coroutine resumes, or is destroyed. What was found stays for the next read.
    errc end_wait(bool resumes) noexcept {
        x_reader = false;
        x_streak = 0;
        x_read_waiter.abandon();
        listen_on();
        const errc outcome = x_read_waiter.outcome();
        if ((outcome != errc{} || !resumes) && x_ending.cause() != close_cause::open) lost(); // it was not told
        return outcome;
    }

    // The message or piece that `readable` found, or why there will be none.
    result<message> take_message() noexcept {
        if (!take()) return why_over();
        return message(x_inbox.view(), x_inbox.view_is_text());
    }
    result<piece> take_piece() noexcept {
        if (!take()) return why_over();
        return piece{x_inbox.view(), x_inbox.view_is_text(), x_inbox.view_is_first(), x_inbox.view_is_last()};
    }

    // --- sending ---

    // Queues a message, encoded messages, a piece of a message. errc{}, or why it was not taken.
    errc send(ws::opcode type, bytes_view payload) noexcept {
        if (!can_send()) return errc::closed;
        return sent(x_out.send(x_inbox.protocol(), *x_stream, type, payload));
    }
    errc send_encoded(bytes_view frames) noexcept {
        if (!can_send()) return errc::closed;
        return sent(x_out.send_encoded(x_inbox.protocol(), frames));
    }
    errc send_frame(ws::opcode type, bytes_view payload, bool last) noexcept {
        if (!can_send()) return errc::closed;
        return sent(x_out.send_frame(x_inbox.protocol(), type, payload, last));
    }

    errc ping(bytes_view payload) noexcept {
        if (!can_send()) return errc::closed;
        if (payload.size() > ws::max_control_bytes) return errc::long_control;
        const errc refused = x_out.send_control(x_inbox.protocol(), ws::opcode::ping, payload);
        if (refused != errc{}) return refused;
        x_keepalive.ping_queued();
        flush_later();
        return {};
    }

    // Whether messages are still taken.
    bool can_send() const noexcept { return x_phase == phase::open && !x_broken; }

    // Whether a send, or a send of a piece, need not wait now; and for those who wait.
    bool sendable() const noexcept { return x_out.sendable() || !can_send(); }
    bool frame_sendable() const noexcept { return x_out.frame_sendable() || !can_send(); }
    void wait_sendable(waiter& sender) noexcept { x_out.wait_sendable(sender); }
    void wait_frame_sendable(waiter& sender) noexcept { x_out.wait_frame_sendable(sender); }

    // --- closing ---

    // Begins the closing handshake, once; later calls do nothing.
    void begin_close(ws::close_code code, std::string_view reason) noexcept {
        if (!can_send()) return;
        if (x_port) x_port->deliver(); // what was posted before is sent before
        if (!can_send()) return;
        x_ending.note(close_cause::local, code, reason, {});
        x_out.send_close(x_inbox.protocol(), code, reason);
        enter_closing();
    }

    // Breaks the connection off at once, without a closing handshake.
    void reset() noexcept {
        if (over()) return;
        x_ending.note(close_cause::local, ws::close_code::abnormal, {}, make_error_code(errc::canceled));
        break_off();
    }

    bool over() const noexcept { return x_phase == phase::over; }
    void wait_over(waiter& closer) noexcept { x_closers.push_back(closer); }

    close_info closed() const {
        close_info all = x_ending.info(over(), x_scheduler.now());
        all.bytes_in = x_bytes_in;
        all.bytes_out = x_out.bytes_out();
        all.round_trip = round_trip();
        return all;
    }

    // --- the rest ---

    // The context that is cancelled when the peer is lost while nobody reads; null for none.
    void guard(context* handler) noexcept { x_context = handler; }

    scheduler& runs_on() const noexcept { return x_scheduler; }
    ws::role role() const noexcept { return x_inbox.protocol().role(); }
    std::uint64_t number() const noexcept { return x_number; }
    std::chrono::nanoseconds round_trip() const noexcept { return x_keepalive.round_trip(); }
    std::size_t queued_bytes() const noexcept { return x_out.queued_bytes(); }
    int descriptor() const noexcept { return x_stream->descriptor(); }
    const websocket_options& options() const noexcept { return *x_options; }

    // The way in from other threads; null when nothing can be sent any more.
    std::shared_ptr<remote_port> port() {
        if (!x_port && can_send()) x_port = std::make_shared<remote_port>(x_scheduler, static_cast<remote_target&>(*this),
                                                   x_options->queue_bytes);
        return x_port;
    }

    // What the handshake agreed upon: a subprotocol, and the request's target. One allocation, or none.
    void agreed(std::string_view subprotocol, std::string_view target) {
        x_subprotocol_bytes = static_cast<std::uint32_t>(subprotocol.size());
        x_agreed = std::make_unique<char[]>(subprotocol.size() + target.size());
        x_target_bytes = static_cast<std::uint32_t>(target.size());
        std::memcpy(x_agreed.get(), subprotocol.data(), subprotocol.size());
        std::memcpy(x_agreed.get() + subprotocol.size(), target.data(), target.size());
    }
    std::string_view subprotocol() const noexcept { return {x_agreed.get(), x_subprotocol_bytes}; }
    std::string_view target() const noexcept { return {x_agreed.get() + x_subprotocol_bytes, x_target_bytes}; }

private:
    static constexpr unsigned messages_in_a_row = 64;

    enum class phase : unsigned char {
        open,     // both directions work
        closing,  // a close frame was sent or received; we wait for the peer's, or for ours to leave
        draining, // everything is said and our direction has ended; what still comes is discarded until the end
        over,     // the stream is closed
    };

    // Runs at the end of the turn, or (retry) in the next one.
    template <void (connection_core::*Function)() noexcept>
    class item final : public ready_item {
    public:
        explicit item(connection_core& core) noexcept : x_core(core) {}

    private:
        void run() noexcept override { (x_core.*Function)(); }
        connection_core& x_core;
    };

    // --- receiving ---

    // Goes on until there is something to hand out to a reader, or the connection is over (true), or there is nothing
    // to go on with (false).
    bool advance(reading how) noexcept {
        for (ws::event next;;) {
            switch (x_inbox.advance(how, x_options->message_bytes, next)) {
            case inbox::step::found: return true;
            case inbox::step::control: handle_control(next); break;
            case inbox::step::too_large:
                x_inbox.forget_unread();
                fail({errc::message_too_large, next.frame_remaining, x_options->message_bytes});
                break;
            case inbox::step::exhausted:
                if (!refill()) return stopped();
                continue;
            }
            if (stopped()) return true;
        }
    }

    // Whether nothing more will ever be handed out.
    bool stopped() const noexcept {
        if (x_inbox.has_ahead() || x_inbox.has_rest()) return false;
        return x_inbox.protocol().close_received() || x_failed || x_phase >= phase::draining || x_broken;
    }

    // More bytes for a reader. False when there are none now.
    bool refill() noexcept {
        x_stream->release(x_inbox.take_lease());
        if (x_phase >= phase::draining || x_broken || x_failed) return false;
        io::lease next;
        if (!receive(next)) return false;
        x_inbox.refill(std::move(next));
        return true;
    }

    // One receive a turn, so that others have theirs; a second call is made only when the first has certainly taken
    // everything, to be told of what comes next. False when nothing came; the end and failures are dealt with.
    bool receive(io::lease& into) noexcept {
        if (x_filled_turn == x_scheduler.turn_number() && !std::exchange(x_drained, false)) {
            if (!std::exchange(x_retrying, true)) x_scheduler.post_next_turn(x_retry);
            return false;
        }
        switch (x_stream->fill(into)) {
        case io::status::ready:
            x_drained = x_filled_turn != x_scheduler.turn_number() && into.bytes.size() < into.backing.size;
            x_filled_turn = x_scheduler.turn_number();
            x_keepalive.received(x_scheduler.now());
            x_bytes_in += into.bytes.size();
            return true;
        case io::status::blocked:
            if (x_mute) lost_stream(x_stream->failure()); // what arrived before has been read
            x_listening = true;
            return false;
        case io::status::end: ended_by_peer(); return false;
        case io::status::failed: lost_stream(x_stream->failure()); return false;
        }
        return false;
    }

    // While nobody reads: parses what is there, so that control frames are seen, and keeps the messages.
    void receive_ahead() noexcept {
        for (ws::event control;;) {
            while (x_inbox.look_ahead(control)) handle_control(control);
            if (x_inbox.lease_is_unused()) x_stream->release(x_inbox.take_lease());
            if (!may_receive_ahead()) return;
            io::lease next;
            if (!receive(next)) return;
            if (!x_failed)
                while (x_inbox.look_ahead(next.bytes, control)) handle_control(control);
            x_stream->release(std::move(next));
        }
    }

    // A close that was begun must not wait for somebody to read: what does not fit is given up then.
    bool may_receive_ahead() noexcept {
        if (x_broken || x_phase >= phase::draining) return false;
        if (x_inbox.ahead_bytes() < x_options->read_ahead_bytes) return true;
        if (x_phase == phase::open) return false;
        x_inbox.discard_from_now();
        return true;
    }

    // Discards what comes until the peer ends its side.
    void drain() noexcept {
        x_inbox.stop_parsing();
        for (io::lease next; x_phase == phase::draining && receive(next);) x_stream->release(std::move(next));
    }

    // Sees to it that somebody looks at what is there, or comes, when no reader does.
    void listen_on() noexcept {
        if (!x_listening || x_inbox.has_rest()) serve_at_turn_end();
    }

    bool take() noexcept {
        x_came = true;
        if (!x_inbox.found()) {
            x_context = nullptr; // whoever reads knows now
            return false;
        }
        x_inbox.take();
        listen_on();
        return true;
    }

    void handle_control(const ws::event& next) noexcept {
        const ws::connection& protocol = x_inbox.protocol();
        switch (next.what) {
        case ws::event::kind::ping:
            if (can_send() && x_out.send_control(x_inbox.protocol(), ws::opcode::pong, next.payload) == errc{}) flush_later();
            break;
        case ws::event::kind::pong: x_keepalive.pong(x_scheduler.now()); break;
        case ws::event::kind::close: closed_by_peer(next.code, as_text(next.payload)); break;
        case ws::event::kind::failed:
            fail(protocol.failure(), protocol.failure_reason(), protocol.failure_close_code());
            break;
        case ws::event::kind::need_more:
        case ws::event::kind::data: break;
        }
    }

    // --- sending ---

    errc sent(errc refused) noexcept {
        if (refused == errc::buffer_full && x_options->overflow == overflow_policy::close)
            fail(refused, "more than " + std::to_string(x_options->queue_bytes) + " bytes wait to be sent",
                 ws::close_code::policy_violation);
        if (refused != errc{}) return refused;
        written();
        flush_later();
        return can_send() ? errc{} : errc::closed;
    }

    void flush_later() noexcept {
        if (x_out.needs_flush()) serve_at_turn_end();
    }

    // Looks at what became of a write.
    void written() noexcept {
        if (x_stream->failure()) return write_failed(x_stream->failure());
        if (x_out.control_empty()) x_keepalive.control_left(x_scheduler.now());
    }

    // --- deadlines ---

    void expire() noexcept override {
        if (x_phase != phase::open) return close_timed_out();
        const bool listening = x_reader || x_inbox.ahead_bytes() < x_options->read_ahead_bytes;
        const keepalive::decision next = x_keepalive.decide(x_scheduler.now(), x_out.bytes_out(), listening,
                                                            *x_options->ping_interval, x_options->ping_timeout);
        if (next.what == keepalive::verdict::lost) return silent_peer();
        if (next.what == keepalive::verdict::ping) ping({});
        x_scheduler.arm(*this, next.again);
    }

    void silent_peer() noexcept {
        char text[80];
        const std::chrono::duration<double> silent = x_scheduler.now() - x_keepalive.last_received();
        std::snprintf(text, sizeof text, "nothing was received for %.3g s", silent.count());
        x_ending.note(close_cause::timeout, ws::close_code::abnormal, text, make_error_code(errc::timed_out));
        note(log_level::warning, "connection lost: the peer fell silent");
        break_off();
    }

    void arm_close() noexcept { x_scheduler.arm(*this, x_options->close_timeout); }

    void close_timed_out() noexcept {
        if (over()) { // somebody was to read what is left
            if (std::exchange(x_came, false)) return arm_close();
            return cancel_handler();
        }
        if (!x_inbox.protocol().close_received()) x_ending.note_unanswered(make_error_code(errc::timed_out), true);
        break_off();
    }

    // --- ending ---

    // RFC 6455, 7.1.4 and 5.5.1: answers with the same code, behind what is queued.
    void closed_by_peer(ws::close_code code, std::string_view reason) noexcept {
        if (over()) return;
        x_ending.note_peer(code, reason);
        if (!x_mute && !x_inbox.protocol().close_sent()) x_out.send_close(x_inbox.protocol(), code, {});
        lost();
        if (x_phase == phase::open) enter_closing();
        serve_at_turn_end();
    }

    void ended_by_peer() noexcept {
        if (x_phase == phase::draining || x_inbox.protocol().close_received()) return finish();
        x_ending.note(close_cause::end_of_stream, ws::close_code::abnormal, {}, make_error_code(errc::end_of_stream));
        x_ending.note_unanswered(make_error_code(errc::end_of_stream), false);
        x_in_order = true;
        break_off();
    }

    void lost_stream(std::error_code why) noexcept {
        const ws::connection& protocol = x_inbox.protocol();
        if (x_phase == phase::draining || (protocol.close_received() && protocol.close_sent() && x_out.empty()))
            return finish();
        x_ending.note(close_cause::reset, ws::close_code::abnormal, {}, why);
        x_ending.note_unanswered(why, false);
        break_off();
    }

    // Nothing can be sent any more, but what had arrived before is still read: it may say why.
    void write_failed(std::error_code why) noexcept {
        if (std::exchange(x_mute, true)) return;
        x_ending.note(close_cause::reset, ws::close_code::abnormal, {}, why);
        x_out.clear();
        x_listening = false;
        if (x_phase == phase::open) enter_closing();
        serve_at_turn_end();
    }

    void fail(const ws::violation& rule) noexcept { fail(rule.rule, rule.reason(), rule.code()); }
    void fail(errc rule, std::string_view reason, ws::close_code code) noexcept {
        if (x_phase >= phase::draining || std::exchange(x_failed, true)) return;
        const bool limit = rule == errc::message_too_large || rule == errc::frame_too_large ||
                           rule == errc::too_many_fragments || rule == errc::buffer_full;
        x_ending.note(limit ? close_cause::limit : close_cause::protocol_error, code, reason, make_error_code(rule));
        note(log_level::warning, reason);
        if (!x_mute) x_out.send_close_at_once(x_inbox.protocol(), code, reason);
        x_inbox.stop_parsing();
        lost();
        if (x_phase == phase::open) enter_closing();
        serve_at_turn_end();
    }

    void enter_closing() noexcept {
        x_phase = phase::closing;
        close_port();
        arm_close();
        serve_at_turn_end();
    }

    // The connection is of no use any more: everything that is left to send is thrown away.
    void break_off() noexcept {
        if (over() || std::exchange(x_broken, true)) return;
        x_out.clear();
        lost();
        serve_at_turn_end();
    }

    // The peer is gone, or going: somebody who does not read has to be told. What is still unread tells by itself, since
    // a read will find the end behind it; only if nobody has come for it for a close_timeout is the context cancelled.
    void lost() noexcept {
        if (!x_reader && !x_attended && !x_inbox.has_unread()) cancel_handler();
    }

    void cancel_handler() noexcept {
        if (x_context && !x_ending.is_local()) std::exchange(x_context, nullptr)->cancel();
    }

    // What is to be done at the end of a turn: see what came for nobody, send what was queued, and get on with ending.
    void serve() noexcept {
        if (x_phase < phase::draining && !x_broken) {
            if (!x_reader)
                receive_ahead();
            else if (!x_inbox.found() && (!x_listening || x_inbox.has_rest()) && advance(x_reading))
                wake_reader();
        }
        if (x_out.needs_flush() && !x_broken && !over()) {
            x_out.flush(*x_stream);
            written();
        }
        if (x_phase == phase::closing && !x_broken && x_out.empty()) say_no_more();
        if (x_phase == phase::draining && !x_broken) drain();
        if (x_broken && !over()) {
            if (!x_in_order) x_stream->reset();
            finish();
        }
        if (x_reader && stopped()) wake_reader();
        if (over() && x_dropped) delete this;
    }

    // Everything has left that we had to say while closing.
    void say_no_more() noexcept {
        const ws::connection& protocol = x_inbox.protocol();
        const bool both = protocol.close_received() && (protocol.close_sent() || x_mute);
        if (both && (protocol.role() == ws::role::server || x_mute)) return finish(); // RFC 6455, 7.1.1: the server first
        if (!both && !x_failed) return;
        if (x_mute) return break_off();
        x_stream->shutdown_write();
        x_phase = phase::draining;
        x_listening = false;
        arm_close();
    }

    void finish() noexcept {
        if (over()) return;
        x_phase = phase::over;
        x_ending.note_end(x_scheduler.now());
        disarm();
        x_retry.unlink();
        x_out.clear();
        x_stream->close();
        close_port();
        if (log_hook hook = x_options->log) {
            const std::string line = closed().message();
            hook({log_level::debug, line, {}, x_ending.error(), x_number});
        }
        outgoing::wake(x_closers, errc{});
        x_came = false;
        if (x_context && x_inbox.has_unread() && !x_ending.is_local()) arm_close();
        serve_at_turn_end();
    }

    void serve_at_turn_end() noexcept {
        if (!x_turn_end.linked()) x_scheduler.post_at_turn_end(x_turn_end);
    }

    void wake_reader() noexcept {
        if (x_read_waiter.waiting() && !x_read_waiter.woken()) x_read_waiter.wake();
    }

    error why_over() const noexcept { return x_ending.error() ? error(x_ending.error()) : error(errc::closed); }

    // --- what the stream and the loop tell ---

    void on_readable() noexcept override {
        x_listening = false;
        if (x_phase == phase::draining) return drain();
        if (over() || x_broken) return;
        if (!x_reader) return receive_ahead();
        if (!x_inbox.found() && advance(x_reading)) wake_reader();
    }

    void retry() noexcept {
        x_retrying = false;
        if (!x_listening) on_readable();
    }

    void on_writable() noexcept override {
        x_out.unblock();
        serve_at_turn_end();
    }

    void abandon() noexcept override { delete this; }

    void note(log_level level, std::string_view what) const noexcept {
        x_options->log({level, what, {}, x_ending.error(), x_number});
    }

    void send_posted(const owned_message& posted) noexcept override {
        send(posted.is_text ? ws::opcode::text : ws::opcode::binary, as_bytes(posted.data));
    }

    // Nothing is taken from other threads any more. The port itself may be at work, and is kept.
    void close_port() noexcept {
        if (x_port) x_port->forget();
    }

    scheduler& x_scheduler;
    std::shared_ptr<const websocket_options> x_options;
    std::unique_ptr<io::stream> x_stream;
    inbox x_inbox;
    outgoing x_out;
    item<&connection_core::serve> x_turn_end;
    item<&connection_core::retry> x_retry;
    waiter x_read_waiter;
    list<ready_item> x_closers;
    context* x_context = nullptr;
    std::shared_ptr<remote_port> x_port;
    keepalive x_keepalive;
    ending x_ending;
    std::unique_ptr<char[]> x_agreed;
    std::uint32_t x_subprotocol_bytes = 0;
    std::uint32_t x_target_bytes = 0;
    std::uint64_t x_number = 0;
    std::uint64_t x_bytes_in = 0;
    std::uint64_t x_filled_turn = ~std::uint64_t{0}; // the turn of the last receive
    unsigned x_streak = 0;
    phase x_phase = phase::open;
    reading x_reading = reading::whole;
    bool x_reader = false;    // somebody waits in read
    bool x_attended = false;  // somebody asks for a message just now
    bool x_came = false;      // somebody has read since the close timer was armed
    bool x_listening = false; // the last fill was blocked, and the stream has not told us since
    bool x_drained = false;   // this turn's receive has certainly left nothing
    bool x_retrying = false;
    bool x_failed = false;    // the peer broke a rule or a limit: we are through after our close frame
    bool x_mute = false;      // a write has failed
    bool x_broken = false;    // the stream is to be given up
    bool x_in_order = false;  // but it has ended by itself, and need not be reset
    bool x_dropped = false;   // nobody holds us any more
};

} // namespace detail

} // namespace weir::inline v0
