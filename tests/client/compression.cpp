// RFC 7692, section 7.1, through whole handshakes: a server and a client of ours, and either of them opposite a peer that
// is played. Needs zlib.
#include "../server/serving.hpp"

#include <weir/protocol/ws/deflate.hpp>

using namespace std::string_literals;

namespace {

const std::string text(3000, 'x');

server_options serving_with(compression_choice how) { return {.websocket = {.compression = how}}; }
connect_options asking_for(compression_choice how) { return {.websocket = {.compression = how}}; }

// The answer's field; "-" without one.
std::string field_of(const std::string& response) {
    const std::string_view name = "Sec-WebSocket-Extensions: ";
    const std::size_t at = response.find(name);
    if (at == response.npos) return "-";
    return response.substr(at + name.size(), response.find('\r', at) - at - name.size());
}

task<std::string> answer_to(net::endpoint at, std::string fields) {
    std::unique_ptr<raw_peer> peer = co_await dial(at);
    co_await peer->send(handshake("/echo", fields));
    std::string answer = co_await peer->read_to("\r\n\r\n");
    co_return answer;
}

// A server that a test plays: answers with `extensions`, and what comes `behind`.
struct played {
    std::string extensions, behind;
    std::string request = {};
};
task<> answer_one(net::listener& listener, played& how) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    raw_peer peer(std::move(*stream));
    how.request = co_await peer.read_to("\r\n\r\n");
    const std::string key = how.request.substr(how.request.find("Sec-WebSocket-Key: ") + 19, 24);
    co_await peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: " + ws::accept_key(key) + "\r\n" + how.extensions + "\r\n" + how.behind);
    co_await peer.read_all();
}
template <class Work>
task<> play(played& how, Work& work) {
    auto listener = net::listen("127.0.0.1", 0);
    REQUIRE(listener);
    scope all;
    all.spawn(answer_one(*listener, how));
    const std::string url = "ws://" + listener->local_endpoint().to_string() + "/";
    co_await work(url);
    listener->close();
    all.cancel();
    co_await all.join();
}
template <class Work>
std::string against(played how, Work work) {
    tests::memory_loop loop;
    loop.run(play(how, work));
    return how.request;
}

} // namespace

TEST_CASE("both sides agree, and both see it") {
    struct {
        compression_choice server, client;
        std::string_view agreed;
    } const cases[] = {
        {permessage_deflate, permessage_deflate,
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
        {permessage_deflate({.context_takeover = true, .peer_context_takeover = true}),
         permessage_deflate({.context_takeover = true, .peer_context_takeover = true}), "permessage-deflate"},
        {permessage_deflate({.peer_window_bits = 10, .context_takeover = true}),
         permessage_deflate({.peer_window_bits = 9, .peer_context_takeover = true}),
         "permessage-deflate; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10"},
        {{}, permessage_deflate, ""},
        {permessage_deflate, {}, ""},
    };
    for (const auto& each : cases) {
        std::string at_server;
        server all;
        all.websocket("/echo", [&](websocket& ws) -> task<> {
            at_server = ws.extensions();
            while (auto message = co_await ws.read()) co_await ws.send(*message);
        });
        in_memory(all, [&](net::endpoint at) -> task<> {
            auto ws = co_await connect(url_of(at), asking_for(each.client));
            REQUIRE(ws);
            CHECK(ws->extensions() == each.agreed);
            co_await ws->send(text);
            auto got = co_await ws->read();
            REQUIRE(got);
            CHECK(got->text() == text);
            CHECK((ws->closed().bytes_in < 100) == !each.agreed.empty());
            CHECK((ws->closed().bytes_out < 100) == !each.agreed.empty());
            CHECK(at_server == each.agreed);
            co_await ws->close();
        }, serving_with(each.server));
    }
}

TEST_CASE("what a server answers to offers") {
    server all;
    all.websocket("/echo", echo);
    in_memory(all, [&](net::endpoint at) -> task<> {
        struct {
            std::string_view fields, answer;
        } const cases[] = {
            {"", "-"},
            {"Sec-WebSocket-Extensions: foo\r\n", "-"},
            {"Sec-WebSocket-Extensions: permessage-deflate\r\n",
             "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
            {"Sec-WebSocket-Extensions: permessage-deflate; unknown\r\n", "-"},
            {"Sec-WebSocket-Extensions: foo, permessage-deflate; server_max_window_bits=\"9\"\r\n",
             "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"},
            {"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16\r\n"
             "sec-websocket-extensions: permessage-deflate; client_max_window_bits=8\r\n",
             "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=8"},
        };
        for (const auto& each : cases) {
            const std::string got = co_await answer_to(at, std::string(each.fields));
            CHECK(got.starts_with("HTTP/1.1 101 "));
            CHECK(field_of(got) == each.answer);
        }
        const std::string refused = co_await answer_to(at, "Sec-WebSocket-Extensions: permessage-deflate; a=\"\r\n");
        CHECK(refused.starts_with("HTTP/1.1 400 "));
    }, serving_with(permessage_deflate));
}

TEST_CASE("a compressed message in the same packet as the handshake, at both sides") {
    server all;
    all.websocket("/echo", echo);
    in_memory(all, [](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send(handshake("/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n") +
                            "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"s);
        (void)co_await peer->read_to("\r\n\r\n");
        const std::string got = co_await peer->read_to("Hello");
        CHECK(got == "\x81\x05Hello"); // short, and so it goes out plain
    }, serving_with(permessage_deflate));

    const std::string request = against(
        {.extensions = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
         .behind = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"s},
        [](const std::string& url) -> task<> {
            auto ws = co_await connect(url, asking_for(permessage_deflate));
            REQUIRE(ws);
            auto got = co_await ws->read();
            REQUIRE(got);
            CHECK(got->text() == "Hello");
            ws->reset();
        });
    CHECK(field_of(request) ==
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits");
}

TEST_CASE("answers that a client does not take") {
    struct {
        std::string_view answer;
        errc code;
        std::string_view says;
    } const cases[] = {
        {"permessage-bzip2", errc::bad_extension, "permessage-bzip2"},
        {"permessage-deflate", errc::bad_extension_parameters, "without the server_no_context_takeover"},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", errc::bad_extension_parameters,
         "second of its name"},
        {"permessage-deflate; server_no_context_takeover; client_max_window_bits", errc::bad_extension_parameters,
         "has no value"},
        {"permessage-deflate; server_no_context_takeover; server_max_window_bits=7", errc::bad_extension_parameters,
         "server_max_window_bits=7 is not one of 8 to 15"},
        {"permessage-deflate; server_no_context_takeover; foo", errc::bad_extension_parameters, "foo is unknown"},
        {"permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
         errc::bad_extension_parameters, "a second answer"},
    };
    for (const auto& each : cases)
        against({.extensions = "Sec-WebSocket-Extensions: " + std::string(each.answer) + "\r\n", .behind = ""},
                [&](const std::string& url) -> task<> {
                    auto ws = co_await connect(url, asking_for(permessage_deflate));
                    REQUIRE_FALSE(ws);
                    CHECK(ws.error() == each.code);
                    const std::string message = ws.error().message();
                    CAPTURE(message);
                    CHECK(message.find("the server answered 101: ") != message.npos);
                    CHECK(message.find(each.says) != message.npos);
                });
}

TEST_CASE("a plain route that becomes a WebSocket: compressed as the server does it, or as its handler wants it") {
    server of;
    std::string seen;
    const auto serve = [&seen](exchange& http, upgrade_options how) -> task<> {
        auto ws = co_await http.upgrade(how);
        if (!ws) co_return;
        seen = ws->extensions();
        co_await echo(*ws);
        seen += ws->closed().bytes_in < text.size() ? " compressed" : " as it was";
    };
    websocket_options own;
    of.route("GET", "/server", [&serve](exchange& http) { return serve(http, {}); });
    of.route("GET", "/none", [&serve, &own](exchange& http) { return serve(http, {.websocket = &own}); });
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (const std::string_view path : {"/server", "/none"}) {
            auto ws = co_await weir::connect(url_of(at, path), asking_for(permessage_deflate));
            REQUIRE(ws);
            ws->send(std::string_view(text));
            auto got = co_await ws->read();
            REQUIRE(got);
            CHECK(got->text() == text);
            co_await ws->close();
            CHECK(seen == (path == "/none" ? " as it was" : std::string(ws->extensions()) + " compressed"));
        }
    }, serving_with(permessage_deflate));
}
