// What users ask of a WebSocket connection: reading, sending, closing.
//
// `websocket` is the handle that they hold; this is what it points at. The parts, from the bottom:
//
//   inbox       what was received: parsed in place, handed out as views, or kept while nobody reads.
//   outgoing    what is to be sent: encoded at the call, written at the end of the turn, with back-pressure.
//   keepalive   when to ping, and when to give up.
//   ending      why it ended.
//   connection_state, connection_input, connection_engine   the ways to the end, receiving, and what goes on by itself.
//
// Loop thread only. Whoever waits is posted, never resumed from within a call into this class, but for a reader to whom the
// stream has brought what it waits for: that one goes on at once.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/result.hpp>
#include <weir/transport/connection_engine.hpp>
#include <weir/transport/message.hpp>

namespace weir::inline v0::detail {

class connection_core final : public connection_engine {
public:
    using reading = detail::reading;

    // `first` holds what came behind the handshake, in `rest`. `options` is shared and never changes.
    connection_core(ws::role side, owned<io::stream> over, io::lease&& first, mutable_bytes rest,
                    const connection_environment& around, shared<const websocket_options> options) noexcept
        : connection_engine(side, std::move(over), std::move(first), rest, around, std::move(options)) {
        x_stream->observe(this);
        if (this->options().ping_interval) runs_on().arm(*this, *this->options().ping_interval);
        note(log_level::debug, "connection open");
        serve_at_turn_end(); // what came behind the handshake may hold a ping or a close
    }

    // Lets the connection end by itself, at most one close_timeout for each phase from now. It frees itself.
    [[gnu::cold]] void linger(ws::close_code code) noexcept {
        assert(!x_reader && "a websocket was destroyed while a read waited on it");
        if (over() && !x_resuming) return delete this;
        x_context = nullptr;
        x_dropped = true;
        if (x_out.borrows()) settle();
        x_inbox.forget_unread();
        begin_close(code, {});
        if (rare_parts* const kept = rare()) {
            runs_on().keep(*kept);
        } else { // nobody takes care of it: at once, or when whoever has been resumed is through
            reset();
            if (!x_resuming) return get_on_with_ending();
        }
        serve_at_turn_end();
    }

    // --- reading ---

    // How a read comes to its end: at once, when something is there to hand out or the connection is over; after a wait; or
    // without anything, since another waits.
    enum class end_of_read : unsigned char { at_once, waiting, busy };

    // True where it is certain that the end comes at once; `wait_readable` sees to the rest, and has `who` wait where need be.
    bool readable(reading how) noexcept {
        if (how != reading::whole || !x_inbox.has_rest() || x_reader) return false;
        return --x_left_in_turn >= 0 && x_inbox.find_whole();
    }
    end_of_read wait_readable(reading how, std::coroutine_handle<> who, context* in) noexcept {
        if (how != reading::whole || !x_turn.alone || x_inbox.found()) return look_and_wait(how, who, in);
        return wait_idle(who, in);
    }

    // Ends the wait of `wait_readable`: the coroutine resumes, or is destroyed. What was found stays for the next read.
    errc end_resumed_wait() noexcept { return x_reader ? end_wait(true) : errc{}; } // else `on_readable` has ended it
    [[gnu::noinline]] errc end_wait(bool resumes) noexcept {
        x_reader = x_idle = false;
        x_left_in_turn = messages_in_a_row;
        if (!resumes) x_read_waiter.abandon(); // else it has left everything
        if (x_inbox.found()) count_large();
        listen_on();
        const errc outcome = x_read_waiter.outcome();
        if ((outcome != errc{} || !resumes) && x_ending.cause() != close_cause::open) lost(); // it was not told
        return outcome;
    }

    // The message or piece that `readable` found, or why there will be none.
    result<message> take_message() noexcept {
        if (!x_inbox.found()) [[unlikely]]
            return told();
        take();
        return message(x_inbox.view(), x_inbox.view_is_text());
    }
    result<piece> take_piece() noexcept {
        if (!x_inbox.found()) return told();
        take();
        return piece{x_inbox.view(), x_inbox.view_is_text(), x_inbox.view_is_first(), x_inbox.view_is_last()};
    }

    // --- sending ---

    // What a send gives besides errc{} and the reasons not to take a message: it was taken, but a sender may have to wait, as
    // `sendable` says.
    static constexpr errc may_wait = static_cast<errc>(-1);
    static constexpr bool is_taken(errc outcome) noexcept { return outcome == errc{} || outcome == may_wait; }
    static constexpr errc or_wait(errc outcome) noexcept { return outcome == errc{} ? may_wait : outcome; }

    // Queues a message, a piece of a message, a ping, encoded messages. errc{}, or why it was not taken; all but the last also
    // `may_wait`.
    errc send(ws::opcode type, bytes_view payload, compression how) noexcept {
        if (x_turn == in_turn{true, false} && x_out.has_room(payload.size())) return x_out.send_short(type, payload);
        return x_turn.alone ? send_alone(type, payload, how) : send_first(type, payload, how);
    }
    // The same for an answer to a message that was all that there was: where that stands, if it goes back.
    [[gnu::noinline]] errc send_alone(ws::opcode type, bytes_view payload, compression how) noexcept {
        if (payload.data() == x_inbox.view().data() && x_out.send_in_place(type, x_inbox.view().data(), payload.size()))
            return {};
        return send_first(type, payload, how);
    }
    // The same for the first one of a turn, or where there is no room yet.
    [[gnu::noinline]] errc send_first(ws::opcode type, bytes_view payload, compression how) noexcept {
        if (!x_out.make_room(payload.size())) return send_long(type, payload, how);
        serve_at_turn_end();
        return x_out.send_short(type, payload);
    }
    [[gnu::noinline]] errc send_long(ws::opcode type, bytes_view payload, compression how) noexcept {
        if (!can_send()) return errc::closed;
        const errc refused = x_out.send(x_inbox.protocol(), *x_stream, x_inbox.codec(), type, payload, how, x_inbox.keeps(payload));
        if (x_out.borrows()) {
            x_turn.alone = false;
            x_inbox.take_long_way();
        }
        return or_wait(sent(refused));
    }
    void begin_with(bytes_view head) noexcept {
        x_out.begin_with(head);
        flush_later();
    }
    errc send_shared(mutable_bytes frames, bool& referred) noexcept {
        if (x_out.send_more_shared(frames)) return referred = true, errc{}; // open, since it refers to something, and posted
        if (!can_send()) return errc::closed;
        const bool stays = !x_turn.serves || (ready_item::linked() && !x_next_turn);
        return sent(x_out.send_shared(x_inbox.protocol(), *x_stream, frames, stays, referred));
    }
    errc send_frame(ws::opcode type, bytes_view payload, bool last, compression how) noexcept {
        if (!can_send()) return errc::closed;
        return or_wait(sent(x_out.send_frame(x_inbox.protocol(), *x_stream, x_inbox.codec(), type, payload, last, how)));
    }
    errc ping(bytes_view payload) noexcept { return or_wait(connection_engine::ping(payload)); }

    // Whether a send, or a send of a piece, need not wait now; and for those who wait.
    bool sendable() const noexcept { return x_out.sendable() || !can_send(); }
    bool frame_sendable() const noexcept { return x_out.frame_sendable() || !can_send(); }

    // Whether it is time that somebody whose sends are refused lets others run: for loops that look at no result.
    [[gnu::cold]] bool too_eager() noexcept {
        if (--x_left_in_turn >= 0) return false;
        x_left_in_turn = messages_in_a_row;
        return true;
    }
    void wait_sendable(waiter& sender) noexcept { x_out.wait_sendable(sender); }
    void wait_frame_sendable(waiter& sender) noexcept { x_out.wait_frame_sendable(sender); }

    // --- closing ---

    // Begins the closing handshake, once; later calls do nothing.
    [[gnu::cold]] void begin_close(ws::close_code code, std::string_view reason) noexcept {
        if (!can_send()) return;
        if (x_rare && x_rare->port) x_rare->port->deliver(); // what was posted before is sent before
        if (!can_send()) return;
        x_ending.note(ended_place(), close_cause::local, code, reason, {});
        x_out.send_close(x_inbox.protocol(), code, reason);
        enter_closing();
    }

    // Breaks the connection off at once, without a closing handshake.
    [[gnu::cold]] void reset() noexcept {
        if (over()) return;
        x_ending.note(ended_place(), close_cause::local, ws::close_code::abnormal, {}, make_error_code(errc::canceled));
        break_off();
    }

    // Without memory for a wait it ends at once.
    [[gnu::cold]] void wait_over(waiter& closer) noexcept {
        if (rare_parts* const kept = rare())
            kept->closers.push_back(closer);
        else
            closer.wake();
    }

    // --- the rest ---

    ws::role role() const noexcept { return x_inbox.protocol().role(); }
    std::uint64_t number() const noexcept { return x_number; }
    std::chrono::nanoseconds round_trip() const noexcept { return x_keepalive.round_trip(); }
    std::size_t queued_bytes() const noexcept { return x_out.queued_bytes(); }
    int descriptor() const noexcept { return x_stream->descriptor(); }
    const connection_security* security() const { return x_stream->security(); }

    // The way in from other threads; null when nothing can be sent any more.
    shared<remote_port> port() {
        if (!x_rare) x_rare = make_owned<rare_parts>(*this);
        shared<remote_port>& port = x_rare->port;
        if (!port && can_send()) port = shared<remote_port>::make(runs_on(), this, send_posted, options().queue_bytes);
        return port;
    }

    // Messages are compressed from now on, in both directions. Before anything was received or sent.
    [[gnu::cold]] void compress(owned<ws::message_codec> by) {
        x_inbox.compress(std::move(by));
        x_out.compress();
    }
    std::string_view extensions() const noexcept {
        const ws::message_codec* const codec = x_inbox.codec();
        return codec ? codec->agreed() : std::string_view();
    }

private:
    // Waits for what the stream will tell: nothing is left, and whatever comes will be for the reader.
    [[gnu::always_inline]] inline end_of_read wait_idle(std::coroutine_handle<> who, context* in) noexcept {
        x_turn.alone = false; // whoever else reads before this one resumes has to hear that it is busy
        x_idle = true;
        x_reading = reading::whole;
        return wait(who, in);
    }
    // Waits for `wait_readable`, once nothing has been found.
    [[gnu::always_inline]] inline end_of_read wait(std::coroutine_handle<> who, context* in) noexcept {
        x_reader = true;
        x_left_in_turn = messages_in_a_row;
        if (!x_read_waiter.suspend_again(who, in)) [[unlikely]] wait_anew(who, in);
        return end_of_read::waiting;
    }
    [[gnu::noinline]] void wait_anew(std::coroutine_handle<> who, context* in) noexcept {
        x_read_waiter.suspend(who, in);
    }
    // Whether nothing is left to look for, and the stream will tell a reader of whole messages when something comes.
    bool may_idle(reading how) noexcept {
        return how == reading::whole && x_listening && x_open && !x_controls.is_paused() && x_inbox.is_used_up();
    }
    // The way of `wait_readable` that looks first.
    [[gnu::noinline]] end_of_read look_and_wait(reading how, std::coroutine_handle<> who, context* in) noexcept {
        if (x_reader) [[unlikely]] return end_of_read::busy;
        x_turn.alone = false;
        if (!may_idle(how)) {
            if (how != reading::whole || !x_inbox.has_rest()) --x_left_in_turn; // `readable` has not
            if (x_left_in_turn < 0) [[unlikely]] return give_way(how, who, in);
            if (find(how)) return end_of_read::at_once;
        }
        if (may_idle(how)) {
            if (!x_resuming) give_lease_back(); // else who resumes does: what was sent may lie in it
            return wait_idle(who, in);
        }
        x_reading = how;
        return wait(who, in);
    }

    // Enough for one turn: lets the others run, then goes on.
    [[gnu::noinline]] end_of_read give_way(reading how, std::coroutine_handle<> who, context* in) noexcept {
        x_reading = how;
        x_reader = true;
        x_left_in_turn = messages_in_a_row;
        if (x_told && x_context) exchanged(x_context, nullptr)->cancel(); // and reads on all the same
        if (x_read_waiter.suspend(who, in) && advance(x_reading)) wake_reader();
        return end_of_read::waiting;
    }

    [[gnu::noinline]] bool find(reading how) noexcept {
        x_attended = true;
        const bool found = advance(how);
        x_attended = false;
        if (!found) return false;
        count_large();
        listen_on();
        return true;
    }
    // Large messages count as several: a few received bytes may become many megabytes when they are decompressed. Not those of
    // the short ways, which lie in what one receive has brought.
    void count_large() noexcept { x_left_in_turn -= static_cast<int>(x_inbox.view().size() / large_message_bytes); }

    static constexpr std::size_t large_message_bytes = 16 * 1024;

    // Why there is nothing to take; whoever reads knows now.
    [[gnu::cold, gnu::noinline]] error told() noexcept {
        x_came = x_told = true;
        const std::error_code why = x_ending.error(ended());
        return why ? error(why) : error(errc::closed);
    }

    [[gnu::cold]] void abandon() noexcept override { delete this; }

    [[gnu::noinline]] static void send_posted(void* self, const owned_message& posted) noexcept {
        static_cast<connection_core*>(self)->send(posted.is_text ? ws::opcode::text : ws::opcode::binary, as_bytes(posted.data),
                                                  compression::automatic);
    }
};

} // namespace weir::inline v0::detail
