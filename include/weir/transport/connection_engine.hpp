// What a WebSocket connection does by itself: receiving, writing, keeping alive, seeing itself to the end.
//
// The stream, the timer and the loop's lists point at it, so its address never changes. It receives and writes at most
// once a turn, and at the end of the turn sees to what nobody waited for (`serve`). A stream tells only those whose last
// `fill` was blocked (x_listening): so whatever takes bytes away goes on until one is, now or at the end of the turn,
// unless enough is kept already. Each phase of a close is bounded by close_timeout, and the stream is closed as
// soon as both sides are through; the lease stays until the last view of it is gone. Whoever waits is posted, never
// resumed from within a call into this class; only a reader goes on at once when the stream tells what it waits for.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/transport/connection_state.hpp>

namespace weir::inline v0::detail {

class connection_engine : public connection_state, protected lingering {
protected:
    using connection_state::connection_state;
    ~connection_engine() = default;

    // --- receiving ---

    // Goes on until there is something to hand out to a reader, or the connection is over (true), or there is nothing
    // to go on with (false).
    [[gnu::noinline]] bool advance(reading how) noexcept { return advance_now(how); }
    [[gnu::always_inline]] inline bool advance_now(reading how) noexcept {
        if (how == reading::whole) {
            if (x_inbox.is_used_up() && !refill_now()) return stopped();
            if (x_inbox.has_rest() && x_inbox.find_whole()) return true;
        }
        return go_on(how);
    }
    [[gnu::noinline]] bool go_on(reading how) noexcept {
        for (ws::event next;;) {
            if (x_out.borrows() && x_inbox.view_is_assembled() && !x_inbox.found()) hold_assembled();
            const inbox::step found = x_inbox.advance(how, x_options->message_bytes, x_options->message_fragments, next);
            if (x_out.borrows() && found != inbox::step::exhausted) x_inbox.take_long_way();
            switch (found) {
            case inbox::step::found: return true;
            case inbox::step::control: handle_control(next); break;
            case inbox::step::too_large:
                x_inbox.forget_unread();
                fail({errc::message_too_large, next.frame_remaining, x_options->message_bytes});
                break;
            case inbox::step::corrupt:
                x_inbox.forget_unread();
                fail({x_inbox.corruption()});
                break;
            case inbox::step::too_many:
                x_inbox.forget_unread();
                fail({errc::too_many_fragments, 0, x_options->message_fragments});
                break;
            case inbox::step::exhausted:
                if (x_out.borrows()) settle();
                if (!(how == reading::whole && x_inbox.is_in_long_frame() ? refill_message() : refill())) return stopped();
                continue;
            }
            if (stopped()) return true;
        }
    }

    // What was sent out of the inbox is written before it moves: all that the lease holds by one call.
    [[gnu::noinline]] void settle() noexcept {
        x_out.flush(*x_stream);
        written();
    }
    [[gnu::noinline]] void hold_assembled() noexcept {
        if (x_out.holds_block())
            settle();
        else
            x_out.hold(x_inbox.take_assembled());
    }

    // Whether nothing more will ever be handed out.
    bool stopped() const noexcept {
        if (!x_inbox.protocol().close_received() && !x_failed && x_phase < phase::draining && !x_broken) return false;
        return !x_inbox.has_ahead() && !x_inbox.has_rest() && !x_inbox.is_decompressing();
    }

    // More bytes for a reader. False when there are none now.
    [[gnu::noinline]] bool refill() noexcept { return refill_now(); }
    [[gnu::always_inline]] inline bool refill_now() noexcept {
        give_lease_back();
        if (!x_open && (x_phase >= phase::draining || x_broken || x_failed)) return false;
        if (!receive_now(x_inbox.lease_to_fill())) return false;
        x_inbox.filled();
        return true;
    }
    // The same for a whole message, of which the long frame under way is received to where it will stand.
    [[gnu::noinline]] bool refill_message() noexcept {
        give_lease_back();
        mutable_bytes room = x_inbox.room_in_message();
        if (room.empty()) return refill();
        if (!x_open && (x_phase >= phase::draining || x_broken || x_failed)) return false;
        if (!may_receive()) return false;
        io::lease& into = x_inbox.lease_to_fill();
        const io::status came = x_stream->fill_first(room, into);
        if (came != io::status::ready) return nothing_came(came);
        x_bytes_in += room.size();
        note_received(into);
        x_inbox.filled(room);
        return true;
    }
    void give_lease_back() noexcept {
        if (!x_inbox.has_lease()) return;
        x_out.own(); // what was sent from there
        x_inbox.give_lease_to(*x_stream);
    }

    // One receive a turn, so that others have theirs; a second call is made only when the first has certainly taken
    // everything, to be told of what comes next, or where calls take what has been received already. False when nothing
    // came; the end and failures are dealt with.
    [[gnu::noinline]] bool receive(io::lease& into) noexcept { return receive_now(into); }
    [[gnu::always_inline]] inline bool receive_now(io::lease& into) noexcept {
        if (!may_receive()) return false;
        const io::status came = x_stream->fill(into);
        if (came != io::status::ready) return nothing_came(came);
        note_received(into);
        return true;
    }
    [[gnu::always_inline]] inline bool may_receive() noexcept {
        if (x_controls.is_paused()) [[unlikely]] x_controls.resume(x_scheduler.now(), x_options->control_frames_per_second);
        if (x_listening) return false;
        if (x_filled_turn != this_turn() || exchanged(x_drained, false) || x_stream->received_ahead()) return true;
        retry_later();
        return false;
    }
    [[gnu::always_inline]] inline void note_received(const io::lease& into) noexcept {
        x_listening = x_stream->drained() && !x_mute;
        x_drained = x_filled_turn != this_turn() && into.bytes.size() < into.backing.size;
        x_filled_turn = this_turn();
        x_keepalive.received(x_scheduler.now());
        x_bytes_in += into.bytes.size();
    }
    [[gnu::noinline]] bool nothing_came(io::status instead) noexcept {
        switch (instead) {
        case io::status::ready: break;
        case io::status::blocked:
            if (x_mute) lost_stream(x_stream->failure()); // what arrived before has been read
            x_listening = true;
            break;
        case io::status::end: ended_by_peer(); break;
        case io::status::failed: lost_stream(x_stream->failure()); break;
        }
        return false;
    }

    // While nobody reads: parses what is there, so that control frames are seen, and keeps the messages.
    void receive_ahead() noexcept {
        if (x_out.borrows()) settle();
        for (ws::event control;;) {
            while (x_inbox.look_ahead(control)) handle_control(control);
            give_unused_lease_back();
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
        if (x_phase == phase::open) {
            x_controls.pause(x_scheduler.now());
            return false;
        }
        x_inbox.discard_from_now();
        return true;
    }

    // Discards what comes until the peer ends its side.
    [[gnu::cold]] void drain() noexcept {
        x_inbox.stop_parsing();
        for (io::lease next; x_phase == phase::draining && receive(next);) x_stream->release(std::move(next));
    }

    // Sees to it that somebody looks at what is there, or comes, when no reader does. Owed after a reader's wait, and after
    // bytes have come for one who need not wait; what is left then is parsed, at the latest, at the end of the turn.
    void listen_on() noexcept {
        if (!x_listening || x_inbox.has_rest()) serve_at_turn_end();
    }

    void take() noexcept {
        x_came = true;
        x_inbox.take();
    }

    [[gnu::cold]] void handle_control(const ws::event& next) noexcept {
        const ws::connection& protocol = x_inbox.protocol();
        switch (next.what) {
        case ws::event::kind::ping:
            if (!x_controls.ping(x_scheduler.now(), x_options->control_frames_per_second)) return too_many_controls();
            if (can_send() && x_out.send_control(x_inbox.protocol(), ws::opcode::pong, next.payload) == errc{}) flush_later();
            break;
        case ws::event::kind::pong:
            if (!x_controls.pong(x_scheduler.now(), x_options->control_frames_per_second)) return too_many_controls();
            x_keepalive.pong(keepalive::mark_of(next.payload), x_scheduler.now());
            break;
        case ws::event::kind::close: closed_by_peer(next.code, as_text(next.payload)); break;
        case ws::event::kind::failed:
            fail(protocol.failure(), protocol.failure_reason(), protocol.failure_close_code());
            break;
        case ws::event::kind::need_more:
        case ws::event::kind::data: break;
        }
    }

    [[gnu::cold]] void too_many_controls() noexcept {
        const auto within = std::chrono::duration_cast<std::chrono::milliseconds>(x_scheduler.now() - x_controls.began());
        fail(errc::too_many_controls,
             concat({number_text(x_controls.count()), " pings and pongs within ",
                     number_text(static_cast<std::uint64_t>(within.count())), " ms over the limit of ",
                     number_text(x_options->control_frames_per_second), " a second"}),
             ws::close_code::policy_violation);
    }

    // --- sending ---

    errc sent(errc refused) noexcept {
        if (refused == errc::buffer_full && x_options->overflow == overflow_policy::close)
            fail(refused, concat({"more than ", number_text(x_options->queue_bytes), " bytes wait to be sent"}),
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
        if (x_out.control_empty()) x_keepalive.control_left(x_scheduler.now(), x_out.bytes_out());
    }

    // Queues a ping. `always`: also where pongs have filled the control lane; for the keepalive, of which one ping waits at
    // the most. Otherwise a peer that never reads could keep it from ever asking.
    errc ping(bytes_view payload, bool always = false) noexcept {
        if (!can_send()) return errc::closed;
        if (payload.size() > ws::max_control_bytes) return errc::long_control;
        const errc refused = x_out.send_control(x_inbox.protocol(), ws::opcode::ping, payload, always);
        if (refused != errc{}) return refused;
        x_keepalive.ping_queued(keepalive::mark_of(payload));
        x_controls.ping_queued();
        flush_later();
        return {};
    }

    // --- deadlines ---

    [[gnu::cold]] void expire() noexcept override {
        if (x_phase != phase::open) return close_timed_out();
        const bool listening = x_reader || x_inbox.ahead_bytes() < x_options->read_ahead_bytes;
        const keepalive::decision next =
            x_keepalive.decide(x_scheduler.now(), x_out.bytes_out(), x_stream->bytes_under_way(), listening,
                               x_out.awaited(), *x_options->ping_interval, x_options->ping_timeout);
        if (next.what == keepalive::verdict::lost) return silent_peer();
        if (next.what == keepalive::verdict::ping) { // a payload that no pong has by chance
            const std::uint32_t mark = x_out.random().next_32();
            ping(bytes_view(reinterpret_cast<const std::byte*>(&mark), sizeof mark), true);
        }
        x_scheduler.arm(*this, next.again);
    }

    [[gnu::cold]] void silent_peer() noexcept {
        char text[80];
        const std::chrono::duration<double> silent = x_scheduler.now() - x_keepalive.last_received();
        std::snprintf(text, sizeof text, "nothing was received for %.3g s", silent.count());
        x_ending.note(close_cause::timeout, ws::close_code::abnormal, text, make_error_code(errc::timed_out));
        note(log_level::warning, "connection lost: the peer fell silent");
        break_off();
    }

    [[gnu::cold]] void close_timed_out() noexcept {
        if (over()) { // somebody was to read what is left
            if (exchanged(x_came, false)) return arm_close();
            return cancel_handler();
        }
        const ws::connection& protocol = x_inbox.protocol();
        if (x_phase == phase::draining && protocol.close_received()) return finish(); // a server that does not end it
        if (!protocol.close_received()) x_ending.note_unanswered(make_error_code(errc::timed_out), true);
        break_off();
    }

    // --- ending ---

    // What is to be done at the end of a turn: see what came for nobody, send what was queued, and get on with ending.
    void serve() noexcept {
        if (!x_reader || !x_listening || x_inbox.has_rest()) see_to_input();
        if (!x_open || !x_out.flush_short(*x_stream)) return write_and_go_on();
        if (x_retrying) retry_later();
    }
    [[gnu::noinline]] void write_and_go_on() noexcept {
        if (x_out.needs_flush() && !x_broken && !over()) {
            x_out.flush(*x_stream);
            written();
        }
        if (!x_open) return get_on_with_ending();
        if (x_retrying) retry_later();
    }
    [[gnu::noinline]] void see_to_input() noexcept {
        if (x_phase >= phase::draining || x_broken) return;
        if (!x_reader)
            receive_ahead();
        else if (!x_inbox.found() && advance(x_reading))
            wake_reader();
    }
    [[gnu::cold]] void get_on_with_ending() noexcept {
        if (x_phase == phase::closing && !x_broken && x_out.empty()) say_no_more();
        if (x_phase == phase::draining && !x_broken) drain();
        if (x_broken && !over()) {
            if (!x_in_order) x_stream->reset();
            finish();
        }
        if (x_reader && stopped()) wake_reader();
        if (over() && x_dropped) return abandon();
        if (x_retrying) retry_later();
    }

    // Everything has left that we had to say while closing.
    [[gnu::cold]] void say_no_more() noexcept {
        const ws::connection& protocol = x_inbox.protocol();
        const bool both = protocol.close_received() && (protocol.close_sent() || x_mute);
        if (both && (protocol.role() == ws::role::server || x_mute)) return finish(); // RFC 6455, 7.1.1: the server first
        if (!both && !x_failed) return;
        if (x_mute) return break_off();
        if (!both) x_stream->shutdown_write(); // else a client, which leaves the end to the server
        x_phase = phase::draining;
        x_listening = false;
        arm_close();
    }

    void wake_reader() noexcept {
        if (x_read_waiter.waiting() && !x_read_waiter.woken()) x_read_waiter.wake();
    }

    // --- what the stream and the loop tell ---

    void on_readable() noexcept override {
        if (!x_idle || !x_scheduler.tells_lone_event()) return on_bytes();
        x_idle = false;
        io::lease& into = x_inbox.lease_to_fill();
        const io::status came = x_stream->fill(into);
        if (came != io::status::ready) [[unlikely]] return nothing_came_idle(came);
        if (!x_stream->drained() || !x_inbox.find_lone()) [[unlikely]] return on_messages();
        x_keepalive.received(x_scheduler.now());
        x_bytes_in += into.bytes.size();
        x_serves = x_alone = true;
        resume_reader();
        x_serves = x_alone = false;
        // What the end of a turn is for, at once: nothing else is in this one, and most often the reader waits again.
        if (!x_idle || !x_out.flush_short(*x_stream)) [[unlikely]] return end_turn_later();
        x_inbox.give_lease_to(*x_stream);
    }
    // The same in a turn that has more to do.
    [[gnu::noinline]] void on_bytes() noexcept {
        if (!x_idle || x_filled_turn == this_turn()) [[unlikely]] return on_news();
        x_idle = false;
        const io::status came = x_stream->fill(x_inbox.lease_to_fill());
        if (came != io::status::ready) [[unlikely]] return nothing_came_idle(came);
        on_messages();
    }
    // The same where more than one message has come, or less.
    [[gnu::noinline]] void on_messages() noexcept {
        x_controls.caught_up(x_scheduler.now());
        note_received(x_inbox.lease_to_fill());
        x_inbox.filled();
        if (!x_inbox.find_whole() && !go_on(x_reading)) return;
        if (x_read_waiter.woken()) [[unlikely]] return;
        resume_reader();
        if (!x_listening || x_inbox.has_rest()) serve_at_turn_end();
        give_unused_lease_back();
    }
    // Ends the reader's wait and has it go on; what it leaves for the end of the turn is up to the caller.
    [[gnu::always_inline]] inline void resume_reader() noexcept {
        x_reader = false;
        x_resuming = true;
        x_read_waiter.resume();
        x_resuming = false;
    }
    [[gnu::noinline]] void end_turn_later() noexcept {
        x_out.own();
        give_unused_lease_back();
        serve_at_turn_end();
    }
    void give_unused_lease_back() noexcept {
        if (x_idle || x_inbox.lease_is_unused()) give_lease_back();
    }
    [[gnu::noinline]] void nothing_came_idle(io::status instead) noexcept {
        x_listening = false;
        x_controls.caught_up(x_scheduler.now());
        nothing_came(instead);
        if (stopped()) wake_reader();
    }
    [[gnu::noinline]] void on_news() noexcept {
        x_idle = false;
        if (exchanged(x_listening, false) && !x_inbox.has_rest()) x_controls.caught_up(x_scheduler.now());
        if (!x_open) [[unlikely]] {
            if (x_phase == phase::draining) return drain();
            if (over() || x_broken) return;
        }
        if (!x_reader) return receive_ahead();
        if (!x_inbox.found() && advance_now(x_reading)) wake_reader();
    }

    // More than this turn may receive: goes on in the next one.
    void retry_later() noexcept {
        x_retrying = true;
        if (ready_item::linked()) return; // `serve` will see to it
        x_next_turn = true;
        x_scheduler.post_next_turn(*this);
    }

    void run() noexcept override {
        if (!x_next_turn) {
            x_serves = false;
            return serve();
        }
        x_next_turn = false;
        if (exchanged(x_retrying, false) && !x_listening) on_readable();
    }

    void on_writable() noexcept override {
        x_out.unblock();
        serve_at_turn_end();
    }
};

} // namespace weir::inline v0::detail
