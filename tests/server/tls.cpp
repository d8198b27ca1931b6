// Servers and clients over TLS: the same routes at wss:// and https://, and what is said when it fails.
#include "../net/certificates.hpp"
#include "channels.hpp"

#include <weir/client/open.hpp>
#include <weir/net/secure.hpp>

using tests::certificate;
using tests::credentials;

namespace {

std::string secure_url(net::endpoint at, std::string_view scheme, std::string_view path) {
    return std::string(scheme) + "://localhost:" + std::to_string(at.port()) + std::string(path);
}

server_options with(tls_server& tls, journal* log = nullptr) {
    server_options made;
    made.tls = &tls;
    if (log) made.log = log->hook();
    return made;
}

// A request over TLS, and what came of it.
task<std::string> ask_securely(net::endpoint at, tls_client& by, std::string request) {
    auto plain = co_await net::connect(at);
    REQUIRE(plain);
    auto made = co_await net::secure(std::move(*plain), "localhost", at.port(), &by);
    if (!made) co_return made.error().message();
    raw_peer peer(std::move(*made));
    (void)co_await peer.send(std::move(request));
    std::string got = co_await peer.read_response();
    co_return got;
}

} // namespace

TEST_CASE("WebSockets, plain requests and channels over TLS: one server, one line more") {
    tls_server tls(credentials::common().serving());
    tls_client client(credentials::common().trusting());
    journal log;
    server of;
    of.websocket("/echo", echo);
    of.get("/page", "a page");
    of.channel("/chat", echo_channel);
    auto work = [&](net::endpoint at) -> task<> {
        auto ws = co_await weir::connect(secure_url(at, "wss", "/echo"), {.tls = &client});
        REQUIRE_MESSAGE(ws, ws.error().message());
        const std::string much(1'000'000, 'x');
        for (const std::string& each : {std::string("hello"), much, std::string(20'000, 'y')}) {
            co_await ws->send(std::string_view(each));
            auto message = co_await ws->read();
            REQUIRE(message);
            CHECK((message->text() == each));
        }
        co_await ws->close();
        CHECK(ws->closed().code == ws::close_code::normal);
        CHECK(ws->closed().cause == close_cause::local);
        CHECK(!ws->closed().error);

        const std::string page = co_await ask_securely(at, client, "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
        CHECK(page.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(page.ends_with("a page"));

        for (const transport_kind kind : every_transport) {
            const transport_kind only[] = {kind};
            auto chat = co_await weir::open(secure_url(at, "https", "/chat"), {.transports = only, .interval = 100ms, .tls = &client});
            REQUIRE_MESSAGE(chat, chat.error().message());
            CHECK(chat->transport() == kind);
            co_await chat->send("over TLS");
            auto answer = co_await chat->read().within(5s);
            REQUIRE(answer);
            CHECK(answer->text() == "over TLS");
            co_await chat->close();
        }
    };
    in_memory(of, work, with(tls, &log));
    in_memory(of, work, with(tls), {.pipe_bytes = 5000, .fill_bytes = 3000, .fragment = true});
    over_sockets(of, work, with(tls));
    CHECK(log.has("listening on https://127.0.0.1:"));
}

TEST_CASE("what a client hears of a handshake that fails, and what the server logs") {
    const certificate expired({.from = -100'000, .to = -1000, .by = &credentials::common().authority});
    const std::string chain = expired.text(), key = expired.key_text();
    tls_server tls({.certificate = {.chain_text = chain, .key_text = key}});
    tls_client client(credentials::common().trusting());
    journal log;
    server of;
    of.websocket("/echo", echo);
    auto work = [&](net::endpoint at) -> task<> {
        const std::string url = secure_url(at, "wss", "/echo");
        auto ws = co_await weir::connect(url, {.tls = &client});
        REQUIRE(!ws);
        CHECK(ws.error() == errc::certificate_expired);
        CHECK(ws.error().message().starts_with("opening " + url + ": checking the certificate of localhost: it was valid until "));
        CHECK(ws.error().message().ends_with(" UTC: the certificate has expired"));
        auto chat = co_await weir::open(secure_url(at, "https", "/echo"), {.tls = &client});
        REQUIRE(!chat);
        CHECK(chat.error() == condition::untrusted);
        ws = co_await weir::connect(url); // by the one of all, which knows the system's authorities
        CHECK(ws.error() == errc::certificate_untrusted);

        auto plain = co_await net::connect(at); // in a language that it does not speak
        REQUIRE(plain);
        raw_peer peer(std::move(*plain));
        (void)co_await peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        const std::string answer = co_await peer.read_all();
        CHECK(answer.empty());
    };
    in_memory(of, work, with(tls, &log));
    CHECK(log.has("2 TLS with the client: the peer says \"certificate expired\""));
    CHECK(log.has(": refused by the peer\n"));
    CHECK(log.has("2 TLS with the client: http request"));
    CHECK(log.has(": the peer does not speak TLS here\n"));
}

TEST_CASE("a client of a server without TLS, one that says nothing, and one that trickles") {
    tls_client client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string url = secure_url(at, "wss", "/echo");
        auto ws = co_await weir::connect(url, {.tls = &client});
        CHECK(ws.error().message() == "opening " + url + ": TLS with localhost: wrong version number: the peer does not speak TLS here");
    });
    tests::memory_loop loop;
    auto silent = [&]() -> task<> {
        auto listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        const std::string url = secure_url(listener->local_endpoint(), "wss", "/");
        const auto ws = co_await weir::connect(url, {.timeout = 3s, .tls = &client});
        CHECK(ws.error().message() == "opening " + url + ": TLS with localhost: timed out");
        const transport_kind only[] = {transport_kind::polling};
        const auto chat = co_await weir::open(url, {.transports = only, .timeout = 3s, .tls = &client});
        CHECK(chat.error() == errc::timed_out);
    };
    loop.run(silent());
}

TEST_CASE("a client that says nothing, or trickles, has the time of a head in all") {
    tls_server tls(credentials::common().serving());
    server of;
    of.websocket("/echo", echo);
    server_options options = with(tls);
    options.handshake_timeout = 2s;
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (const bool trickles : {false, true}) {
            auto plain = co_await net::connect(at);
            REQUIRE(plain);
            raw_peer peer(std::move(*plain));
            const auto began = loop_time();
            const std::string hello = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(500, 'x');
            for (std::size_t i = 0; trickles && i < 20; ++i) {
                const bool sent = co_await peer.send(hello.substr(i, 1));
                const auto slept = co_await weir::sleep(300ms);
                if (!sent || !slept) break;
            }
            const std::string answer = co_await peer.read_all();
            CHECK(answer.empty());
            CHECK(loop_time() - began < (trickles ? 7s : 3s));
        }
    }, options);
}

TEST_CASE("who is one too many is told so over TLS as well") {
    tls_server tls(credentials::common().serving());
    tls_client client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    server_options options = with(tls);
    options.connections = 0;
    in_memory(of, [&](net::endpoint at) -> task<> {
        auto ws = co_await weir::connect(secure_url(at, "wss", "/echo"), {.tls = &client});
        REQUIRE(!ws);
        CHECK(ws.error() == errc::unexpected_status);
        CHECK(contains(ws.error().message(), "the server answered 503 Service Unavailable"));
    }, options);
}

TEST_CASE("a server whose certificate cannot be used does not listen") {
    tls_server tls({.certificate = {.chain_file = "/nowhere/chain.pem"}});
    server of;
    tests::memory_loop loop;
    auto work = [&]() -> task<> {
        const auto listening = of.listen({.port = 0, .tls = &tls});
        CHECK(listening.error().message() == "reading /nowhere/chain.pem: No such file or directory");
        co_return;
    };
    loop.run(work());
}

TEST_CASE("TLS inside of TLS, as to a proxy that is reached by TLS") {
    tls_server outer(credentials::common().serving()), inner(credentials::common().serving());
    tls_client client(credentials::common().trusting());
    tests::memory_loop loop;
    auto answer = [&](owned<io::stream> plain) -> task<> {
        raw_peer peer(inner.begin(outer.begin(std::move(plain))));
        const std::string got = co_await peer.read_to("\n");
        CHECK(got == "hello\n");
        (void)co_await peer.send("bye\n");
        peer.end();
        (void)co_await peer.read_all();
    };
    auto ask = [&](owned<io::stream> plain) -> task<> {
        auto tunnel = co_await net::secure(std::move(plain), "127.0.0.1", 3128, &client);
        REQUIRE_MESSAGE(tunnel, tunnel.error().message());
        auto made = co_await net::secure(std::move(*tunnel), "localhost", 443, &client);
        REQUIRE_MESSAGE(made, made.error().message());
        raw_peer peer(std::move(*made));
        (void)co_await peer.send("hello\n");
        const std::string got = co_await peer.read_all();
        CHECK(got == "bye\n");
        CHECK(!peer.failure());
    };
    auto work = [&]() -> task<> {
        auto below = loop.network().pair();
        scope all;
        all.spawn(answer(std::move(below.second)));
        all.spawn(ask(std::move(below.first)));
        co_await all.join();
    };
    loop.run(work());
    CHECK(loop.blocks().lent() == 0);
}
