// Opening a WebSocket connection from a URL.
//
//     auto ws = co_await weir::connect("ws://localhost:9001/echo");
//     if (!ws) std::puts(ws.error().message().c_str());
//
// Resolves the name off the loop's thread, connects, and shakes hands, all within one deadline. Errors say what was being
// done and where: "opening ws://localhost:9001/echo: connecting to 127.0.0.1:9001: Connection refused".
#pragma once

#include <weir/io/loop.hpp>
#include <weir/net/connect.hpp>
#include <weir/protocol/http/body.hpp>
#include <weir/protocol/http/url.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/client_handshake.hpp>
#include <weir/transport/byte_source.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0 {

// How a connection is opened. Spans and views are copied by the call that is given them.
struct connect_options {
    // Further fields of the request, such as Authorization, Cookie or Origin. Those of the handshake itself may not be
    // among them.
    std::span<const http::field> headers = {};

    // The subprotocols that this side speaks, the preferred one first; `ws.subprotocol()` is what the server chose.
    std::span<const std::string_view> subprotocols = {};

    // How long it may take from the call to the end of the handshake, name resolution included.
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);

    // Bounds for the server's answer.
    http::head_limits head = {};

    // The connection's own settings.
    websocket_options websocket = {};
};

static_assert(std::is_trivially_copyable_v<connect_options> && std::is_trivially_destructible_v<connect_options>);

namespace detail {

// Everything that opening a connection needs, with nothing borrowed.
struct opening {
    http::url url;
    http::request_head request;
    connect_options options; // its spans are not looked at any more
};

inline result<opening> prepare(std::string_view text, const connect_options& options) {
    io::loop* const on = io::loop::current();
    if (!on) return error(errc::no_loop, "opening a connection");
    result<http::url> url = http::parse_url(text);
    if (!url) return url.error();
    const std::string where = "opening " + std::string(url->text());
    if (url->secure()) return error(errc::unsupported, where + ": TLS");
    if (url->scheme() != http::url_scheme::ws) return error(errc::bad_scheme, where);
    std::array<std::byte, 16> random;
    on->random().fill(random);
    const std::string host = url->host_field();
    result<http::request_head> request = ws::make_request(
        {.host = host, .target = url->target(), .subprotocols = options.subprotocols, .fields = options.headers},
        random);
    if (!request) return error(request.error().code(), where + ": " + std::string(request.error().context()));
    return opening{std::move(*url), std::move(*request), options};
}

// The beginning of the body of a server that refuses: often it says why.
inline task<std::string> read_refusal(byte_source& from, const http::response_head& head) {
    constexpr std::size_t most = 200;
    std::string said;
    const result<http::body_framing> framing = http::framing_of(head, "GET");
    if (!framing) co_return said;
    http::body_decoder decoder(*framing, most * 100);
    while (said.size() < most) {
        bytes_view input = from.rest();
        const http::body_event next = decoder.decode(input);
        from.rest() = from.rest().last(input.size());
        if (next.what == http::body_event::data) {
            said += as_text(next.bytes);
        } else if (next.what == http::body_event::need_more) {
            const result<bool> got = co_await from.more();
            if (!got || !*got) break;
        } else {
            break;
        }
    }
    co_return http::detail::printable(as_text(as_bytes(said)), most);
}

inline task<result<websocket>> shake_hands(std::unique_ptr<io::stream> stream, const opening& what) {
    io::loop& on = *io::loop::current();
    byte_source source(*stream);
    std::string text;
    if (!http::append_head(text, what.request)) co_return errc::bad_field;
    const result<> written = co_await source.write(as_bytes(text));
    if (!written) co_return error(written.error().code(), "sending the handshake");

    http::response_parser parser(what.options.head);
    result<http::response_head> head = co_await source.read_head(parser);
    if (!head) {
        std::string context("reading the server's answer to the handshake");
        if (!head.error().context().empty()) context += ": " + std::string(head.error().context());
        co_return error(head.error().code(), std::move(context));
    }
    const result<std::string_view> subprotocol = ws::check_response(what.request, *head);
    if (!subprotocol) {
        std::string context("the server answered ");
        context += subprotocol.error().context();
        if (subprotocol.error() == errc::unexpected_status) {
            const std::string said = co_await read_refusal(source, *head);
            if (!said.empty()) context += " (\"" + said + "\")";
        }
        co_return error(subprotocol.error().code(), std::move(context));
    }
    const mutable_bytes rest = source.rest();
    websocket ws(ws::role::client, std::move(stream), source.take_lease(), rest, {on, on.blocks(), on.random()},
                 std::make_shared<const websocket_options>(what.options.websocket));
    ws.agreed(*subprotocol, what.request.target);
    co_return std::move(ws);
}

inline task<result<websocket>> reach(const opening& what) {
    result<std::unique_ptr<io::stream>> stream = co_await net::connect(std::string(what.url.host()), what.url.port());
    if (!stream) co_return std::move(stream).error();
    co_return co_await shake_hands(std::move(*stream), what);
}

inline task<result<websocket>> open(result<opening> prepared) {
    if (!prepared) co_return std::move(prepared).error();
    task<result<websocket>> way = reach(*prepared);
    result<websocket> opened = co_await std::move(way).within(prepared->options.timeout);
    if (opened) co_return opened;
    std::string context("opening ");
    context += prepared->url.text();
    if (!opened.error().context().empty()) context += ": " + std::string(opened.error().context());
    co_return error(opened.error().code(), std::move(context));
}

} // namespace detail

// Opens a connection to a `ws://` URL. What it is given is copied at the call; the work begins when it is awaited.
// Cancelling it leaves nothing behind. Errors: those of the URL, `name_not_found`, the operating system's for
// connecting, `timed_out`, `unexpected_status` with the status and the beginning of the body, and those of the handshake.
inline task<result<websocket>> connect(std::string_view url, const connect_options& options = {}) {
    return detail::open(detail::prepare(url, options));
}

} // namespace weir::inline v0
