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

// What a handler is told of who is at the other end.
std::string words_of(const connection_security* by) {
    if (!by) return "without TLS";
    std::string said = by->protocol + ", " + (by->subject.empty() ? "nobody" : by->subject);
    for (const std::string& each : by->names) said += ", " + each;
    return said + ", " + by->fingerprint;
}

task<> tell_websocket(websocket& ws) {
    co_await ws.send(words_of(ws.security()));
    (void)co_await ws.read();
}
task<> tell_page(exchange& http) {
    http.respond(response(http::status::ok, words_of(http.security())));
    co_return;
}
task<> tell_channel(channel& client) {
    while (auto message = co_await client.read()) co_await client.send(words_of(client.security()));
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

namespace {

// Takes one client after the other and, once each has said hello, says what it has to say at that pace, and goes as told.
struct bad_server {
    const char* name;
    std::string text;
    std::chrono::nanoseconds between; // bytes
    enum { stays, ends, resets } then;
    const char* says;
};

task<> act(net::listener& listener, const bad_server& which) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    raw_peer peer(std::move(*stream));
    (void)co_await peer.read_to("\x16"); // how a record of the handshake begins
    for (const char byte : which.text) {
        const bool sent = co_await peer.send(std::string(1, byte));
        if (!sent) co_return;
        const auto slept = co_await weir::sleep(which.between);
        if (!slept) co_return;
    }
    if (which.then == bad_server::resets) peer.stream().reset();
    if (which.then != bad_server::stays) co_return;
    (void)co_await peer.read_all();
}

} // namespace

TEST_CASE("servers that let the TLS handshake come to nothing, each within its time") {
    const std::string hello = std::string("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11) + std::string(100, 'x');
    const bad_server cases[] = {
        {"says nothing", "", 0ns, bad_server::stays, "timed out"},
        {"trickles a byte a second", hello, 1s, bad_server::stays, "timed out"},
        {"stops in the middle", hello, 1ms, bad_server::stays, "timed out"},
        {"ends at once", "", 0ns, bad_server::ends, "in the handshake: the peer ended the connection"},
        {"ends in the middle", hello, 1ms, bad_server::ends, "in the handshake: the peer ended the connection"},
        {"resets at once", "", 0ns, bad_server::resets, "Connection reset by peer"},
        {"resets in the middle", hello, 1ms, bad_server::resets, "Connection reset by peer"},
        {"speaks SSH", "SSH-2.0-OpenSSH_9.2\r\n", 0ns, bad_server::stays, "wrong version number: the peer does not speak TLS here"},
        {"refuses", std::string("\x15\x03\x03\x00\x02\x02\x28", 7), 0ns, bad_server::stays,
            "the peer says \"handshake failure\": refused by the peer"},
    };
    tls_client client(credentials::common().trusting());
    for (const bad_server& each : cases) {
        CAPTURE(std::string(each.name));
        tests::memory_loop loop;
        auto work = [&]() -> task<> {
            auto listener = net::listen("127.0.0.1", 0);
            REQUIRE(listener);
            scope all;
            all.spawn(act(*listener, each));
            const std::string url = secure_url(listener->local_endpoint(), "wss", "/");
            const auto began = loop_time();
            const auto ws = co_await weir::connect(url, {.timeout = 5s, .tls = &client});
            CHECK(ws.error().message() == "opening " + url + ": TLS with localhost: " + each.says);
            CHECK(loop_time() - began <= 5s);
            all.cancel();
            co_await all.join();
        };
        loop.run(work());
        CHECK(loop.blocks().lent() == 0);
    }
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

TEST_CASE("handlers see who the client is: of WebSockets, requests and channels, whatever carries them") {
    const certificate people({.name = "People", .hosts = "", .authority = true});
    const certificate ann({.name = "Ann", .hosts = "DNS:ann.example,IP:192.0.2.7,email:ann@example.com,URI:spiffe://a/b,IP:2001:db8::1",
                           .by = &people});
    const certificate bob({.name = "Bob", .hosts = "", .by = &people});
    const std::string whose = people.text(), ann_chain = ann.text(), ann_key = ann.key_text(), bob_chain = bob.text(),
                      bob_key = bob.key_text();
    tls_server_options serving = credentials::common().serving();
    serving.clients = tls_clients::asked;
    serving.authorities.text = whose;
    tls_server tls(serving);
    tls_client_options as_ann = credentials::common().trusting(), as_bob = as_ann;
    as_ann.certificate = {.chain_text = ann_chain, .key_text = ann_key};
    as_bob.certificate = {.chain_text = bob_chain, .key_text = bob_key};
    tls_client of_ann(as_ann), of_bob(as_bob), of_nobody(credentials::common().trusting());
    const std::string is_ann = "http/1.1, Ann, DNS:ann.example, IP:192.0.2.7, email:ann@example.com, URI:spiffe://a/b, IP:2001:db8::1, " +
                               ann.fingerprint();
    const struct {
        tls_client* by;
        std::string words;
    } cases[] = {{&of_ann, is_ann}, {&of_bob, "http/1.1, Bob, " + bob.fingerprint()}, {&of_nobody, "http/1.1, nobody, "}};
    server of;
    of.websocket("/socket", tell_websocket);
    of.route("GET", "/page", tell_page);
    of.route("GET", "/upgrade", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        REQUIRE(ws);
        co_await ws->send(words_of(http.security()));
        co_await ws->send(words_of(ws->security()));
    });
    of.channel("/chat", tell_channel);
    auto work = [&](net::endpoint at) -> task<> {
        for (int round = 0; round < 2; ++round) { // the second one resumes sessions
            for (const auto& each : cases) {
                auto ws = co_await weir::connect(secure_url(at, "wss", "/socket"), {.tls = each.by});
                REQUIRE_MESSAGE(ws, ws.error().message());
                REQUIRE(ws->security());
                CHECK(ws->security()->is_resumed == (round == 1));
                CHECK(ws->security()->subject == "localhost");
                CHECK(ws->security()->fingerprint == credentials::common().server.fingerprint());
                CHECK(ws->security()->version == (tests::speaks_1_3() ? "TLSv1.3" : "TLSv1.2"));
                CHECK(contains(ws->security()->cipher, "AES"));
                auto told = co_await ws->read();
                REQUIRE(told);
                CHECK(told->text() == each.words);
                co_await ws->close();
                CHECK(ws->security()->subject == "localhost"); // still

                const std::string page = co_await ask_securely(at, *each.by, "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
                CHECK(page.ends_with("\r\n\r\n" + each.words));

                auto upgraded = co_await weir::connect(secure_url(at, "wss", "/upgrade"), {.tls = each.by});
                REQUIRE_MESSAGE(upgraded, upgraded.error().message());
                for (int i = 0; i < 2; ++i) {
                    auto said = co_await upgraded->read();
                    REQUIRE(said);
                    CHECK(said->text() == each.words);
                }

                for (const transport_kind kind : every_transport) {
                    const transport_kind only[] = {kind};
                    const std::string url = secure_url(at, "https", "/chat");
                    auto chat = co_await weir::open(url, {.transports = only, .interval = 100ms, .tls = each.by});
                    REQUIRE_MESSAGE(chat, chat.error().message());
                    co_await chat->send("who am I?");
                    auto answer = co_await chat->read().within(5s);
                    REQUIRE(answer);
                    CHECK(answer->text() == each.words);
                    co_await chat->close();
                }
            }
        }
    };
    in_memory(of, work, with(tls));
    over_sockets(of, work, with(tls));
    in_memory(of, [](net::endpoint at) -> task<> {
        auto ws = co_await weir::connect(url_of(at, "/socket"));
        REQUIRE(ws);
        CHECK(!ws->security());
        auto told = co_await ws->read();
        REQUIRE(told);
        CHECK(told->text() == "without TLS");
        const answer page = co_await get(at, "/page");
        CHECK(page.body == "without TLS");
    });
}

TEST_CASE("a channel of a client with a certificate is not for others, even if they know its id") {
    const certificate people({.name = "People", .hosts = "", .authority = true});
    const certificate ann({.name = "Ann", .hosts = "", .by = &people}), bob({.name = "Bob", .hosts = "", .by = &people});
    const std::string whose = people.text(), ann_chain = ann.text(), ann_key = ann.key_text(), bob_chain = bob.text(),
                      bob_key = bob.key_text();
    tls_server_options serving = credentials::common().serving();
    serving.clients = tls_clients::asked;
    serving.authorities.text = whose;
    tls_server tls(serving);
    tls_client_options as_ann = credentials::common().trusting(), as_bob = as_ann;
    as_ann.certificate = {.chain_text = ann_chain, .key_text = ann_key};
    as_bob.certificate = {.chain_text = bob_chain, .key_text = bob_key};
    tls_client of_ann(as_ann), of_bob(as_bob), of_nobody(credentials::common().trusting());
    server of;
    of.channel("/chat", echo_channel);
    auto ask = [](net::endpoint at, tls_client& by, std::string method, std::string target) -> task<answer> {
        const std::string got = co_await ask_securely(at, by, request_text(method, target, {}, {}));
        co_return parse_answer(got);
    };
    in_memory(of, [&](net::endpoint at) -> task<> {
        const answer opened = co_await ask(at, of_ann, "GET", "/chat");
        REQUIRE(opened.status == 200);
        const std::string target = "/chat?session=" + opened.body.substr(1, 22);
        for (tls_client* other : {&of_bob, &of_nobody}) {
            for (const char* method : {"GET", "POST", "DELETE"}) {
                const answer refused = co_await ask(at, *other, method, target);
                CHECK(refused.status == 404);
            }
            auto ws = co_await weir::connect(secure_url(at, "wss", target), {.tls = other});
            REQUIRE(ws);
            auto record = co_await ws->read();
            REQUIRE(record);
            CHECK(record->text().starts_with("e404 "));
        }
        const answer fetched = co_await ask(at, of_ann, "GET", target);
        CHECK(fetched.status == 200);
        const answer open = co_await ask(at, of_nobody, "GET", "/chat"); // that of nobody is for whoever knows its id
        REQUIRE(open.status == 200);
        const answer other = co_await ask(at, of_bob, "GET", "/chat?session=" + open.body.substr(1, 22));
        CHECK(other.status == 200);
    }, with(tls));
}

TEST_CASE("reloading drops nobody: who is connected goes on with what was, who comes gets what is new") {
    const certificate old({.by = &credentials::common().authority}), fresh({.by = &credentials::common().authority});
    const tests::temporary_file chain(old.text()), key(old.key_text());
    tls_server tls({.certificate = {.chain_file = chain.path(), .key_file = key.path()}});
    tls_client client(credentials::common().trusting());
    server of;
    of.websocket("/echo", echo);
    auto work = [&](net::endpoint at) -> task<> {
        chain.write(old.text());
        key.write(old.key_text());
        REQUIRE(tls.reload());
        const std::string url = secure_url(at, "wss", "/echo");
        auto before = co_await weir::connect(url, {.tls = &client});
        REQUIRE_MESSAGE(before, before.error().message());
        CHECK(before->security()->fingerprint == old.fingerprint());
        chain.write(fresh.text());
        key.write(fresh.key_text());
        REQUIRE(tls.reload());
        auto after = co_await weir::connect(url, {.tls = &client});
        REQUIRE_MESSAGE(after, after.error().message());
        CHECK(after->security()->fingerprint == fresh.fingerprint());
        for (websocket* each : {&*before, &*after}) {
            co_await each->send("still here");
            auto message = co_await each->read();
            REQUIRE(message);
            CHECK(message->text() == "still here");
            co_await each->close();
            CHECK(each->closed().code == ws::close_code::normal);
        }
    };
    in_memory(of, work, with(tls));
    over_sockets(of, work, with(tls));
}
