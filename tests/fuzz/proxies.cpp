// On the way to a server: a SOCKS5 handshake comes to the end that a slow reader says, and sends and leaves the same, however it is
// cut; a tunnel's request is one request; a redirect leads to a URL, not down from TLS and without a user; no error shows a password.
#include "support.hpp"

#include <weir/client/proxy_environment.hpp>
#include <weir/client/proxy_server.hpp>
#include <weir/protocol/http/head_parser.hpp>
#include <weir/protocol/http/redirect.hpp>
#include <weir/protocol/http/tunnel.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/socks5/client_handshake.hpp>

namespace proxies_target {

using namespace weir;
using socks5::step;

static bool printable(std::string_view text) {
    for (const char each : text)
        if (each < 0x20 || each > 0x7E) return false;
    return true;
}

struct ending {
    step end = step::receive;
    std::size_t used = 0;
    std::string sent;
    errc code{};

    bool operator==(const ending&) const = default;
};

static const std::string name = "example.com", user = "me", password = "hunter2";

// What must come of what a proxy says, all of it at once.
static ending slowly(std::string_view said, bool login) {
    ending made;
    std::size_t at = 0;
    const auto next = [&]() -> int { return at < said.size() ? static_cast<unsigned char>(said[at++]) : -1; };
    const auto over = [&](step end, errc code = errc{}) {
        made.end = end;
        made.code = code;
        made.used = at;
        return made;
    };
    const auto wrong = [&](int byte) { return byte < 0 ? over(step::receive) : over(step::failed, errc::bad_proxy_answer); };
    made.sent = login ? std::string("\5\2\0\2", 4) : std::string("\5\1\0", 3);
    if (const int version = next(); version != 5) return wrong(version);
    const int method = next();
    if (method == 0xFF) return over(step::failed, errc::proxy_unauthorized);
    if (method != 0 && !(login && method == 2)) return wrong(method);
    if (method == 2) {
        made.sent += "\1\2" + user + "\7" + password;
        if (const int version = next(); version != 1) return wrong(version);
        const int status = next();
        if (status != 0) return status < 0 ? over(step::receive) : over(step::failed, errc::proxy_unauthorized);
    }
    made.sent += std::string("\5\1\0\3\v", 5) + name + std::string("\0\x50", 2);
    if (const int version = next(); version != 5) return wrong(version);
    const int reply = next();
    if (reply != 0) return reply < 0 ? over(step::receive) : over(step::failed, errc::proxy_refused);
    (void)next();
    const int kind = next();
    if (kind != 1 && kind != 3 && kind != 4) return wrong(kind);
    int more = kind == 1 ? 4 : 16;
    if (kind == 3) more = next();
    if (more < 0 || said.size() - at < static_cast<std::size_t>(more) + 2) {
        at = said.size();
        return over(step::receive);
    }
    at += static_cast<std::size_t>(more) + 2;
    return over(step::done);
}

static ending played(std::string_view said, bool login, std::uint8_t seed) {
    socks5::destination to;
    to.name = name;
    to.port = 80;
    socks5::client_handshake handshake(to, login ? user : "", login ? password : "");
    ending made;
    const auto send = [&]() {
        if (handshake.next() != step::send) return;
        made.sent += as_text(handshake.output());
        handshake.sent();
    };
    send();
    fuzz::cut_up(said, seed, [&](std::string_view piece) {
        const fuzz::exact copy(piece);
        bytes_view input = copy.bytes();
        while (!input.empty() && handshake.next() == step::receive) {
            const std::size_t before = input.size();
            handshake.take(input);
            made.used += before - input.size();
            send();
        }
        return handshake.next() == step::receive;
    });
    made.end = handshake.next();
    if (handshake.error()) made.code = static_cast<errc>(handshake.error().code().value());
    fuzz::require((made.end == step::failed) == static_cast<bool>(handshake.error()), "an error exactly where it failed");
    fuzz::require(printable(handshake.error().context()) && handshake.error().context().size() < 200, "a short, printable error");
    fuzz::require(handshake.error().context().find(password) == std::string_view::npos, "no password in an error");
    return made;
}

static void handshakes(fuzz::input& in) {
    const bool login = in.flag();
    const std::uint8_t seed = in.byte();
    const std::string_view said = in.take_all();
    fuzz::require(played(said, login, seed) == slowly(said, login), "what a slow reader says");
}

static void tunnels(fuzz::input& in) {
    const std::string authorization(in.take(in.up_to(64)));
    const std::string authority(in.take_all());
    const auto made = http::make_tunnel_request(authority, authorization);
    if (!made) return fuzz::require(made.error() == errc::bad_host || made.error() == errc::bad_field, "a documented error");
    std::string text;
    fuzz::require(http::append_head(text, *made), "it can be sent");
    bytes_view input = as_bytes(text);
    http::request_parser parser;
    fuzz::require(parser.parse(input) == http::parse_status::done && input.empty(), "one request");
    const http::request_head read = parser.take();
    fuzz::require(read.method == "CONNECT" && read.target == authority && read.fields.get("Host") == authority, "for that");
    fuzz::require(read.fields.size() == (authorization.empty() ? 1u : 2u), "and nothing else");
}

static void redirects(fuzz::input& in) {
    static constexpr std::string_view bases[] = {"ws://a/b/c?d", "wss://me:hunter2@a:8/b/", "http://[::1]/", "https://a/../b/./c;d"};
    const http::url from = *http::parse_url(bases[in.up_to(3)]);
    const std::string_view location = in.take_all();
    const auto to = http::redirected(from, location);
    if (!to) {
        fuzz::require(to.error() == errc::bad_redirect, "a documented error");
        fuzz::require(printable(to.error().message()) && to.error().message().size() < 600, "a short, printable error");
        return;
    }
    fuzz::require(!from.secure() || to->secure(), "TLS is not left");
    fuzz::require(to->user_info().empty(), "nobody comes along");
    const auto again = http::parse_url(to->text());
    fuzz::require(again && again->text() == to->text(), "a URL in its normal form");
    const bool is_websocket = from.scheme() == http::url_scheme::ws || from.scheme() == http::url_scheme::wss;
    if (is_websocket)
        fuzz::require(to->scheme() == http::url_scheme::ws || to->scheme() == http::url_scheme::wss, "of a WebSocket");
    const std::size_t colon = location.find(':');
    const bool has_scheme = colon != location.npos && colon < location.find_first_of("/?#");
    if (!has_scheme && !location.starts_with("//")) {
        fuzz::require(http::same_origin(from, *to), "what names no host leads to no other");
        if (!location.empty() && location[0] != '?' && location[0] != '#')
            for (const char* dots : {"/./", "/../"}) fuzz::require(to->path().find(dots) == std::string_view::npos, "no dots");
    }
}

static void proxies(fuzz::input& in) {
    const std::string host(in.take(in.up_to(32))), text(in.take_all());
    const auto made = parse_proxy(text);
    if (made) {
        fuzz::require(made->port != 0 && !made->host.empty() && printable(made->name), "a host and a port");
        const auto again = parse_proxy(made->name);
        fuzz::require(again && again->host == made->host && again->port == made->port && again->kind == made->kind, "its name names it");
    } else {
        fuzz::require(made.error() == errc::bad_proxy && printable(made.error().message()) && made.error().message().size() < 900,
                      "a short, printable error");
    }
    std::string lower(text); // as hosts are
    for (char& each : lower) each = http::to_lower(each);
    const auto secret = parse_proxy("socks5://me:" + password + "@" + text);
    if (lower.find(password) == lower.npos) {
        const std::string said = secret ? secret->name : secret.error().message();
        fuzz::require(said.find(password) == said.npos, "no password in an error, nor in a name");
    }

    const bool is = detail::is_excepted(text, host, 80);
    fuzz::require(detail::is_excepted(text + ",*", host, 80), "* is everything");
    const bool is_other = detail::is_excepted("x.invalid", host, 80);
    fuzz::require(detail::is_excepted("x.invalid " + text, host, 80) == (is || is_other), "one of several");
}

} // namespace proxies_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    switch (in.byte() % 4) {
    case 0: proxies_target::handshakes(in); break;
    case 1: proxies_target::tunnels(in); break;
    case 2: proxies_target::redirects(in); break;
    default: proxies_target::proxies(in);
    }
    return 0;
}
