// How the connection of a handshake becomes a WebSocket, whoever has judged the request: a WebSocket route, or the handler of a
// plain one.
#pragma once

#include <weir/io/loop.hpp>
#include <weir/protocol/ws/server_handshake.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0 {

class websocket_route;

namespace detail {

// What the HTTP side of a connection leaves to the WebSocket side.
struct upgrade {
    websocket_route* route = nullptr; // null: there was no handshake for one, or it was refused
    owned<http::request_head> request;
    std::string subprotocol;
    owned<ws::message_codec> codec; // null: messages are not compressed
    io::lease lease; // of the stream, with what came behind the handshake in `rest`
    mutable_bytes rest;
};

// The head of the answer that accepts a handshake, which nothing speaks against. `supported` is a list of texts, `fields` what
// the application adds.
template <class List>
[[gnu::cold]] result<http::response_head> accept_handshake(const http::request_head& request, const List& supported,
                                                           const compression_choice& compressed,
                                                           std::span<const http::field> fields, upgrade& to) {
    const std::string_view subprotocol = ws::choose_subprotocol(request, supported);
    if (compressed.method()) to.codec = compressed.method()->accept(request.fields, compressed.options());
    to.subprotocol = subprotocol;
    return ws::make_response(request, subprotocol, fields, to.codec ? to.codec->agreed() : std::string_view());
}

// The connection, once that is written or about to be.
[[gnu::cold]] inline websocket make_websocket(owned<io::stream> over, upgrade& to, std::string_view target, io::loop& on,
                                              shared<const websocket_options> options) {
    websocket ws(ws::role::server, std::move(over), std::move(to.lease), to.rest, {on, on.blocks(), on.random()},
                 std::move(options));
    ws.agreed(to.subprotocol, target);
    ws.compress(std::move(to.codec));
    return ws;
}

} // namespace detail

} // namespace weir::inline v0
