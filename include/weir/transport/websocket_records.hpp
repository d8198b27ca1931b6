// A session's messages on a WebSocket, in the envelope of protocol/channel: what both ends of it have in common.
//
// A record is a message. Messages of the session go to the WebSocket as soon as they are sent, while that takes them without a
// wait; the rest stays in the session, whose bounds hold. What comes in is acknowledged after 32 messages or 32 KiB, or a second.
// Whatever ends the WebSocket, the session goes on; only an `x` record ends it. Both must outlive this. Loop thread only.
#pragma once

#include <weir/coro/member_timer.hpp>
#include <weir/coro/scope.hpp>
#include <weir/protocol/channel/record.hpp>
#include <weir/transport/closed_record.hpp>
#include <weir/transport/session_room.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class websocket_records : protected carrier {
public:
    using session = basic_session<Tag>;

    websocket_records(const websocket_records&) = delete;
    websocket_records& operator=(const websocket_records&) = delete;

protected:
    // Carries nothing before `begin`.
    websocket_records(session& of, websocket& over) noexcept : x_session(of), x_ws(over), x_ack_due(*this), x_silence(*this) {}
    ~websocket_records() { x_session.detach(*this); }

    // The session has ended, and everything that was sent before is on its way.
    virtual void say_closed() = 0;

    // Something makes no sense: a number as in HTTP, and a sentence.
    virtual void refuse(unsigned number, std::string_view sentence) = 0;

    // The other side's session has ended, and everything that it sent before has come.
    virtual void told_end() {}

    // A record of a kind that only servers send.
    virtual void take_from_server(const envelope::record& record) = 0;

    // Carries the session from now on.
    void begin() {
        x_session.attach(*this, transport_kind::websocket);
        x_session.runs_on().arm(x_silence, x_session.options().heartbeat);
        push();
    }
    bool is_mine() const noexcept { return x_session.carried_by(*this); }

    void say(std::string_view record) {
        x_ws.try_send(message(as_bytes(record), true));
        x_said = x_session.runs_on().now();
    }

    // Says how the session ended.
    [[gnu::cold]] void say_end_record() {
        std::string record;
        append_closed(record, x_session);
        say(record);
    }

    // Closes the WebSocket likewise.
    [[gnu::cold]] void say_end() {
        say_end_record();
        const close_info why = x_session.closed();
        x_ws.close(why.code, why.reason);
    }

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
        default: return take_from_server(record), true;
        }
    }

    session& x_session;
    websocket& x_ws;

private:
    static constexpr unsigned ack_messages = 32;
    static constexpr std::size_t ack_bytes = 32 * 1024;
    static constexpr std::chrono::nanoseconds ack_delay = std::chrono::seconds(1);
    static constexpr std::size_t kept_bytes = 1024;

    // --- out ---

    void push() {
        if (x_drains || !is_mine()) return;
        while (x_session.has_next() && x_ws.is_open()) {
            const owned_message& next = x_session.next();
            x_record.clear();
            envelope::append_message(x_record, x_session.next_number(), next.is_text, as_bytes(next.data));
            message record(as_bytes(x_record), next.is_text);
            websocket::send_awaiter sent = x_ws.send(record);
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
        if (!x_session.has_next() && !x_session.is_open() && x_ws.is_open()) say_closed();
    }

    task<> drain(websocket::send_awaiter sent) {
        const send_status left = co_await std::move(sent);
        x_drains = false;
        if (left) push();
    }

    void wake() noexcept override { push(); }

    void beat() {
        const std::chrono::nanoseconds silent = x_session.runs_on().now() - x_said;
        const std::chrono::nanoseconds most = x_session.options().heartbeat;
        if (silent >= most && is_mine()) say("h");
        x_session.runs_on().arm(x_silence, silent >= most ? most : most - silent);
    }

    // --- in ---

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
        if (!is_mine()) return;
        std::string record;
        envelope::append_number(record, envelope::kind::acknowledged, x_session.received());
        say(record);
    }

    [[gnu::cold]] void close(const envelope::record& record) {
        const std::optional<ws::close_code> code = envelope::close_code_of(record);
        if (!code) return refuse(400, "a close code that may not be sent");
        if (x_ack_due.armed()) acknowledge(); // the other side wants to know what has arrived
        told_end();
        x_session.close(close_cause::peer, *code, record.rest);
    }

    std::string x_record; // that is being sent
    member_timer<websocket_records, &websocket_records::acknowledge> x_ack_due;
    member_timer<websocket_records, &websocket_records::beat> x_silence;
    std::chrono::nanoseconds x_said{0};
    std::size_t x_unacked_bytes = 0; // received, since we acknowledged
    unsigned x_unacked = 0;
    bool x_drains = false; // the WebSocket takes nothing before it has sent some of what it has
    scope x_work;
};

} // namespace weir::inline v0::detail
