// The workings of a WebSocket connection: the protocol over a stream, on one loop.
//
// `websocket` is the handle that users hold; this is what it points at, at an address that never changes, since the
// stream, the timer and the loop's lists point at it as well. All of it runs on the loop's thread. The pieces:
//
//   receiving   The stream lends bytes, the protocol parses them in place. While somebody reads, messages are handed out
//               as views of the lease (or of x_assembly when they came in parts). While nobody does, pieces are copied
//               to x_ahead up to a bound, so that pings and closes behind them are seen.
//   sending     Messages are encoded into the outbox at the call and leave at the end of the turn in one write; a large
//               payload goes straight from the caller's memory.
//   ending      The first cause is kept. A close that we begin goes behind everything queued, and so does our answer
//               to the peer's; a failure passes at the next frame boundary and drops the rest. Each phase is bounded by
//               close_timeout. The stream is closed as soon as both sides are through; the lease stays until
//               the last view of it is gone.
//
// Whoever waits is posted, never resumed from within a call into this class.
#pragma once

#include <weir/core/entropy.hpp>
#include <weir/core/result.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/io/stream.hpp>
#include <weir/protocol/ws/connection.hpp>
#include <weir/transport/close_info.hpp>
#include <weir/transport/message.hpp>
#include <weir/transport/outbox.hpp>
#include <weir/transport/read_ahead.hpp>
#include <weir/transport/remote_port.hpp>
#include <weir/transport/websocket_options.hpp>

#include <atomic>
#include <memory>
#include <string>

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
    // How a reader wants its messages.
    enum class reading : unsigned char { whole, by_pieces };

    // `first` holds what came behind the handshake, in `rest`. `options` is shared and never changes.
    connection_core(ws::role side, std::unique_ptr<io::stream> over, io::lease&& first, mutable_bytes rest,
                    const connection_environment& around, std::shared_ptr<const websocket_options> options) noexcept
        : x_scheduler(around.runs_on), x_random(around.random), x_options(std::move(options)), x_stream(std::move(over)),
          x_lease(std::exchange(first, {})), x_rest(rest),
          x_protocol(side, around.blocks, ws::limits{.message_fragments = x_options->message_fragments}),
          x_assembly(around.blocks), x_ahead(around.blocks), x_outbox(around.blocks), x_turn_end(*this), x_retry(*this),
          x_began(x_scheduler.now()), x_last_received(x_began) {
        static std::atomic<std::uint64_t> count{0};
        x_number = ++count;
        x_stream->observe(this);
        arm_keepalive();
        note(log_level::debug, "connection open");
        serve_at_turn_end(); // what came behind the handshake may hold a ping or a close
    }
    connection_core(const connection_core&) = delete;
    connection_core& operator=(const connection_core&) = delete;

    ~connection_core() {
        forget_port();
        wake_all(errc::closed);
        x_stream->observe(nullptr);
        x_stream->release(std::move(x_lease));
    }

    // Lets the connection end by itself, at most one close_timeout for each phase from now. It frees itself.
    void linger(ws::close_code code) noexcept {
        assert(!x_reader && "a websocket was destroyed while a read waited on it");
        if (over()) return delete this;
        x_context = nullptr;
        x_dropped = true;
        x_ahead.clear();
        wake_all(errc::closed);
        begin_close(code, {});
        x_scheduler.keep(*this);
        serve_at_turn_end();
    }

    // --- reading ---

    // True when a read would not have to wait: something is there to hand out, or the connection is over.
    bool readable(reading how) noexcept {
        if (x_reader) return false;
        if (++x_streak > messages_in_a_row) return false;
        return advance(how);
    }

    // Has `who` wait for `readable`. errc{}, or why it may not.
    errc wait_readable(reading how, std::coroutine_handle<> who, context* in) noexcept {
        if (x_reader) return errc::busy;
        if (!x_read_waiter.suspend(who, in)) return errc::canceled;
        x_reading = how;
        x_reader = true;
        if (x_streak > messages_in_a_row) { // enough for one turn: let the others run, then go on
            if (advance(how))
                wake_reader();
            else
                x_streak = 0;
        } else {
            x_streak = 0;
        }
        return {};
    }

    // Ends the wait of `wait_readable`: the coroutine resumes, or is destroyed. What was found stays for the next read.
    errc end_wait() noexcept {
        x_reader = false;
        x_streak = 0;
        x_read_waiter.abandon();
        if (!x_rest.empty()) serve_at_turn_end();
        return x_read_waiter.outcome();
    }

    // The message or piece that `readable` found, or why there will be none.
    result<message> take_message() noexcept {
        if (!x_found) return why_over();
        x_found = false;
        return message(x_view, x_view_type == ws::opcode::text);
    }
    result<piece> take_piece() noexcept {
        if (!x_found) return why_over();
        x_found = false;
        return piece{x_view, x_view_type == ws::opcode::text, x_view_first, x_view_last};
    }

    // --- sending ---

    // Encodes a whole message into the outbox. errc{}, or why it was not taken.
    errc send(ws::opcode type, bytes_view payload) noexcept {
        if (!can_send()) return errc::closed;
        const std::size_t queued = x_outbox.queued_bytes();
        if (queued && queued + payload.size() > x_options->queue_bytes) return overflow();
        const bool masked = x_protocol.role() == ws::role::client;
        if (x_protocol.sending_message()) { // behind the end of the message that is being sent by pieces
            outbox::append_message(x_outbox.deferred(), type, payload, x_options->frame_bytes, masked, next_key());
            return {};
        }
        if (payload.size() >= write_through_bytes && !masked && !x_blocked && x_outbox.data().empty()) {
            x_bytes_out += x_outbox.write_through(*x_stream, type, payload, x_options->frame_bytes);
            x_blocked = !x_outbox.empty();
            if (x_stream->failure()) broke(x_stream->failure());
            return {};
        }
        outbox::append_message(x_outbox.data(), type, payload, x_options->frame_bytes, masked, next_key());
        flush_later();
        return {};
    }

    // Appends frames that are encoded already, unmasked; for servers that send the same to many.
    errc send_encoded(bytes_view frames) noexcept {
        if (!can_send()) return errc::closed;
        const std::size_t queued = x_outbox.queued_bytes();
        if (queued && queued + frames.size() > x_options->queue_bytes) return overflow();
        buffer& into = x_protocol.sending_message() ? x_outbox.deferred() : x_outbox.data();
        if (!into.append(frames)) return errc::buffer_full;
        flush_later();
        return {};
    }

    // Encodes one piece of a message as a frame.
    errc send_frame(ws::opcode type, bytes_view payload, bool last) noexcept {
        if (!can_send()) return errc::closed;
        const std::size_t queued = x_outbox.queued_bytes();
        if (queued && queued + payload.size() > x_options->queue_bytes) return overflow();
        const errc refused = x_protocol.encode_frame(x_outbox.data(), type, payload, last, next_key()());
        if (refused != errc{}) return refused;
        if (last) x_outbox.end_deferral();
        flush_later();
        return {};
    }

    errc ping(bytes_view payload) noexcept {
        if (!can_send()) return errc::closed;
        if (payload.size() > ws::max_control_bytes) return errc::long_control;
        return queue_ping(payload) ? errc{} : errc::buffer_full;
    }

    // Whether messages are still taken.
    bool can_send() const noexcept { return x_phase == phase::open; }

    // Whether a send need not wait now.
    bool sendable() const noexcept { return x_outbox.queued_bytes() <= x_options->high_water_bytes || !can_send(); }
    void wait_sendable(waiter& sender) noexcept { x_senders.push_back(sender); }

    // --- closing ---

    // Begins the closing handshake, once; later calls do nothing.
    void begin_close(ws::close_code code, std::string_view reason) noexcept {
        if (x_phase != phase::open) return;
        x_outbox.deferred().clear(); // what would have followed a message whose end will not come
        end_with(close_cause::local, code, reason, {});
        queue_close(x_outbox.data(), code, reason);
        x_phase = phase::closing;
        arm_close();
        serve_at_turn_end();
    }

    // Breaks the connection off at once, without a closing handshake.
    void reset() noexcept {
        if (x_phase == phase::over) return;
        end_with(close_cause::local, ws::close_code::abnormal, {}, make_error_code(errc::canceled));
        break_off();
    }

    bool over() const noexcept { return x_phase == phase::over; }
    void wait_over(waiter& closer) noexcept { x_closers.push_back(closer); }

    close_info closed() const {
        close_info info;
        info.cause = x_cause;
        info.code = x_code;
        if (x_reason) info.reason = *x_reason;
        info.error = x_error;
        info.bytes_in = x_bytes_in;
        info.bytes_out = x_bytes_out;
        info.age = (over() ? x_ended : x_scheduler.now()) - x_began;
        info.round_trip = x_round_trip;
        return info;
    }

    // --- the rest ---

    // The context that is cancelled when the peer is lost while nobody reads; null for none.
    void guard(context* handler) noexcept { x_context = handler; }

    scheduler& runs_on() const noexcept { return x_scheduler; }
    ws::role role() const noexcept { return x_protocol.role(); }
    std::uint64_t number() const noexcept { return x_number; }
    std::chrono::nanoseconds round_trip() const noexcept { return x_round_trip; }
    std::size_t queued_bytes() const noexcept { return x_outbox.queued_bytes(); }
    int descriptor() const noexcept { return x_stream->descriptor(); }
    const websocket_options& options() const noexcept { return *x_options; }

    // The way in from other threads; null when the connection is over.
    std::shared_ptr<remote_port> port() {
        if (!x_port && !over()) x_port = std::make_shared<remote_port>(x_scheduler, static_cast<remote_target&>(*this),
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
    static constexpr std::size_t write_through_bytes = 16 * 1024;
    static constexpr std::size_t control_lane_bytes = 16 * 1024; // pongs past this are not queued (RFC 6455, 5.5.3)

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

    struct key_source {
        entropy* random;
        ws::masking_key operator()() const noexcept {
            return std::bit_cast<ws::masking_key>(random ? random->next_32() : 0u);
        }
    };
    key_source next_key() noexcept { return {x_protocol.role() == ws::role::client ? &x_random : nullptr}; }

    // --- receiving ---

    // Goes on until there is something to hand out to a reader, or the connection is over (true), or there is nothing
    // to go on with (false).
    bool advance(reading how) noexcept {
        if (x_found) return regard(how);
        release_view();
        for (;;) {
            ws::event next;
            if (!x_ahead.empty()) {
                next = x_ahead.next();
            } else {
                if (x_rest.empty() && !refill()) return stopped();
                next = x_protocol.receive(x_rest);
                if (next.what != ws::event::kind::data) {
                    handle_control(next);
                    if (stopped()) return true;
                    continue;
                }
            }
            if (accept(next, how)) return true;
            if (stopped()) return true;
        }
    }

    // Whether nothing more will ever be handed out.
    bool stopped() const noexcept {
        if (!x_ahead.empty()) return false;
        if (x_protocol.close_received() || x_failed) return true;
        return x_rest.empty() && (x_phase >= phase::draining || x_broken);
    }

    // One piece of a message for a reader. True when it makes something to hand out.
    bool accept(const ws::event& next, reading how) noexcept {
        if (how == reading::by_pieces && x_assembly.empty()) {
            hand_out(next.payload, next);
            return true;
        }
        const std::uint64_t total = x_assembly.size() + next.payload.size() + next.frame_remaining;
        if (total > x_options->message_bytes) {
            fail({errc::message_too_large, total, x_options->message_bytes});
            return true;
        }
        if (next.last && x_assembly.empty()) {
            hand_out(next.payload, next);
            return true;
        }
        if (x_assembly.empty()) x_assembly_first = next.first;
        if (!next.payload.empty()) {
            const std::size_t size = next.payload.size();
            const std::size_t wanted = size + static_cast<std::size_t>(next.frame_remaining);
            std::byte* to = x_assembly.prepare(wanted < assembly_step ? wanted : max(size, assembly_step));
            assert(to && "this buffer has no bound of its own");
            std::memcpy(to, next.payload.data(), size);
            x_assembly.commit(size);
        }
        // An empty beginning leaves no trace in the assembly; the message then begins with what comes next.
        if (!next.last && how == reading::whole) return false;
        hand_out(std::as_const(x_assembly).view(), next);
        x_view_first = x_assembly_first;
        x_view_assembled = true;
        return true;
    }

    static constexpr std::size_t assembly_step = 64 * 1024;
    static std::size_t max(std::size_t a, std::size_t b) noexcept { return a > b ? a : b; }

    void hand_out(bytes_view payload, const ws::event& from) noexcept {
        x_view = payload;
        x_view_type = from.type;
        x_view_first = from.first;
        x_view_last = from.last;
        x_found = true;
        if (!x_rest.empty() || x_retrying) serve_at_turn_end(); // there may be a ping behind it
    }

    // Something was found for a reader that went away before it took it. Pieces are gathered if a whole message is
    // wanted now.
    bool regard(reading how) noexcept {
        if (how == reading::by_pieces || x_view_last) return true;
        x_found = false;
        if (!x_view_assembled) {
            const bool fits = x_assembly.append(x_view);
            assert(fits);
            (void)fits;
            x_assembly_first = x_view_first;
        }
        x_view_assembled = false;
        return advance(how);
    }

    void release_view() noexcept {
        x_view = {};
        if (x_view_assembled) {
            x_assembly.clear();
            x_view_assembled = false;
        }
        x_ahead.release();
    }

    // Gets more bytes from the stream, once a turn. False when there are none now.
    bool refill() noexcept {
        x_stream->release(std::exchange(x_lease, {}));
        if (x_phase >= phase::draining || x_broken) return false;
        if (x_filled_turn == x_scheduler.turn_number()) { // that was this turn's receive: let the others have theirs
            retry_later();
            return false;
        }
        io::lease next;
        if (!receive(next)) return false;
        x_lease = next;
        x_rest = x_lease.bytes;
        return true;
    }

    // One receive. False when nothing came; the end and failures are dealt with.
    bool receive(io::lease& into) noexcept {
        const io::status what = x_stream->fill(into);
        switch (what) {
        case io::status::ready:
            x_filled_turn = x_scheduler.turn_number();
            x_last_received = x_scheduler.now();
            x_ping_left = false;
            x_bytes_in += into.bytes.size();
            return true;
        case io::status::blocked: return false;
        case io::status::end: ended_by_peer(); return false;
        case io::status::failed: broke(x_stream->failure()); return false;
        }
        return false;
    }

    // While nobody reads: parses what is there, so that control frames are seen, and keeps the messages.
    void receive_ahead() noexcept {
        while (!x_rest.empty() || may_receive_ahead()) {
            if (!x_rest.empty()) {
                parse_ahead(x_rest);
                continue;
            }
            if (x_filled_turn == x_scheduler.turn_number()) return retry_later();
            io::lease next;
            if (!receive(next)) return;
            parse_ahead(next.bytes);
            x_stream->release(std::move(next));
        }
    }

    bool may_receive_ahead() const noexcept {
        if (x_phase == phase::open) return !x_broken && x_ahead.size() < x_options->read_ahead_bytes;
        return x_phase == phase::closing && !x_broken; // nothing is kept any more
    }

    void parse_ahead(mutable_bytes& input) noexcept {
        while (!input.empty()) {
            const ws::event next = x_protocol.receive(input);
            if (next.what != ws::event::kind::data)
                handle_control(next);
            else if (x_phase == phase::open)
                x_ahead.keep(next); // nobody will read what comes after we have closed
        }
    }

    // Discards what comes until the peer ends its side.
    void drain() noexcept {
        x_rest = {};
        for (io::lease next; x_phase == phase::draining;) {
            if (x_filled_turn == x_scheduler.turn_number()) return retry_later();
            if (!receive(next)) return;
            x_stream->release(std::move(next));
        }
    }

    void handle_control(const ws::event& next) noexcept {
        switch (next.what) {
        case ws::event::kind::ping: answer_ping(next.payload); break;
        case ws::event::kind::pong: take_pong(next.payload); break;
        case ws::event::kind::close: closed_by_peer(next.code, as_text(next.payload)); break;
        case ws::event::kind::failed:
            fail({x_protocol.failure(), 0, 0}, x_protocol.failure_reason(), x_protocol.failure_close_code());
            break;
        case ws::event::kind::need_more:
        case ws::event::kind::data: break;
        }
    }

    void answer_ping(bytes_view payload) noexcept {
        if (!can_send() || x_outbox.control().size() > control_lane_bytes) return;
        if (x_protocol.encode_control(x_outbox.control(), ws::opcode::pong, payload, next_key()()) == errc{})
            flush_later();
    }

    // --- sending ---

    errc overflow() noexcept {
        if (x_options->overflow == overflow_policy::drop) return errc::buffer_full;
        std::string reason = "more than " + std::to_string(x_options->queue_bytes) + " bytes wait to be sent";
        fail({errc::buffer_full, 0, 0}, reason, ws::close_code::policy_violation);
        return errc::buffer_full;
    }

    void flush_later() noexcept {
        if (!x_blocked) serve_at_turn_end();
    }

    void flush() noexcept {
        if (x_blocked || x_phase == phase::over || x_outbox.empty()) return;
        x_bytes_out += x_outbox.flush(*x_stream);
        if (x_stream->failure()) return broke(x_stream->failure());
        x_blocked = !x_outbox.empty();
        if (x_outbox.control().empty() && x_ping_queued) {
            x_ping_queued = false;
            x_ping_left = true;
            x_ping_left_at = x_scheduler.now();
            if (x_pings_out) x_ping_sent = x_ping_left_at;
        }
        if (x_outbox.queued_bytes() <= x_options->high_water_bytes / 2) wake(x_senders, errc{});
    }

    // --- keeping alive ---

    bool queue_ping(bytes_view payload) noexcept {
        if (x_outbox.control().size() > control_lane_bytes) return false;
        if (x_protocol.encode_control(x_outbox.control(), ws::opcode::ping, payload, next_key()()) != errc{})
            return false;
        x_ping_queued = true;
        x_pings_out = true;
        x_ping_sent = x_scheduler.now();
        flush_later();
        return true;
    }

    void take_pong(bytes_view) noexcept {
        if (!x_pings_out) return; // unasked for: a sign of life like any other (RFC 6455, 5.5.3)
        x_pings_out = false;
        x_round_trip = x_scheduler.now() - x_ping_sent;
    }

    void arm_keepalive() noexcept {
        if (!x_options->ping_interval) return;
        x_scheduler.arm(*this, *x_options->ping_interval);
    }

    void expire() noexcept override {
        if (x_phase != phase::open) return close_timed_out();
        const std::chrono::nanoseconds now = x_scheduler.now();
        const std::chrono::nanoseconds interval = *x_options->ping_interval;
        if (x_ping_left) {
            const std::chrono::nanoseconds silent = now - x_ping_left_at;
            if (x_ahead.size() >= x_options->read_ahead_bytes && !x_reader) {
                x_ping_left = false; // we are not listening: its silence means nothing
            } else if (silent >= x_options->ping_timeout) {
                return silent_peer();
            } else {
                return x_scheduler.arm(*this, x_options->ping_timeout - silent);
            }
        }
        const std::chrono::nanoseconds idle = now - x_last_received;
        if (idle < interval) return x_scheduler.arm(*this, interval - idle);
        if (!x_ping_queued) {
            queue_ping({});
        } else if (x_bytes_out == x_out_mark) { // a ping that cannot even leave
            return silent_peer();
        }
        x_out_mark = x_bytes_out;
        x_scheduler.arm(*this, x_options->ping_timeout);
    }

    void silent_peer() noexcept {
        end_with(close_cause::timeout, ws::close_code::abnormal,
                 "nothing was received for " + seconds(x_scheduler.now() - x_last_received) + " s",
                 make_error_code(errc::timed_out));
        note(log_level::warning, "connection lost: the peer fell silent");
        break_off();
    }

    static std::string seconds(std::chrono::nanoseconds time) {
        char text[32];
        std::snprintf(text, sizeof text, "%.3g", std::chrono::duration<double>(time).count());
        return text;
    }

    // --- ending ---

    // Keeps the first cause; the peer's code and reason win over ours.
    void end_with(close_cause cause, ws::close_code code, std::string_view reason, std::error_code why) noexcept {
        if (x_cause != close_cause::open) return;
        x_cause = cause;
        x_code = code;
        x_error = why;
        if (!reason.empty()) x_reason = std::make_unique<std::string>(reason);
    }

    void queue_close(buffer& lane, ws::close_code code, std::string_view reason) noexcept {
        [[maybe_unused]] const errc refused = x_protocol.encode_close(lane, code, reason, next_key()());
        assert(refused == errc{});
    }

    // RFC 6455, 7.1.4 and 5.5.1: answers with the same code, behind what is queued.
    void closed_by_peer(ws::close_code code, std::string_view reason) noexcept {
        end_with(close_cause::peer, code, reason, {});
        if (!x_protocol.close_sent()) queue_close(x_outbox.data(), code, {});
        if (x_phase == phase::open) {
            x_phase = phase::closing;
            arm_close();
        }
        lost(x_found || !x_ahead.empty());
        serve_at_turn_end();
    }

    void ended_by_peer() noexcept {
        if (x_phase == phase::draining || x_protocol.close_received()) return finish();
        end_with(close_cause::end_of_stream, ws::close_code::abnormal, {}, make_error_code(errc::end_of_stream));
        break_off();
    }

    void broke(std::error_code why) noexcept {
        if (x_phase == phase::draining || (x_protocol.close_received() && x_protocol.close_sent() && x_outbox.empty()))
            return finish();
        end_with(close_cause::reset, ws::close_code::abnormal, {}, why);
        break_off();
    }

    void fail(const ws::violation& rule) noexcept { fail(rule, rule.reason(), rule.code()); }
    void fail(const ws::violation& rule, std::string_view reason, ws::close_code code) noexcept {
        if (x_phase >= phase::draining) return;
        const bool limit = rule.rule == errc::message_too_large || rule.rule == errc::frame_too_large ||
                           rule.rule == errc::too_many_fragments || rule.rule == errc::buffer_full;
        end_with(limit ? close_cause::limit : close_cause::protocol_error, code, reason, make_error_code(rule.rule));
        note(log_level::warning, reason);
        x_outbox.drop_messages();
        if (!x_protocol.close_sent()) queue_close(x_outbox.control(), code, reason);
        x_failed = true;
        x_phase = phase::closing;
        x_rest = {};
        arm_close();
        lost(false);
        serve_at_turn_end();
    }

    // The connection is of no use any more: everything that is left is thrown away.
    void break_off() noexcept {
        x_broken = true;
        x_outbox.drop_messages();
        lost(false);
        serve_at_turn_end();
    }

    // The peer is gone, or going: somebody who does not read has to be told. What is still unread tells by itself, since
    // a read will find the end behind it; only if nobody has come for it after close_timeout is the context cancelled.
    void lost(bool unread) noexcept {
        if (x_reader || unread || !x_context) return;
        if (x_cause == close_cause::local) return;
        std::exchange(x_context, nullptr)->cancel();
    }

    void arm_close() noexcept { x_scheduler.arm(*this, x_options->close_timeout); }

    void close_timed_out() noexcept {
        if (x_phase == phase::over) {
            if (x_context && x_cause != close_cause::local) std::exchange(x_context, nullptr)->cancel();
            return;
        }
        if (x_phase == phase::closing && !x_protocol.close_received()) {
            if (x_cause == close_cause::local) {
                x_cause = close_cause::timeout;
                x_error = make_error_code(errc::timed_out);
            }
        }
        x_broken = true;
        lost(false);
        serve_at_turn_end();
    }

    // What is to be done at the end of a turn: see what came for nobody, send what was queued, and get on with ending.
    void serve() noexcept {
        if (x_phase < phase::draining && !x_broken) {
            if (!x_reader)
                receive_ahead();
            else if (!x_found && advance(x_reading))
                wake_reader();
        }
        if (!x_broken) flush();
        if (x_phase == phase::closing && !x_broken && x_outbox.empty()) {
            const bool both = x_protocol.close_sent() && x_protocol.close_received();
            if (both && x_protocol.role() == ws::role::server) {
                finish(); // RFC 6455, 7.1.1: the server closes the connection first
            } else if (both || x_failed) {
                x_stream->shutdown_write();
                x_phase = phase::draining;
            }
        }
        if (x_phase == phase::draining && !x_broken) drain();
        if (x_broken && x_phase != phase::over) {
            if (x_cause != close_cause::end_of_stream) x_stream->reset();
            finish();
        }
        if (x_reader && stopped()) wake_reader();
        if (x_phase == phase::over && x_dropped) delete this;
    }

    void retry() noexcept {
        x_retrying = false;
        if (x_phase != phase::over) on_readable();
    }

    void finish() noexcept {
        if (x_phase == phase::over) return;
        x_phase = phase::over;
        x_ended = x_scheduler.now();
        disarm();
        x_retry.unlink();
        x_outbox.drop_messages();
        x_outbox.control().clear();
        x_stream->close();
        forget_port();
        if (log_hook hook = x_options->log) {
            const std::string line = closed().message();
            hook({log_level::debug, line, {}, x_error, x_number});
        }
        wake(x_senders, errc::closed);
        wake(x_closers, errc{});
        if (x_context && (x_found || !x_ahead.empty()) && x_cause != close_cause::local) arm_close();
        serve_at_turn_end();
    }

    void serve_at_turn_end() noexcept {
        if (!x_turn_end.linked()) x_scheduler.post_at_turn_end(x_turn_end);
    }

    void retry_later() noexcept {
        if (std::exchange(x_retrying, true)) return;
        x_scheduler.post_next_turn(x_retry);
    }

    // --- waking ---

    void wake_reader() noexcept {
        if (x_read_waiter.waiting() && !x_read_waiter.woken()) x_read_waiter.wake();
    }

    static void wake(list<ready_item>& waiters, errc outcome) noexcept {
        while (ready_item* each = waiters.pop_front()) static_cast<waiter*>(each)->wake(outcome);
    }

    void wake_all(errc outcome) noexcept {
        wake(x_senders, outcome);
        wake(x_closers, outcome);
    }

    error why_over() const noexcept {
        if (x_error) return x_error;
        return errc::closed;
    }

    // --- what the stream and the loop tell ---

    void on_readable() noexcept override {
        if (x_phase == phase::draining) return drain();
        if (x_reader) {
            if (!x_found && advance(x_reading)) wake_reader();
        } else {
            receive_ahead();
        }
    }

    void on_writable() noexcept override {
        x_blocked = false;
        serve_at_turn_end();
    }

    void abandon() noexcept override { delete this; }

    void note(log_level level, std::string_view what) const noexcept {
        x_options->log({level, what, {}, x_error, x_number});
    }

    void send_posted(const owned_message& posted) noexcept override {
        send(posted.is_text ? ws::opcode::text : ws::opcode::binary, as_bytes(posted.data));
    }

    void forget_port() noexcept {
        if (x_port) std::exchange(x_port, nullptr)->forget();
    }

    scheduler& x_scheduler;
    entropy& x_random;
    std::shared_ptr<const websocket_options> x_options;
    std::unique_ptr<io::stream> x_stream;
    io::lease x_lease;
    mutable_bytes x_rest; // what of the lease has not been parsed
    ws::connection x_protocol;
    buffer x_assembly; // a message that comes in parts, or was handed out last
    read_ahead x_ahead;
    outbox x_outbox;
    item<&connection_core::serve> x_turn_end;
    item<&connection_core::retry> x_retry;
    waiter x_read_waiter;
    list<ready_item> x_senders;
    list<ready_item> x_closers;
    context* x_context = nullptr;
    std::shared_ptr<remote_port> x_port;
    std::unique_ptr<char[]> x_agreed;
    std::unique_ptr<std::string> x_reason;
    std::error_code x_error;
    bytes_view x_view; // what was handed out last, or is to be
    std::uint64_t x_number = 0;
    std::uint64_t x_bytes_in = 0;
    std::uint64_t x_bytes_out = 0;
    std::uint64_t x_out_mark = 0;    // x_bytes_out when the keepalive last looked
    std::uint64_t x_filled_turn = 0; // the turn of the last receive
    std::chrono::nanoseconds x_began;
    std::chrono::nanoseconds x_ended{0};
    std::chrono::nanoseconds x_last_received;
    std::chrono::nanoseconds x_ping_sent{0};
    std::chrono::nanoseconds x_ping_left_at{0};
    std::chrono::nanoseconds x_round_trip{-1};
    std::uint32_t x_subprotocol_bytes = 0;
    std::uint32_t x_target_bytes = 0;
    unsigned x_streak = 0;
    ws::close_code x_code = ws::close_code::abnormal;
    ws::opcode x_view_type = ws::opcode::text;
    close_cause x_cause = close_cause::open;
    phase x_phase = phase::open;
    reading x_reading = reading::whole;
    bool x_reader = false;         // somebody waits in read
    bool x_found = false;          // x_view is to be handed out
    bool x_view_first = false;
    bool x_view_last = false;
    bool x_view_assembled = false; // x_view lies in x_assembly
    bool x_assembly_first = false; // x_assembly begins with the beginning of its message
    bool x_blocked = false;        // the stream takes nothing until it says so
    bool x_retrying = false;
    bool x_ping_queued = false;    // a ping waits in the control lane
    bool x_ping_left = false;      // a ping has left and nothing has been received since
    bool x_pings_out = false;      // a pong is due
    bool x_failed = false;         // the peer broke a rule: we are through after our close frame
    bool x_broken = false;         // the stream is to be reset
    bool x_dropped = false;        // nobody holds us any more
};

} // namespace detail

} // namespace weir::inline v0
