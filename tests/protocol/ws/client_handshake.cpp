#include <doctest/doctest.h>

#include <weir/protocol/ws/client_handshake.hpp>

#include <array>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

using namespace weir;

namespace {

// What makes the key of RFC 6455 section 1.3: "the sample nonce".
std::array<std::byte, 16> sample_nonce() {
    std::array<std::byte, 16> nonce;
    const auto text = as_bytes("the sample nonce");
    for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] = text[i];
    return nonce;
}

constexpr std::string_view subprotocols[] = {"chat", "superchat"};

http::request_head sample_request() {
    auto request = ws::make_request({.host = "server.example.com",
                                     .target = "/chat",
                                     .subprotocols = subprotocols,
                                     .extensions = "permessage-deflate; client_max_window_bits, other"},
                                    sample_nonce());
    REQUIRE(request);
    return *request;
}

http::response_head sample_response() {
    http::response_head response;
    response.status = http::status::switching_protocols;
    response.fields.add("Upgrade", "websocket");
    response.fields.add("Connection", "Upgrade");
    response.fields.add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    return response;
}

} // namespace

TEST_CASE("RFC 6455 4.1: the request") {
    constexpr http::field more[] = {{"Origin", "http://example.com"}, {"Cookie", "a=b"}};
    const auto request = ws::make_request(
        {.host = "[::1]:9001", .target = "/chat?x=1", .subprotocols = subprotocols, .fields = more}, sample_nonce());
    REQUIRE(request);
    CHECK(request->method == "GET");
    CHECK(request->target == "/chat?x=1");
    CHECK(request->version_minor == 1);
    CHECK(request->fields.lines() == "Host: [::1]:9001\r\n"
                                     "Upgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n"
                                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                     "Sec-WebSocket-Version: 13\r\n"
                                     "Sec-WebSocket-Protocol: chat, superchat\r\n"
                                     "Origin: http://example.com\r\n"
                                     "Cookie: a=b\r\n");
    const auto least = ws::make_request({.host = "a"}, sample_nonce());
    REQUIRE(least);
    CHECK(least->target == "/");
    CHECK(least->fields.size() == 5);
}

TEST_CASE("RFC 6455 4.1: what cannot be requested") {
    const auto failure = [](const ws::client_offer& offer) {
        const auto request = ws::make_request(offer, sample_nonce());
        REQUIRE(!request);
        return request.error();
    };
    CHECK(failure({.host = ""}) == errc::bad_host);
    CHECK(failure({.host = "a\r\nEvil: yes"}) == errc::bad_host);
    for (const char* more : {"a/b", "a?b", "a#b", "user@a", "a, b", "a b", "a\\b"}) CHECK(failure({.host = more}) == errc::bad_host);
    CHECK(failure({.host = "a", .target = "chat"}) == errc::bad_url);
    CHECK(failure({.host = "a", .target = ""}) == errc::bad_url);
    CHECK(failure({.host = "a", .target = "/a b"}) == errc::bad_url);
    CHECK(failure({.host = "a", .target = "/#x"}).message() == "the target \"/#x\" cannot be requested: malformed URL");
    CHECK(failure({.host = "a", .extensions = "x\n"}) == errc::bad_extension);
    for (const std::string_view bad : {"", "two words", "chat,x", "chat"}) {
        const std::string_view list[] = {"chat", bad};
        CHECK(failure({.host = "a", .subprotocols = list}) == errc::bad_subprotocol);
    }
    for (const char* own : {"Host", "upgrade", "CONNECTION", "Sec-WebSocket-Key", "sec-websocket-protocol",
                            "Sec-WebSocket-Anything", "Content-Length", "Transfer-Encoding"}) {
        const http::field more[] = {{own, "x"}};
        CHECK(failure({.host = "a", .fields = more}).context() == std::string(own) + " belongs to the handshake");
        CHECK(failure({.host = "a", .fields = more}) == errc::bad_field);
    }
    const http::field malformed[][1] = {{{"a b", "x"}}, {{"", "x"}}, {{"a", "x\r\nEvil: yes"}}};
    for (const auto& more : malformed) CHECK(failure({.host = "a", .fields = more}) == errc::bad_field);
}

TEST_CASE("RFC 6455 4.1: responses that accept") {
    const auto accepted = [](const std::function<void(http::fields&)>& change) {
        http::response_head response = sample_response();
        change(response.fields);
        const auto subprotocol = ws::check_response(sample_request(), response);
        return subprotocol ? std::string(*subprotocol) : "refused: " + subprotocol.error().message();
    };
    CHECK(accepted([](http::fields&) {}) == "");
    CHECK(accepted([](http::fields& f) { f.set("Upgrade", "WebSocket"); }) == "");
    CHECK(accepted([](http::fields& f) { f.set("Connection", "keep-alive, UPGRADE"); }) == "");
    CHECK(accepted([](http::fields& f) { f.add("Sec-WebSocket-Protocol", "superchat"); }) == "superchat");
    CHECK(accepted([](http::fields& f) { f.add("Sec-WebSocket-Extensions", "permessage-deflate; x=1"); }) == "");
    CHECK(accepted([](http::fields& f) { f.add("Sec-WebSocket-Extensions", "other, permessage-deflate"); }) == "");
}

TEST_CASE("RFC 6455 4.1: responses that must be refused") {
    struct {
        errc failure;
        const char* context;
        std::function<void(http::response_head&)> change;
    } const cases[] = {
        {errc::unexpected_status, "200 OK", [](auto& r) { r.status = http::status::ok; }},
        {errc::unexpected_status, "404 Nothing here",
         [](auto& r) {
             r.status = http::status::not_found;
             r.reason = "Nothing here";
         }},
        {errc::unexpected_status, "302 Found, Location: /there",
         [](auto& r) {
             r.status = http::status::found;
             r.fields.add("Location", "/there");
         }},
        {errc::bad_version, "101 with HTTP/1.0", [](auto& r) { r.version_minor = 0; }},
        {errc::not_an_upgrade, "no Upgrade field", [](auto& r) { r.fields.remove("Upgrade"); }},
        {errc::not_an_upgrade, "Upgrade: h2c", [](auto& r) { r.fields.set("Upgrade", "h2c"); }},
        {errc::not_an_upgrade, "Upgrade: websocket", [](auto& r) { r.fields.add("Upgrade", "websocket"); }},
        {errc::not_an_upgrade, "no Connection: Upgrade field", [](auto& r) { r.fields.remove("Connection"); }},
        {errc::not_an_upgrade, "no Connection: Upgrade field", [](auto& r) { r.fields.set("Connection", "close"); }},
        {errc::bad_accept_key, "no Sec-WebSocket-Accept field",
         [](auto& r) { r.fields.remove("Sec-WebSocket-Accept"); }},
        {errc::bad_accept_key, "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=, not s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
         [](auto& r) { r.fields.set("Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="); }},
        {errc::bad_accept_key, nullptr,
         [](auto& r) { r.fields.add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); }},
        {errc::bad_subprotocol, "Sec-WebSocket-Protocol: mqtt",
         [](auto& r) { r.fields.add("Sec-WebSocket-Protocol", "mqtt"); }},
        {errc::bad_subprotocol, "Sec-WebSocket-Protocol: Chat",
         [](auto& r) { r.fields.add("Sec-WebSocket-Protocol", "Chat"); }},
        {errc::bad_subprotocol, "Sec-WebSocket-Protocol: chat, superchat",
         [](auto& r) { r.fields.add("Sec-WebSocket-Protocol", "chat, superchat"); }},
        {errc::bad_subprotocol, "two Sec-WebSocket-Protocol fields",
         [](auto& r) {
             r.fields.add("Sec-WebSocket-Protocol", "chat");
             r.fields.add("Sec-WebSocket-Protocol", "chat");
         }},
        {errc::bad_extension, "Sec-WebSocket-Extensions: foo; a=1",
         [](auto& r) { r.fields.add("Sec-WebSocket-Extensions", "other, foo; a=1"); }},
    };
    for (const auto& each : cases) {
        http::response_head response = sample_response();
        each.change(response);
        const auto got = ws::check_response(sample_request(), response);
        REQUIRE(!got);
        CHECK(got.error() == each.failure);
        if (each.context) CHECK(got.error().context() == each.context);
    }
}
