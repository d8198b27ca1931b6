// Who is let in to a WebSocket path, and with which subprotocol.
#include "serving.hpp"

#include <memory>

namespace {

constexpr std::string_view spoken[] = {"v2.chat", "v1.chat"};
constexpr std::string_view friends[] = {"https://friend.example", "https://other.example:8443"};
constexpr std::string_view nobodys[] = {"null"};

struct knock {
    const char* path;
    const char* fields;
    const char* status;
    const char* says;
};

std::optional<response> no_stranger(const http::request_head& request) {
    if (request.fields.get("Authorization") == "Bearer sesame") return std::nullopt;
    response refused(http::status::unauthorized, "Who are you?\n");
    refused.fields.add("WWW-Authenticate", "Bearer");
    return refused;
}

task<std::optional<response>> later(const http::request_head& request) {
    (void)co_await weir::sleep(1s);
    std::optional<response> answer = no_stranger(request);
    co_return answer;
}

void add_routes(server& to) {
    to.websocket("/echo", echo);
    to.websocket("/friends", echo).origins(friends);
    to.websocket("/null", echo).origins(nobodys);
    to.websocket("/any", echo).any_origin();
    to.websocket("/chat", echo).subprotocols(spoken);
    to.websocket("/secret", echo).admit(no_stranger);
    to.websocket("/secret/later", echo).admit(later);
    to.websocket("/throws", echo).admit([](const http::request_head&) -> std::optional<response> { throw 1; });
    to.websocket("/odd", echo).admit([](const http::request_head&) { return response(http::status::continue_); });
}

constexpr knock knocks[] = {
    // RFC 6455 10.2: Origin
    {"/echo", "", "101", ""},
    {"/echo", "Origin: http://here\r\n", "101", ""},
    {"/echo", "Origin: https://HERE:443\r\n", "101", ""},
    {"/echo", "Origin: http://here:81\r\n", "403", "Pages of this origin may not connect here."},
    {"/echo", "Origin: http://there\r\n", "403", "Pages of this origin may not connect here."},
    {"/echo", "Origin: http://here.there\r\n", "403", ""},
    {"/echo", "Origin: null\r\n", "403", ""},
    {"/echo", "Origin: here\r\n", "403", ""},
    {"/echo", "Origin:\r\n", "403", ""},
    {"/echo", "Origin: http://here\r\nOrigin: http://there\r\n", "403", ""},
    {"/friends", "Origin: http://here\r\n", "101", ""},
    {"/friends", "Origin: https://friend.example\r\n", "101", ""},
    {"/friends", "Origin: https://FRIEND.example\r\n", "101", ""},
    {"/friends", "Origin: https://other.example:8443\r\n", "101", ""},
    {"/friends", "Origin: https://other.example\r\n", "403", ""},
    {"/friends", "Origin: http://friend.example\r\n", "403", ""},
    {"/friends", "Origin: https://friend.example.evil\r\n", "403", ""},
    {"/friends", "Origin: https://friend.example\r\nOrigin: http://there\r\n", "403", ""},
    {"/null", "Origin: null\r\n", "101", ""},
    {"/any", "Origin: http://there\r\n", "101", ""},
    {"/any", "Origin: null\r\n", "101", ""},
    // RFC 6455 1.9: subprotocols; the server's order decides
    {"/chat", "", "101", ""},
    {"/chat", "Sec-WebSocket-Protocol: v1.chat\r\n", "101", "Sec-WebSocket-Protocol: v1.chat\r\n"},
    {"/chat", "Sec-WebSocket-Protocol: v1.chat, v2.chat\r\n", "101", "Sec-WebSocket-Protocol: v2.chat\r\n"},
    {"/chat", "Sec-WebSocket-Protocol: v1.chat\r\nSec-WebSocket-Protocol: v2.chat\r\n", "101",
     "Sec-WebSocket-Protocol: v2.chat\r\n"},
    {"/chat", "Sec-WebSocket-Protocol: v2.chat v1.chat\r\n", "400", "a list of tokens"},
    // the application's own check
    {"/secret", "", "401", "WWW-Authenticate: Bearer\r\n"},
    {"/secret", "", "401", "\r\n\r\nWho are you?\n"},
    {"/secret", "Authorization: Bearer sesame\r\n", "101", ""},
    {"/secret", "Origin: http://there\r\nAuthorization: Bearer sesame\r\n", "403", ""},
    {"/secret/later", "", "401", "Who are you?"},
    {"/secret/later", "Authorization: Bearer sesame\r\n", "101", ""},
    {"/throws", "", "500", "The server failed to answer."},
    {"/odd", "", "500", "The server failed to answer."},
};

} // namespace

TEST_CASE("handshakes that are let in, and others") {
    server of;
    journal log;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        for (const knock& each : knocks) {
            CAPTURE(std::string(each.path));
            CAPTURE(std::string(each.fields));
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(handshake(each.path, each.fields));
            const std::string got = co_await peer->read_response();
            CAPTURE(got);
            const bool in = std::string_view(each.status) == "101";
            CHECK(got.starts_with("HTTP/1.1 " + std::string(each.status) + " "));
            CHECK(contains(got, each.says));
            CHECK(contains(got, "Connection: close\r\n") == !in);
            CHECK(contains(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") == in); // RFC 6455 1.3
            if (contains(each.fields, "Protocol: v") == false) CHECK(!contains(got, "Sec-WebSocket-Protocol"));
            if (in) co_await peer->send(std::string("\x88\x80\0\0\0\0", 6));
            const std::string rest = co_await peer->read_all();
            CHECK(rest == (in ? std::string("\x88\0", 2) : ""));
        }
    }, {.log = log.hook()});
    CHECK(log.has("2 origin refused: http://there [/echo]: origin not allowed\n"));
    CHECK(log.has("1 handshake refused by the application [/secret]\n"));
    CHECK(log.has("3 a check threw: something that is no std::exception [/throws]\n"));
    CHECK(log.has("3 an answer with the status 100\n"));
}

TEST_CASE("a client sees why it was refused") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        const std::string url = url_of(at, "/secret/later");
        const auto refused = co_await weir::connect(url);
        REQUIRE(!refused);
        CHECK(refused.error() == errc::unexpected_status);
        CHECK(refused.error().message() ==
              "opening " + url + ": the server answered 401 Unauthorized (\"Who are you?\"): the server did not switch protocols");

        connect_refusal said;
        const auto again = co_await weir::connect(url, {.refusal = &said});
        REQUIRE(!again);
        CHECK(said.head.status == http::status::unauthorized);
        CHECK(said.head.fields.get("WWW-Authenticate") == "Bearer");
        CHECK(said.body == "Who are you?\n");

        const http::field key[] = {{"Authorization", "Bearer sesame"}};
        auto ws = co_await weir::connect(url, {.headers = key, .refusal = &said});
        REQUIRE(ws);
        CHECK(said.head.fields.empty());
        co_await ws->close();
    });
}

TEST_CASE("the handler sees the subprotocol and the request") {
    server of;
    std::string seen;
    auto look = [&](websocket& ws, const http::request_head& request) -> task<> {
        seen += std::string(ws.subprotocol()) + " " + std::string(ws.target()) + " " + request.target + " ";
        seen += request.fields.get("Cookie").value_or("-");
        const auto end = co_await ws.read();
        CHECK(!end);
        seen += request.fields.get("Cookie").value_or("-");
    };
    of.websocket("/chat", look).subprotocols(spoken);
    in_memory(of, [](net::endpoint at) -> task<> {
        const http::field cookie[] = {{"Cookie", "a=b"}};
        const std::string_view both[] = {"v1.chat", "v2.chat"};
        auto ws = co_await weir::connect(url_of(at, "/chat?room=1"), {.headers = cookie, .subprotocols = both});
        REQUIRE(ws);
        CHECK(ws->subprotocol() == "v2.chat");
        CHECK(ws->target() == "/chat?room=1");
        co_await ws->close();

        const std::string_view other[] = {"v3.chat"};
        ws = co_await weir::connect(url_of(at, "/chat"), {.subprotocols = other});
        REQUIRE(ws);
        CHECK(ws->subprotocol() == "");
        co_await ws->close();
    });
    CHECK(seen == "v2.chat /chat?room=1 /chat?room=1 a=ba=b /chat /chat --");
}
