// Proxies: what they are asked, what they may answer, and that each way of theirs to fail ends in its time with an error that says
// what and where.
#include "played.hpp"

#include <weir/client/proxy.hpp>

#include <atomic>
#include <cstdlib>
#include <functional>

namespace {

template <class... Numbers>
std::string bytes(Numbers... all) { // no list: g++ 12 cannot compile one in an expression that awaits
    return {static_cast<char>(all)...};
}

const std::string no_login = bytes(5, 0), wants_login = bytes(5, 2), login_taken = bytes(1, 0);
const std::string granted = bytes(5, 0, 0, 1, 0, 0, 0, 0, 0, 0);

// A proxy that a test plays: `play(peer)` for each client; its URL without a scheme is given to `work`.
template <class Play, class Work>
task<> with_proxy(Play& play, Work& work) {
    auto listener = net::listen("127.0.0.1", 0);
    REQUIRE(listener);
    auto serve = [&]() -> task<> {
        for (;;) {
            auto stream = co_await listener->accept();
            if (!stream) co_return;
            raw_peer peer(std::move(*stream));
            co_await play(peer);
        }
    };
    scope all;
    all.spawn(serve);
    const std::string at = listener->local_endpoint().to_string();
    co_await work(at);
    listener->close();
    all.cancel();
    co_await all.join();
}

template <class Play, class Work>
void in_memory_with(Play play, Work work, io::memory_options network = {}) {
    tests::memory_loop loop(network);
    loop.run(with_proxy(play, work));
}

// The server's part behind the proxy: takes the handshake, says "hi" and closes.
task<> serve_once(raw_peer& peer, std::string* seen) {
    const std::string request = co_await peer.read_to("\r\n\r\n");
    if (seen) *seen = request;
    co_await peer.send(accepting(request) + std::string("\x81\x02hi\x88\0", 6));
    (void)co_await peer.read_all();
}

task<> expect_hi(websocket& ws) {
    const auto message = co_await ws.read();
    REQUIRE_MESSAGE(message, ws.closed().message());
    CHECK(message->text() == "hi");
    co_await ws.close();
}

} // namespace

TEST_CASE("RFC 9110 9.3.6: a tunnel through an HTTP proxy") {
    for (const std::size_t step : {std::string::npos, std::size_t(1)}) {
        std::string asked, seen;
        auto play = [&](raw_peer& peer) -> task<> {
            asked = co_await peer.read_to("\r\n\r\n");
            co_await peer.send("HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n", step); // of which it means nothing
            co_await serve_once(peer, &seen);
        };
        in_memory_with(play, [&](std::string at) -> task<> {
            const std::string plain = "http://" + at, login = "http://me:sec%3Aret@" + at;
            auto ws = co_await weir::connect("ws://example.com/x", {.proxy = weir::proxy(plain)});
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(asked == "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n");
            CHECK(seen.starts_with("GET /x HTTP/1.1\r\nHost: example.com\r\n"));
            co_await expect_hi(*ws);
            ws = co_await weir::connect("ws://user:other@[::1]:9001/", {.proxy = weir::proxy(login)});
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(asked == "CONNECT [::1]:9001 HTTP/1.1\r\nHost: [::1]:9001\r\nProxy-Authorization: Basic bWU6c2VjOnJldA==\r\n\r\n");
            CHECK(field_of(seen, "Authorization") == "Basic dXNlcjpvdGhlcg=="); // to the server, and nothing of the proxy's
            CHECK(field_of(seen, "Proxy-Authorization") == "(none)");
            co_await expect_hi(*ws);
        });
    }
}

TEST_CASE("RFC 1928: a tunnel through a SOCKS5 proxy, which looks names up") {
    for (const std::size_t step : {std::string::npos, std::size_t(1)}) {
        std::string greeting, login, request;
        auto play = [&](raw_peer& peer) -> task<> {
            greeting = co_await peer.read_to(std::string("\5\1\0", 3));
            co_await peer.send(no_login, step);
            request = co_await peer.read_to(bytes(0, 80));
            co_await peer.send(granted, step);
            co_await serve_once(peer, nullptr);
        };
        in_memory_with(play, [&](std::string at) -> task<> {
            const std::string url = "socks5://" + at;
            auto ws = co_await weir::connect("ws://example.com/x", {.proxy = weir::proxy(url)});
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(request == bytes(5, 1, 0, 3, 11) + "example.com" + bytes(0, 80));
            co_await expect_hi(*ws);
            ws = co_await weir::connect("ws://192.0.2.1/x", {.proxy = weir::proxy(url)});
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(request == bytes(5, 1, 0, 1, 192, 0, 2, 1, 0, 80));
            co_await expect_hi(*ws);
        });
        auto play_login = [&](raw_peer& peer) -> task<> {
            greeting = co_await peer.read_to(std::string("\5\2\0\2", 4));
            co_await peer.send(wants_login, step);
            login = co_await peer.read_to("secret");
            co_await peer.send(login_taken, step);
            request = co_await peer.read_to(bytes(35, 41));
            co_await peer.send(granted, step);
            co_await serve_once(peer, nullptr);
        };
        in_memory_with(play_login, [&](std::string at) -> task<> {
            const std::string url = "socks5h://me:secret@" + at;
            auto ws = co_await weir::connect("ws://[2001:db8::1]:9001/x", {.proxy = weir::proxy(url)});
            REQUIRE_MESSAGE(ws, ws.error().message());
            CHECK(login == bytes(1, 2) + "me" + bytes(6) + "secret");
            CHECK(request == bytes(5, 1, 0, 4, 32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 35, 41));
            co_await expect_hi(*ws);
        });
    }
}

namespace {

// What a proxy does, and what a client says of it.
struct deed {
    const char* name;
    const char* url;                // of the proxy: AT stands for where it is
    std::vector<std::string> lines; // what it reads up to, and what it says then, in turn
    enum { waits, ends, resets } then;
    errc code;
    std::string says; // behind "opening ws://there/x: "; a '*' at its end is for anything
};

std::vector<deed> deeds() {
    const std::string head_end = "\r\n\r\n", by_http = "the proxy http://AT answered ", by_socks = "the proxy socks5://AT answered ";
    const std::string of_http = "waiting for the answer of the proxy http://AT";
    const std::string of_socks = "waiting for the answer of the proxy socks5://AT";
    const std::string hello = std::string("\5\1\0", 3), request = bytes(0, 80), refused = ": refused by the proxy";
    const std::string no_sense = ": an answer of the proxy that makes no sense", no_switch = ": the server did not switch protocols";
    std::string hints;
    for (int i = 0; i < 20; ++i) hints += "HTTP/1.1 103 Early Hints\r\n\r\n";
    return {
        {"HTTP: refuses", "http://AT", {head_end, "HTTP/1.1 403 Filtered\r\nContent-Length: 12\r\n\r\nnot for you\n"}, deed::waits,
            errc::proxy_refused, by_http + "403 Filtered (\"not for you\")" + refused},
        {"HTTP: cannot reach it", "http://AT", {head_end, "HTTP/1.1 502 Bad Gateway\r\n\r\n"}, deed::ends, errc::proxy_refused,
            by_http + "502 Bad Gateway" + refused},
        {"HTTP: cannot reach it, and shows a page", "http://AT", {head_end, "HTTP/1.1 502 Bad Gateway\r\n\r\n<html><title>502\r\n"},
            deed::ends, errc::proxy_refused, by_http + "502 Bad Gateway" + refused},
        {"HTTP: wants a login", "http://AT",
            {head_end, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"}, deed::waits,
            errc::proxy_unauthorized, by_http + "407 Who are you, Proxy-Authenticate: Basic realm=x: the proxy asks for other credentials"},
        {"HTTP: wants another login", "http://me:secret@AT", {head_end, "HTTP/1.1 407\r\nContent-Length: 0\r\n\r\n"}, deed::waits,
            errc::proxy_unauthorized, by_http + "407 Proxy Authentication Required: the proxy asks for other credentials"},
        {"HTTP: redirects", "http://AT", {head_end, "HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n"},
            deed::waits, errc::proxy_refused, by_http + "302 Found" + refused},
        {"HTTP: hangs", "http://AT", {}, deed::waits, errc::timed_out, of_http + ": timed out"},
        {"HTTP: hangs within its answer", "http://AT", {head_end, "HTTP/1.1 200 O"}, deed::waits, errc::timed_out, of_http + ": timed out"},
        {"HTTP: hangs within its refusal", "http://AT", {head_end, "HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\nbecause"}, deed::waits,
            errc::proxy_refused, by_http + "403 No (\"because\")" + refused},
        {"HTTP: closes", "http://AT", {head_end, ""}, deed::ends, errc::end_of_stream, of_http + ": the peer ended the connection"},
        {"HTTP: closes at once", "http://AT", {}, deed::ends, errc::end_of_stream, of_http + ": the peer ended the connection"},
        {"HTTP: closes within its answer", "http://AT", {head_end, "HTTP/1.1 200 OK\r\nA"}, deed::ends, errc::end_of_stream,
            of_http + ": in the middle of an HTTP head: the peer ended the connection"},
        {"HTTP: resets", "http://AT", {head_end, ""}, deed::resets, errc{}, of_http + ": Connection reset by peer"},
        {"HTTP: is a SOCKS proxy", "http://AT", {head_end, bytes(5, 255)}, deed::ends, errc::bad_status_line,
            of_http + ": not HTTP: malformed HTTP status line"},
        {"HTTP: is an SSH server", "http://AT", {head_end, "SSH-2.0-OpenSSH_9.2\r\n"}, deed::waits, errc::bad_status_line,
            of_http + ": not HTTP: malformed HTTP status line"},
        {"HTTP: never comes to an answer", "http://AT", {head_end, hints}, deed::waits, errc::proxy_refused,
            by_http + "103 Early Hints" + refused},
        {"HTTP: a head without an end", "http://AT", {head_end, "HTTP/1.1 200 OK\r\nA: " + std::string(40'000, 'x')}, deed::waits,
            errc::head_too_large, of_http + ": the fields: HTTP head too large"},
        {"HTTP: speaks for the server", "http://AT", {head_end, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n"}, deed::waits,
            errc::bad_proxy_answer, by_http + "34 bytes too many, before anything was said" + no_sense},
        {"HTTP: grants, and closes", "http://AT", {head_end, "HTTP/1.1 200 OK\r\n\r\n"}, deed::ends, errc::end_of_stream,
            "waiting for the server's answer to the handshake: the peer ended the connection"},
        {"HTTP: grants, and hangs", "http://AT", {head_end, "HTTP/1.1 200 OK\r\n\r\n"}, deed::waits, errc::timed_out,
            "waiting for the server's answer to the handshake: timed out"},
        {"HTTP: grants, and answers for the server", "http://AT",
            {head_end, "HTTP/1.1 200 OK\r\n\r\n", head_end, "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"}, deed::waits,
            errc::unexpected_status, "the server answered 504 Gateway Timeout" + no_switch},
        {"SOCKS: refuses", "socks5://AT", {hello, no_login, request, bytes(5, 2, 0, 1, 0, 0, 0, 0, 0, 0)}, deed::ends, errc::proxy_refused,
            by_socks + "not allowed by its rules (2)" + refused},
        {"SOCKS: cannot reach it", "socks5://AT", {hello, no_login, request, bytes(5, 5)}, deed::ends, errc::proxy_refused,
            by_socks + "connection refused (5)" + refused},
        {"SOCKS: wants a login", "socks5://AT", {hello, bytes(5, 255)}, deed::ends, errc::proxy_unauthorized,
            by_socks + "that it wants a user and a password, or more: the proxy asks for other credentials"},
        {"SOCKS: wants another login", "socks5://me:secret@AT", {bytes(5, 2, 0, 2), wants_login, "secret", bytes(1, 1)}, deed::ends,
            errc::proxy_unauthorized, by_socks + "that it does not take this user and password: the proxy asks for other credentials"},
        {"SOCKS: hangs", "socks5://AT", {}, deed::waits, errc::timed_out, of_socks + ": timed out"},
        {"SOCKS: hangs within its answer", "socks5://AT", {hello, no_login, request, bytes(5, 0, 0, 1, 0)}, deed::waits, errc::timed_out,
            of_socks + ": timed out"},
        {"SOCKS: closes", "socks5://AT", {hello, ""}, deed::ends, errc::end_of_stream, of_socks + ": the peer ended the connection"},
        {"SOCKS: closes within its answer", "socks5://AT", {hello, no_login, request, bytes(5, 0, 0)}, deed::ends, errc::end_of_stream,
            of_socks + ": the peer ended the connection"},
        {"SOCKS: resets", "socks5://AT", {hello, no_login, request, ""}, deed::resets, errc{}, of_socks + ": Connection reset by peer"},
        {"SOCKS: is an HTTP proxy", "socks5://AT", {hello, "HTTP/1.0 400 Bad Request\r\n\r\n"}, deed::ends, errc::bad_proxy_answer,
            by_socks + "in HTTP" + no_sense},
        {"SOCKS: is SOCKS4", "socks5://AT", {hello, bytes(0, 91, 0, 0, 0, 0, 0, 0)}, deed::ends, errc::bad_proxy_answer,
            by_socks + "0x0 at byte 0, and not the version, 5" + no_sense},
        {"SOCKS: lies about its methods", "socks5://AT", {hello, wants_login}, deed::waits, errc::bad_proxy_answer,
            by_socks + "0x2 at byte 1, and not a way of authentication that was offered" + no_sense},
        {"SOCKS: speaks for the server", "socks5://AT", {hello, no_login, request, granted + "HTTP"}, deed::waits, errc::bad_proxy_answer,
            by_socks + "4 bytes too many, before anything was said" + no_sense},
        {"SOCKS: grants, and closes", "socks5://AT", {hello, no_login, request, granted}, deed::ends, errc::end_of_stream,
            "waiting for the server's answer to the handshake: the peer ended the connection"},
        {"SOCKS: grants, and hangs", "socks5://AT", {hello, no_login, request, granted}, deed::waits, errc::timed_out,
            "waiting for the server's answer to the handshake: timed out"},
        {"SOCKS: grants, and is garbage", "socks5://AT", {hello, no_login, request, granted, head_end, "\x01\x02garbage"}, deed::waits,
            errc::bad_status_line, "reading the server's answer to the handshake: not HTTP: malformed HTTP status line"},
    };
}

std::string with(std::string text, const std::string& at) {
    for (std::size_t found = text.find("AT"); found != text.npos; found = text.find("AT", found + at.size())) text.replace(found, 2, at);
    return text;
}

} // namespace

TEST_CASE("proxies that refuse, lie, hang and close, and the errors they become") {
    for (const bool by_trickles : {false, true})
        for (const deed& each : deeds()) {
            if (by_trickles && each.lines.size() > 1 && each.lines[1].size() > 1000) continue;
            if (by_trickles && contains(each.says, "too many")) continue; // what comes later is taken for the server's
            CAPTURE(std::string(each.name));
            auto play = [&](raw_peer& peer) -> task<> {
                for (std::size_t i = 0; i + 1 < each.lines.size(); i += 2) {
                    (void)co_await peer.read_to(each.lines[i]);
                    if (i + 2 == each.lines.size() && each.then == deed::resets) peer.stream().reset();
                    co_await peer.send(each.lines[i + 1], by_trickles ? 1 : std::string::npos);
                }
                if (each.then == deed::ends) peer.end();
                if (each.then == deed::waits) (void)co_await weir::sleep(1h);
                (void)co_await peer.read_all();
            };
            in_memory_with(play, [&](std::string at) -> task<> {
                const std::string url = with(each.url, at);
                const auto began = io::loop::current()->now();
                connect_refusal said;
                const auto ws = co_await weir::connect("ws://there/x", {.timeout = 9s, .refusal = &said, .proxy = weir::proxy(url)});
                REQUIRE(!ws);
                if (each.code != errc{}) CHECK(ws.error() == each.code);
                const std::string message = ws.error().message();
                CHECK_MESSAGE(matches(message, "opening ws://there/x: " + with(each.says, at)), message);
                CHECK(!contains(message, "secret"));
                const auto took = io::loop::current()->now() - began;
                CHECK(took < (each.code == errc::timed_out ? 10s : 2s));
                const bool answered = ws.error() == errc::proxy_refused && contains(message, "http://");
                CHECK((said.head.status != http::status::ok) == (answered || each.code == errc::unexpected_status ||
                                                               (each.code == errc::proxy_unauthorized && contains(message, "407"))));
                if (contains(message, "because")) CHECK(said.body == "because");
            });
        }
}

TEST_CASE("proxies that cannot be reached, and what is no proxy") {
    auto play = [](raw_peer& peer) -> task<> { (void)co_await peer.read_all(); };
    in_memory_with(play, [&](std::string) -> task<> {
        const struct {
            const char* url;
            errc code;
            const char* message;
        } cases[] = {
            {"http://127.0.0.1:9", errc{}, "reaching the proxy http://127.0.0.1:9: connecting to 127.0.0.1:9: Connection refused"},
            {"socks5://localhost:9", errc{},
                "reaching the proxy socks5://localhost:9: connecting to [::1]:9: Connection refused; 127.0.0.1:9: Connection refused"},
            {"https://127.0.0.1:9", errc{}, "reaching the proxy https://127.0.0.1:9: connecting to 127.0.0.1:9: Connection refused"},
            {"ftp://gate", errc::bad_proxy, "the proxy's URL should begin with http://, https:// or socks5://: malformed proxy"},
            {"http://me:secret@gate:0", errc::bad_proxy, "the proxy's URL *"},
            {"", errc::bad_proxy, "*"},
        };
        for (const auto& each : cases) {
            CAPTURE(std::string(each.url));
            const auto ws = co_await weir::connect("ws://there/x", {.proxy = weir::proxy(each.url)});
            REQUIRE(!ws);
            const std::string message = ws.error().message();
            CHECK_MESSAGE(matches(message, "opening ws://there/x: " + std::string(each.message)), message);
            if (each.code != errc{}) CHECK(ws.error() == each.code);
            CHECK(!contains(message, "secret"));
        }
        const std::string long_name = "ws://" + std::string(250, 'a') + ".example/";
        const auto ws = co_await weir::connect(long_name, {.proxy = weir::proxy("http://127.0.0.1:9")});
        CHECK(!ws);
    });
}

namespace {
std::atomic<bool> resolver_may_end{false};
result<sequence<net::endpoint>> hanging(const std::string&, std::uint16_t) {
    resolver_may_end.wait(false);
    return errc::name_unavailable;
}
} // namespace

TEST_CASE("a resolver that hangs on the proxy's name") {
    resolver_may_end = false;
    auto work = []() -> task<> {
        const proxy_choice gate = weir::proxy("http://gate.example");
        const auto ws = co_await weir::connect("ws://there/x", {.timeout = 1ms, .proxy = gate, .lookup = hanging});
        REQUIRE(!ws);
        CHECK(ws.error().message() == "opening ws://there/x: reaching the proxy http://gate.example:80: resolving gate.example: timed out");
    };
    auto events = tests::make_events();
    io::loop(std::move(*events)).run(work());
    resolver_may_end = true;
    resolver_may_end.notify_all();
}

TEST_CASE("a proxy that trickles a byte a second has one deadline for all of it") {
    for (const char* scheme : {"http://", "socks5://"}) {
        auto play = [&](raw_peer& peer) -> task<> {
            const bool socks = scheme == std::string_view("socks5://");
            const std::string text = socks ? bytes(5, 0, 5, 0, 0, 3, 99) : "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
            for (const char byte : text + std::string(100, 'x')) {
                const bool sent = co_await peer.send(std::string(1, byte));
                const auto slept = co_await weir::sleep(1s);
                if (!sent || !slept) co_return;
            }
        };
        in_memory_with(play, [&](std::string at) -> task<> {
            const auto began = io::loop::current()->now();
            const std::string url = scheme + at;
            const auto ws = co_await weir::connect("ws://there/x", {.proxy = weir::proxy(url)});
            REQUIRE(!ws);
            CHECK(ws.error().message() == "opening ws://there/x: waiting for the answer of the proxy " + url + ": timed out");
            CHECK(io::loop::current()->now() - began < 11s);
        });
    }
}

TEST_CASE("the environment, asked when a connection is opened") {
    for (const char* each : {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
        ::unsetenv(each);
    ::setenv("HTTP_PROXY", "http://127.0.0.1:9", 1); // is not heeded
    int tunnels = 0;
    auto play = [&](raw_peer& peer) -> task<> {
        std::string request = co_await peer.read_to("\r\n\r\n");
        if (request.starts_with("CONNECT")) {
            ++tunnels;
            co_await peer.send("HTTP/1.1 200 OK\r\n\r\n");
            request = co_await peer.read_to("\r\n\r\n");
        }
        co_await peer.send(accepting(request) + std::string("\x81\x02hi\x88\0", 6));
        (void)co_await peer.read_all();
    };
    in_memory_with(play, [&](std::string at) -> task<> {
        const std::string url = "ws://" + at + "/";
        ::setenv("http_proxy", at.c_str(), 1);
        auto ws = co_await weir::connect(url); // is never asked by itself
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(tunnels == 0);
        co_await expect_hi(*ws);
        ws = co_await weir::connect(url, {.proxy = weir::proxy_of_environment()});
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(tunnels == 1);
        co_await expect_hi(*ws);
        ::setenv("no_proxy", "10.0.0.0/8, 127.0.0.1", 1);
        ws = co_await weir::connect(url, {.proxy = weir::proxy_of_environment()});
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(tunnels == 1);
        co_await expect_hi(*ws);
        ::setenv("no_proxy", "", 1);
        ::setenv("http_proxy", "gopher://me:secret@gate", 1);
        ws = co_await weir::connect(url, {.proxy = weir::proxy_of_environment()});
        CHECK(ws.error() == errc::bad_proxy);
        CHECK(ws.error().message().starts_with("opening " + url + ": http_proxy: the proxy's URL should begin with http://"));
        ::unsetenv("http_proxy");
        ws = co_await weir::connect(url, {.proxy = weir::proxy_of_environment()});
        REQUIRE_MESSAGE(ws, ws.error().message());
        CHECK(tunnels == 1);
        co_await expect_hi(*ws);
    });
    ::unsetenv("no_proxy");
    ::unsetenv("HTTP_PROXY");
}

TEST_CASE("redirects go through the proxy too, each by a tunnel of its own") {
    std::vector<std::string> asked;
    auto play = [&](raw_peer& peer) -> task<> {
        asked.push_back(co_await peer.read_to("\r\n"));
        (void)co_await peer.read_to("\r\n\r\n");
        co_await peer.send("HTTP/1.1 200 OK\r\n\r\n");
        const std::string request = co_await peer.read_to("\r\n\r\n");
        if (request.starts_with("GET /first "))
            co_await peer.send("HTTP/1.1 307 There\r\nLocation: ws://other:81/second\r\nContent-Length: 0\r\n\r\n");
        else
            co_await peer.send(accepting(request) + std::string("\x81\x02hi\x88\0", 6));
        (void)co_await peer.read_all();
    };
    in_memory_with(play, [&](std::string at) -> task<> {
        auto ws = co_await weir::connect("ws://one/first", {.redirects = 1, .proxy = weir::proxy(at)});
        REQUIRE_MESSAGE(ws, ws.error().message());
        co_await expect_hi(*ws);
        REQUIRE(asked.size() == 2);
        CHECK(asked[0] == "CONNECT one:80 HTTP/1.1\r\n");
        CHECK(asked[1] == "CONNECT other:81 HTTP/1.1\r\n");
    });
}

namespace {

// A proxy of each kind that grants, and the server behind it.
task<> grant(raw_peer& peer, bool socks) {
    if (socks) {
        (void)co_await peer.read_to(std::string("\5\2\0\2", 4));
        co_await peer.send(wants_login);
        (void)co_await peer.read_to("secret");
        co_await peer.send(login_taken);
        (void)co_await peer.read_to(bytes(0, 80));
        co_await peer.send(granted);
    } else {
        (void)co_await peer.read_to("\r\n\r\n");
        co_await peer.send("HTTP/1.1 200 OK\r\n\r\n");
    }
    co_await serve_once(peer, nullptr);
}

} // namespace

TEST_CASE("steps: through a proxy, cancelled or destroyed after turn 0, 1, 2, ...") {
    for (const bool socks : {false, true})
        for (const bool destroy : {false, true}) {
            bool opened = false;
            for (int turns = 0; !opened; ++turns) {
                REQUIRE(turns < 500);
                bool over = false;
                auto play = [&](raw_peer& peer) -> task<> {
                    co_await grant(peer, socks);
                    over = peer.over();
                };
                in_memory_with(play, [&](std::string at) -> task<> {
                    const std::string url = (socks ? "socks5://me:secret@" : "http://") + at;
                    auto open = [&]() -> task<> {
                        auto ws = co_await weir::connect("ws://there/x", {.proxy = weir::proxy(url)});
                        opened = ws.has_value();
                        if (!ws) CHECK(ws.error() == errc::canceled);
                    };
                    scope opening;
                    opening.spawn(open);
                    for (int i = 0; i < turns; ++i) (void)co_await weir::yield();
                    opening.cancel();
                    if (destroy)
                        opening.abandon();
                    else
                        co_await opening.join();
                    (void)co_await weir::sleep(10s);
                    if (turns > 3) CHECK(over); // the proxy has seen the end of it
                }, {.fill_bytes = 7});
            }
        }
}

TEST_CASE("steps: through a proxy, operation 0, 1, 2, ... fails") {
    for (const bool socks : {false, true})
        for (std::uint64_t at = 0;; ++at) {
            CAPTURE(at);
            bool injected = false, ended = false;
            tests::memory_loop loop({.fill_bytes = 7});
            auto play = [&](raw_peer& peer) -> task<> { co_await grant(peer, socks); };
            auto work = [&](std::string where) -> task<> {
                const std::string url = (socks ? "socks5://me:secret@" : "http://") + where;
                loop.network().fail_at(at);
                const auto began = loop.now();
                auto ws = co_await weir::connect("ws://there/x", {.proxy = weir::proxy(url)});
                if (ws) {
                    const auto message = co_await ws->read();
                    co_await ws->close();
                } else {
                    CHECK(ws.error().message().starts_with("opening ws://there/x: "));
                    CHECK(loop.now() - began < 11s);
                }
                injected = loop.network().injected();
                ended = true;
            };
            loop.run(with_proxy(play, work));
            CHECK(ended);
            if (!injected) break;
            REQUIRE(at < 1000);
        }
}
