// Opening a WebSocket connection from a URL.
//
//     auto ws = co_await weir::connect("ws://localhost:9001/echo");
//     if (!ws) std::puts(ws.error().message().c_str());
//
// Resolves the name off the loop's thread, connects, secures the connection for `wss://`, and shakes hands, all within one
// deadline. Errors say what was being done and where: "opening ws://localhost:9001/echo: connecting to 127.0.0.1:9001: Connection refused".
#pragma once

#include <weir/client/connect_options.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/io/loop.hpp>
#include <weir/net/connect.hpp>
#include <weir/net/secure.hpp>
#include <weir/protocol/http/body.hpp>
#include <weir/protocol/http/url.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/client_handshake.hpp>
#include <weir/transport/byte_source.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0 {

namespace detail {

// Everything that opening a connection needs, with nothing borrowed but `options.refusal`.
struct opening {
    http::url url;
    http::request_head request;
    connect_options options; // its spans are not looked at any more
    std::string where;       // "opening URL", for errors
    std::string doing = {};  // the step that has begun, for an error that says nothing itself: "resolving NAME"
};

// "where: what", or one of them.
inline error explained(std::error_code why, std::string where, std::string_view what) {
    if (!what.empty()) where.append(where.empty() ? "" : ": ").append(what);
    return error(why, std::move(where));
}

template <class = void>
result<opening> prepare(std::string_view text, const connect_options& options) {
    io::loop* const on = io::loop::current();
    if (!on) return error(errc::no_loop, "opening a connection");
    result<http::url> url = http::parse_url(text);
    if (!url) return explained(url.error(), "opening a connection", url.error().context());
    std::string where = "opening ";
    where.append(http::to_text(url->scheme())).append("://"); // without a password
    where.append(url->host_field()).append(url->target());
    if (!url->user_info().empty())
        return explained(errc::unsupported, where, "a user in the URL; send an Authorization field");
    if (url->scheme() != http::url_scheme::ws && url->scheme() != http::url_scheme::wss)
        return explained(errc::bad_scheme, where, url->secure() ? "it should be wss://" : "it should be ws://");
    if (url->secure() && !net::security_of(options.tls)) return explained(errc::unsupported, where, net::lacks_security);
    std::array<std::byte, 16> random;
    on->random().fill(random);
    const std::string host = url->host_field();
    const compression_choice& compressed = options.websocket.compression;
    const std::string extensions = compressed.method() ? compressed.method()->offer(compressed.options()) : std::string();
    result<http::request_head> request = ws::make_request({.host = host, .target = url->target(),
                                                           .subprotocols = options.subprotocols,
                                                           .fields = options.headers, .extensions = extensions}, random);
    if (!request) return explained(request.error(), where, request.error().context());
    return opening{std::move(*url), std::move(*request), options, std::move(where)};
}

// Gathers the beginning of a body, until `most` bytes or a second have passed: often it says why we are refused.
template <class = void>
task<result<>> read_body(byte_source& from, const http::response_head& head, std::string& into,
                                std::size_t most) {
    const result<http::body_framing> framing = http::framing_of(head, "GET");
    if (!framing) co_return framing.error();
    http::body_decoder decoder(*framing, UINT64_MAX);
    for (;;) {
        bytes_view input = from.rest();
        const http::body_event next = decoder.decode(input);
        from.rest() = from.rest().last(input.size());
        if (next.what == http::body_event::data) {
            into += as_text(next.bytes).substr(0, most - into.size());
            if (into.size() == most) co_return result<>();
        } else if (next.what == http::body_event::need_more) {
            const result<bool> got = co_await from.more();
            if (!got) co_return got.error();
            if (!*got) co_return result<>();
        } else {
            co_return decoder.error();
        }
    }
}

// What a server says that did not let us in: for the error's context, and for who wants all of it.
template <class = void>
task<std::string> read_refusal(byte_source& from, http::response_head&& head, std::string_view what,
                                      connect_refusal* into) {
    constexpr std::size_t most_quoted = 200;
    constexpr std::chrono::nanoseconds patience = std::chrono::seconds(1);
    std::string context = "the server answered ";
    context += what;
    std::string body;
    (void)co_await read_body(from, head, body, into ? connect_refusal::most_body_bytes : most_quoted).within(patience);
    std::string_view shown = body;
    while (shown.ends_with('\n') || shown.ends_with('\r')) shown.remove_suffix(1);
    if (!shown.empty()) context += " (\"" + http::detail::printable(shown, most_quoted) + "\")";
    if (into) {
        into->head = std::move(head);
        into->body = std::move(body);
    }
    co_return context;
}

// The first answer that is not only informative, of which there may be some (RFC 9110, section 15.2).
template <class = void>
task<result<http::response_head>> read_answer(byte_source& from, const http::head_limits& limits) {
    constexpr int most = 8;
    http::response_parser parser(limits);
    for (int count = 0;; ++count) {
        result<http::response_head> head = co_await from.read_head(parser);
        if (!head) co_return head;
        const unsigned code = http::to_number(head->status);
        if (code >= 200 || head->status == http::status::switching_protocols || count == most) co_return head;
    }
}

template <class = void>
task<result<websocket>> shake_hands(owned<io::stream> stream, opening& what) {
    io::loop& on = *io::loop::current();
    byte_source source(*stream);
    std::string text;
    what.doing = "sending the handshake";
    if (!http::append_head(text, what.request)) co_return errc::bad_field;
    const result<> written = co_await source.write(as_bytes(text));
    if (!written) co_return written.error();

    what.doing = "waiting for the server's answer to the handshake";
    result<http::response_head> head = co_await read_answer(source, what.options.head);
    if (!head && head.error().context().empty()) co_return head.error();
    if (!head) co_return explained(head.error(), "reading the server's answer to the handshake", head.error().context());
    const result<std::string_view> subprotocol = ws::check_response(what.request, *head);
    if (!subprotocol && subprotocol.error() == errc::unexpected_status) {
        const std::string quoted(subprotocol.error().context());
        std::string context = co_await read_refusal(source, std::move(*head), quoted, what.options.refusal);
        co_return error(errc::unexpected_status, std::move(context));
    }
    if (!subprotocol) co_return explained(subprotocol.error(), "the server answered 101", subprotocol.error().context());
    const compression_choice& compressed = what.options.websocket.compression;
    owned<ws::message_codec> codec;
    if (compressed.method()) {
        result<owned<ws::message_codec>> agreed = compressed.method()->confirm(head->fields, compressed.options());
        if (!agreed) co_return explained(agreed.error(), "the server answered 101", agreed.error().context());
        codec = std::move(*agreed);
    }
    const mutable_bytes rest = source.rest();
    if (!what.options.websocket.peer_name) what.options.websocket.peer_name = net::peer_name;
    websocket ws(ws::role::client, std::move(stream), source.take_lease(), rest, {on, on.blocks(), on.random()},
                 shared<const websocket_options>::make(what.options.websocket));
    ws.agreed(*subprotocol, what.request.target);
    ws.compress(std::move(codec));
    co_return std::move(ws);
}

template <class = void>
task<result<websocket>> reach(opening& what) {
    std::string host(what.url.host());
    what.doing = "resolving " + host;
    result<sequence<net::endpoint>> found = co_await net::resolve(host, what.url.port(), what.options.lookup);
    if (!found) co_return std::move(found).error();
    what.doing = "connecting to ";
    what.doing += found->size() == 1 ? (*found)[0].to_string() : what.url.host_field();
    result<owned<io::stream>> stream = co_await net::connect(std::move(*found));
    if (!stream) co_return std::move(stream).error();
    if (what.url.secure()) {
        what.doing = concat({"TLS with ", host});
        stream = co_await net::secure(std::move(*stream), host, what.url.port(), what.options.tls);
        if (!stream) co_return std::move(stream).error();
    }
    co_return co_await shake_hands(std::move(*stream), what);
}

template <class = void>
task<result<websocket>> open(result<opening> prepared) {
    if (!prepared) co_return std::move(prepared).error();
    if (prepared->options.refusal) *prepared->options.refusal = {};
    task<result<websocket>> way = reach(*prepared);
    result<websocket> opened = co_await std::move(way).within(prepared->options.timeout);
    if (opened) co_return opened;
    const error& why = opened.error();
    co_return explained(why, std::move(prepared->where), why.context().empty() ? prepared->doing : why.context());
}

} // namespace detail

// Opens a connection to a `ws://` or `wss://` URL. What it is given is copied at the call; the work begins when it is awaited.
// Cancelling it leaves nothing behind. Errors: those of the URL, `name_not_found` or `name_unavailable`, the operating
// system's for connecting, those of TLS, `timed_out` with the step that lasted, `unexpected_status` with the status and the beginning
// of the body, and those of the handshake.
template <class = void>
task<result<websocket>> connect(std::string_view url, const connect_options& options = {}) {
    return detail::open(detail::prepare(url, options));
}

} // namespace weir::inline v0
