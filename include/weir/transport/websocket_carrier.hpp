// Carries a session over a WebSocket, in the envelope of protocol/channel: a record is a message.
//
// Messages of the session go to the WebSocket as soon as they are sent, while that takes them without a wait; the rest stays in
// the session, whose bounds hold. What comes in is acknowledged after 32 messages or 32 KiB, or a second. Whatever ends the
// WebSocket, the session goes on; only an `x` record ends it. Both must outlive this. Loop thread only.
#pragma once

#include <weir/coro/scope.hpp>
#include <weir/protocol/channel/record.hpp>
#include <weir/transport/session_room.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class websocket_carrier final : private carrier {
public:
    using session = basic_session<Tag>;

    // `greeting`: the first record. The session was resumed, or is new.
    websocket_carrier(session& of, websocket& over, std::string_view greeting)
        : x_session(of), x_ws(over), x_ack_due(*this), x_silence(*this) {
        say(greeting);
        of.attach(*this, transport_kind::websocket);
        of.runs_on().arm(x_silence, of.options().heartbeat);
        push();
    }
    ~websocket_carrier() { x_session.detach(*this); }

    // Passes on what comes in, until the WebSocket has ended.
    task<> run() {
        while (auto record = co_await x_ws.read()) {
            x_session.heard();
            while (!take(*record)) {
                const result<> told = co_await room_for_more(x_session);
                if (!told && told.error() == errc::canceled) co_return;
            }
        }
    }

private:
    static constexpr unsigned ack_messages = 32;
    static constexpr std::size_t ack_bytes = 32 * 1024;
    static constexpr std::chrono::nanoseconds ack_delay = std::chrono::seconds(1);

    template <void (websocket_carrier::*Expire)()>
    class own_timer final : public timer {
    public:
        explicit own_timer(websocket_carrier& of) noexcept : x_of(of) {}

    private:
        void expire() noexcept override { (x_of.*Expire)(); }
        websocket_carrier& x_of;
    };

    bool is_mine() const noexcept { return x_session.carried_by(*this); }

    // --- out ---

    void say(std::string_view record) {
        x_ws.try_send(message(as_bytes(record), true));
        x_said = x_session.runs_on().now();
    }
    void say(envelope::kind what, std::uint64_t number) {
        std::string record;
        envelope::append_number(record, what, number);
        say(record);
    }

    void push() {
        if (x_drains || !is_mine()) return;
        while (x_session.has_next() && x_ws.is_open()) {
            const owned_message& next = x_session.next();
            x_record.clear();
            envelope::append_message(x_record, x_session.next_number(), next.is_text, as_bytes(next.data));
            websocket::send_awaiter sent = x_ws.send(message(as_bytes(x_record), next.is_text));
            x_said = x_session.runs_on().now();
            x_session.hand_out();
            if (!sent.await_ready()) {
                x_drains = true;
                x_work.spawn(drain(std::move(sent)));
                break;
            }
        }
        if (x_record.capacity() > kept_bytes) std::string().swap(x_record);
        x_session.handed_out();
        if (!x_session.has_next() && !x_session.is_open()) say_closed();
    }

    task<> drain(websocket::send_awaiter sent) {
        const send_status left = co_await std::move(sent);
        x_drains = false;
        if (left) push();
    }

    [[gnu::cold]] void say_closed() {
        if (!x_ws.is_open()) return;
        const close_info why = x_session.closed();
        std::string record;
        envelope::append_sentence(record, envelope::kind::closed, static_cast<std::uint64_t>(why.code), why.reason);
        say(record);
        x_ws.close(why.code, why.reason);
        x_session.client_knows();
    }

    // The session goes on, without us.
    [[gnu::cold]] void refuse(unsigned number, std::string_view sentence) {
        std::string record;
        envelope::append_sentence(record, envelope::kind::failed, number, sentence);
        say(record);
        x_ws.close(static_cast<ws::close_code>(4000 + number), sentence);
        x_session.detach(*this);
    }

    void wake() noexcept override { push(); }
    void superseded() noexcept override { refuse(409, "another connection has taken over this session"); }

    void beat() {
        const std::chrono::nanoseconds silent = x_session.runs_on().now() - x_said;
        const std::chrono::nanoseconds most = x_session.options().heartbeat;
        if (silent >= most && is_mine()) say("h");
        x_session.runs_on().arm(x_silence, silent >= most ? most : most - silent);
    }

    // --- in ---

    // False when there is no room for the message yet.
    bool take(const message& came) {
        if (!is_mine()) return true; // whatever it is, it will come again on the other carrier
        const result<envelope::record> read = envelope::parse(came.text());
        if (!read) return refuse(400, read.error().context()), true;
        const envelope::record& record = *read;
        switch (record.what) {
        case envelope::kind::text:
        case envelope::kind::binary: return receive(came, record);
        case envelope::kind::acknowledged:
            if (x_session.acknowledge(*record.number) != errc{})
                refuse(400, "what is acknowledged was never sent");
            return true;
        case envelope::kind::heartbeat: return true;
        case envelope::kind::closed: return close(record), true;
        default: return refuse(400, "a record that only a server sends"), true;
        }
    }

    bool receive(const message& came, const envelope::record& record) {
        const bool is_text = record.what == envelope::kind::text;
        if (is_text != came.is_text())
            return refuse(400, is_text ? "'t' in a binary message" : "'b' in a text message"), true;
        switch (x_session.receive(record.number, std::string(record.rest), is_text)) {
        case reception::no_room: return false;
        case reception::gap:
            refuse(409, concat({"message ", number_text(x_session.received() + 1), " is missing before this one"}));
            return true;
        case reception::closed: return true; // and it is being told
        case reception::taken:
        case reception::known: break;
        }
        x_unacked_bytes += record.rest.size();
        if (++x_unacked >= ack_messages || x_unacked_bytes >= ack_bytes)
            acknowledge();
        else if (!x_ack_due.armed())
            x_session.runs_on().arm(x_ack_due, ack_delay);
        return true;
    }

    void acknowledge() {
        x_ack_due.disarm();
        x_unacked = 0;
        x_unacked_bytes = 0;
        if (is_mine()) say(envelope::kind::acknowledged, x_session.received());
    }

    [[gnu::cold]] void close(const envelope::record& record) {
        const std::optional<ws::close_code> code = envelope::close_code_of(record);
        if (!code) return refuse(400, "a close code that may not be sent");
        x_session.close(close_cause::peer, *code, record.rest);
    }

    static constexpr std::size_t kept_bytes = 1024;

    session& x_session;
    websocket& x_ws;
    std::string x_record; // that is being sent
    own_timer<&websocket_carrier::acknowledge> x_ack_due;
    own_timer<&websocket_carrier::beat> x_silence;
    std::chrono::nanoseconds x_said{0};
    std::size_t x_unacked_bytes = 0; // received, since we acknowledged
    unsigned x_unacked = 0;
    bool x_drains = false; // the WebSocket takes nothing before it has sent some of what it has
    scope x_work;
};

} // namespace weir::inline v0::detail
