// What a WebSocket connection receives, and when it does.
//
// The part of transport/connection_engine.hpp between the stream and the inbox. It receives at most once a turn. A stream tells
// only those whose last `fill` was blocked (x_listening): so whatever takes bytes away goes on until one is, now or at the
// end of the turn, unless enough is kept already. The lease stays until the last view of it is gone; what was sent out of
// it is written, or copied, before that. Loop thread only.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/transport/connection_state.hpp>

namespace weir::inline v0::detail {

class connection_input : public connection_state {
protected:
    using connection_state::connection_state;
    ~connection_input() = default;

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
            const inbox::step found = x_inbox.advance(how, options().message_bytes, options().message_fragments, next);
            if (x_out.borrows() && found != inbox::step::exhausted) x_inbox.take_long_way();
            switch (found) {
            case inbox::step::found: return true;
            case inbox::step::control: handle_control(next); break;
            case inbox::step::too_large:
                x_inbox.forget_unread();
                fail({errc::message_too_large, next.frame_remaining, options().message_bytes});
                break;
            case inbox::step::corrupt:
                x_inbox.forget_unread();
                fail({x_inbox.corruption()});
                break;
            case inbox::step::too_many:
                x_inbox.forget_unread();
                fail({errc::too_many_fragments, 0, options().message_fragments});
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
    [[gnu::noinline]] bool stopped() const noexcept {
        if (!x_inbox.protocol().close_received() && !x_failed && x_phase < phase::draining && !x_broken) return false;
        return !x_inbox.has_ahead() && !x_inbox.has_rest() && !x_inbox.is_decompressing();
    }

    // More bytes for a reader. False when there are none now.
    [[gnu::noinline]] bool refill() noexcept { return refill_now(); }
    [[gnu::always_inline]] inline bool refill_now() noexcept {
        give_lease_back();
        if (!x_open && (x_phase >= phase::draining || x_broken || x_failed)) return false;
        return receive_now(x_inbox.lease_to_fill());
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
    [[gnu::noinline]] void give_lease_back() noexcept {
        if (!x_inbox.has_lease()) return;
        assert(!x_out.borrows() && "what was sent out of a lease is written before that is given back");
        x_out.own(); // what was sent from there
        x_inbox.give_lease_to(*x_stream);
    }

    [[gnu::noinline]] void give_unused_lease_back() noexcept {
        if (!x_idle && !x_inbox.lease_is_unused()) return;
        if (x_out.borrows()) settle(); // a message that was sent out of it, before the one that is read now was put together
        give_lease_back();
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
        if (x_controls.is_paused()) [[unlikely]] x_controls.resume(runs_on().now(), options().control_frames_per_second);
        if (x_listening) return false;
        if (x_filled_turn != this_turn() || exchanged(x_drained, false) || x_stream->received_ahead()) return true;
        retry_later();
        return false;
    }
    [[gnu::always_inline]] inline void note_received(const io::lease& into) noexcept {
        x_listening = x_stream->drained() && !x_mute;
        x_drained = x_filled_turn != this_turn() && into.bytes.size() < into.backing.size;
        x_filled_turn = this_turn();
        x_keepalive.received(runs_on().now());
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
        if (x_inbox.ahead_bytes() < options().read_ahead_bytes) return true;
        if (x_phase == phase::open) {
            x_controls.pause(runs_on().now());
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
            if (!x_controls.ping(runs_on().now(), options().control_frames_per_second)) return too_many_controls();
            if (can_send() && x_out.send_control(x_inbox.protocol(), ws::opcode::pong, next.payload) == errc{}) flush_later();
            break;
        case ws::event::kind::pong:
            if (!x_controls.pong(runs_on().now(), options().control_frames_per_second)) return too_many_controls();
            if (pings() && x_keepalive.pong(*pings(), keepalive::mark_of(next.payload), runs_on().now())) {
                x_rare->pings.reset();
                tidy_rare();
            }
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
        const auto within = std::chrono::duration_cast<std::chrono::milliseconds>(runs_on().now() - x_controls.began());
        fail(errc::too_many_controls,
             concat({number_text(x_controls.count()), " pings and pongs within ",
                     number_text(static_cast<std::uint64_t>(within.count())), " ms over the limit of ",
                     number_text(options().control_frames_per_second), " a second"}),
             ws::close_code::policy_violation);
    }

    void flush_later() noexcept {
        if (x_out.needs_flush()) serve_at_turn_end();
    }

    // Looks at what became of a write.
    void written() noexcept {
        if (x_stream->failure()) return write_failed(x_stream->failure());
        if (x_out.control_empty() && pings()) x_keepalive.control_left(*pings(), runs_on().now(), x_out.bytes_out());
    }

    // More than this turn may receive: goes on in the next one.
    void retry_later() noexcept {
        x_retrying = true;
        if (ready_item::linked()) return; // `serve` will see to it
        x_next_turn = true;
        runs_on().post_next_turn(*this);
    }
};

} // namespace weir::inline v0::detail
