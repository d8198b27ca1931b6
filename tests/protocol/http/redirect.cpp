#include <doctest/doctest.h>

#include <weir/protocol/http/redirect.hpp>

#include <ostream>
#include <string>

using namespace weir;

namespace {
http::url url(std::string_view text) {
    auto made = http::parse_url(text);
    REQUIRE_MESSAGE(made, made.error().message());
    return *made;
}
} // namespace

TEST_CASE("RFC 9110 15.4: which answers redirect") {
    for (unsigned code = 100; code < 600; ++code) {
        const bool is = code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
        CHECK(http::is_redirect(static_cast<http::status>(code)) == is);
    }
}

TEST_CASE("RFC 3986 5.4: references, against http://a/b/c/d;p?q") {
    const struct {
        std::string_view location, to;
    } cases[] = {
        {"g", "http://a/b/c/g"},          {"./g", "http://a/b/c/g"},          {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},             {"//g", "http://g/"},               {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},      {"#s", "http://a/b/c/d;p?q"},       {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},    {";x", "http://a/b/c/;x"},          {"g;x", "http://a/b/c/g;x"},
        {"", "http://a/b/c/d;p?q"},       {".", "http://a/b/c/"},             {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},            {"../", "http://a/b/"},             {"../g", "http://a/b/g"},
        {"../..", "http://a/"},           {"../../", "http://a/"},            {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},     {"../../../../g", "http://a/g"},    {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},          {"g.", "http://a/b/c/g."},          {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},      {"..g", "http://a/b/c/..g"},        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},     {"g/./h", "http://a/b/c/g/h"},      {"g/../h", "http://a/b/c/h"},
        {"g?y/./x", "http://a/b/c/g?y/./x"}, {"g?y/../x", "http://a/b/c/g?y/../x"}, {"http://g/x?y#z", "http://g/x?y"},
        {"HTTPS://G", "https://g/"},      {"a?b:c", "http://a/b/c/a?b:c"},    {"/a:b", "http://a/a:b"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.location);
        const auto to = http::redirected(url("http://a/b/c/d;p?q"), each.location);
        REQUIRE_MESSAGE(to, to.error().message());
        CHECK(to->text() == each.to);
    }
}

TEST_CASE("WebSocket URLs are led by http:// too, and only up to TLS") {
    CHECK(http::redirected(url("ws://a/x"), "http://b/y")->text() == "ws://b/y");
    CHECK(http::redirected(url("ws://a/x"), "HTTPS://b/y")->text() == "wss://b/y");
    CHECK(http::redirected(url("ws://a/x"), "wss://b")->text() == "wss://b/");
    CHECK(http::redirected(url("wss://a/x"), "https://b:1/")->text() == "wss://b:1/");
    CHECK(http::redirected(url("wss://a/x"), "/y")->text() == "wss://a/y");
    CHECK(http::redirected(url("ws://me:secret@a:8/x"), "y")->text() == "ws://a:8/y"); // the user stays behind
    for (const char* down : {"http://a/x", "ws://a/x"}) {
        const auto none = http::redirected(url("wss://a/x"), down);
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::bad_redirect);
        CHECK(none.error().context() == "Location: \"" + std::string(down) + "\", which leaves TLS");
    }
    CHECK_FALSE(http::redirected(url("https://a/x"), "http://a/x"));
}

TEST_CASE("what a Location may not be") {
    const struct {
        std::string_view location, why;
    } cases[] = {
        {"ftp://a/", "URL scheme not supported"},       {"javascript:alert(1)", "URL scheme not supported"},
        {"http://", "malformed host in URL"},           {"http:///x", "malformed host in URL"},
        {"//", "malformed host in URL"},                {"http://a:99999/", "port is not a number from 1 to 65535"},
        {"/a b", "malformed URL"},                      {"/\xC3\xA4", "malformed URL"},
        {"http://me:secret@b/", "with a user in it"},   {"//me@b/", "with a user in it"},
        {"ws+unix:/run/x", "URL scheme not supported"}, {"file:///etc/passwd", "URL scheme not supported"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.location);
        const auto none = http::redirected(url("ws://a/"), each.location);
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::bad_redirect);
        CHECK(none.error().context().ends_with(each.why));
        for (const char c : none.error().context()) CHECK((c >= ' ' && c < 0x7F));
    }
    CHECK(http::redirected(url("ws://a/"), "/x@y")->text() == "ws://a/x@y"); // is no user
}

TEST_CASE("RFC 6454: origins") {
    CHECK(http::same_origin(url("ws://a/x"), url("http://A:80/y")));
    CHECK(http::same_origin(url("wss://a/x"), url("https://a:443/")));
    CHECK_FALSE(http::same_origin(url("ws://a/"), url("wss://a/")));
    CHECK_FALSE(http::same_origin(url("ws://a:443/"), url("wss://a/")));
    CHECK_FALSE(http::same_origin(url("ws://a/"), url("ws://a:81/")));
    CHECK_FALSE(http::same_origin(url("ws://a/"), url("ws://b.a/")));
}
