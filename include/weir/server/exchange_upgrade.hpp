// What an exchange does to become a WebSocket: judging the request as a WebSocket route would, and taking over the connection.
#pragma once

#include <weir/net/peer_endpoint.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/origin.hpp>
#include <weir/server/open_websockets.hpp>
#include <weir/server/response.hpp>
#include <weir/server/routes.hpp>
#include <weir/server/upgrade.hpp>
#include <weir/server/upgrade_options.hpp>

namespace weir::inline v0::detail {

// The WebSocket of a handler that has begun with a plain request.
class held_websocket final : public open_websockets::entry {
public:
    held_websocket(open_websockets& among, websocket made) noexcept : entry(std::move(made)), x_among(among) { among.add(*this); }
    ~held_websocket() { x_among.remove(*this); }

private:
    open_websockets& x_among;
};

// Whether the request may become a WebSocket; if not, how to refuse it.
template <class>
ws::handshake_refusal judge_upgrade(const http_connection& on, const upgrade_options& how) {
    if (const ws::handshake_refusal wrong = ws::check_request(on.request)) return wrong;
    if (!how.any_origin && !ws::same_origin(on.request) && !ws::origin_among(on.request, how.origins))
        return {errc::origin_refused, http::status::forbidden, "Pages of this origin may not connect here."};
    if (on.waiting.canceled()) return {errc::closed, http::status::service_unavailable, "The server is stopping."};
    return {};
}

// Has an answer say what goes with its status, where it is that of the refusal.
template <class = void>
void complete_refusal(response& made, const ws::handshake_refusal& refusal) {
    if (!refusal || made.status != refusal.status) return;
    const http::response_head head = refusal.head();
    for (const http::field each : head.fields)
        if (made.fields.count(each.name) == 0) made.fields.add(each.name, each.value);
}

// Accepts the handshake: what is written before anything else, and the settings of the connection.
template <class>
result<std::string> accept_upgrade(const http_connection& on, const upgrade_options& how, upgrade& to) {
    const websocket_options& settings = how.websocket ? *how.websocket : *on.server.websocket;
    const result<http::response_head> head =
        accept_handshake(on.request, how.subprotocols, settings.compression, how.headers, to);
    if (!head) return head.error();
    std::string text;
    if (!http::append_head(text, *head)) return errc::bad_field;
    return text;
}

// Takes the stream over. `handler` is cancelled when the peer is lost while nobody reads.
template <class>
owned<held_websocket> take_over(http_connection& on, const websocket_options* own, upgrade& to, std::string_view head,
                                context& handler) {
    shared<const websocket_options> settings = on.server.websocket;
    if (own) {
        websocket_options all = *own;
        if (!all.log) all.log = on.server.options.log;
        if (!all.peer_name) all.peer_name = net::peer_name;
        settings = shared<const websocket_options>::make(all);
    }
    on.stream.observe(nullptr);
    websocket made = make_websocket(std::move(on.owner), to, on.request.target, *io::loop::current(), std::move(settings));
    made.begin_with(as_bytes(head)); // leaves with what is sent in the same turn
    made.guard(&handler);
    return make_owned<held_websocket>(on.sockets, std::move(made));
}

} // namespace weir::inline v0::detail
