#include <doctest/doctest.h>

#include <weir/protocol/ws/client_handshake.hpp>
#include <weir/protocol/ws/server_handshake.hpp>

#include <functional>
#include <ostream>
#include <string>
#include <string_view>

using namespace weir;
using http::status;

namespace {

// The request of RFC 6455 section 1.2.
http::request_head sample_request() {
    http::request_head request;
    request.target = "/chat";
    request.fields.add("Host", "server.example.com");
    request.fields.add("Upgrade", "websocket");
    request.fields.add("Connection", "Upgrade");
    request.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.fields.add("Origin", "http://example.com");
    request.fields.add("Sec-WebSocket-Protocol", "chat, superchat");
    request.fields.add("Sec-WebSocket-Version", "13");
    return request;
}

using change = std::function<void(http::request_head&)>;

} // namespace

TEST_CASE("RFC 6455 4.2.1: requests that can be accepted") {
    const change changes[] = {
        [](auto&) {},
        [](auto& r) { r.fields.set("Upgrade", "h2c, WebSocket"); },
        [](auto& r) { r.fields.set("Connection", "keep-alive, upgrade"); },
        [](auto& r) { r.fields.remove("Sec-WebSocket-Protocol"); },
        [](auto& r) { r.fields.remove("Origin"); },
        [](auto& r) { r.fields.add("Content-Length", "0"); },
    };
    for (const change& each : changes) {
        http::request_head request = sample_request();
        each(request);
        const auto refusal = ws::check_request(request);
        CHECK(!refusal);
        CHECK(refusal.sentence.empty());
    }
}

TEST_CASE("RFC 6455 4.2.1 and 4.4: requests that must be refused, each with its status") {
    struct {
        errc reason;
        status answer;
        change change_it;
    } const cases[] = {
        {errc::bad_method, status::method_not_allowed, [](auto& r) { r.method = "POST"; }},
        {errc::bad_method, status::method_not_allowed, [](auto& r) { r.method = "get"; }},
        {errc::not_an_upgrade, status::upgrade_required, [](auto& r) { r.fields.remove("Upgrade"); }},
        {errc::not_an_upgrade, status::upgrade_required, [](auto& r) { r.fields.set("Upgrade", "h2c"); }},
        {errc::not_an_upgrade, status::bad_request, [](auto& r) { r.fields.remove("Connection"); }},
        {errc::not_an_upgrade, status::bad_request, [](auto& r) { r.fields.set("Connection", "keep-alive"); }},
        {errc::bad_version, status::bad_request, [](auto& r) { r.version_minor = 0; }},
        {errc::bad_host, status::bad_request, [](auto& r) { r.fields.remove("Host"); }},
        {errc::bad_host, status::bad_request, [](auto& r) { r.fields.set("Host", ""); }},
        {errc::bad_host, status::bad_request, [](auto& r) { r.fields.add("Host", "other"); }},
        {errc::bad_websocket_version, status::upgrade_required,
         [](auto& r) { r.fields.remove("Sec-WebSocket-Version"); }},
        {errc::bad_websocket_version, status::upgrade_required,
         [](auto& r) { r.fields.set("Sec-WebSocket-Version", "8"); }},
        {errc::bad_websocket_version, status::upgrade_required,
         [](auto& r) { r.fields.add("Sec-WebSocket-Version", "13"); }},
        {errc::bad_websocket_key, status::bad_request, [](auto& r) { r.fields.remove("Sec-WebSocket-Key"); }},
        {errc::bad_websocket_key, status::bad_request, [](auto& r) { r.fields.set("Sec-WebSocket-Key", "abc"); }},
        {errc::bad_websocket_key, status::bad_request,
         [](auto& r) { r.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="); }},
        {errc::bad_framing, status::bad_request, [](auto& r) { r.fields.add("Content-Length", "5"); }},
        {errc::bad_framing, status::bad_request,
         [](auto& r) {
             r.fields.add("Content-Length", "0");
             r.fields.add("Content-Length", "5");
         }},
        {errc::bad_framing, status::bad_request, [](auto& r) { r.fields.add("Transfer-Encoding", "chunked"); }},
        {errc::bad_subprotocol, status::bad_request,
         [](auto& r) { r.fields.set("Sec-WebSocket-Protocol", "chat, super chat"); }},
        {errc::bad_extension_parameters, status::bad_request,
         [](auto& r) { r.fields.set("Sec-WebSocket-Extensions", "foo; a=\"1"); }},
    };
    for (const auto& each : cases) {
        http::request_head request = sample_request();
        each.change_it(request);
        const auto refusal = ws::check_request(request);
        CHECK(refusal);
        CHECK(refusal.reason == each.reason);
        CHECK(refusal.status == each.answer);
        CHECK(refusal.sentence.ends_with("."));
        const http::response_head head = refusal.head();
        CHECK(head.status == each.answer);
        CHECK(head.fields.get("Allow").value_or("") == (each.answer == status::method_not_allowed ? "GET" : ""));
        const bool upgrade = each.answer == status::upgrade_required;
        CHECK(head.fields.get("Upgrade").value_or("") == (upgrade ? "websocket" : ""));
        CHECK(head.fields.get("Connection").value_or("") == (upgrade ? "Upgrade" : ""));
        CHECK(head.fields.get("Sec-WebSocket-Version").value_or("") == (upgrade ? "13" : ""));
    }
}

TEST_CASE("RFC 6455 4.2.2: the subprotocol is one that both sides know, as the server prefers") {
    http::request_head request = sample_request();
    request.fields.add("Sec-WebSocket-Protocol", "mqtt");
    const auto offered = ws::offered_subprotocols(request);
    REQUIRE(offered.size() == 3);
    CHECK(offered[0] == "chat");
    CHECK(offered[1] == "superchat");
    CHECK(offered[2] == "mqtt");
    constexpr std::string_view supported[] = {"wamp", "mqtt", "chat"};
    CHECK(ws::choose_subprotocol(request, supported) == "mqtt");
    CHECK(ws::choose_subprotocol(request, std::span(supported).first(1)) == "");
    CHECK(ws::choose_subprotocol(request, {}) == "");
}

TEST_CASE("RFC 6455 4.2.2: the response") {
    constexpr http::field more[] = {{"Set-Cookie", "a=b"}};
    const auto response = ws::make_response(sample_request(), "superchat", more, "permessage-deflate");
    REQUIRE(response);
    CHECK(response->status == status::switching_protocols);
    CHECK(response->fields.lines() == "Upgrade: websocket\r\n"
                                      "Connection: Upgrade\r\n"
                                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                      "Sec-WebSocket-Protocol: superchat\r\n"
                                      "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                                      "Set-Cookie: a=b\r\n");
    CHECK(ws::make_response(sample_request(), "mqtt").error().message().starts_with("choosing \"mqtt\": "));
    CHECK(ws::make_response(sample_request(), "mqtt").error() == errc::bad_subprotocol);
    CHECK(ws::make_response(sample_request(), "", {}, "x\n").error() == errc::bad_extension);
    constexpr http::field own[] = {{"sec-websocket-accept", "mine"}};
    CHECK(ws::make_response(sample_request(), "", own).error() == errc::bad_field);
}

TEST_CASE("RFC 6455 4: the two halves agree") {
    const std::array<std::byte, 16> entropy{};
    constexpr std::string_view subprotocols[] = {"chat"};
    const auto request = ws::make_request({.host = "a", .subprotocols = subprotocols}, entropy);
    REQUIRE(request);
    CHECK(!ws::check_request(*request));
    const auto response = ws::make_response(*request, "chat");
    REQUIRE(response);
    const auto subprotocol = ws::check_response(*request, *response);
    REQUIRE(subprotocol);
    CHECK(*subprotocol == "chat");
}
