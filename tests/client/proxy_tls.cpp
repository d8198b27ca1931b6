// TLS within tunnels, tunnels within TLS, and both; redirects to TLS; and what is said when one of them fails.
#include "../net/certificates.hpp"
#include "played.hpp"
#include "relay.hpp"

#include <weir/client/open.hpp>
#include <weir/client/proxy.hpp>
#include <weir/server/channel.hpp>

using tests::credentials;

namespace {

std::string local(std::string_view scheme, std::uint16_t port, std::string_view path = "") {
    return std::string(scheme) + "://localhost:" + std::to_string(port) + std::string(path);
}

server_options with(tls_server& tls) {
    server_options made;
    made.tls = &tls;
    return made;
}

task<> say_much(websocket& ws) {
    const std::string much(200'000, 'x');
    for (int i = 0; i < 2; ++i) {
        co_await ws.send(std::string_view(much));
        auto message = co_await ws.read();
        REQUIRE_MESSAGE(message, ws.closed().message());
        CHECK((message->text() == much));
    }
    co_await ws.close();
    CHECK(ws.closed().code == ws::close_code::normal);
}

} // namespace

TEST_CASE("TLS within tunnels, tunnels within TLS, and both") {
    tls_server tls(credentials::common().serving()), of_proxy(credentials::common().serving());
    tls_client client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    of.channel("/chat", [](channel& chat) -> task<> {
        while (auto message = co_await chat.read()) co_await chat.send(*message);
    });
    auto work = [&](net::endpoint at) -> task<> {
        auto plain = net::listen("127.0.0.1", 0), secured = net::listen("127.0.0.1", 0);
        REQUIRE((plain && secured));
        scope all;
        all.spawn(relay::serve_on(*plain, nullptr));
        all.spawn(relay::serve_on(*secured, &of_proxy));
        const std::uint16_t plain_port = plain->local_endpoint().port(), secured_port = secured->local_endpoint().port();
        for (const std::string& url : {local("http", plain_port), local("socks5", plain_port), local("https", secured_port)}) {
            CAPTURE(url);
            const proxy_choice by = weir::proxy(url);
            auto ws = co_await weir::connect(local("wss", at.port(), "/echo"), {.proxy = by, .tls = &client});
            REQUIRE_MESSAGE(ws, ws.error().message());
            co_await say_much(*ws);
            for (const transport_kind& kind : every_transport) {
                auto chat = co_await weir::open(local("https", at.port(), "/chat"),
                                                {.transports = {&kind, 1}, .interval = 100ms, .proxy = by, .tls = &client});
                REQUIRE_MESSAGE(chat, chat.error().message());
                co_await chat->send("within");
                auto answer = co_await chat->read().within(5s);
                REQUIRE(answer);
                CHECK(answer->text() == "within");
                co_await chat->close();
            }
        }
        all.cancel();
        co_await all.join();
    };
    in_memory(of, work, with(tls));
    in_memory(of, work, with(tls), {.pipe_bytes = 5000, .fill_bytes = 3000, .fragment = true});
    over_sockets(of, work, with(tls));
}

TEST_CASE("a server without TLS behind a proxy that has it") {
    tls_server of_proxy(credentials::common().serving());
    tls_client client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    in_memory(of, [&](net::endpoint at) -> task<> {
        auto secured = net::listen("127.0.0.1", 0);
        REQUIRE(secured);
        scope all;
        all.spawn(relay::serve_on(*secured, &of_proxy));
        const std::string url = local("https", secured->local_endpoint().port());
        auto ws = co_await weir::connect(local("ws", at.port(), "/echo"), {.proxy = weir::proxy(url), .tls = &client});
        REQUIRE_MESSAGE(ws, ws.error().message());
        co_await say_much(*ws);
        all.cancel();
        co_await all.join();
    });
}

TEST_CASE("who is not trusted, and who speaks no TLS, is named") {
    tls_server tls(credentials::common().serving());
    tls_client strangers(tls_client_options{}), client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    auto work = [&](net::endpoint at) -> task<> {
        auto plain = net::listen("127.0.0.1", 0), secured = net::listen("127.0.0.1", 0);
        REQUIRE((plain && secured));
        scope all;
        all.spawn(relay::serve_on(*plain, nullptr));
        all.spawn(relay::serve_on(*secured, &tls));
        const std::uint16_t plain_port = plain->local_endpoint().port(), secured_port = secured->local_endpoint().port();
        const std::string to = local("wss", at.port(), "/echo"), where = "opening " + to + ": ";

        const std::string untrusted = local("https", secured_port);
        auto ws = co_await weir::connect(to, {.proxy = weir::proxy(untrusted), .tls = &strangers});
        REQUIRE(!ws);
        CHECK(ws.error() == condition::untrusted);
        const std::string checking = "checking the certificate of localhost: ", reaching = "reaching the proxy " + untrusted + ": ";
        CHECK_MESSAGE(ws.error().message().starts_with(where + reaching + checking), ws.error().message());

        const std::string fine = local("http", plain_port);
        ws = co_await weir::connect(to, {.proxy = weir::proxy(fine), .tls = &strangers});
        REQUIRE(!ws);
        CHECK(ws.error() == condition::untrusted);
        CHECK_MESSAGE(ws.error().message().starts_with(where + checking), ws.error().message());

        const std::string without = local("https", plain_port);
        ws = co_await weir::connect(to, {.timeout = 3s, .proxy = weir::proxy(without), .tls = &client});
        CHECK(ws.error().message() == where + "reaching the proxy " + without + ": TLS with localhost: timed out");
        all.cancel();
        co_await all.join();
    };
    in_memory(of, work, with(tls));
}

TEST_CASE("redirects to TLS are followed; from there they do not lead back") {
    tls_server tls(credentials::common().serving());
    tls_client client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    in_memory(of, [&](net::endpoint at) -> task<> {
        auto play = [&](raw_peer& peer, const std::string&) -> task<> {
            co_await peer.send("HTTP/1.1 301 There\r\nLocation: " + local("https", at.port(), "/echo") + "\r\nContent-Length: 0\r\n\r\n");
            (void)co_await peer.read_all();
        };
        auto listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        scope all;
        all.spawn(act(*listener, play));
        auto ws = co_await weir::connect(local("ws", listener->local_endpoint().port()), {.redirects = 1, .tls = &client});
        REQUIRE_MESSAGE(ws, ws.error().message());
        co_await say_much(*ws);
        all.cancel();
        co_await all.join();
    }, with(tls));
}
