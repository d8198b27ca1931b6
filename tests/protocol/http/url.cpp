#include <doctest/doctest.h>

#include <weir/protocol/http/url.hpp>

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

using namespace weir;
using http::url_scheme;

TEST_CASE("RFC 6455 3: URLs and their parts") {
    const struct {
        std::string_view text;
        url_scheme scheme;
        std::string_view host;
        std::uint16_t port;
        std::string_view target, host_field;
    } cases[] = {
        {"ws://localhost:9001/echo", url_scheme::ws, "localhost", 9001, "/echo", "localhost:9001"},
        {"ws://example.org", url_scheme::ws, "example.org", 80, "/", "example.org"},
        {"wss://example.org", url_scheme::wss, "example.org", 443, "/", "example.org"},
        {"wss://example.org:443/", url_scheme::wss, "example.org", 443, "/", "example.org"},
        {"wss://example.org:80/", url_scheme::wss, "example.org", 80, "/", "example.org:80"},
        {"HTTP://EXAMPLE.org:/Path", url_scheme::http, "example.org", 80, "/Path", "example.org"},
        {"https://a-b_c~d.e/f?g=h&i#fragment", url_scheme::https, "a-b_c~d.e", 443, "/f?g=h&i", "a-b_c~d.e"},
        {"https://h#fragment", url_scheme::https, "h", 443, "/", "h"},
        {"ws://h?query", url_scheme::ws, "h", 80, "/?query", "h"},
        {"ws://127.0.0.1:65535/%20%ff?%2F", url_scheme::ws, "127.0.0.1", 65535, "/%20%ff?%2F", "127.0.0.1:65535"},
        {"ws://[::1]", url_scheme::ws, "::1", 80, "/", "[::1]"},
        {"ws://[2001:DB8::1]:09001/x:@!$&'()*+,;=", url_scheme::ws, "2001:db8::1", 9001, "/x:@!$&'()*+,;=",
         "[2001:db8::1]:9001"},
        {"ws://[::ffff:192.0.2.1]?", url_scheme::ws, "::ffff:192.0.2.1", 80, "/?", "[::ffff:192.0.2.1]"},
        {"ws://1.2.3.4.example/", url_scheme::ws, "1.2.3.4.example", 80, "/", "1.2.3.4.example"},
        {"ws://u@h/a@b", url_scheme::ws, "h", 80, "/a@b", "h"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        const auto parsed = http::parse_url(each.text);
        REQUIRE(parsed);
        CHECK(parsed->scheme() == each.scheme);
        CHECK(parsed->secure() == (each.scheme == url_scheme::wss || each.scheme == url_scheme::https));
        CHECK(parsed->host() == each.host);
        CHECK(parsed->host_is_ipv6() == (each.host.find(':') != each.host.npos));
        CHECK(parsed->port() == each.port);
        CHECK(parsed->target() == each.target);
        CHECK(parsed->host_field() == each.host_field);
        const auto again = http::parse_url(parsed->text()); // the normal form means the same
        REQUIRE(again);
        CHECK(again->text() == parsed->text());
        CHECK(again->port() == parsed->port());
    }
}

TEST_CASE("path, query and user info") {
    const auto full = http::parse_url("WS://user:p%40ss@Host:1/a/b?c=d?e");
    REQUIRE(full);
    CHECK(full->user_info() == "user:p%40ss");
    CHECK(full->path() == "/a/b");
    CHECK(full->query() == "c=d?e");
    CHECK(full->text() == "ws://user:p%40ss@host:1/a/b?c=d?e");
    const auto bare = http::parse_url("ws://h");
    CHECK(bare->user_info().empty());
    CHECK(bare->query().empty());
    CHECK(http::parse_url("ws://@h")->user_info().empty());
    CHECK(http::parse_url("ws://@h")->host() == "h");
}

TEST_CASE("a url owns its text") {
    std::string text = "wss://[::1]:1234/chat";
    auto parsed = http::parse_url(text);
    text.assign(text.size(), 'x');
    const http::url moved = std::move(*parsed);
    const http::url copy = moved;
    CHECK(copy.host() == "::1");
    CHECK(copy.target() == "/chat");
}

TEST_CASE("RFC 3986: what is wrong with a URL, and where") {
    const std::string long_host(300, 'x');
    const struct {
        std::string text;
        errc code;
        std::string_view context;
    } cases[] = {
        {"", errc::bad_url, "URL \"\", at byte 0, empty"},
        {"localhost:9001", errc::bad_scheme, "URL \"localhost:9001\", at byte 0, should begin with ws://, wss://, http:// or https://"},
        {"ftp://h/", errc::bad_scheme, "at byte 0 \"ftp\", should begin with"},
        {"://h/", errc::bad_scheme, "at byte 0, should"},
        {"ws:/h", errc::bad_scheme, "ws:/h"},
        {"ws://", errc::bad_host, "at byte 5, empty"},
        {"ws:///path", errc::bad_host, "at byte 5, empty"},
        {"ws://:80/", errc::bad_host, "at byte 5, empty"},
        {"ws://ho st/", errc::bad_host, "at byte 7 \" \", a character that a host may not hold"},
        {"ws://h%41/", errc::bad_host, "at byte 6 \"%\""},
        {"ws://h\\x/", errc::bad_host, "at byte 6 \"\\x5c\""},
        {"ws://h\r\nA:b/", errc::bad_host, "at byte 6 \"\\x0d\""},
        {"ws://k\xC3\xB6ln/", errc::bad_host, "at byte 6 \"\\xc3\", not ASCII; use the form xn--..."},
        {"ws://1.2.3/", errc::bad_host, "at byte 5 \"1.2.3\", not an IPv4 address"},
        {"ws://1.2.3.256/", errc::bad_host, "not an IPv4 address"},
        {"ws://1.2.3.04/", errc::bad_host, "not an IPv4 address"},
        {"ws://1.2.3.4.5/", errc::bad_host, "not an IPv4 address"},
        {"ws://1.2.3.4./", errc::bad_host, "not an IPv4 address"},
        {"ws://1..3.4/", errc::bad_host, "not an IPv4 address"},
        {"ws://1.2.3.4444/", errc::bad_host, "not an IPv4 address"},
        {"ws://12345/", errc::bad_host, "not an IPv4 address"},
        {"ws://[::1/", errc::bad_host, "at byte 5 \"[::1\", no ] after the IPv6 address"},
        {"ws://[::1/]", errc::bad_host, "no ] after"},
        {"ws://[::1]x/", errc::bad_host, "at byte 10 \"x\", something after the ]"},
        {"ws://[]/", errc::bad_host, "not an IPv6 address"},
        {"ws://[fe80::1%25eth0]/", errc::bad_host, "\"fe80::1%25eth0\", not an IPv6 address"},
        {"ws://h:0/", errc::bad_port, "at byte 7 \"0\""},
        {"ws://h:65536/", errc::bad_port, "\"65536\""},
        {"ws://h:99999999999999999999/", errc::bad_port, "\"99999999999999999999\""},
        {"ws://h:8o/", errc::bad_port, "\"8o\""},
        {"ws://h:+1/", errc::bad_port, "\"+1\""},
        {"ws://h:1:2/", errc::bad_port, "\"1:2\""},
        {"ws://::1/", errc::bad_host, "empty"},
        {"ws://h/a b", errc::bad_url, "URL \"ws://h/a b\", at byte 8 \" \", a character that must be percent-encoded"},
        {"ws://h/\xC3\xA4", errc::bad_url, "at byte 7 \"\\xc3\""},
        {"ws://h/a\nb", errc::bad_url, "URL \"ws://h/a\\x0ab\", at byte 8 \"\\x0a\""},
        {"ws://h/\"", errc::bad_url, "\"\\x22\""},
        {"ws://h/%", errc::bad_url, "at byte 7 \"%\", no two hexadecimal digits after %"},
        {"ws://h/%2", errc::bad_url, "at byte 7 \"%2\""},
        {"ws://h/%20?%g0x", errc::bad_url, "at byte 11 \"%g0\""},
        {"ws://h/%0gx", errc::bad_url, "at byte 7 \"%0g\""},
        {"ws://h/a#b", errc::url_has_fragment, "at byte 8 \"#b\""},
        {"wss://h#", errc::url_has_fragment, "at byte 7 \"#\""},
        {"ws://" + long_host + ":x/", errc::bad_port, "...\", at byte 306 \"x\""},
        {"ws://h/" + std::string(70000, 'a'), errc::bad_url, "longer than 65536 bytes"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        const auto parsed = http::parse_url(each.text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == each.code);
        CAPTURE(parsed.error().context());
        CHECK(parsed.error().context().find(each.context) != std::string_view::npos);
        CHECK(parsed.error().context().size() < 800);
        for (const char c : parsed.error().context()) CHECK((c >= ' ' && c < 0x7F));
    }
}

TEST_CASE("an error never shows a password") {
    for (const std::string_view text : {"ws://me:secret@h:0/", "ws://me:sec ret@h/", "ws://me:sec%ret@h/", "ws://me:secret@/",
                                        "ws://me:secret@h/a b", "ws://me:secret/x@h/", "ws://me:sec:ret@[::g]/",
                                        "ws://me:secret@h/#f", "me:secret@h/", "ftp://me:secret@h/"}) {
        CAPTURE(text);
        const auto parsed = http::parse_url(text);
        REQUIRE_FALSE(parsed);
        CAPTURE(parsed.error().context());
        CHECK(parsed.error().context().find("sec") == std::string_view::npos);
        CHECK(parsed.error().context().find("***@") != std::string_view::npos);
    }
    CHECK(http::parse_url("ws://me:sec ret@h/").error() == errc::bad_url);
}

TEST_CASE("RFC 4291 2.2: IPv6 addresses") {
    for (const std::string_view text : {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8",
                                        "1:2:3::6:7:8", "ABCD:ef01::", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4"}) {
        CAPTURE(text);
        CHECK(http::detail::is_ipv6(text));
    }
    for (const std::string_view text :
         {"", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:::2", "12345::", "g::", "1:2:3:4:5:6:7:8::",
          "::1:2:3:4:5:6:7:8", "1.2.3.4", "::1.2.3", "::1.2.3.4:5", "::1.2.3.4.5", "1:2:3:4:5:6:7:1.2.3.4", "1::2:", "::1 ", "[::1]",
          "::12345.1.1.1"}) {
        CAPTURE(text);
        CHECK_FALSE(http::detail::is_ipv6(text));
    }
}

TEST_CASE("schemes as text") {
    CHECK(http::to_text(url_scheme::ws) == "ws");
    CHECK(http::to_text(url_scheme::wss) == "wss");
    CHECK(http::to_text(url_scheme::http) == "http");
    CHECK(http::to_text(url_scheme::https) == "https");
}
