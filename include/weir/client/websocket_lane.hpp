// Carries a client's session over a WebSocket.
#pragma once

#include <weir/client/connect.hpp>
#include <weir/client/lane.hpp>
#include <weir/transport/websocket_records.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class websocket_lane final : public lane<Tag> {
    using base = lane<Tag>;
    using base::x_of;

public:
    websocket_lane(conversation<Tag>& of, std::size_t place) : base(of, transport_kind::websocket, place) { x_work.spawn(run()); }

private:
    // The session on this WebSocket.
    class carrying final : private websocket_records<Tag> {
        using records = websocket_records<Tag>;

    public:
        carrying(websocket_lane& by, websocket& over) : records(by.session(), over), x_by(by) { this->begin(); }

        // Passes on what comes in, until the WebSocket has ended; says why it did.
        task<error> run() {
            for (;;) {
                const result<message> record = co_await this->x_ws.read().within(x_by.x_of.patience());
                if (!record) co_return record.error();
                this->x_session.heard();
                while (!this->take(*record)) {
                    const result<> told = co_await room_for_more(this->x_session);
                    if (!told && told.error() == errc::canceled) co_return told.error();
                }
            }
        }

    private:
        // The server answers by an end of its own, behind which there is nothing, and closes the WebSocket.
        [[gnu::cold]] void say_closed() override {
            if (exchanged(x_by.x_said_end, true)) return;
            x_by.x_of.end_soon();
            this->say_end_record();
        }
        [[gnu::cold]] void told_end() override { x_by.x_told_end = true; }
        [[gnu::cold]] void refuse(unsigned, std::string_view sentence) override { give_up(sentence); }
        [[gnu::cold]] void take_from_server(const envelope::record& record) override {
            if (record.what == envelope::kind::failed)
                x_by.refuse(*record.number, record.rest);
            else
                give_up("a session that goes on was opened again");
        }
        void superseded() noexcept override { this->x_ws.close(); }

        [[gnu::cold]] void give_up(std::string_view sentence) {
            this->x_ws.close(ws::close_code::protocol_error, sentence);
            x_by.lose(errc::bad_record, sentence);
        }

        websocket_lane& x_by;
    };

    task<> run() {
        const open_options& all = x_of.options();
        connect_options how;
        how.headers = x_of.headers();
        how.timeout = io::loop::forever; // whoever tries us bounds it
        how.websocket = all.websocket;
        how.websocket.message_bytes = all.message_bytes + most_head_bytes;
        how.proxy = all.proxy;
        how.lookup = all.lookup;
        how.tls = all.tls;
        result<opening> prepared = prepare(x_of.websocket_url(x_of.target_of(transport_kind::websocket)), how);
        if (prepared) prepared->where.clear(); // it has the session's id, and is known
        result<websocket> opened = co_await open(std::move(prepared));
        if (!opened) {
            base::lose(opened.error());
            co_return;
        }
        websocket ws = std::move(*opened);
        const result<message> first = co_await ws.read();
        if (!first) {
            base::lose(first.error());
        } else if (greet(*first)) {
            carrying here(*this, ws);
            base::up();
            const error why = co_await here.run();
            over(ws.closed(), why);
            if (why == errc::timed_out) ws.reset();
        }
    }

    // The first record, on which everything depends.
    bool greet(const message& first) {
        const result<envelope::record> read = envelope::parse(first.text());
        if (!read) return base::lose(read.error()), false;
        switch (read->what) {
        case envelope::kind::opened:
            if (x_of.opened(*read)) return true;
            break;
        case envelope::kind::resumed:
            if (x_of.resumed(*read->number)) return true;
            return x_of.lose_session("the server says that it has other messages than we have sent"), false;
        case envelope::kind::failed: return base::refuse(*read->number, read->rest), false;
        default: break;
        }
        return base::lose(errc::bad_record, "the first record neither opens a session nor resumes it"), false;
    }

    // The WebSocket has ended.
    void over(const close_info& end, const error& why) {
        const close_cause cause = base::session().closed().cause;
        if (cause == close_cause::peer) {
            x_of.end();
        } else if (cause != close_cause::open && x_said_end && x_told_end) {
            x_of.end();
        } else if (end.cause == close_cause::limit || end.code == ws::close_code::message_too_big) {
            x_of.end_too_large(end.reason);
        } else if (end.code == ws::close_code::invalid_payload) {
            x_of.end_not_utf8();
        }
        base::lose(why);
    }

    static constexpr std::size_t most_head_bytes = 32;

    bool x_said_end = false; // our session has ended, and the server is told
    bool x_told_end = false; // the server's has
    scope x_work;
};

} // namespace weir::inline v0::detail
