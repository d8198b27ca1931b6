// Handlers of plain requests that make their connection a WebSocket.
#include "serving.hpp"

#include <weir/coro/in_context.hpp>
#include <weir/hub/room.hpp>

namespace {

task<> upgraded_echo(exchange& http) {
    auto ws = co_await http.upgrade();
    if (ws) co_await echo(*ws);
}

// A frame of a client, masked with zeros.
std::string frame(char first, std::string_view payload) {
    std::string made{first};
    if (payload.size() < 126) {
        made += static_cast<char>(0x80 | payload.size());
    } else {
        made += '\xfe';
        made += static_cast<char>(payload.size() >> 8);
        made += static_cast<char>(payload.size() & 255);
    }
    return made.append(4, '\0').append(payload);
}
std::string hello() { return frame('\x81', "hello") + frame('\x88', std::string_view("\x03\xe8", 2)); }
constexpr std::string_view hello_back("\x81\x05hello\x88\x02\x03\xe8", 11);

const io::memory_options thin = {.pipe_bytes = 500, .fill_bytes = 60, .fragment = true, .latency = 1ms};

task<websocket> open(net::endpoint at, std::string path, connect_options options = {}) {
    auto ws = co_await weir::connect(url_of(at, path), options);
    REQUIRE_MESSAGE(ws, ws.error().message());
    co_return std::move(*ws);
}

} // namespace

TEST_CASE("upgrade: one as of a WebSocket route, with what the request had") {
    std::string seen;
    server of;
    of.route("GET", "/rooms/{room}", [&seen](exchange& http) -> task<> {
        const std::string_view names[] = {"chat.v2", "chat.v1"};
        const http::field more[] = {{"Set-Cookie", "a=b"}, {"X-Kind", "room"}};
        auto ws = co_await http.upgrade({.subprotocols = names, .headers = more});
        if (!ws) co_return;
        CHECK(http.answered());
        CHECK_FALSE(http.is_open());
        CHECK(ws->target() == http.request().target);
        CHECK(ws->role() == ws::role::server);
        seen = std::string(http.parameter("room")) + " " + std::string(http.query("q").value_or("")) + " " +
               std::string(ws->subprotocol());
        while (auto message = co_await ws->read()) co_await ws->send(*message);
        seen += " " + ws->closed().message();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string_view names[] = {"chat.v1", "other"};
        websocket ws = co_await open(at, "/rooms/caf%C3%A9?q=1", {.subprotocols = names});
        CHECK(ws.subprotocol() == "chat.v1");
        CHECK(of.connections() == 1);
        for (const std::size_t size : {0, 5, 70'000, 1'000'000}) {
            const std::string text(size, 'x');
            ws.send(std::string_view(text));
            auto got = co_await ws.read();
            REQUIRE(got);
            CHECK(got->text() == text);
        }
        co_await ws.close();
        CHECK(ws.closed().code == ws::close_code::normal);
        CHECK(of.connections() == 0);

        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send(handshake("/rooms/a") + hello());
        const std::string head = co_await peer->read_to("\r\n\r\n");
        CHECK(head.starts_with("HTTP/1.1 101 "));
        CHECK(contains(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        CHECK(contains(head, "Set-Cookie: a=b\r\nX-Kind: room\r\n"));
        CHECK_FALSE(contains(head, "Content-Length"));
        const std::string rest = co_await peer->read_all();
        CHECK(rest == hello_back);
    });
    CHECK(seen.starts_with("a   "));
    CHECK(contains(seen, "1000"));
}

TEST_CASE("upgrade: behind other requests, and with much behind the handshake") {
    const std::string much = frame('\x82', std::string(60'000, 'y'));
    for (const io::memory_options& network : {io::memory_options(), thin}) {
        server of;
        of.get("/healthz", "ok");
        of.route("GET", "/socket", [](exchange& http) -> task<> {
            const auto slept = co_await weir::sleep(20ms); // meanwhile all of it comes in
            CHECK(slept);
            auto ws = co_await http.upgrade();
            if (ws) co_await echo(*ws);
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            for (const std::string& behind : {std::string(), much, much + much}) {
                std::unique_ptr<raw_peer> peer = co_await dial(at);
                const std::string all = "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n" + handshake("/socket") + behind + hello();
                scope both;
                both.spawn([](raw_peer& by, const std::string& what) -> task<> { (void)co_await by.send(what); },
                           std::ref(*peer), std::cref(all));
                const std::string first = co_await peer->read_response();
                CHECK(first.ends_with("\r\n\r\nok"));
                const std::string second = co_await peer->read_to("\r\n\r\n");
                CHECK(second.starts_with("HTTP/1.1 101 "));
                const std::string rest = co_await peer->read_all();
                CHECK(rest.size() == behind.size() / much.size() * 60'004 + hello_back.size());
                CHECK(rest.ends_with(hello_back));
                co_await both.join();
            }
        }, {}, network);
    }
}

TEST_CASE("upgrade: nothing passes the answer to the handshake, however little of it can be written") {
    const std::string ping = frame('\x89', "ours"), bye = frame('\x88', std::string_view("\x03\xe8", 2));
    for (std::size_t pipe = 1; pipe < 160; ++pipe) {
        CAPTURE(pipe);
        server of;
        room lobby;
        of.route("GET", "/socket", [&lobby](exchange& http) -> task<> {
            auto ws = co_await http.upgrade();
            REQUIRE(ws);
            room::seat here(lobby, *ws);
            ws->ping("theirs");
            lobby.send("to all");
            ws->send("to you");
            lobby.send("again");
            while (co_await ws->read()) {}
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            const std::string all = handshake("/socket") + ping + ping + bye;
            scope both;
            both.spawn([](raw_peer& by, const std::string& what) -> task<> { (void)co_await by.send(what); },
                       std::ref(*peer), std::cref(all));
            const std::string head = co_await peer->read_to("\r\n\r\n");
            CHECK(head.starts_with("HTTP/1.1 101 "));
            CHECK(head.ends_with("\r\n\r\n"));
            CHECK(head.find('\x89') == head.npos);
            CHECK(head.find('\x8a') == head.npos);
            std::string rest = co_await peer->read_all();
            for (const std::string& control : {std::string("\x89\x06theirs"), std::string("\x8a\x04ours"), std::string("\x8a\x04ours")}) {
                const std::size_t found = rest.find(control);
                REQUIRE(found != rest.npos);
                rest.erase(found, control.size());
            }
            CHECK(rest == "\x81\x06to all\x81\x06to you\x81\x05" "again\x88\x02\x03\xe8");
            co_await both.join();
        }, {}, {.pipe_bytes = pipe});
    }
}

TEST_CASE("upgrade: what is no handshake is told so, as by a WebSocket route, and the connection goes on where it can") {
    const std::string plain = " HTTP/1.1\r\nHost: here\r\n";
    struct {
        const char* name;
        std::string begin, rest; // around the path
        const char* status;
        errc reason;
    } const all[] = {
        {"RFC 9110 15.5.22: a plain GET", "GET ", plain + "\r\n", "HTTP/1.1 426 ", errc::not_an_upgrade},
        {"RFC 6455 4.2.1: HEAD", "HEAD ", plain + "\r\n", "HTTP/1.1 405 ", errc::bad_method},
        {"POST", "POST ", plain + "Content-Length: 0\r\n\r\n", "HTTP/1.1 405 ", errc::bad_method},
        {"RFC 6455 4.4: another version", "GET ", plain + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
            "HTTP/1.1 426 ", errc::bad_websocket_version},
        {"no Connection", "GET ", plain + "Upgrade: websocket\r\n\r\n", "HTTP/1.1 400 ", errc::not_an_upgrade},
        {"no key", "GET ", plain + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 400 ",
            errc::bad_websocket_key},
        {"a body", "GET ", handshake("", "Content-Length: 2\r\n").substr(4) + "xx", "HTTP/1.1 400 ", errc::bad_framing},
        {"RFC 6455 10.2: a strange page", "GET ", handshake("", "Origin: https://elsewhere\r\n").substr(4), "HTTP/1.1 403 ",
            errc::origin_refused},
    };
    errc reason = {};
    journal log;
    server of;
    of.get("/healthz", "ok");
    of.websocket("/route", echo);
    of.route("*", "/silent", [&](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        REQUIRE_FALSE(ws);
        for (const auto& each : all)
            if (ws.error() == each.reason) reason = each.reason;
        CHECK_FALSE(http.answered());
    });
    of.route("*", "/answers", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        if (ws) co_return;
        const bool plain = ws.error() == errc::not_an_upgrade;
        http.respond({plain ? http::status::upgrade_required : http::status::not_found, "by hand\n"});
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (const auto& each : all) {
            CAPTURE(each.name);
            reason = {};
            bool over = false;
            const std::string by_route = co_await ask(at, each.begin + "/route" + each.rest, over);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(each.begin + "/silent" + each.rest);
            const std::string head = co_await peer->read_to("\r\n\r\n");
            CAPTURE(head);
            CHECK(head.starts_with(each.status));
            CHECK(by_route.starts_with(each.status));
            CHECK(reason == each.reason);
            for (const char* field : {"Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-WebSocket-Version: 13\r\n",
                                      "Allow: GET\r\n"})
                CHECK(contains(head, field) == contains(by_route, field));
        }
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        for (int i = 0; i < 2; ++i) {
            co_await peer->send("GET /answers" + plain + "\r\n");
            const std::string got = co_await peer->read_response();
            CHECK(got.starts_with("HTTP/1.1 426 "));
            CHECK(contains(got, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"));
            CHECK_FALSE(contains(got, "Connection: close"));
            CHECK(got.ends_with("\r\n\r\nby hand\n"));
        }
        co_await peer->send(handshake("/answers", "Origin: null\r\n"));
        const std::string last = co_await peer->read_response();
        CHECK(last.starts_with("HTTP/1.1 404 "));
        CHECK_FALSE(contains(last, "Upgrade"));
    }, {.log = log.hook()});
    CHECK(log.has("2 Pages of this origin may not connect here. [/silent"));
    CHECK_FALSE(log.has("/answers"));
    CHECK_FALSE(log.has("has not answered"));
}

TEST_CASE("upgrade: which pages may connect") {
    server of;
    of.route("GET", "/listed", [](exchange& http) -> task<> {
        const std::string_view friends[] = {"https://friend.example"};
        auto ws = co_await http.upgrade({.origins = friends});
        if (ws) co_await echo(*ws);
    });
    of.route("GET", "/any", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade({.any_origin = true});
        if (ws) co_await echo(*ws);
    });
    in_memory(of, [](net::endpoint at) -> task<> {
        struct {
            const char *path, *fields;
            bool welcome;
        } const all[] = {
            {"/listed", "", true},
            {"/listed", "Origin: http://here\r\n", true},
            {"/listed", "Origin: https://Friend.Example\r\n", true},
            {"/listed", "Origin: https://friend.example.evil\r\n", false},
            {"/listed", "Origin: https://friend.example\r\nOrigin: http://here\r\n", false},
            {"/any", "Origin: https://elsewhere\r\n", true},
        };
        for (const auto& each : all) {
            CAPTURE(each.fields);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(handshake(each.path, each.fields));
            const std::string head = co_await peer->read_to("\r\n\r\n");
            CHECK(head.starts_with(each.welcome ? "HTTP/1.1 101 " : "HTTP/1.1 403 "));
        }
    });
}

TEST_CASE("upgrade: twice, after an answer, with a field that cannot be sent, with a client that has gone") {
    journal log;
    server of;
    of.route("GET", "/twice", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        REQUIRE(ws);
        auto again = co_await http.upgrade();
        CHECK(again.error() == errc::closed);
        co_await ws->send("once");
    });
    of.route("GET", "/late", [](exchange& http) -> task<> {
        http.respond("an answer");
        auto ws = co_await http.upgrade();
        CHECK(ws.error() == errc::closed);
    });
    of.route("GET", "/begun", [](exchange& http) -> task<> {
        http.stream("begun");
        auto ws = co_await http.upgrade();
        CHECK(ws.error() == errc::closed);
    });
    of.route("GET", "/field", [](exchange& http) -> task<> {
        const http::field wrong[] = {{"Upgrade", "h2c"}};
        auto ws = co_await http.upgrade({.headers = wrong});
        CHECK(ws.error() == errc::bad_field);
    });
    errc gone = {};
    of.route("GET", "/gone", [&gone](exchange& http) -> task<> {
        (void)co_await weir::sleep(10ms);
        auto ws = co_await http.upgrade();
        if (!ws && ws.error() == errc::closed) gone = errc::closed;
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        struct {
            const char *path, *begins, *ends;
        } const all[] = {
            {"/twice", "HTTP/1.1 101 ", "\x81\x04once\x88\x02\x03\xe8"},
            {"/late", "HTTP/1.1 200 ", "\r\n\r\nan answer"},
            {"/begun", "HTTP/1.1 200 ", "begun\r\n0\r\n\r\n"},
            {"/field", "HTTP/1.1 500 ", "failed to answer.\n"},
        };
        for (const auto& each : all) {
            CAPTURE(each.path);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(handshake(each.path, "Connection: close\r\n") + frame('\x88', std::string_view("\x03\xe8", 2)));
            const std::string got = co_await peer->read_all();
            CAPTURE(got);
            CHECK(got.starts_with(each.begins));
            CHECK(contains(got, each.ends));
        }
        {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(handshake("/gone"));
        }
        (void)co_await weir::sleep(20ms);
        CHECK(gone == errc::closed);
    }, {.log = log.hook()});
}

TEST_CASE("upgrade: the end of the handler is the end of the connection") {
    journal log;
    server of;
    of.route("GET", "/returns", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        if (ws) ws->send("bye");
    });
    of.route("GET", "/throws", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        (void)co_await yield();
        if (ws) throw std::runtime_error("no");
    });
    of.route("GET", "/stubborn", [](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        CHECK(ws);
        for (;;) (void)co_await weir::sleep(10ms);
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        websocket returns = co_await open(at, "/returns");
        auto got = co_await returns.read();
        REQUIRE(got);
        CHECK(got->text() == "bye");
        got = co_await returns.read();
        CHECK(returns.closed().code == ws::close_code::normal);
        websocket throws = co_await open(at, "/throws");
        got = co_await throws.read();
        CHECK(throws.closed().code == ws::close_code::internal_error);
        {
            websocket stubborn = co_await open(at, "/stubborn");
            stubborn.reset();
        }
        for (int i = 0; i < 1000 && of.connections() > 0; ++i) (void)co_await weir::sleep(10ms);
        CHECK(of.connections() == 0);
    }, {.log = log.hook()}, {.busy_turn = 1ms});
    CHECK(log.has("3 a handler threw: no [/throws"));
    CHECK(log.has("3 gave up a handler that went on when cancelled [/stubborn"));
}

TEST_CASE("upgrade: the handler is cancelled when its peer is lost, and others may send meanwhile") {
    bool cancelled = false;
    websocket* shared_one = nullptr;
    server of;
    of.route("GET", "/socket", [&](exchange& http) -> task<> {
        auto ws = co_await http.upgrade();
        if (!ws) co_return;
        shared_one = &*ws;
        const auto slept = co_await weir::sleep(1h);
        cancelled = !slept && slept.error() == errc::canceled;
        shared_one = nullptr;
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        websocket ws = co_await open(at, "/socket");
        REQUIRE(shared_one);
        shared_one->send("from elsewhere");
        auto got = co_await ws.read();
        REQUIRE(got);
        CHECK(got->text() == "from elsewhere");
        ws.reset();
        for (int i = 0; i < 1000 && shared_one; ++i) (void)co_await weir::sleep(1ms);
        CHECK(cancelled);
    });
}

TEST_CASE("upgrade: the time limits of a request do not hold any more, those of a WebSocket do") {
    server of;
    of.route("GET", "/socket", upgraded_echo);
    in_memory(of, [](net::endpoint at) -> task<> {
        websocket ws = co_await open(at, "/socket");
        (void)co_await weir::sleep(1h); // pings are answered
        ws.send("still here");
        auto got = co_await ws.read();
        REQUIRE(got);
        CHECK(got->text() == "still here");

        std::unique_ptr<raw_peer> mute = co_await dial(at);
        co_await mute->send(handshake("/socket"));
        const std::string head = co_await mute->read_to("\r\n\r\n");
        const auto began = io::loop::current()->now();
        const std::string rest = co_await mute->read_all(); // a ping, and no patience without an answer
        CHECK(rest.starts_with("\x89"));
        CHECK(io::loop::current()->now() - began == 40s);
    }, {.handshake_timeout = 1s, .keep_alive_timeout = 1s});
}

TEST_CASE("upgrade: settings of its own") {
    server of;
    of.route("GET", "/small", [](exchange& http) -> task<> {
        const websocket_options small = {.message_bytes = 100};
        auto ws = co_await http.upgrade({.websocket = &small});
        if (ws) co_await echo(*ws);
    });
    of.route("GET", "/usual", upgraded_echo);
    journal log;
    in_memory(of, [](net::endpoint at) -> task<> {
        for (const char* path : {"/small", "/usual"}) {
            websocket ws = co_await open(at, path);
            ws.send(std::string_view(std::string(101, 'x')));
            auto got = co_await ws.read();
            CHECK(got.has_value() == (path == std::string_view("/usual")));
            if (!got) CHECK(ws.closed().code == ws::close_code::message_too_big);
        }
    }, {.log = log.hook()});
    CHECK(log.has("101"));
}

TEST_CASE("upgrade: counted among the connections, closed with 1001 by a stop, refused while the server stops") {
    journal log;
    bool late_refused = false;
    server of;
    of.route("GET", "/socket", upgraded_echo);
    of.route("GET", "/slow", [&](exchange& http) -> task<> {
        (void)co_await in_context(http.until_stop(), weir::sleep(1h));
        auto ws = co_await http.upgrade();
        late_refused = !ws && ws.error() == errc::closed;
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        websocket first = co_await open(at, "/socket");
        std::unique_ptr<raw_peer> slow = co_await dial(at);
        co_await slow->send(handshake("/slow"));
        (void)co_await weir::sleep(10ms);
        CHECK(of.connections() == 1);
        bool over = false;
        const std::string third = co_await ask(at, handshake("/socket"), over);
        CHECK(third.starts_with("HTTP/1.1 503 "));
        of.stop();
        auto got = co_await first.read();
        CHECK_FALSE(got);
        CHECK(first.closed().code == ws::close_code::going_away);
        const std::string answer = co_await slow->read_response();
        CHECK(answer.starts_with("HTTP/1.1 503 "));
        CHECK(contains(answer, "The server is stopping."));
        CHECK(late_refused);
    }, {.connections = 2, .log = log.hook()});
}

TEST_CASE("upgrade: over sockets") {
    server of;
    of.route("GET", "/rooms/{room}", upgraded_echo);
    over_sockets(of, [&](net::endpoint at) -> task<> {
        websocket ws = co_await open(at, "/rooms/a");
        const std::string large(300'000, 'x');
        for (const std::string_view text : {std::string_view("hello"), std::string_view(large)}) {
            ws.send(text);
            auto got = co_await ws.read();
            REQUIRE(got);
            CHECK(got->text() == text);
        }
        CHECK(of.connections() == 1);
        co_await ws.close();

        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send(handshake("/rooms/b") + hello());
        const std::string all = co_await peer->read_all();
        CHECK(all.starts_with("HTTP/1.1 101 "));
        CHECK(all.ends_with(hello_back));

        websocket left = co_await open(at, "/rooms/c"); // until the server stops
        left.send("last");
        auto got = co_await left.read();
        CHECK(got);
        of.stop();
        got = co_await left.read();
        CHECK(left.closed().code == ws::close_code::going_away);
    });
}
