// Proxies by their URLs, and what the environment says of them.
#include <doctest/doctest.h>

#include <weir/client/proxy.hpp>

#include <map>
#include <ostream>
#include <string>

using namespace weir;

namespace {

std::map<std::string, std::string> variables;

char* read_variable(const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.data();
}

// "NAME=VALUE", or "straight".
std::string chosen(bool secure, std::string_view host, std::uint16_t port = 80) {
    const detail::proxy_variable found = detail::proxy_for(secure, host, port, read_variable);
    return found.name ? std::string(found.name) + "=" + found.url : "straight";
}

} // namespace

TEST_CASE("proxies by their URLs") {
    const struct {
        std::string_view text;
        proxy_kind kind;
        std::string_view host;
        std::uint16_t port;
        std::string_view user, password, name;
    } cases[] = {
        {"http://gate:3128", proxy_kind::http, "gate", 3128, "", "", "http://gate:3128"},
        {"HTTP://Gate/", proxy_kind::http, "gate", 80, "", "", "http://gate:80"},
        {"gate:3128", proxy_kind::http, "gate", 3128, "", "", "http://gate:3128"},
        {"me:secret@gate", proxy_kind::http, "gate", 80, "me", "secret", "http://gate:80"},
        {"https://gate", proxy_kind::https, "gate", 443, "", "", "https://gate:443"},
        {"https://gate:80", proxy_kind::https, "gate", 80, "", "", "https://gate:80"},
        {"socks5://gate", proxy_kind::socks5, "gate", 1080, "", "", "socks5://gate:1080"},
        {"socks5://gate:80", proxy_kind::socks5, "gate", 80, "", "", "socks5://gate:80"},
        {"socks5://gate:443", proxy_kind::socks5, "gate", 443, "", "", "socks5://gate:443"},
        {"socks5h://m%65:p%40ss@[::1]:9", proxy_kind::socks5, "::1", 9, "me", "p@ss", "socks5://[::1]:9"},
        {"socks5://127.0.0.1", proxy_kind::socks5, "127.0.0.1", 1080, "", "", "socks5://127.0.0.1:1080"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        const auto made = parse_proxy(each.text);
        REQUIRE_MESSAGE(made, made.error().message());
        CHECK(made->kind == each.kind);
        CHECK(made->host == each.host);
        CHECK(made->port == each.port);
        CHECK(made->login.user == each.user);
        CHECK(made->login.password == each.password);
        CHECK(made->name == each.name);
    }
    for (const char* wrong : {"", "ftp://gate", "socks4://gate", "socks5:gate", "http://", "http://gate:0", "http://gate/path",
                              "http://a b", "http://me:secret@gate:99999", "socks5://me:secret@", "http://gate?x", "http://gate\r\nX: y"}) {
        CAPTURE(std::string(wrong));
        const auto none = parse_proxy(wrong);
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::bad_proxy);
        CHECK(none.error() == condition::misuse);
        CHECK(none.error().message().find("secret") == std::string::npos);
        for (const char c : none.error().message()) CHECK((c >= ' ' && c < 0x7F));
    }
}

TEST_CASE("which variable is for which server") {
    variables = {};
    CHECK(chosen(false, "a") == "straight");
    variables = {{"http_proxy", "h"}, {"https_proxy", "s"}};
    CHECK(chosen(false, "a") == "http_proxy=h");
    CHECK(chosen(true, "a") == "https_proxy=s");
    variables = {{"all_proxy", "x"}, {"https_proxy", "s"}};
    CHECK(chosen(false, "a") == "all_proxy=x");
    CHECK(chosen(true, "a") == "https_proxy=s");
    variables = {{"ALL_PROXY", "x"}, {"HTTPS_PROXY", "s"}, {"http_proxy", ""}};
    CHECK(chosen(false, "a") == "ALL_PROXY=x"); // an empty one is none
    CHECK(chosen(true, "a") == "HTTPS_PROXY=s");
    variables = {{"HTTPS_PROXY", "upper"}, {"https_proxy", "lower"}};
    CHECK(chosen(true, "a") == "https_proxy=lower");
}

TEST_CASE("httpoxy: what a client of a CGI program may set is not heeded") {
    variables = {{"HTTP_PROXY", "http://evil"}};
    CHECK(chosen(false, "a") == "straight");
    CHECK(chosen(true, "a") == "straight");
}

TEST_CASE("what no_proxy names is reached straight") {
    const struct {
        std::string list, host;
        bool is;
        std::uint16_t port = 80;
    } cases[] = {
        {"*", "a", true},
        {"", "a", false},
        {",, ,", "a", false},
        {"example.com", "example.com", true},
        {"example.com", "www.example.com", true},
        {"example.com", "badexample.com", false},
        {"example.com", "example.com.org", false},
        {".example.com", "www.example.com", true},
        {".example.com", "example.com", true},
        {"*.example.com", "www.example.com", true},
        {"Example.COM", "eXample.com", true},
        {"example.com.", "example.com", true},
        {"example.com", "example.com.", true},
        {"a,b, c d", "c", true},
        {"a,b, c d", "d", true},
        {"a,b, c d", "e", false},
        {"localhost", "localhost", true},
        {"localhost", "127.0.0.1", false},
        {"example.com:8080", "example.com", true, 8080},
        {"example.com:8080", "example.com", false, 80},
        {"example.com:80800", "example.com", false, 8080},
        {"example.com:", "example.com", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1:90", "127.0.0.1", true, 90},
        {"127.0.0.1:90", "127.0.0.1", false, 91},
        {"127.0.0.1", "127.0.0.10", false},
        {"127.0.0.0/8", "127.1.2.3", true},
        {"127.0.0.0/8", "128.1.2.3", false},
        {"10.0.0.0/9", "10.127.0.1", true},
        {"10.0.0.0/9", "10.128.0.1", false},
        {"10.0.0.1/32", "10.0.0.1", true},
        {"10.0.0.1/32", "10.0.0.2", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "name", false},
        {"10.0.0.0/33", "10.0.0.0", false},
        {"10.0.0.0/", "10.0.0.0", false},
        {"10.0.0.0/x", "10.0.0.0", false},
        {"10.0.0.0/99999999999999999999", "10.0.0.0", false},
        {"::1", "::1", true},
        {"[::1]", "::1", true},
        {"[::1]:90", "::1", true, 90},
        {"[::1]:90", "::1", false, 91},
        {"2001:db8::/32", "2001:db8:1::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"10.0.0.1", "::ffff:10.0.0.1", true},
        {"1", "1.1.1.1", false}, // would be a name's end
        {".", "a", false},
    };
    for (const auto& each : cases) {
        CAPTURE(each.list);
        CAPTURE(each.host);
        CHECK(detail::is_excepted(each.list, each.host, each.port) == each.is);
        variables = {{"http_proxy", "h"}, {"NO_PROXY", each.list}};
        CHECK(chosen(false, each.host, each.port) == (each.is ? "straight" : "http_proxy=h"));
    }
    variables = {{"http_proxy", "h"}, {"no_proxy", "a"}, {"NO_PROXY", "b"}};
    CHECK(chosen(false, "a") == "straight");
    CHECK(chosen(false, "b") == "http_proxy=h");
}
