// How a client opens a connection.
#pragma once

#include <weir/client/proxy_choice.hpp>
#include <weir/io/stream_layer.hpp>
#include <weir/net/resolve.hpp>
#include <weir/net/security.hpp>
#include <weir/protocol/http/limits.hpp>
#include <weir/protocol/http/response_head.hpp>
#include <weir/transport/websocket_options.hpp>

#include <span>

namespace weir::inline v0 {

// What a server said that did not let us in, or a proxy that did not let us through.
struct connect_refusal {
    http::response_head head; // status and fields, such as WWW-Authenticate or Retry-After; fields.empty(): no answer
    std::string body;         // its beginning, as it came: at most `most_body_bytes`

    static constexpr std::size_t most_body_bytes = 4096;
};

// What the spans and views name is copied by the call that is given them.
struct connect_options {
    // Further fields of the request, such as Authorization or Origin. Those of the handshake itself may not be among them.
    std::span<const http::field> headers = {};

    // Names and values that the request's Cookie field has.
    std::span<const http::field> cookies = {};

    // The subprotocols that this side speaks, the preferred one first; `ws.subprotocol()` is what the server chose, or
    // empty: whoever cannot do without looks at it.
    std::span<const std::string_view> subprotocols = {};

    // How long it may take from the first step to the end of the handshake, name resolution included.
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);

    // Where the answer of a server or a proxy goes that refuses, besides the error's message; null for nowhere. It must live
    // until `connect` has ended.
    connect_refusal* refusal = nullptr;

    // How many redirects are followed, one after the other; 0 for none: a redirect is then an answer like others. They do not lead
    // from wss:// to ws://. To another origin nothing goes along of the URL's user, the cookies and the further fields, but Origin,
    // User-Agent and Accept-Language.
    unsigned redirects = 0;

    // The proxy to go through: `weir::proxy("socks5://localhost:1080")` or `weir::proxy_of_environment()`, of client/proxy.hpp.
    // None by default, whatever the environment says.
    proxy_choice proxy = {};

    // The path of a Unix socket, or "@name", in the place of where the URL's host is; proxies are not for it. Empty: none.
    std::string_view socket_path = {};

    // How long the address that was tried last may be silent before the next one is tried beside it; see net/connect.hpp.
    std::chrono::nanoseconds stagger = std::chrono::milliseconds(250);
    // How `wss://` is spoken: a `weir::tls_client` of one's own, which must live until `connect` has ended. Null for the
    // one of all that <weir/net/tls.hpp> brings.
    net::client_security* tls = nullptr;

    // What is put over the stream, and over TLS; see io/stream_layer.hpp. It must live as long as the connection. Null for nothing.
    io::stream_layer* layer = nullptr;

    // Bounds for the server's answer.
    http::head_limits head = {};

    // The connection's own settings.
    websocket_options websocket = {};

    // How a name becomes addresses; called on a helper thread, and may block. Null for the system's resolver.
    net::lookup_function lookup = nullptr;
};

static_assert(__is_trivially_copyable(connect_options));

} // namespace weir::inline v0
