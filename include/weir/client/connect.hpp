// Opening a WebSocket connection from a URL.
//
//     auto ws = co_await weir::connect("ws://localhost:9001/echo");
//     if (!ws) std::puts(ws.error().message().c_str());
//
// Resolves the name off the loop's thread, connects, secures the connection for `wss://`, and shakes hands, all within one deadline,
// and again for each redirect that is followed. Errors say what was being done and where: "opening ws://localhost:9001/echo:
// connecting to 127.0.0.1:9001: Connection refused".
#pragma once

#include <weir/client/connect_options.hpp>
#include <weir/client/route.hpp>
#include <weir/io/loop.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/net/secure.hpp>
#include <weir/protocol/http/body.hpp>
#include <weir/protocol/http/credentials.hpp>
#include <weir/protocol/http/redirect.hpp>
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
    connect_options options; // its spans and views are not looked at any more
    std::string where;       // "opening URL", for errors
    detail::route route = {};
    std::string proxy = {};    // the setting of `options.proxy`
    std::string location = {}; // where a redirect leads that is to be followed
    unsigned redirects = 0;    // so many were followed
};

// Takes "ws+unix:PATH" or "ws+unix:PATH:TARGET" apart, with or without "//" before the path, which is percent-encoded where it has
// a colon. False for another scheme.
template <class = void>
bool split_unix_url(std::string_view text, std::string& path, std::string& url) {
    constexpr std::string_view scheme = "ws+unix:";
    if (!http::equal_ignoring_case(text.substr(0, scheme.size()), scheme)) return false;
    text.remove_prefix(scheme.size());
    if (text.starts_with("//")) text.remove_prefix(2);
    const std::size_t colon = text.find(':');
    path.clear();
    if (http::is_percent_encoded(text.substr(0, colon))) http::append_percent_decoded(path, text.substr(0, colon));
    url = "ws://localhost";
    if (colon != text.npos) url.append(text.substr(colon + 1).starts_with('/') ? "" : "/").append(text.substr(colon + 1));
    return true;
}

// The fields that the caller wishes, that of the cookies, and that of the URL's user, which are kept in `texts`.
template <class Field>
result<sequence<Field>> fields_of(const http::url& url, const connect_options& options, std::string (&texts)[2]) {
    sequence<Field> all;
    bool authorized = false, with_cookies = false;
    for (const http::field& each : options.headers) {
        authorized = authorized || http::equal_ignoring_case(each.name, "Authorization");
        with_cookies = with_cookies || http::equal_ignoring_case(each.name, "Cookie");
        all.push_back(each);
    }
    for (const http::field& each : options.cookies) { // RFC 6265, sections 4.1.1 and 4.2.1
        if (!http::is_token(each.name) || !http::is_field_value(each.value) || each.value.find_first_of(" \",;\\") != each.value.npos)
            return error(errc::bad_field, concat({"the cookie \"", http::detail::printable(each.name, 80), "\" cannot be sent"}));
        texts[0].append(texts[0].empty() ? "" : "; ").append(each.name).append("=").append(each.value);
    }
    if (!url.user_info().empty()) {
        if (authorized) return error(errc::bad_field, "a user in the URL and an Authorization field");
        result<std::string> basic = http::credentials::from_user_info(url.user_info()).basic();
        if (!basic) return std::move(basic).error();
        texts[1] = std::move(*basic);
        all.push_back({"Authorization", texts[1]});
    }
    if (texts[0].empty()) return all;
    if (with_cookies) return error(errc::bad_field, "cookies and a Cookie field");
    all.push_back({"Cookie", texts[0]});
    return all;
}

template <class Field = http::field> // of each request; so that what has to do with it is compiled by those who connect
result<opening> prepare(std::string_view text, const connect_options& options) {
    io::loop* const on = io::loop::current();
    if (!on) return error(errc::no_loop, "opening a connection");
    std::string path(options.socket_path), of_unix;
    const bool is_unix = split_unix_url(text, path, of_unix);
    result<http::url> url = http::parse_url(is_unix ? std::string_view(of_unix) : text);
    if (!url) return explained(url.error(), "opening a connection", url.error().context());
    result<net::endpoint> at = path.empty() && !is_unix ? net::endpoint() : net::endpoint::local(path);
    if (!at) return explained(at.error(), "opening a connection", at.error().context());
    std::string where = "opening ";
    if (is_unix)
        where.append("ws+").append(at->to_string()).append(":");
    else
        where.append(http::to_text(url->scheme())).append("://").append(url->host_field()); // without a password
    where.append(url->target());
    if (url->scheme() != http::url_scheme::ws && url->scheme() != http::url_scheme::wss)
        return explained(errc::bad_scheme, where, url->secure() ? "it should be wss://" : "it should be ws://");
    if (url->secure() && !net::security_of(options.tls)) return explained(errc::unsupported, where, net::lacks_security);
    std::array<std::byte, 16> random;
    on->random().fill(random);
    const std::string host = url->host_field();
    const compression_choice& compressed = options.websocket.compression;
    const std::string extensions = compressed.method() ? compressed.method()->offer(compressed.options()) : std::string();
    std::string texts[2];
    const result<sequence<Field>> fields = fields_of<Field>(*url, options, texts);
    if (!fields) return explained(fields.error(), where, fields.error().context());
    result<http::request_head> request =
        ws::make_request({.host = host, .target = url->target(), .subprotocols = options.subprotocols,
                          .fields = std::span<const Field>(fields->data(), fields->size()), .extensions = extensions}, random);
    if (!request) return explained(request.error(), where, request.error().context());
    opening made{std::move(*url), std::move(*request), options, std::move(where)};
    made.proxy = options.proxy.setting();
    made.route.at = *at;
    made.route.how = {.stagger = options.stagger, .lookup = options.lookup};
    made.route.tls = options.tls;
    made.route.refusal = options.refusal;
    return made;
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

// What a server says that did not let us in: for the error's context, which begins as it is given, and for who wants all of it.
template <class = void>
task<std::string> read_refusal(byte_source& from, http::response_head&& head, std::string context, connect_refusal* into) {
    constexpr std::size_t most_quoted = 200;
    constexpr std::chrono::nanoseconds patience = std::chrono::seconds(1);
    std::string body;
    (void)co_await read_body(from, head, body, into ? connect_refusal::most_body_bytes : most_quoted).within(patience);
    std::string_view shown = body;
    while (shown.ends_with('\n') || shown.ends_with('\r')) shown.remove_suffix(1);
    if (!shown.empty() && shown[0] != '<') // a page says little in its first lines
        context += " (\"" + http::detail::printable(shown, most_quoted) + "\")";
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
    what.route.doing = "sending the handshake";
    if (!http::append_head(text, what.request)) co_return errc::bad_field;
    const result<> written = co_await source.write(as_bytes(text));
    if (!written) co_return written.error();

    what.route.doing = "waiting for the server's answer to the handshake";
    result<http::response_head> head = co_await read_answer(source, what.options.head);
    if (!head && head.error().context().empty()) co_return head.error();
    if (!head) co_return explained(head.error(), "reading the server's answer to the handshake", head.error().context());
    const result<std::string_view> subprotocol = ws::check_response(what.request, *head);
    if (!subprotocol && subprotocol.error() == errc::unexpected_status) {
        const auto location = head->fields.get("Location");
        if (location && !location->empty() && what.options.redirects > 0 && http::is_redirect(head->status)) {
            what.location = *location;
            if (what.options.refusal) what.options.refusal->head = std::move(*head);
            co_return errc::unexpected_status;
        }
        std::string context = concat({"the server answered ", subprotocol.error().context()});
        context = co_await read_refusal(source, std::move(*head), std::move(context), what.options.refusal);
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

// What a request takes along to another origin: nothing by which that could be taken for who sent it.
constexpr bool is_for_anybody(std::string_view name) noexcept {
    for (const std::string_view each : {"Origin", "User-Agent", "Accept-Language"})
        if (http::equal_ignoring_case(name, each)) return true;
    return ws::is_handshake_field(name);
}

// Makes what was redirected what is to be opened.
template <class = void>
result<> follow(opening& what) {
    constexpr std::size_t most_quoted = 200;
    if (what.redirects == what.options.redirects)
        return error(errc::too_many_redirects,
                     concat({number_text(what.redirects), ", and then to ", http::detail::printable(what.location, most_quoted)}));
    result<http::url> to = http::redirected(what.url, what.location);
    if (!to) return to.error();
    const std::string text = http::detail::printable(to->text(), most_quoted);
    if (to->secure() && !net::security_of(what.options.tls))
        return error(errc::unsupported, concat({"a redirect to ", text, ": ", net::lacks_security}));
    ++what.redirects;
    what.location.clear();
    if (what.options.refusal) *what.options.refusal = {};
    if (!http::same_origin(what.url, *to)) {
        http::fields kept;
        for (const http::field each : what.request.fields)
            if (is_for_anybody(each.name)) (void)kept.add(each.name, each.value);
        what.request.fields = std::move(kept);
        what.route.at = {};
    }
    std::array<std::byte, 16> random;
    io::loop::current()->random().fill(random);
    (void)what.request.fields.set("Host", to->host_field());
    (void)what.request.fields.set("Sec-WebSocket-Key", ws::handshake_key(random));
    what.request.target = to->target();
    what.where.append(", redirected to ").append(text);
    what.url = std::move(*to);
    return {};
}

template <class = void>
task<result<websocket>> reach(opening& what) {
    for (;;) {
        what.route.host = what.url.host();
        what.route.port = what.url.port();
        what.route.secure = what.url.secure();
        result<owned<io::stream>> stream = co_await go(what.route, what.options.proxy.by(), what.proxy);
        if (!stream) co_return std::move(stream).error();
        if (what.url.secure()) {
            what.route.doing = concat({"TLS with ", what.route.host});
            stream = co_await net::secure(std::move(*stream), what.route.host, what.route.port, what.options.tls);
            if (!stream) co_return std::move(stream).error();
        }
        if (what.options.layer) stream = what.options.layer->put_over(std::move(*stream));
        if (!*stream) co_return std::make_error_code(std::errc::not_enough_memory);
        result<websocket> opened = co_await shake_hands(std::move(*stream), what);
        if (what.location.empty()) co_return opened;
        const result<> followed = follow(what);
        if (!followed) co_return followed.error();
    }
}

template <class = void>
task<result<websocket>> open(result<opening> prepared) {
    if (!prepared) co_return std::move(prepared).error();
    if (prepared->options.refusal) *prepared->options.refusal = {};
    task<result<websocket>> way = reach(*prepared);
    result<websocket> opened = co_await std::move(way).within(prepared->options.timeout);
    if (opened) co_return opened;
    const error& why = opened.error();
    co_return explained(why, std::move(prepared->where), why.context().empty() ? prepared->route.doing : why.context());
}

} // namespace detail

// Opens a connection to a `ws://` or `wss://` URL, or to a Unix socket by "ws+unix:/run/socket:/target". A user and a password in the
// URL go along as Basic authentication. What it is given is copied at the call; the work begins when it is awaited. Cancelling
// it leaves nothing behind. Errors: those of the URL, `name_not_found` or `name_unavailable`, the operating system's for
// connecting, those of TLS, `timed_out` with the step that lasted, `unexpected_status` with the status and the beginning of the
// body, those of the handshake, of redirects (`bad_redirect`, `too_many_redirects`), and of proxies (client/proxy.hpp).
template <class = void>
task<result<websocket>> connect(std::string_view url, const connect_options& options = {}) {
    return detail::open(detail::prepare(url, options));
}

} // namespace weir::inline v0
