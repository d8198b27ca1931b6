// How the handler of a plain request makes its connection a WebSocket.
#pragma once

#include <weir/protocol/http/fields.hpp>
#include <weir/transport/websocket_options.hpp>

#include <span>

namespace weir::inline v0 {

// What the spans and views name has to be there until the upgrade has been awaited.
struct upgrade_options {
    // The subprotocols that the handler speaks, the preferred one first; tokens. `ws->subprotocol()` is the first that the
    // client offers too, or empty: a handler that cannot do without closes the connection.
    std::span<const std::string_view> subprotocols = {};

    // Pages of which other origins may connect, besides those of the same host, as of a WebSocket route: "https://example.com".
    std::span<const std::string_view> origins = {};

    // Any page may connect. Right where a connection can do nothing that its user would mind.
    bool any_origin = false;

    // Further fields of the answer, such as Set-Cookie. Those of the handshake itself may not be among them.
    std::span<const http::field> headers = {};

    // The settings of the connection, its limits and its compression, in place of those that the server has for all. Null:
    // those.
    const websocket_options* websocket = nullptr;
};

static_assert(__is_trivially_copyable(upgrade_options));

} // namespace weir::inline v0
