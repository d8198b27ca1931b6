#include <doctest/doctest.h>

#include <weir/protocol/ws/origin.hpp>

using namespace weir;

TEST_CASE("RFC 6455 10.2: an origin is the same when its host and port are the Host's") {
    struct {
        const char* origin;
        const char* host;
        bool same;
    } const cases[] = {
        {"http://example.com", "example.com", true},
        {"https://example.com", "example.com", true},
        {"http://example.com:8080", "example.com:8080", true},
        {"http://Example.COM", "example.com", true},
        {"http://[::1]:9001", "[::1]:9001", true},
        {"http://example.com", "example.com:80", true},
        {"http://example.com:80", "example.com", true},
        {"https://example.com", "example.com:443", true},
        {"https://example.com", "example.com:80", false},
        {"http://example.com", "example.com:443", false},
        {"http://example.com:8080", "example.com", false},
        {"http://example.com", "www.example.com", false},
        {"http://evil.example", "example.com", false},
        {"http://example.com.evil", "example.com", false},
        {"http://example.com/", "example.com", false}, // an origin has no path
        {"null", "example.com", false},
        {"example.com", "example.com", false},
        {"", "example.com", false},
        {"http://", "", false},
    };
    for (const auto& each : cases) {
        CAPTURE(each.origin);
        CAPTURE(each.host);
        http::request_head request;
        CHECK(request.fields.add("Host", each.host));
        CHECK(request.fields.add("Origin", each.origin));
        CHECK(ws::same_origin(request) == each.same);
    }
}

TEST_CASE("RFC 6455 10.2: no origin is no browser, two origins or no host are a lie") {
    http::request_head request;
    CHECK(ws::same_origin(request));
    request.fields.add("Origin", "http://a");
    CHECK(!ws::same_origin(request));
    request.fields.add("Host", "a");
    CHECK(ws::same_origin(request));
    request.fields.add("Origin", "http://a");
    CHECK(!ws::same_origin(request));
}
