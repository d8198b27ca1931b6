#include <doctest/doctest.h>

#include <weir/protocol/http/tunnel.hpp>
#include <weir/protocol/http/writer.hpp>

#include <ostream>
#include <string>

using namespace weir;

TEST_CASE("RFC 9110 9.3.6: the request for a tunnel") {
    const auto plain = http::make_tunnel_request("example.com:443", "");
    REQUIRE(plain);
    std::string text;
    REQUIRE(http::append_head(text, *plain));
    CHECK(text == "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    const auto authorized = http::make_tunnel_request("[::1]:80", "Basic bWU6c2VjcmV0");
    REQUIRE(authorized);
    text.clear();
    REQUIRE(http::append_head(text, *authorized));
    CHECK(text == "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");
    for (const char* wrong : {"example.com", ":80", "a:", "a b:80", "a/b:80", "a\r\nX: y:80", "u@a:80"}) {
        CAPTURE(std::string(wrong));
        const auto none = http::make_tunnel_request(wrong, "");
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::bad_host);
    }
    CHECK(http::make_tunnel_request("a:80", "Basic x\r\nX: y").error() == errc::bad_field);
}

TEST_CASE("RFC 9110 9.3.6: answers to it") {
    http::response_head answer;
    for (const unsigned granted : {200u, 201u, 204u, 299u}) {
        answer.status = static_cast<http::status>(granted);
        CHECK(http::check_tunnel_response(answer));
    }
    answer.status = static_cast<http::status>(403);
    answer.reason = "Filtered";
    auto refused = http::check_tunnel_response(answer);
    CHECK(refused.error() == errc::proxy_refused);
    CHECK(refused.error() == condition::unreachable);
    CHECK(refused.error().context() == "403 Filtered");
    for (const unsigned other : {101u, 300u, 302u, 400u, 404u, 502u, 999u}) {
        answer.status = static_cast<http::status>(other);
        answer.reason.clear();
        CHECK(http::check_tunnel_response(answer).error() == errc::proxy_refused);
    }
    answer.status = static_cast<http::status>(401);
    CHECK(http::check_tunnel_response(answer).error() == errc::proxy_unauthorized);
    answer.status = static_cast<http::status>(407);
    CHECK(http::check_tunnel_response(answer).error().context() == "407 Proxy Authentication Required");
    REQUIRE(answer.fields.add("Proxy-Authenticate", "Basic realm=\"x\""));
    refused = http::check_tunnel_response(answer);
    CHECK(refused.error() == errc::proxy_unauthorized);
    CHECK(refused.error().context() == "407 Proxy Authentication Required, Proxy-Authenticate: Basic realm=\"x\"");
}
