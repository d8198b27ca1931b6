// A channel's WebSockets: each opens a session or takes one up, and carries it until it ends.
//
// A handshake says in its query what it is for. What is wrong with that is told by a record on the WebSocket, since browsers show
// pages nothing of a handshake that was refused. Loop thread only.
#pragma once

#include <weir/server/channel_service.hpp>
#include <weir/transport/websocket_carrier.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class channel_websocket final : public websocket_handler {
public:
    // Whose sessions they are; before the first of them comes.
    void serve(channel_service<Tag>& of) noexcept { x_of = &of; }

    task<> call(websocket& ws, const http::request_head* request) override { return carry(ws, request); }

private:
    task<> carry(websocket& ws, const http::request_head* request) {
        const std::string_view target = ws.target();
        const std::size_t mark = target.find('?');
        const carrier_request<Tag> asked(mark == target.npos ? std::string_view() : target.substr(mark + 1));
        taken_up<Tag> made = x_of->take_up(asked, transport_kind::websocket, request, ws.security());
        if (!made.held) {
            std::string record;
            envelope::append_sentence(record, envelope::kind::failed, made.refusal, made.why);
            message refusal(as_bytes(record), true);
            ws.send(refusal);
            ws.close(static_cast<ws::close_code>(4000 + made.refusal), made.why);
            co_return;
        }
        websocket_carrier<Tag> carrier(*made.held, ws, x_of->greeting(made));
        co_await carrier.run();
    }

    channel_service<Tag>* x_of = nullptr;
};

} // namespace weir::inline v0::detail
