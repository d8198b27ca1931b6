// What a WebSocket connection does by itself: receiving, writing, keeping alive, seeing itself to the end.
//
// The stream, the timer and the loop's lists point at it, so its address never changes. It writes at most once a turn, and
// at the end of the turn sees to what nobody waited for (`serve`); at once where a turn has one event and a reader waits for
// what that brings. Each phase of a close is bounded by close_timeout, and the stream is closed as soon as both sides are
// through. Whoever waits is posted, never resumed from within a call into this class; only a reader goes on at once when
// the stream tells what it waits for.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/transport/connection_input.hpp>

namespace weir::inline v0::detail {

class connection_engine : public connection_input {
protected:
    using connection_input::connection_input;
    ~connection_engine() = default;

    // --- sending ---

    errc sent(errc refused) noexcept {
        if (refused == errc::buffer_full && options().overflow == overflow_policy::close)
            fail(refused, concat({"more than ", number_text(options().queue_bytes), " bytes wait to be sent"}),
                 ws::close_code::policy_violation);
        if (refused != errc{}) return refused;
        written();
        flush_later();
        return can_send() ? errc{} : errc::closed;
    }

    // Queues a ping. `always`: also where pongs have filled the control lane; for the keepalive, of which one ping waits at
    // the most. Otherwise a peer that never reads could keep it from ever asking.
    errc ping(bytes_view payload, bool always = false) noexcept {
        if (!can_send()) return errc::closed;
        if (payload.size() > ws::max_control_bytes) return errc::long_control;
        const errc refused = x_out.send_control(x_inbox.protocol(), ws::opcode::ping, payload, always);
        if (refused != errc{}) return refused;
        if (keepalive::pings* const all = pings_place()) x_keepalive.ping_queued(*all, keepalive::mark_of(payload));
        x_controls.ping_queued();
        flush_later();
        return {};
    }

    // --- deadlines ---

    [[gnu::cold]] void expire() noexcept override {
        if (x_phase != phase::open) return close_timed_out();
        const bool listening = x_reader || x_inbox.ahead_bytes() < options().read_ahead_bytes;
        const std::chrono::nanoseconds now = runs_on().now();
        const std::size_t under_way = x_stream->bytes_under_way();
        const keepalive::decision next = x_keepalive.decide(pings(), now, x_out.bytes_out(), under_way, listening, x_out.awaited(),
                                                            *options().ping_interval, options().ping_timeout);
        if (next.what == keepalive::verdict::lost) return silent_peer();
        if (next.what == keepalive::verdict::ping) {
            keepalive::pings* const all = pings_place();
            if (!all) return runs_on().arm(*this, options().ping_timeout);
            x_keepalive.begin_ping(*all, now, x_out.bytes_out(), under_way);
            const std::uint32_t mark = x_out.random().next_32(); // a payload that no pong has by chance
            ping(bytes_view(reinterpret_cast<const std::byte*>(&mark), sizeof mark), true);
        }
        runs_on().arm(*this, next.again);
    }

    [[gnu::cold]] void silent_peer() noexcept {
        char text[80];
        const std::chrono::duration<double> silent = runs_on().now() - x_keepalive.last_received();
        std::snprintf(text, sizeof text, "nothing was received for %.3g s", silent.count());
        x_ending.note(ended_place(), close_cause::timeout, ws::close_code::abnormal, text, make_error_code(errc::timed_out));
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
        if (!protocol.close_received()) x_ending.note_unanswered(ended(), make_error_code(errc::timed_out), true);
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
        if (!x_idle) [[unlikely]] return on_news();
        if (!runs_on().tells_lone_event() || x_read_waiter.posted() || x_turn.serves) return on_one_of_many();
        if (!fill_idle()) [[unlikely]] return;
        if (!x_stream->drained() || !x_inbox.find_lone()) return on_messages();
        if (x_inbox.view_is_text()) return on_lone_text();
        x_bytes_in += x_inbox.lease_to_fill().bytes.size();
        x_inbox.take_lone_binary();
        have_lone_read();
    }
    [[gnu::noinline]] void on_lone_text() noexcept {
        const std::size_t came = x_inbox.lease_to_fill().bytes.size();
        if (!x_inbox.take_lone_text()) return on_messages();
        x_bytes_in += came;
        have_lone_read();
    }
    // One message is all that has come, and this turn has nothing else: what its end is for is done at once, since most often
    // the reader waits again.
    [[gnu::always_inline]] inline void have_lone_read() noexcept {
        x_keepalive.received(runs_on().now());
        x_turn.serves = x_turn.alone = true;
        resume_reader();
        x_turn.serves = x_turn.alone = x_attended = false; // the last is false already: one store
        if (!x_idle || !x_out.has_answer()) [[unlikely]] return end_lone_turn();
        const std::size_t written = x_stream->write_piece(x_out.answer());
        if (written != x_out.answer().size()) [[unlikely]] return answered_partly(written);
        x_out.answered();
        if (!x_inbox.give_lone_lease_to(*x_stream)) [[unlikely]] give_lease_back();
    }
    // The same in a turn that has more to do.
    [[gnu::noinline]] void on_one_of_many() noexcept {
        if (x_filled_turn == this_turn()) [[unlikely]] return on_news();
        if (!fill_idle() || !find_in_what_came()) return;
        resume_reader();
        listen_on();
        give_unused_lease_back();
    }
    // The same where more than one message has come, or less, in a turn that has nothing else.
    [[gnu::noinline]] void on_messages() noexcept {
        if (!find_in_what_came()) return;
        const bool alone = !x_turn.serves;
        x_turn.serves = true;
        resume_reader();
        if (!alone) return listen_on(), give_unused_lease_back();
        x_turn.serves = false;
        end_lone_turn();
    }
    // Receives for a reader that has waited for nothing else. False when nothing came; the end and failures are dealt with.
    [[gnu::always_inline]] inline bool fill_idle() noexcept {
        x_idle = false;
        const io::status came = x_stream->fill(x_inbox.lease_to_fill());
        if (came == io::status::ready) [[likely]] return true;
        nothing_came_idle(came);
        return false;
    }
    // Whether there is something for the reader, who is not woken yet.
    [[gnu::always_inline]] inline bool find_in_what_came() noexcept {
        x_controls.caught_up(runs_on().now());
        note_received(x_inbox.lease_to_fill());
        return (x_inbox.find_whole() || go_on(x_reading)) && !x_read_waiter.woken();
    }
    // Ends the reader's wait and has it go on; what it leaves for the end of the turn is up to the caller.
    [[gnu::always_inline]] inline void resume_reader() noexcept {
        x_reader = false;
        x_resuming = true;
        x_read_waiter.resume();
        x_resuming = false;
    }
    // Where there is no answer, or it is another one than what came.
    [[gnu::noinline]] void end_lone_turn() noexcept {
        if (!x_idle || !x_out.flush_short(*x_stream)) return end_turn_later();
        if (!x_inbox.give_lone_lease_to(*x_stream)) give_lease_back();
    }
    [[gnu::noinline]] void answered_partly(std::size_t written) noexcept {
        x_out.answered_partly(written);
        end_turn_later();
    }
    [[gnu::noinline]] void end_turn_later() noexcept {
        give_unused_lease_back();
        serve_at_turn_end();
    }
    [[gnu::noinline]] void nothing_came_idle(io::status instead) noexcept {
        x_listening = false;
        x_controls.caught_up(runs_on().now());
        nothing_came(instead);
        if (stopped()) wake_reader();
    }
    [[gnu::noinline]] void on_news() noexcept {
        x_idle = false;
        if (exchanged(x_listening, false) && !x_inbox.has_rest()) x_controls.caught_up(runs_on().now());
        if (!x_open) [[unlikely]] {
            if (x_phase == phase::draining) return drain();
            if (over() || x_broken) return;
        }
        if (!x_reader) return receive_ahead();
        if (!x_inbox.found() && advance(x_reading)) wake_reader();
    }

    void run() noexcept override {
        if (!x_next_turn) {
            x_turn.serves = false;
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
