// A conversation with a client that outlives the connections which carry it: the mechanics of every channel. The client's end
// of it is one as well: there the client is the server, and the keep time is how long that may be out of reach.
//
// Both directions are numbered. What was sent is kept until it is known to have arrived, so that another carrier can go on
// where the last one broke off; what is received twice is dropped. A session without a carrier, of whose client nothing is
// heard for the keep time, is closed; one that has closed is kept as long, for the client to be told. How messages look on the
// wire is the business of those who carry them: nothing here knows an envelope.
//
// Shared by whoever has it listed (the owner, which is told when there is nothing to come back to), by its handler, and by its
// carriers. Loop thread only. Nobody is resumed inside a call.
#pragma once

#include <weir/core/connection_security.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/coro/member_timer.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/core/sequence.hpp>
#include <weir/transport/carrier.hpp>
#include <weir/transport/ending.hpp>
#include <weir/transport/message_log.hpp>
#include <weir/transport/message_queue.hpp>
#include <weir/transport/remote_port.hpp>
#include <weir/transport/session_budget.hpp>
#include <weir/transport/session_options.hpp>
#include <weir/transport/transport_kind.hpp>

namespace weir::inline v0::detail {

template <class = void>
class basic_session;
using session = basic_session<>;

// Who has a session listed under its id.
template <class Tag = void>
class session_owner {
public:
    // No client can come back to it: it is to be struck off the list. It may be destroyed in this call.
    virtual void strike(basic_session<Tag>& which) noexcept = 0;

protected:
    ~session_owner() = default;
};

// What became of a message that was received.
enum class reception : unsigned char { taken, known, gap, no_room, closed };

template <class Tag>
class basic_session : public list_node<basic_session<Tag>>, private room_seeker {
public:
    using budget = session_budget<basic_session>;

    // `within`: what it may use together with others, which must outlive the owner's interest in it; null for its own bounds only.
    basic_session(scheduler& runs_on, const session_options& options, session_owner<Tag>& owner, std::string id,
                  budget* within = nullptr)
        : x_scheduler(runs_on), x_options(options), x_owner(&owner), x_budget(within), x_id(std::move(id)),
          x_log(within ? within->tally() : byte_tally()), x_received(within ? within->tally() : byte_tally()),
          x_ending(runs_on.now()), x_heard(runs_on.now()), x_keep(*this), x_patience(*this) {
        await_client();
    }
    basic_session(const basic_session&) = delete;
    basic_session& operator=(const basic_session&) = delete;
    ~basic_session() {
        assert(!x_carrier && !x_reader && "a session was destroyed while it was in use");
        if (x_port) x_port->forget();
        room_seeker::unlink(); // what goes now may tell those who seek
    }

    std::string_view id() const noexcept { return x_id; }
    void named(std::string_view id) { x_id = id; } // by the server, in its first answer
    // By whom it was opened; null without TLS. And whether `by` may come back to it: who has shown a certificate has to be the same.
    void opened_by(const connection_security* by) { x_security = by ? make_owned<connection_security>(*by) : nullptr; }
    const connection_security* security() const noexcept { return x_security.get(); }
    bool is_open_to(const connection_security* by) const noexcept {
        return !x_security || x_security->fingerprint.empty() || (by && by->fingerprint == x_security->fingerprint);
    }

    scheduler& runs_on() const noexcept { return x_scheduler; }
    const session_options& options() const noexcept { return x_options; }
    transport_kind transport() const noexcept { return x_transport; }

    // --- for the handler ---

    bool is_open() const noexcept { return x_ending.cause() == close_cause::open; }

    // Queues a message. `closed`, or `buffer_full` above a bound, with the session closed if the policy says so.
    errc send(kept_message sent) {
        if (!is_open()) return errc::closed;
        const std::size_t queued = pressure(), more = message_log<Tag>::cost(*sent);
        if (queued && (queued > x_options.queue_bytes || more > x_options.queue_bytes - queued))
            return overflow("more is queued for the client than it may be");
        if (x_budget && !x_budget->tally()->fits(message_log<Tag>::tally_cost(*sent)) && !make_room_for(*sent))
            return overflow("more is queued for all clients together than it may be");
        x_bytes_out += sent->data.size();
        x_log.push(std::move(sent));
        if (x_carrier) x_carrier->wake();
        return {};
    }
    std::size_t queued_bytes() const noexcept { return pressure(); }
    bool sendable() const noexcept { return pressure() <= x_options.high_water_bytes; }
    void wait_sendable(waiter& sender) noexcept { x_senders.push_back(sender); }

    // Whether a read would not have to wait. Now and then it does all the same, to let the others run.
    bool readable() noexcept { return !x_reader && ++x_streak <= messages_in_a_row && has_news(); }

    // Has `reader` woken when there is something to read. False when somebody waits already.
    bool wait_readable(waiter& reader, std::coroutine_handle<> who, context* in) noexcept {
        if (x_reader) return false;
        x_streak = 0;
        x_reader = &reader;
        x_received.release();
        if (reader.suspend(who, in) && has_news()) wake_reader();
        wake(x_deliverers, errc{}); // whoever waits there has something to read
        return true;
    }
    void end_wait() noexcept { x_reader = nullptr; }

    // The next message, whose bytes are valid until the next call; or why there is none.
    result<message> take() {
        if (!x_received.empty()) {
            const message next = x_received.pop();
            wake(x_deliverers, errc{});
            return next;
        }
        x_told = true;
        return x_ending.error() ? error(x_ending.error()) : error(errc::closed);
    }

    // Ends the session: what was sent before still goes to the client, then the code and reason. Only the first time.
    [[gnu::cold]] void close(close_cause cause, ws::close_code code, std::string_view reason, std::error_code why = {}) noexcept {
        if (x_port) x_port->deliver(); // what was posted before is sent before
        if (!is_open()) return;
        x_ending.note(cause, code, reason, why);
        x_ending.note_end(x_scheduler.now());
        if (x_port) x_port->forget();
        if (x_reader) wake_reader();
        wake(x_senders, errc::closed);
        wake(x_deliverers, errc::closed);
        if (cause != close_cause::local) lost();
        if (x_carrier)
            x_carrier->wake();
        else
            await_client();
    }
    // The same, since nothing is heard of the client.
    [[gnu::cold]] void close_for_silence() noexcept {
        close(close_cause::timeout, ws::close_code::policy_violation, "nothing was heard of the peer",
              make_error_code(errc::timed_out));
    }
    [[gnu::cold]] close_info closed() const {
        close_info all = x_ending.info(!is_open(), x_scheduler.now());
        all.bytes_in = x_bytes_in;
        all.bytes_out = x_bytes_out;
        return all;
    }

    // The way in from other threads; null when nothing can be sent any more.
    shared<remote_port> port() {
        if (!x_port && is_open())
            x_port = shared<remote_port>::make(x_scheduler, this, send_posted, x_options.queue_bytes);
        return x_port;
    }

    // The context that is cancelled when the client is gone while nobody reads; null for none.
    void guard(context* handler) noexcept {
        x_context = handler;
        if (!handler) x_patience.disarm();
    }

    // --- for those who carry it ---

    // Takes over from the carrier that there is. The client's request said what it has: see `resume`, which comes before.
    void attach(carrier& by, transport_kind kind) noexcept {
        carrier* const before = exchanged(x_carrier, &by);
        x_transport = kind;
        heard();
        x_keep.disarm();
        come_back();
        if (before) before->superseded();
    }
    void detach(carrier& which) noexcept {
        if (x_carrier != &which) return;
        x_carrier = nullptr;
        await_client();
    }
    bool carried_by(const carrier& which) const noexcept { return x_carrier == &which; }
    bool is_carried() const noexcept { return x_carrier != nullptr; }

    // A sign of life.
    void heard() noexcept {
        x_heard = x_scheduler.now();
        if (!x_carrier) await_client();
    }

    // Whether a client that is to acknowledge what it gets has said nothing at all for too long.
    bool is_silent() const noexcept { return x_strict && x_scheduler.now() - x_heard >= x_options.heartbeat + x_options.keep; }

    // The client comes back, and has everything up to `has`; without it, whatever was handed out. From now on what is sent
    // is kept until it is acknowledged, or not. `messages_gone` when what comes next is not there; nothing has changed then.
    errc resume(std::optional<std::uint64_t> has) noexcept {
        std::uint64_t from = has.value_or(x_log.handed_out());
        if (has && from < x_acknowledged) from = x_acknowledged; // said on another way meanwhile, and overtaken
        if (from > x_log.last() || from + 1 < x_log.oldest()) return errc::messages_gone;
        x_strict = has.has_value();
        if (has) x_acknowledged = from;
        x_log.rewind(from);
        forget_to(from);
        return {};
    }

    // Everything up to `number` has arrived. `messages_gone` when so many were never sent.
    errc acknowledge(std::uint64_t number) noexcept {
        if (number > x_log.last()) return errc::messages_gone;
        if (number > x_acknowledged) x_acknowledged = number;
        forget_to(number);
        return {};
    }

    // The number of the last message that is known to have arrived, and those after it, the oldest first.
    std::uint64_t acknowledged() const noexcept { return x_log.oldest() - 1; }
    sequence<owned_message> unacknowledged() const { return x_log.kept(); }

    // Whether there is a message to be sent; which; and that it is on its way.
    bool has_next() const noexcept { return x_log.has_unsent(); }
    const owned_message& next() const noexcept { return x_log.front_unsent(); }
    std::uint64_t next_number() const noexcept { return x_log.next_number(); }
    void hand_out() noexcept { x_log.hand_out(); }

    // What was handed out has been written.
    void handed_out() noexcept {
        if (!x_strict) x_log.forget_above(x_options.high_water_bytes);
        relieve();
    }

    // The number of the last message that came in.
    std::uint64_t received() const noexcept { return x_last_received; }

    // Takes a message from the client, if it is the next; without a number it is. `payload` is moved from only if taken.
    reception receive(std::optional<std::uint64_t> number, std::string&& payload, bool is_text) {
        if (!is_open()) return reception::closed;
        if (number && *number <= x_last_received) return reception::known;
        if (number && *number != x_last_received + 1) return reception::gap;
        if (!x_received.fits(payload.size(), x_options.read_ahead_bytes)) return reception::no_room;
        if (x_budget && !(x_reader && x_received.empty()) && // then it does not stay
            !x_budget->make_room(payload.size() + sizeof(owned_message), *this)) {
            if (x_deliverers.empty() || payload.size() < x_wanted) x_wanted = payload.size();
            x_seeks = true;
            return reception::no_room;
        }
        ++x_last_received;
        x_bytes_in += payload.size();
        x_received.push(owned_message{std::move(payload), is_text});
        if (x_reader) wake_reader();
        return reception::taken;
    }
    // After `no_room`: until the handler reads, or what all may have in memory together leaves room for the message.
    void wait_for_room(waiter& deliverer) noexcept {
        x_deliverers.push_back(deliverer);
        if (exchanged(x_seeks, false) && x_budget) x_budget->tally()->seek(*this);
    }

    // --- for the budget ---

    // Whether there is anything that `give_up` would free; and whether that is to be counted as such.
    bool holds_messages() const noexcept { return !x_log.empty() || !x_received.empty(); }
    void yields(bool now) noexcept {
        x_log.yields(now);
        x_received.yields(now);
    }

    // Closes it for good, although its client may come back, since others need the memory. What came in and was not read goes as
    // well, but not the message that the handler looks at. It may be destroyed in this call.
    [[gnu::cold]] void give_up() noexcept {
        if (x_port) x_port->forget();
        close(close_cause::limit, ws::close_code::policy_violation, "the client was away for longest when memory was needed",
              make_error_code(errc::buffer_full));
        x_log.forget_all();
        x_received.forget_all();
        client_knows();
    }

    // The client knows that the session has closed.
    void client_knows() noexcept {
        x_keep.disarm();
        come_back();
        if (session_owner<Tag>* const owner = exchanged(x_owner, nullptr)) owner->strike(*this);
    }

    // The owner goes: nobody is told any more.
    void disown() noexcept {
        x_owner = nullptr;
        come_back();
        x_budget = nullptr;
        room_seeker::unlink();
    }

private:
    static constexpr unsigned messages_in_a_row = 64;

    std::size_t pressure() const noexcept { return x_strict ? x_log.bytes() : x_log.unsent_bytes(); }

    bool has_news() const noexcept { return !x_received.empty() || !is_open(); }

    void wake_reader() noexcept {
        if (!x_reader->woken()) x_reader->wake();
    }

    static void wake(list<ready_item>& waiters, errc outcome) noexcept {
        while (ready_item* each = waiters.pop_front()) static_cast<waiter*>(each)->wake(outcome);
    }

    void forget_to(std::uint64_t number) noexcept {
        x_log.forget_to(number);
        relieve();
    }
    void relieve() noexcept {
        if (!x_senders.empty() && pressure() <= x_options.high_water_bytes / 2) wake(x_senders, errc{});
    }

    [[gnu::cold]] errc overflow(std::string_view why) noexcept {
        if (x_options.overflow == overflow_policy::close)
            close(close_cause::limit, ws::close_code::policy_violation, why, make_error_code(errc::buffer_full));
        return errc::buffer_full;
    }

    void await_client() noexcept {
        if (!x_owner) return;
        x_scheduler.arm(x_keep, x_options.keep);
        if (x_budget) x_budget->note_absence(*this);
    }

    // It is not one of those any more that may be given up.
    void come_back() noexcept {
        if (x_budget) x_budget->note_presence(*this);
    }

    // The message is in the hands of the caller: nobody is given up for its bytes.
    [[gnu::cold]] bool make_room_for(const kept_record& sent) noexcept {
        sent.hold({}, false);
        const bool fits = x_budget->make_room(message_log<Tag>::tally_cost(sent), *this);
        sent.let_go({}, false);
        return fits;
    }

    std::size_t wanted() const noexcept override { return x_deliverers.empty() ? 0 : x_wanted + sizeof(owned_message); }
    void there_is_room() noexcept override { wake(x_deliverers, errc{}); }

    [[gnu::cold]] void keep_is_over() noexcept {
        close_for_silence();
        client_knows();
    }

    // As with a WebSocket: what is still unread tells by itself, unless nobody comes for it.
    [[gnu::cold]] void lost() noexcept {
        if (!x_context || x_reader) return;
        if (x_received.empty())
            out_of_patience();
        else
            x_scheduler.arm(x_patience, x_options.close_timeout);
    }
    [[gnu::cold]] void out_of_patience() noexcept {
        if (x_context && !x_told) exchanged(x_context, nullptr)->cancel();
    }

    static void send_posted(void* self, const owned_message& posted) noexcept {
        (void)static_cast<basic_session*>(self)->send(kept_message::make(owned_message(posted)));
    }

    scheduler& x_scheduler;
    const session_options& x_options;
    session_owner<Tag>* x_owner; // null once it is struck off
    budget* x_budget;            // null for none
    std::string x_id;
    owned<connection_security> x_security;
    carrier* x_carrier = nullptr;
    message_log<Tag> x_log;
    message_queue<Tag> x_received;
    std::uint64_t x_last_received = 0;
    std::uint64_t x_acknowledged = 0; // by the client, in so many words
    ending x_ending;
    std::uint64_t x_bytes_in = 0;
    std::uint64_t x_bytes_out = 0;
    waiter* x_reader = nullptr;
    list<ready_item> x_senders;    // that wait until less is queued
    list<ready_item> x_deliverers; // that wait for room among what is received
    context* x_context = nullptr;
    shared<remote_port> x_port; // once it was asked for
    std::chrono::nanoseconds x_heard;
    member_timer<basic_session, &basic_session::keep_is_over> x_keep;
    member_timer<basic_session, &basic_session::out_of_patience> x_patience;
    std::size_t x_wanted = 0; // the size of the message that all together leave no room for
    unsigned x_streak = 0; // messages that were ready at once, since a reader last waited
    transport_kind x_transport = transport_kind::polling;
    bool x_strict = false; // what is sent is kept until it is acknowledged
    bool x_seeks = false;  // the last message found no room for that reason
    bool x_told = false;   // somebody has read the end
};

} // namespace weir::inline v0::detail
