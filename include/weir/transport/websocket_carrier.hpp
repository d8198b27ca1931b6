// Carries a session of a server over a WebSocket.
//
// What is wrong is told by an `e` record, and ends the WebSocket but not the session. Session and WebSocket must outlive
// this. Loop thread only.
#pragma once

#include <weir/transport/websocket_records.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class websocket_carrier final : private websocket_records<Tag> {
    using records = websocket_records<Tag>;

public:
    using typename records::session;

    // `greeting`: the first record. The session was resumed, or is new.
    websocket_carrier(session& of, websocket& over, std::string_view greeting) : records(of, over) {
        this->say(greeting);
        this->begin();
    }

    // Passes on what comes in, until the WebSocket has ended.
    task<> run() {
        while (auto record = co_await this->x_ws.read()) {
            this->x_session.heard();
            while (!this->take(*record)) {
                const result<> told = co_await room_for_more(this->x_session);
                if (!told && told.error() == errc::canceled) co_return;
            }
        }
        const close_info end = this->x_ws.closed();
        if (x_said_end && end.cause == close_cause::local && !end.error) this->x_session.client_knows(); // it has answered
    }

private:
    [[gnu::cold]] void say_closed() override {
        this->say_end();
        x_said_end = true;
        if (this->x_session.closed().cause == close_cause::peer) this->x_session.client_knows();
    }

    // The session goes on, without us.
    [[gnu::cold]] void refuse(unsigned number, std::string_view sentence) override {
        std::string record;
        envelope::append_sentence(record, envelope::kind::failed, number, sentence);
        this->say(record);
        this->x_ws.close(static_cast<ws::close_code>(4000 + number), sentence);
        this->x_session.detach(*this);
    }
    void superseded() noexcept override { refuse(409, "another connection has taken over this session"); }

    [[gnu::cold]] void take_from_server(const envelope::record&) override { refuse(400, "a record that only a server sends"); }

    bool x_said_end = false;
};

} // namespace weir::inline v0::detail
