// Opening connections: each way in which it can fail, with its error, and what must not be lost.
#include "played.hpp"

#include <atomic>

namespace {

struct answer {
    const char* name;
    std::string text;   // "ACCEPT" stands for a right Sec-WebSocket-Accept field
    bool ends = true;   // the server ends the connection behind it
    errc code;
    std::string says;   // the message behind "opening URL: "
};

std::vector<answer> answers() {
    const std::string reading = "reading the server's answer to the handshake: ";
    const std::string waiting = "waiting for the server's answer to the handshake: ";
    const std::string head = "HTTP/1.1 101 Switching Protocols\r\n";
    const std::string upgraded = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    const std::string no_switch = ": the server did not switch protocols";
    std::string many, hints;
    for (int i = 0; i < 200; ++i) many += "X: y\r\n";
    for (int i = 0; i < 20; ++i) hints += "HTTP/1.1 103 Early Hints\r\n\r\n";
    return {
        {"200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, errc::unexpected_status,
            "the server answered 200 OK (\"hello\")" + no_switch},
        {"404 with a body", "HTTP/1.1 404 Not Found\r\nContent-Length: 30\r\n\r\nThere is nothing at this path\n", false,
            errc::unexpected_status, "the server answered 404 Not Found (\"There is nothing at this path\")" + no_switch},
        {"a phrase of its own", "HTTP/1.1 503 Too Busy\r\n\r\n", true, errc::unexpected_status,
            "the server answered 503 Too Busy" + no_switch},
        {"no phrase", "HTTP/1.1 503\r\n\r\n", true, errc::unexpected_status,
            "the server answered 503 Service Unavailable" + no_switch},
        {"a redirect", "HTTP/1.1 302 Found\r\nLocation: https://there/\r\nContent-Length: 0\r\n\r\n", false, errc::unexpected_status,
            "the server answered 302 Found, Location: https://there/" + no_switch},
        {"a body in chunks", "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n3\r\n, n\r\n0\r\n\r\n", false,
            errc::unexpected_status, "the server answered 403 Forbidden (\"no, n\")" + no_switch},
        {"a body that never ends", "HTTP/1.1 403 Forbidden\r\n\r\nnobody", false, errc::unexpected_status,
            "the server answered 403 Forbidden (\"nobody\")" + no_switch},
        {"a body with control bytes", "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n\x1b[2J", false, errc::unexpected_status,
            "the server answered 403 Forbidden (\"\\x1b[2J\")" + no_switch},
        {"a long body", "HTTP/1.1 403 Forbidden\r\n\r\n" + std::string(100'000, 'x'), true, errc::unexpected_status,
            "the server answered 403 Forbidden (\"" + std::string(200, 'x') + "\")" + no_switch},
        {"a body with contradictory lengths", "HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", true,
            errc::unexpected_status, "the server answered 403 Forbidden" + no_switch},
        {"informative answers for ever", hints, false, errc::unexpected_status, "the server answered 103 Early Hints" + no_switch},

        {"RFC 6455 4.1: no accept key", head + upgraded + "\r\n", false, errc::bad_accept_key,
            "the server answered 101: no Sec-WebSocket-Accept field: Sec-WebSocket-Accept does not match the key"},
        {"RFC 6455 4.1: a wrong accept key", head + upgraded + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", false,
            errc::bad_accept_key, "the server answered 101: Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, not *"},
        {"RFC 6455 4.1: no Upgrade", head + "Connection: Upgrade\r\nACCEPT\r\n", false, errc::not_an_upgrade,
            "the server answered 101: no Upgrade field: not a WebSocket upgrade"},
        {"RFC 6455 4.1: another protocol", head + "Upgrade: h2c\r\nConnection: Upgrade\r\nACCEPT\r\n", false, errc::not_an_upgrade,
            "the server answered 101: Upgrade: h2c: not a WebSocket upgrade"},
        {"RFC 6455 4.1: no Connection", head + "Upgrade: websocket\r\nACCEPT\r\n", false, errc::not_an_upgrade,
            "the server answered 101: no Connection: Upgrade field: not a WebSocket upgrade"},
        {"RFC 6455 4.1: a subprotocol that was not offered", head + upgraded + "Sec-WebSocket-Protocol: x\r\nACCEPT\r\n", false,
            errc::bad_subprotocol,
            "the server answered 101: Sec-WebSocket-Protocol: x: the server chose a subprotocol that was not offered"},
        {"RFC 6455 4.1: an extension that was not offered", head + upgraded + "Sec-WebSocket-Extensions: permessage-deflate\r\nACCEPT\r\n",
            false, errc::bad_extension,
            "the server answered 101: Sec-WebSocket-Extensions: permessage-deflate: the server chose an extension that was not "
            "offered"},
        {"101 with HTTP/1.0", "HTTP/1.0 101 Switching Protocols\r\n" + upgraded + "ACCEPT\r\n", false, errc::bad_version,
            "the server answered 101: 101 with HTTP/1.0: unsupported HTTP version"},

        {"garbage", "SSH-2.0-OpenSSH_9.2\r\n", false, errc::bad_status_line, reading + "not HTTP: malformed HTTP status line"},
        {"a TLS alert", "\x15\x03\x01", false, errc::bad_status_line,
            reading + "a TLS alert on a connection without TLS: malformed HTTP status line"},
        {"HTTP/2", "HTTP/2 200 OK\r\n\r\n", false, errc::bad_status_line, reading + "*"},
        {"a bad field", "HTTP/1.1 101 x\r\nno colon\r\n\r\n", false, errc::bad_field,
            reading + "a field line without a colon: malformed HTTP field"},
        {"a long head", "HTTP/1.1 101 x\r\nA: " + std::string(20'000, 'x'), false, errc::head_too_large,
            reading + "the fields: HTTP head too large"},
        {"many fields", "HTTP/1.1 101 x\r\n" + many, false, errc::too_many_fields, reading + "the fields: too many HTTP fields"},
        {"nothing, and the end", "", true, errc::end_of_stream, waiting + "the peer ended the connection"},
        {"half, and the end", "HTTP/1.1 101 Switch", true, errc::end_of_stream,
            reading + "in the middle of an HTTP head: the peer ended the connection"},
        {"nothing", "", false, errc::timed_out, waiting + "timed out"},
        {"half", "HTTP/1.1 101 Switch", false, errc::timed_out, waiting + "timed out"},
    };
}

} // namespace

TEST_CASE("answers of servers, and the errors they become") {
    for (const std::size_t step : {std::string::npos, std::size_t(1), std::size_t(7)}) {
        for (answer& each : answers()) {
            if (step == 1 && each.text.size() > 1000) continue;
            CAPTURE(std::string(each.name));
            CAPTURE(step);
            auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
                std::string text = each.text;
                const std::size_t at = text.find("ACCEPT");
                if (at != text.npos) text.replace(at, 6, "Sec-WebSocket-Accept: " + ws::accept_key(key_of(request)) + "\r\n");
                co_await peer.send(text, step);
                if (each.ends) peer.end();
                (void)co_await peer.read_all();
                if (!each.ends) (void)co_await weir::sleep(1h);
            };
            in_memory_against(play, [&](const std::string& url) -> task<> {
                const auto began = io::loop::current()->now();
                const auto ws = co_await weir::connect(url, {.timeout = 9s});
                REQUIRE(!ws);
                CHECK(ws.error() == each.code);
                const std::string said = ws.error().message();
                CAPTURE(said);
                REQUIRE(said.starts_with("opening " + url + ": "));
                CHECK_MESSAGE(matches(said.substr(url.size() + 10), each.says), said);
                const auto took = io::loop::current()->now() - began;
                CHECK(took < (each.code == errc::timed_out ? 10s : 2s));
            });
        }
    }
}

TEST_CASE("servers that reset the connection in the middle of it") {
    const std::string waiting = "waiting for the server's answer to the handshake: ", of_reset = "Connection reset by peer";
    const struct {
        const char* name;
        std::string text; // before the reset
        std::string says;
    } cases[] = {
        {"at once", "", waiting + of_reset},
        {"in the middle of the answer", "HTTP/1.1 101 Switch", waiting + of_reset},
        {"behind a refusal", "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nnobody", "the server answered 403 *"},
    };
    for (const auto& each : cases) {
        CAPTURE(std::string(each.name));
        auto play = [&](raw_peer& peer, const std::string&) -> task<> {
            co_await peer.send(each.text);
            (void)co_await weir::sleep(1s); // what was sent has arrived
            peer.stream().reset();
        };
        in_memory_against(play, [&](const std::string& url) -> task<> {
            const auto began = io::loop::current()->now();
            const auto ws = co_await weir::connect(url, {.timeout = 9s});
            REQUIRE(!ws);
            const std::string said = ws.error().message();
            REQUIRE(said.starts_with("opening " + url + ": "));
            CHECK_MESSAGE(matches(said.substr(url.size() + 10), each.says), said);
            CHECK(io::loop::current()->now() - began < 3s);
        });
    }
}

TEST_CASE("a server that sends by trickles has one deadline for all of it") {
    auto play = [](raw_peer& peer, const std::string& request) -> task<> {
        for (const char byte : accepting(request)) {
            const bool sent = co_await peer.send(std::string(1, byte));
            const auto slept = co_await weir::sleep(1s);
            if (!sent || !slept) co_return;
        }
    };
    in_memory_against(play, [](const std::string& url) -> task<> {
        const auto began = io::loop::current()->now();
        const auto ws = co_await weir::connect(url);
        REQUIRE(!ws);
        CHECK(ws.error() == errc::timed_out);
        CHECK(ws.error().message() == "opening " + url + ": waiting for the server's answer to the handshake: timed out");
        CHECK(io::loop::current()->now() - began < 11s);
    });
}

TEST_CASE("RFC 9110 15.2: informative answers come before the real one; what comes behind it is not lost") {
    for (const bool fragment : {false, true}) {
        auto play = [](raw_peer& peer, const std::string& request) -> task<> {
            co_await peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + accepting(request) +
                               std::string("\x81\x02hi\x89\x01p\x88\x02\x03\xe8", 11));
            const std::string rest = co_await peer.read_all();
            CHECK(rest.size() == 7 + 8); // pong and close, masked
        };
        in_memory_against(play, [](const std::string& url) -> task<> {
            auto ws = co_await weir::connect(url);
            REQUIRE_MESSAGE(ws, ws.error().message());
            auto message = co_await ws->read();
            REQUIRE(message);
            CHECK(message->text() == "hi");
            message = co_await ws->read();
            CHECK(!message);
            CHECK(ws->closed().code == ws::close_code::normal);
            (void)co_await weir::sleep(1s);
        }, {.fill_bytes = fragment ? 20u : 65536u, .fragment = fragment});
    }
}

TEST_CASE("the request: extra fields, subprotocols, the host; all copied at the call") {
    std::string seen;
    auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        seen = request;
        co_await peer.send(accepting(request, "Sec-WebSocket-Protocol: b\r\n"));
        co_await peer.send(std::string("\x88\0", 2));
        (void)co_await peer.read_all();
    };
    in_memory_against(play, [&](const std::string& url) -> task<> {
        task<result<websocket>> opening;
        {
            std::string name = "X-Name", value = "a value", first = "a", second = "b", where = url + "?x=%20y";
            const http::field fields[] = {{name, value}, {"Origin", "http://here"}, {"Authorization", "Bearer x"}};
            const std::string_view offered[] = {first, second};
            opening = weir::connect(where, {.headers = fields, .subprotocols = offered});
            for (std::string* each : {&name, &value, &first, &second, &where}) each->assign(each->size(), '!');
        }
        (void)co_await weir::sleep(1s);
        CHECK(seen == ""); // nothing happens before it is awaited
        auto ws = co_await std::move(opening);
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(ws->subprotocol() == "b");
        CHECK(ws->target() == "/echo?x=%20y");
        CHECK(seen.starts_with("GET /echo?x=%20y HTTP/1.1\r\nHost: 127.0.0.1:"));
        CHECK(contains(seen, "\r\nX-Name: a value\r\nOrigin: http://here\r\nAuthorization: Bearer x\r\n"));
        CHECK(contains(seen, "\r\nSec-WebSocket-Protocol: a, b\r\n"));
        co_await ws->close();
        const task<result<websocket>> never = weir::connect(url); // dropped
    });
}

TEST_CASE("RFC 7617, RFC 6265: the user of the URL, and cookies") {
    std::string seen;
    auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        seen = request;
        co_await peer.send(accepting(request));
        co_await peer.send(std::string("\x88\0", 2));
        (void)co_await peer.read_all();
    };
    in_memory_against(play, [&](const std::string& url) -> task<> {
        const std::string with_user = "ws://me:sec%3aret@" + url.substr(5);
        const http::field cookies[] = {{"a", "b"}, {"session", "x=y"}}, none[] = {{"empty", ""}};
        auto ws = co_await weir::connect(with_user, {.cookies = cookies});
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(field_of(seen, "Authorization") == "Basic bWU6c2VjOnJldA==");
        CHECK(field_of(seen, "Cookie") == "a=b; session=x=y");
        CHECK(field_of(seen, "Host") == url.substr(5, url.size() - 10));
        co_await ws->close();
        ws = co_await weir::connect(url, {.cookies = none});
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(field_of(seen, "Authorization") == "(none)");
        CHECK(field_of(seen, "Cookie") == "empty=");
        co_await ws->close();

        const std::string where = "opening " + url + ": ";
        const http::field own[] = {{"authorization", "Bearer x"}}, cookie[] = {{"cookie", "a=b"}};
        ws = co_await weir::connect(with_user, {.headers = own});
        CHECK(ws.error().message() == where + "a user in the URL and an Authorization field: malformed HTTP field");
        ws = co_await weir::connect(url, {.headers = cookie, .cookies = cookies});
        CHECK(ws.error().message() == where + "cookies and a Cookie field: malformed HTTP field");
        for (const http::field wrong : {http::field{"a;b", "c"}, http::field{"", "c"}, http::field{"a", "b;c"}, http::field{"a", "b c"},
                                        http::field{"a", "b,c"}, http::field{"a", "\"b\""}, http::field{"a", "b\r\nX: y"}}) {
            ws = co_await weir::connect(url, {.cookies = {&wrong, 1}});
            REQUIRE(!ws);
            CHECK(ws.error() == errc::bad_field);
            CHECK(ws.error().message().starts_with(where + "the cookie \""));
        }
    });
}

TEST_CASE("Unix sockets, by their URLs and by their paths") {
    const std::string path = "/tmp/weir-client-" + std::to_string(::getpid()), name = "@weir-client-" + std::to_string(::getpid());
    auto work = [&]() -> task<> {
        for (const std::string& each : {path, name}) {
            ::unlink(path.c_str());
            auto listener = net::listen(*net::endpoint::local(each));
            REQUIRE_MESSAGE(listener, listener.error().message());
            std::string seen;
            auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
                seen = request;
                co_await peer.send(accepting(request));
                co_await peer.send(std::string("\x88\0", 2));
                (void)co_await peer.read_to("\x88"); // then a server ends the connection; nobody has to wait for that
            };
            scope all;
            all.spawn(act(*listener, play));
            for (const std::string& url : {"ws+unix:" + each + ":/chat?a=b", "WS+UNIX://" + each + ":chat?a=b"}) {
                auto ws = co_await weir::connect(url);
                REQUIRE_MESSAGE(ws, ws.error().message());
                CHECK(seen.starts_with("GET /chat?a=b HTTP/1.1\r\nHost: localhost\r\n"));
                co_await ws->close();
            }
            auto ws = co_await weir::connect("ws+unix:" + each);
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(seen.starts_with("GET / HTTP/1.1\r\nHost: localhost\r\n"));
            co_await ws->close();
            ws = co_await weir::connect("ws://example.com/x", {.socket_path = each});
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(seen.starts_with("GET /x HTTP/1.1\r\nHost: example.com\r\n"));
            co_await ws->close();
            listener->close();
            all.cancel();
            co_await all.join();
        }
        ::unlink(path.c_str());
        auto ws = co_await weir::connect("ws+unix:" + path.substr(0, 5) + "%77" + path.substr(6) + ":/x"); // %77 is the 'w'
        CHECK(ws.error().message() ==
              "opening ws+unix:" + path + ":/x: connecting to unix:" + path + ": No such file or directory");
        ws = co_await weir::connect("ws://there", {.socket_path = std::string_view("/no/such\0/file", 14)});
        CHECK(ws.error() == errc::bad_address);
    };
    auto events = tests::make_events();
    io::loop(std::move(*events)).run(work());
}

TEST_CASE("what cannot be asked for") {
    tests::memory_loop loop;
    auto work = []() -> task<> {
        struct wish {
            const char* url;
            errc code;
            const char* message;
        };
        for (const wish each : {
                 wish{"", errc::bad_url, "opening a connection: URL \"\", at byte 0, empty: malformed URL"},
                 wish{"localhost:9001", errc::bad_scheme, "*"},
                 wish{"ftp://there/", errc::bad_scheme, "*"},
                 wish{"ws://", errc::bad_host, "*"},
                 wish{"ws://there:99999/", errc::bad_port, "*"},
                 wish{"ws://there/a b", errc::bad_url, "*"},
                 wish{"ws://there/#part", errc::url_has_fragment, "*"},
                 wish{"http://there/x", errc::bad_scheme, "opening http://there/x: it should be ws://: URL scheme not supported"},
                 wish{"https://there/x", errc::bad_scheme, "opening https://there/x: it should be wss://: URL scheme not supported"},
                 wish{"wss://there:444", errc::unsupported,
                     "opening wss://there:444/: TLS: no file of this program includes <weir/net/tls.hpp>, or defines WEIR_WITH_OPENSSL "
                     "before the single header: not supported here"},
                 wish{"ws://m%3Ae:secret@there/", errc::bad_field,
                     "opening ws://there/: a user's name with a colon in it: malformed HTTP field"},
                 wish{"ws://me:secret%0a@there/", errc::bad_field, "opening ws://there/: a user's name or password with a control *"},
                 wish{"ws+unix:", errc::bad_address, "opening a connection: address \"\": malformed address"},
                 wish{"ws+unix:/run/%zz", errc::bad_address, "*"},
                 wish{"ws+unix:/run/x:/a b", errc::bad_url, "*"},
             }) {
            CAPTURE(std::string(each.url));
            const auto ws = co_await weir::connect(each.url);
            REQUIRE(!ws);
            CHECK(ws.error() == each.code);
            CHECK_MESSAGE(matches(ws.error().message(), each.message), ws.error().message());
            CHECK(!contains(ws.error().message(), "secret"));
        }
        const http::field own[] = {{"Sec-WebSocket-Key", "x"}}, host[] = {{"host", "x"}}, lines[] = {{"X", "a\r\nY: b"}};
        const std::string_view twice[] = {"a", "a"}, blank[] = {"a b"};
        const std::string where = "opening ws://there/: ";
        auto ws = co_await weir::connect("ws://there", {.headers = own});
        CHECK(ws.error().message() == where + "Sec-WebSocket-Key belongs to the handshake: malformed HTTP field");
        ws = co_await weir::connect("ws://there", {.headers = host});
        CHECK(ws.error().message() == where + "host belongs to the handshake: malformed HTTP field");
        ws = co_await weir::connect("ws://there", {.headers = lines});
        CHECK(ws.error().message() == where + "the field \"X\" cannot be sent: malformed HTTP field");
        ws = co_await weir::connect("ws://there", {.subprotocols = twice});
        CHECK(ws.error() == errc::bad_subprotocol);
        CHECK(ws.error().message().starts_with(where + "offering the subprotocol \"a\""));
        ws = co_await weir::connect("ws://there", {.subprotocols = blank});
        CHECK(ws.error() == errc::bad_subprotocol);
    };
    loop.run(work());

    task<result<websocket>> nowhere = weir::connect("ws://there"); // no loop on this thread
    auto later = [&]() -> task<> {
        const auto ws = co_await std::move(nowhere);
        REQUIRE(!ws);
        CHECK(ws.error() == errc::no_loop);
    };
    loop.run(later());
}

namespace {
using addresses = result<sequence<net::endpoint>>;
std::atomic<bool> lookup_may_end{true};
addresses not_found(const std::string& name, std::uint16_t) { return error(errc::name_not_found, "resolving " + name); }
addresses blocked(const std::string&, std::uint16_t) {
    lookup_may_end.wait(false);
    return errc::name_unavailable;
}
addresses here(const std::string&, std::uint16_t port) {
    sequence<net::endpoint> found;
    found.push_back(net::endpoint::loopback_ipv4(port));
    return found;
}
} // namespace

TEST_CASE("each step that can fail or last is named") {
    auto work = []() -> task<> {
        auto listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        const std::string port = std::to_string(listener->local_endpoint().port());
        const std::string url = "ws://example.com:" + port + "/";

        auto ws = co_await weir::connect(url, {.lookup = not_found});
        CHECK(ws.error().message() == "opening " + url + ": resolving example.com: name not found");
        CHECK(ws.error() == condition::unreachable);

        ws = co_await weir::connect(url, {.timeout = 20ms, .lookup = here}); // nobody accepts
        CHECK(ws.error().message() == "opening " + url + ": waiting for the server's answer to the handshake: timed out");

        lookup_may_end = false;
        ws = co_await weir::connect(url, {.timeout = 1ms, .lookup = blocked});
        CHECK(ws.error().message() == "opening " + url + ": resolving example.com: timed out");
        CHECK(ws.error() == condition::timeout);
        lookup_may_end = true;
        lookup_may_end.notify_all();

        listener->close();
        ws = co_await weir::connect(url, {.lookup = here});
        CHECK(ws.error().message() == "opening " + url + ": connecting to 127.0.0.1:" + port + ": Connection refused");
        CHECK(ws.error() == condition::unreachable);
        ws = co_await weir::connect("ws://127.0.0.1:" + port);
        CHECK(ws.error().message() ==
              "opening ws://127.0.0.1:" + port + "/: connecting to 127.0.0.1:" + port + ": Connection refused");
        ws = co_await weir::connect("ws://localhost:" + port);
        CHECK(ws.error() == std::errc::connection_refused);
        CHECK(ws.error().message().starts_with("opening ws://localhost:" + port + "/: connecting to "));
    };
    auto events = tests::make_events();
    io::loop(std::move(*events)).run(work());
}

TEST_CASE("deadlines of connecting and of sending, in virtual time") {
    tests::memory_loop loop({.pipe_bytes = 50});
    auto work = []() -> task<> {
        auto listener = net::listen("127.0.0.1", 0, {.backlog = 2});
        REQUIRE(listener);
        const std::string at = listener->local_endpoint().to_string();
        auto ws = co_await weir::connect("ws://" + at, {.timeout = 3s}); // accepted by nobody, and 50 bytes are not enough
        CHECK(ws.error().message() == "opening ws://" + at + "/: sending the handshake: timed out");
        auto first = co_await net::connect(listener->local_endpoint());
        REQUIRE(first);
        ws = co_await weir::connect("ws://" + at, {.timeout = 3s}); // the queue is full
        CHECK(ws.error().message() == "opening ws://" + at + "/: connecting to " + at + ": timed out");
        auto other = net::listen(net::endpoint::loopback_ipv6(listener->local_endpoint().port()), {.backlog = 1});
        REQUIRE(other);
        auto second = co_await net::connect(other->local_endpoint());
        REQUIRE(second);
        const std::string name = "ws://localhost:" + std::to_string(listener->local_endpoint().port());
        ws = co_await weir::connect(name, {.timeout = 3s}); // both are
        CHECK(ws.error().message() ==
              "opening " + name + "/: connecting to " + other->local_endpoint().to_string() + " or " + at + ": timed out");
        ws = co_await weir::connect("ws://" + at, {.timeout = 3s}).within(1s); // a shorter one around it
        CHECK(ws.error() == errc::timed_out);
    };
    loop.run(work());
}

TEST_CASE("a connection that is dropped, and the opening of one that is abandoned") {
    server of;
    close_info ended;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        while (auto message = co_await ws.read()) co_await ws.send(*message);
        ended = ws.closed();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        {
            auto ws = co_await weir::connect(url_of(at));
            REQUIRE(ws);
        }
        (void)co_await weir::sleep(1s);
        CHECK(ended.cause == close_cause::peer);
        CHECK(ended.code == ws::close_code::normal);
        ended = {};
        try {
            auto ws = co_await weir::connect(url_of(at));
            REQUIRE(ws);
            throw 1;
        } catch (int) {
        }
        (void)co_await weir::sleep(1s);
        CHECK(ended.code == ws::close_code::internal_error);
        {
            task<result<websocket>> done = weir::connect(url_of(at)); // opened, and nobody takes it
            scope abandoned;
            abandoned.spawn([](task<result<websocket>>& what) -> task<> { (void)co_await std::move(what); }, std::ref(done));
            co_await abandoned.join();
        }
        (void)co_await weir::sleep(1s);
        CHECK(of.connections() == 0);
    });
}
