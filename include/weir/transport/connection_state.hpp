// The state of a WebSocket connection and its way to the end: what each cause does.
//
// The base of transport/connection_input.hpp and connection_engine.hpp, which do the I/O. Nothing here receives or writes:
// a transition notes the cause, queues what is still to be said, and has the engine serve the connection at the end of the
// turn. The first cause is kept. A close goes behind everything queued; a failure passes at the next frame boundary and drops the rest.
// Loop thread only.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/core/owned.hpp>
#include <weir/core/shared.hpp>
#include <weir/coro/lingering.hpp>
#include <weir/transport/agreed_names.hpp>
#include <weir/transport/control_budget.hpp>
#include <weir/transport/ending.hpp>
#include <weir/transport/inbox.hpp>
#include <weir/transport/keepalive.hpp>
#include <weir/transport/outgoing.hpp>
#include <weir/transport/remote_port.hpp>

#include <bit>
#include <new>

namespace weir::inline v0 {

// What a connection needs of its loop. Everything must outlive the connection.
struct connection_environment {
    scheduler& runs_on;
    block_pool& blocks;
    entropy& random;
};

namespace detail {

class connection_state : protected io::stream_observer, protected timer, protected ready_item {
public:
    connection_state(const connection_state&) = delete;
    connection_state& operator=(const connection_state&) = delete;

    // Whether messages are still taken.
    bool can_send() const noexcept { return x_open; }

    bool over() const noexcept { return x_phase == phase::over; }

    const websocket_options& options() const noexcept { return x_out.options(); }
    scheduler& runs_on() const noexcept { return x_read_waiter.runs_on(); }

    [[gnu::cold]] close_info closed() const {
        close_info all = x_ending.info(ended(), over(), runs_on().now());
        all.bytes_in = x_bytes_in;
        all.bytes_out = x_out.bytes_out();
        all.round_trip = x_keepalive.round_trip();
        if (all.cause == close_cause::timeout && all.code != ws::close_code::abnormal) all.unanswered = options().close_timeout;
        return all;
    }

    // The context that is cancelled when the peer is lost while nobody reads; null for none.
    void guard(context* handler) noexcept { x_context = handler; }

    // What the handshake agreed upon: a subprotocol, and the request's target.
    [[gnu::cold]] void agreed(std::string_view subprotocol, std::string_view target) { x_agreed.set(subprotocol, target); }
    std::string_view subprotocol() const noexcept { return x_agreed.subprotocol(); }
    std::string_view target() const noexcept { return x_agreed.target(); }

    // The target and the peer, as far as they are known and somebody logs: "/chat, 192.0.2.1:4711".
    [[gnu::cold]] std::string where() const noexcept {
        if (!options().log) return {};
        const std::string peer = options().peer_name ? options().peer_name(*x_stream) : std::string();
        return concat({target(), target().empty() || peer.empty() ? "" : ", ", peer});
    }

protected:
    enum class phase : unsigned char {
        open,     // both directions work
        closing,  // a close frame was sent or received; we wait for the peer's, or for ours to leave
        draining, // everything is said and our direction has ended; what still comes is discarded until the end
        over,     // the stream is closed
    };

    connection_state(ws::role side, owned<io::stream> over, io::lease&& first, mutable_bytes rest,
                     const connection_environment& around, shared<const websocket_options> options) noexcept
        : x_stream(std::move(over)),
          x_inbox(side, around.blocks,
                  ws::limits{.frame_bytes = options->received_frame_bytes, .message_fragments = UINT32_MAX},
                  options->message_bytes, std::move(first), rest),
          x_out(x_inbox.protocol(), around.blocks, around.random, std::move(options)), x_read_waiter(around.runs_on),
          x_controls(runs_on().now()), x_keepalive(runs_on().now()), x_ending(runs_on().now()) {
        assert(x_out.options().frame_bytes > 0 && "frame_bytes of a connection must be at least 1");
        static atomic<std::uint64_t> count{0};
        x_number = count.fetch_add(1) + 1;
        runs_on().used_by_one_more();
    }

    [[gnu::cold]] ~connection_state() {
        runs_on().used_by_one_less();
        close_port();
        x_out.clear();
        wake_closers(errc::closed);
        x_stream->observe(nullptr);
        x_inbox.stop_parsing();
        x_inbox.give_lease_to(*x_stream);
    }

    // RFC 6455, 7.1.4 and 5.5.1: answers with the same code, behind what is queued.
    [[gnu::cold]] void closed_by_peer(ws::close_code code, std::string_view reason) noexcept {
        if (over()) return;
        x_ending.note_peer(ended_place(), code, reason);
        if (!x_mute && !x_inbox.protocol().close_sent()) x_out.send_close(x_inbox.protocol(), code, {});
        lost();
        if (x_phase == phase::open) enter_closing();
        serve_at_turn_end();
    }

    [[gnu::cold]] void ended_by_peer() noexcept {
        if (x_phase == phase::draining || (x_inbox.protocol().close_received() && x_out.empty())) return finish();
        if (x_inbox.protocol().close_received()) return; // it may still hear what we have to say; then we finish
        x_ending.note(ended_place(), close_cause::end_of_stream, ws::close_code::abnormal, {}, make_error_code(errc::end_of_stream));
        x_ending.note_unanswered(ended(), make_error_code(errc::end_of_stream), false);
        x_in_order = true;
        break_off();
    }

    [[gnu::cold]] void lost_stream(std::error_code why) noexcept {
        const ws::connection& protocol = x_inbox.protocol();
        if (x_phase == phase::draining || (protocol.close_received() && protocol.close_sent() && x_out.empty()))
            return finish();
        x_ending.note(ended_place(), close_cause::reset, ws::close_code::abnormal, {}, why);
        x_ending.note_unanswered(ended(), why, false);
        break_off();
    }

    // Nothing can be sent any more, but what had arrived before is still read: it may say why.
    [[gnu::cold]] void write_failed(std::error_code why) noexcept {
        if (exchanged(x_mute, true)) return;
        x_ending.note(ended_place(), close_cause::reset, ws::close_code::abnormal, {}, why);
        x_out.clear();
        x_listening = false;
        if (x_phase == phase::open) enter_closing();
        serve_at_turn_end();
    }

    void fail(const ws::violation& rule) noexcept { fail(rule.rule, rule.reason(), rule.code()); }
    [[gnu::cold]] void fail(errc rule, std::string_view reason, ws::close_code code) noexcept {
        if (x_phase >= phase::draining || x_failed) return;
        x_failed = true;
        const bool limit = rule == errc::message_too_large || rule == errc::frame_too_large ||
                           rule == errc::too_many_fragments || rule == errc::too_many_controls || rule == errc::buffer_full;
        x_ending.note(ended_place(), limit ? close_cause::limit : close_cause::protocol_error, code, reason, make_error_code(rule));
        note(log_level::warning, reason);
        if (!x_mute) {
            x_out.flush(*x_stream); // answers to what came before are owed, unless they would have to wait
            x_out.send_close_at_once(x_inbox.protocol(), code, reason);
        }
        x_inbox.stop_parsing();
        lost();
        if (x_phase == phase::open) enter_closing();
        serve_at_turn_end();
    }

    [[gnu::cold]] void enter_closing() noexcept {
        x_phase = phase::closing;
        x_open = x_idle = x_turn.alone = false;
        close_port();
        arm_close();
        serve_at_turn_end();
    }

    // The connection is of no use any more: everything that is left to send is thrown away.
    [[gnu::cold]] void break_off() noexcept {
        if (over() || x_broken) return;
        x_broken = true;
        x_open = x_idle = x_turn.alone = false;
        x_out.clear();
        lost();
        serve_at_turn_end();
    }

    // The peer is gone, or going: somebody who does not read has to be told. What is still unread tells by itself, since
    // a read will find the end behind it; only if nobody has come for it for a close_timeout is the context cancelled.
    [[gnu::cold]] void lost() noexcept {
        if (!x_reader && !x_attended && !x_inbox.has_unread()) cancel_handler();
    }

    [[gnu::cold]] void cancel_handler() noexcept {
        if (x_context && !x_told && !x_ending.is_local()) exchanged(x_context, nullptr)->cancel();
    }

    [[gnu::cold]] void finish() noexcept {
        if (over()) return;
        x_phase = phase::over;
        x_open = x_idle = x_turn.alone = false;
        x_ending.note_end(ended(), runs_on().now());
        disarm();
        x_retrying = false;
        x_out.clear();
        const std::string where = this->where();
        x_stream->close();
        close_port();
        if (log_hook hook = options().log) {
            const std::string line = closed().message();
            hook({log_level::debug, line, where, x_ending.error(ended()), x_number});
        }
        wake_closers(errc{});
        x_came = false;
        if (x_context && !x_told && x_inbox.has_unread() && !x_ending.is_local()) arm_close();
        serve_at_turn_end();
    }

    // Has the engine see to the connection when everything that is ready has run.
    void serve_at_turn_end() noexcept {
        if (x_turn.serves) return;
        x_turn.serves = true;
        x_next_turn = false;
        runs_on().post_at_turn_end(*this);
    }

    // Which turn it is. That of long ago may be given the same number; it takes a turn more to receive then.
    std::uint32_t this_turn() const noexcept { return static_cast<std::uint32_t>(runs_on().turn_number()); }

    [[gnu::cold]] void arm_close() noexcept { runs_on().arm(*this, options().close_timeout); }

    [[gnu::cold]] void note(log_level level, std::string_view what) const noexcept {
        if (!options().log) return;
        const std::string at = where();
        options().log({level, what, at, x_ending.error(ended()), x_number});
    }

    // Nothing is taken from other threads any more. The port itself may be at work, and is kept.
    [[gnu::cold]] void close_port() noexcept {
        if (x_rare && x_rare->port) x_rare->port->forget();
    }

    // What few connections need, or all but now and then or at their end: a way in from other threads, what is known of pings, how
    // it ended, a place in the care of the loop once nobody holds the connection any more, and those who wait for its end. On the
    // heap, from when it is needed first.
    struct rare_parts final : lingering {
        explicit rare_parts(connection_state& which) noexcept : of(which) {}
        void abandon() noexcept override { of.abandon(); }

        connection_state& of;
        list<ready_item> closers;
        shared<remote_port> port;
        owned<keepalive::pings> pings;
        owned<ending_details> ended;
    };
    // Null without memory.
    [[gnu::cold]] rare_parts* rare() noexcept {
        if (!x_rare) x_rare.reset(new (std::nothrow) rare_parts(*this));
        return x_rare.get();
    }
    // Gives back what is not needed any more.
    [[gnu::cold]] void tidy_rare() noexcept {
        const rare_parts& all = *x_rare;
        if (!all.linked() && all.closers.empty() && !all.port && !all.pings && !all.ended) x_rare.reset();
    }

    // Where it stands how the connection ended, once it stands anywhere; and where it is to be written, null without memory.
    const owned<ending_details>* ended() const noexcept { return x_rare ? &x_rare->ended : nullptr; }
    owned<ending_details>* ended() noexcept { return x_rare ? &x_rare->ended : nullptr; }
    [[gnu::cold]] owned<ending_details>* ended_place() noexcept { return rare() ? &x_rare->ended : nullptr; }

    // What is known of pings; null while there are none. And with a place for one, null without memory.
    keepalive::pings* pings() const noexcept { return x_rare ? x_rare->pings.get() : nullptr; }
    [[gnu::cold]] keepalive::pings* pings_place() noexcept {
        if (rare() && !x_rare->pings) x_rare->pings.reset(new (std::nothrow) keepalive::pings);
        return pings();
    }

    [[gnu::cold]] void wake_closers(errc outcome) noexcept {
        if (x_rare) outgoing::wake(x_rare->closers, outcome);
    }

    // Ends at once and frees itself.
    virtual void abandon() noexcept = 0;

    // Before a reader that never waits lets others run.
    static constexpr int messages_in_a_row = 64;

    // Small members stand in what others leave at their ends: every connection has them, and none is to have a gap.
    owned<io::stream> x_stream;
    [[no_unique_address]] inbox x_inbox;
    reading x_reading = reading::whole;
    bool x_mute = false;      // a write has failed
    bool x_came = false;      // somebody has read since the close timer was armed
    bool x_retrying = false;  // there may be more to receive in the next turn
    bool x_listening = false; // the last fill was blocked, and the stream has not told us since
    bool x_drained = false;   // this turn's receive has certainly left nothing
    [[no_unique_address]] outgoing x_out;
    agreed_names x_agreed;
    bool x_open = true;       // in phase open, and not broken
    [[no_unique_address]] waiter x_read_waiter;
    std::uint32_t x_filled_turn = ~std::uint32_t{0}; // the turn of the last receive, as `this_turn` gives it
    owned<rare_parts> x_rare;
    context* x_context = nullptr;
    [[no_unique_address]] control_budget x_controls;
    int x_left_in_turn = messages_in_a_row; // messages that a reader may have at once before it waits
    [[no_unique_address]] keepalive x_keepalive;
    bool x_idle = false;      // somebody waits in read, nothing else is there, the stream will tell what comes next, and we are open
    bool x_reader = false;    // somebody waits in read
    bool x_next_turn = false; // it is the next turn that we are posted to, not the end of this one
    [[no_unique_address]] ending_brief x_ending;
    phase x_phase : 2 = phase::open;
    bool x_failed : 1 = false;   // the peer broke a rule or a limit: we are through after our close frame
    bool x_broken : 1 = false;   // the stream is to be given up
    bool x_in_order : 1 = false; // but it has ended by itself, and need not be reset
    bool x_told : 1 = false;     // somebody has read the end
    bool x_dropped : 1 = false;  // nobody holds us any more
    bool x_resuming = false;     // the reader is resumed, from within a call of the stream's, which must outlive that
    struct in_turn {
        bool serves = false; // somebody will: the end of the turn, or who resumes the reader in a turn that has nothing else
        bool alone = false;  // the reader has a message that was all that there was, and nothing has been looked for since
        bool operator==(const in_turn& other) const noexcept {
            return std::bit_cast<std::uint16_t>(*this) == std::bit_cast<std::uint16_t>(other);
        }
    } x_turn;
    bool x_attended = false; // somebody asks for a message just now; this, what `x_turn` has and `x_resuming` are set by one store
    std::uint64_t x_number;
    std::uint64_t x_bytes_in = 0;
};

} // namespace detail

} // namespace weir::inline v0
