// What `server::channel` needs, beside the server: the service of a channel, and the routes that lead to it.
#pragma once

#include <weir/server/channel_requests.hpp>
#include <weir/server/channel_websocket.hpp>
#include <weir/server/server.hpp>

namespace weir::inline v0::detail {

// Called by `server::channel`.
template <class Handler>
channel_route& add_channel(server& to, server_setup& setup, std::string_view path, Handler handler) {
    constexpr bool wants_request = takes_request<channel, Handler>;
    static_assert(wants_request || std::is_invocable_r_v<task<>, Handler&, channel&>, "a channel's handler takes the channel by "
        "reference and returns a task: weir::task<> handler(weir::channel& client), or handler(weir::channel& client, "
        "const weir::http::request_head& request)");
    owned<channel_websocket<>> websockets(new channel_websocket<>);
    channel_websocket<>& carriers = *websockets;
    websocket_route& handshakes =
        setup.table.add(make_owned<websocket_route>(std::string(path), std::move(websockets), wants_request));
    owned<connection_handler<channel>> serving = make_owned<connection_handler_of<channel, Handler>>(std::move(handler));
    owned<channel_service<>> made(
        new channel_service<>(setup, std::string(path), handshakes, std::move(serving), wants_request));
    channel_service<>& service = *made;
    carriers.serve(service);
    setup.beside.push_back(*made.release());
    to.route("*", path, [requests = channel_requests<>(service)](exchange& http) mutable { return requests.serve(http); });
    return service.route();
}

} // namespace weir::inline v0::detail
