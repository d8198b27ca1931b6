// Requests as bytes, and what comes back: the HTTP side of a server's connections.
#include "serving.hpp"

#include <memory>

namespace {

struct expectation {
    std::string name;
    std::string request;
    const char* status;     // the beginning of the answer
    const char* says;       // somewhere in it
    bool kept = false;      // the connection may be used again
};

std::string plain(std::string_view line, std::string_view fields = {}) {
    return std::string(line) + "\r\nHost: here\r\n" + std::string(fields) + "\r\n";
}

std::vector<expectation> expectations() {
    std::string many, long_field(20'000, 'a');
    for (int i = 0; i < 101; ++i) many += "X: y\r\n";
    return {
        {"RFC 9110 9.3.1: GET", plain("GET /healthz HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nok", true},
        {"a query does not matter", plain("GET /healthz?a=/b HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nok", true},
        {"RFC 9112 3.2.2: absolute form", plain("GET http://here/healthz HTTP/1.1"), "HTTP/1.1 200 OK\r\n",
            "\r\n\r\nok", true},
        {"RFC 9112 2.2: an empty line before", "\r\n" + plain("GET /healthz HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "ok", true},
        {"RFC 9112 9.3: close", plain("GET /healthz HTTP/1.1", "Connection: close\r\n"), "HTTP/1.1 200 OK\r\n",
            "Connection: close\r\n"},
        {"RFC 9112 9.3: HTTP/1.0", plain("GET /healthz HTTP/1.0", "Connection: keep-alive\r\n"), "HTTP/1.1 200 OK\r\n",
            "Connection: close\r\n"},
        {"HTTP/1.0 without Host", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "ok"},
        {"a body on GET", plain("GET /healthz HTTP/1.1", "Content-Length: 5\r\n") + "12345", "HTTP/1.1 200 OK\r\n", "ok", true},
        {"RFC 9110 10.1.1: 100-continue is answered at once",
            plain("GET /healthz HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue\r\n"), "HTTP/1.1 200 OK\r\n", "ok"},
        {"another path", plain("GET /nowhere HTTP/1.1"), "HTTP/1.1 404 Not Found\r\n", "There is nothing at this path.", true},
        {"a slash more", plain("GET /healthz/ HTTP/1.1"), "HTTP/1.1 404 Not Found\r\n", "", true},
        {"percent-encoding is not undone", plain("GET /health%7A HTTP/1.1"), "HTTP/1.1 404 Not Found\r\n", "", true},
        {"percent-encoded path", plain("GET /caf%C3%A9 HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "coffee", true},
        {"POST to nowhere", plain("POST /nowhere HTTP/1.1", "Content-Length: 3\r\n") + "abc", "HTTP/1.1 404 Not Found\r\n", "", true},
        {"RFC 9110 9.3.7: OPTIONS *", plain("OPTIONS * HTTP/1.1"), "HTTP/1.1 204 No Content\r\n", "", true},
        {"RFC 9110 9.3.7: OPTIONS", plain("OPTIONS /healthz HTTP/1.1"), "HTTP/1.1 204 No Content\r\n",
            "Allow: GET, HEAD, OPTIONS\r\n", true},
        {"CONNECT", plain("CONNECT here:80 HTTP/1.1"), "HTTP/1.1 404 Not Found\r\n", "", true},
        {"RFC 9110 15.5.6: another method", plain("DELETE /healthz HTTP/1.1"), "HTTP/1.1 405 Method Not Allowed\r\n",
            "Allow: GET, HEAD, OPTIONS\r\n", true},
        {"POST with chunks", plain("POST /healthz HTTP/1.1", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed\r\n", "", true},
        {"a path with both: plain", plain("GET /both HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "page", true},
        {"a path with both: another protocol", plain("GET /both HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade\r\n"),
            "HTTP/1.1 200 OK\r\n", "page", true},
        {"a path with both: a bad handshake", plain("GET /both HTTP/1.1", "Upgrade: websocket\r\n"),
            "HTTP/1.1 400 Bad Request\r\n", "no Connection: Upgrade"},
        {"a handler that throws", plain("GET /throws HTTP/1.1"), "HTTP/1.1 500 Internal Server Error\r\n",
            "The server failed to answer.", true},
        {"a coroutine that throws", plain("GET /throws/later HTTP/1.1"), "HTTP/1.1 500 Internal Server Error\r\n",
            "The server failed to answer.", true},
        {"a handler with its own fields", plain("GET /fields HTTP/1.1"), "HTTP/1.1 503 Service Unavailable\r\n",
            "Content-Length: 4\r\nRetry-After: 5\r\nContent-Type: text/x\r\n\r\nlater", false},
        {"a handler with a status that is none", plain("GET /continue HTTP/1.1"), "HTTP/1.1 500 ", "", true},
        {"a status without a body", plain("GET /empty HTTP/1.1"), "HTTP/1.1 204 No Content\r\n", "\r\n\r\n", true},
        {"the handler sees the request", plain("GET /seen?x=1 HTTP/1.1"), "HTTP/1.1 200 OK\r\n", "GET /seen?x=1 from here", true},

        {"RFC 6455 4.4: plain GET of a WebSocket", plain("GET /echo HTTP/1.1"), "HTTP/1.1 426 Upgrade Required\r\n",
            "Upgrade: websocket\r\n"},
        {"... with a sentence", plain("GET /echo HTTP/1.1"), "HTTP/1.1 426 Upgrade Required\r\n", "Use a WebSocket client."},
        {"RFC 6455 4.2.1: POST to a WebSocket", plain("POST /echo HTTP/1.1", "Content-Length: 0\r\n"),
            "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET\r\n"},
        {"RFC 6455 4.4: another version",
            plain("GET /echo HTTP/1.1", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"),
            "HTTP/1.1 426 Upgrade Required\r\n", "Sec-WebSocket-Version: 13\r\n"},
        {"RFC 6455 4.2.1: no key",
            plain("GET /echo HTTP/1.1", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"),
            "HTTP/1.1 400 Bad Request\r\n", "16 bytes in base64"},
        {"RFC 6455 4.2.1: a handshake with a body", handshake("/echo", "Content-Length: 2\r\n") + "xx",
            "HTTP/1.1 400 Bad Request\r\n", "no body"},
        {"RFC 6455 4.2.1: HTTP/1.0", "GET /echo HTTP/1.0\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 request"},

        {"TLS", "\x16\x03\x01\x02", "HTTP/1.1 400 Bad Request\r\n", "a TLS handshake on a connection without TLS"},
        {"garbage", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "not a method, a target and a version"},
        {"RFC 9112 2.2: LF alone", "GET / HTTP/1.1\nHost: here\n\n", "HTTP/1.1 400 Bad Request\r\n", "LF alone"},
        {"RFC 9112 3.2: no Host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "no Host"},
        {"RFC 9112 3.2: two Hosts", plain("GET / HTTP/1.1", "Host: there\r\n"), "HTTP/1.1 400 Bad Request\r\n", "more than one Host"},
        {"RFC 9112 5.1: a blank before the colon", plain("GET / HTTP/1.1", "A : b\r\n"), "HTTP/1.1 400 Bad Request\r\n",
            "a blank between"},
        {"RFC 9112 5.2: a folded line", plain("GET / HTTP/1.1", "A: b\r\n c\r\n"), "HTTP/1.1 400 Bad Request\r\n", "folded"},
        {"RFC 9112 6.3: two lengths", plain("GET /healthz HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2\r\n") + "a",
            "HTTP/1.1 400 Bad Request\r\n", "Content-Length"},
        {"RFC 9112 6.3: length and chunks",
            plain("POST /healthz HTTP/1.1", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            "HTTP/1.1 400 Bad Request\r\n", "both Transfer-Encoding and Content-Length"},
        {"RFC 9112 6.1: an unknown coding", plain("POST /healthz HTTP/1.1", "Transfer-Encoding: gzip\r\n"),
            "HTTP/1.1 501 Not Implemented\r\n", "unknown transfer coding"},
        {"RFC 9110 15.6.6: HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n",
            "only HTTP/1.0 and HTTP/1.1"},
        {"RFC 9110 15.5.15: a long target", "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n", "HTTP/1.1 414 URI Too Long\r\n",
            "the first line"},
        {"RFC 6585 5: a long field", plain("GET / HTTP/1.1", "A: " + long_field + "\r\n"),
            "HTTP/1.1 431 Request Header Fields Too Large\r\n", "the fields"},
        {"RFC 6585 5: many fields", plain("GET / HTTP/1.1", many), "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            "too many HTTP fields"},
    };
}

task<response> thrown_later(const http::request_head&) {
    const auto slept = co_await weir::sleep(1ms);
    if (slept) throw 7;
    co_return "never";
}
task<std::string> seen(const http::request_head& request) {
    std::string text = request.method + " " + request.target + " from ";
    (void)co_await weir::sleep(1ms);
    text += request.fields.get("Host").value_or("?");
    co_return text;
}

void add_routes(server& to) {
    to.websocket("/echo", echo);
    to.get("/healthz", "ok");
    to.get("/caf%C3%A9", "coffee");
    to.websocket("/both", echo);
    to.get("/both", response::html("page"));
    to.get("/throws", [](const http::request_head&) -> response { throw std::runtime_error("no"); });
    to.get("/throws/later", thrown_later);
    to.get("/seen", seen);
    to.get("/fields", [](const http::request_head&) {
        response made(http::status::service_unavailable, "later");
        made.fields.add("Retry-After", "5");
        made.fields.add("Content-Length", "999");
        made.fields.add("Connection", "close");
        made.fields.add("Content-Type", "text/x");
        return made;
    });
    to.get("/continue", [](const http::request_head&) { return response(http::status::continue_); });
    to.get("/empty", [](const http::request_head&) { return http::status::no_content; });
}

task<> expect(net::endpoint at, const expectation& one, std::size_t step) {
    CAPTURE(one.name);
    CAPTURE(step);
    std::unique_ptr<raw_peer> peer = co_await dial(at);
    co_await peer->send(one.request, step);
    const std::string got = co_await peer->read_response();
    CAPTURE(got);
    CHECK(got.starts_with(one.status));
    CHECK(contains(got, one.says));
    CHECK(contains(got, "Connection: close\r\n") == !one.kept);
    if (one.kept) {
        co_await peer->send(plain("GET /healthz HTTP/1.1", "Connection: close\r\n"));
        const std::string next = co_await peer->read_response();
        CHECK(next.ends_with("\r\n\r\nok"));
    }
    const std::string after = co_await peer->read_all();
    CHECK(after == "");
    CHECK(peer->over());
    CHECK(!peer->failure());
}

} // namespace

TEST_CASE("requests and answers") {
    std::vector<expectation> all = expectations();
    for (expectation& each : all) // its own Connection field is not passed on
        if (each.name == "a handler with its own fields") {
            each.kept = true;
            each.says = "Content-Length: 5\r\nRetry-After: 5\r\nContent-Type: text/x\r\n\r\nlater";
        }
    auto work = [&](net::endpoint at) -> task<> {
        for (const expectation& each : all)
            for (const std::size_t step : {std::string::npos, std::size_t(1), std::size_t(3), std::size_t(7), std::size_t(31)})
                if (step > 1 || each.request.size() < 1000) co_await expect(at, each, step);
    };
    {
        server of;
        add_routes(of);
        in_memory(of, work);
    }
    {
        server of;
        add_routes(of);
        in_memory(of, work, {}, {.pipe_bytes = 500, .fill_bytes = 60, .fragment = true, .latency = 1ms});
    }
    {
        auto whole = [&](net::endpoint at) -> task<> {
            for (const expectation& each : all) co_await expect(at, each, std::string::npos);
        };
        server of;
        add_routes(of);
        over_sockets(of, whole);
    }
}

TEST_CASE("RFC 9110 9.3.2: HEAD is answered without a body") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        for (const char* const path : {"/healthz", "/nowhere", "/throws", "/echo"}) {
            CAPTURE(path);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(plain("HEAD " + std::string(path) + " HTTP/1.1", "Connection: close\r\n"));
            const std::string got = co_await peer->read_all();
            CHECK(contains(got, "Content-Length: "));
            CHECK(!contains(got, "Content-Length: 0"));
            CHECK(got.ends_with("\r\n\r\n"));
        }
    });
}

TEST_CASE("RFC 9112 9.3.2: pipelined requests are answered in order") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        std::string all;
        for (int i = 0; i < 500; ++i) all += plain(i % 2 ? "GET /healthz HTTP/1.1" : "GET /nowhere HTTP/1.1");
        all += handshake();
        scope both;
        bool sent = false;
        both.spawn([](raw_peer& by, std::string& what, bool& done) -> task<> { done = co_await by.send(what); },
                   std::ref(*peer), std::ref(all), std::ref(sent));
        for (int i = 0; i < 500; ++i) {
            const std::string got = co_await peer->read_response();
            CHECK(got.starts_with(i % 2 ? "HTTP/1.1 200 " : "HTTP/1.1 404 "));
        }
        const std::string last = co_await peer->read_response();
        CHECK(last.starts_with("HTTP/1.1 101 "));
        co_await both.join();
        CHECK(sent);
        co_await peer->send(std::string("\x88\x82\0\0\0\0\x03\xe8", 8));
        const std::string closed = co_await peer->read_all();
        CHECK(closed == "\x88\x02\x03\xe8");
    });
}

TEST_CASE("a client that sends nothing is let go, one that trickles is told so") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        const auto now = [] { return io::loop::current()->now(); };
        std::unique_ptr<raw_peer> silent = co_await dial(at);
        auto began = now();
        const std::string nothing = co_await silent->read_all();
        CHECK(nothing == "");
        CHECK(now() - began >= 10s);
        CHECK(now() - began < 11s);

        std::unique_ptr<raw_peer> slow = co_await dial(at); // a byte a second: the deadline is one for the whole head
        began = now();
        scope both;
        both.spawn([](raw_peer& peer) -> task<> {
            for (const char each : plain("GET /healthz HTTP/1.1")) {
                const bool sent = co_await peer.send(std::string(1, each));
                if (!sent) break;
                (void)co_await weir::sleep(1s);
            }
        }, std::ref(*slow));
        const std::string got = co_await slow->read_all();
        CHECK(got.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        CHECK(contains(got, "The request took too long."));
        CHECK(now() - began < 11s);
        both.cancel();
        co_await both.join();

        std::unique_ptr<raw_peer> idle = co_await dial(at); // between requests it has longer
        co_await idle->send(plain("GET /healthz HTTP/1.1"));
        const std::string answer = co_await idle->read_response();
        CHECK(answer.ends_with("ok"));
        began = now();
        const std::string end = co_await idle->read_all();
        CHECK(end == "");
        CHECK(now() - began >= 20s);
        CHECK(now() - began < 21s);
    });
}

TEST_CASE("a handshake timeout without end") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        (void)co_await weir::sleep(1s); // the clock does not stand at 0
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        (void)co_await weir::sleep(24h);
        co_await peer->send(plain("GET /healthz HTTP/1.1", "Connection: close\r\n"));
        const std::string got = co_await peer->read_all();
        CHECK(got.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(got.ends_with("ok"));
    }, {.handshake_timeout = std::chrono::nanoseconds::max()});
}

TEST_CASE("half a request and the end") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send("GET /healthz HTTP/1.1\r\nHo");
        peer->end();
        const std::string got = co_await peer->read_all();
        CHECK(got.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        CHECK(contains(got, "in the middle of an HTTP head"));

        std::unique_ptr<raw_peer> whole = co_await dial(at);
        co_await whole->send(plain("GET /healthz HTTP/1.1"));
        whole->end();
        const std::string answer = co_await whole->read_all();
        CHECK(answer.ends_with("ok"));
    });
}

TEST_CASE("a client that does not read its answer is broken off, one that reads slowly is not") {
    server of;
    journal log;
    of.get("/large", [](const http::request_head&) { return std::string(400'000, 'x'); });
    in_memory(of, [](net::endpoint at) -> task<> {
        const auto now = [] { return io::loop::current()->now(); };
        std::unique_ptr<raw_peer> deaf = co_await dial(at);
        co_await deaf->send(plain("GET /large HTTP/1.1"));
        (void)co_await weir::sleep(15s);
        const std::string got = co_await deaf->read_all();
        CHECK(got.size() < 300'000);
        CHECK(deaf->failure() == std::errc::connection_reset);

        std::unique_ptr<raw_peer> slow = co_await dial(at);
        co_await slow->send(plain("GET /large HTTP/1.1", "Connection: close\r\n"));
        const auto began = now();
        std::size_t received = 0;
        while (!slow->over()) { // about 16 KiB a second
            std::string part;
            for (int i = 0; i < 16 * 1024 && !slow->over(); ++i) {
                part = co_await slow->read_to("x");
                received += part.size();
            }
            (void)co_await weir::sleep(1s);
        }
        CHECK(received > 400'000);
        CHECK(now() - began > 20s);
    }, {.log = log.hook()}, {.pipe_bytes = 16 * 1024});
}

TEST_CASE("a client that sends without end behind a refused request does not keep the server") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        const auto began = io::loop::current()->now();
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send(plain("POST /healthz HTTP/1.1", "Content-Length: 100000000000\r\n"));
        int sent = 0;
        for (;; ++sent) {
            const bool taken = co_await peer->send(std::string(10'000, 'x'));
            if (!taken) break;
            (void)co_await weir::sleep(10ms);
        }
        CHECK(sent > 20);
        CHECK(io::loop::current()->now() - began < 3s);
        const std::string got = co_await peer->read_all();
        CHECK((got.starts_with("HTTP/1.1 405 ") || got.empty()));
    });
}

TEST_CASE("what is logged of requests") {
    journal log;
    server of;
    add_routes(of);
    over_sockets(of, [](net::endpoint at) -> task<> {
        bool over = false;
        for (const char* const request : {"GET /throws HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", "hello\r\n",
                 "GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
                 "GET /echo HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"}) {
            const std::string got = co_await ask(at, request, over);
            CHECK(over);
        }
    }, {.log = log.hook()});
    CAPTURE(log.text);
    CHECK(log.has("1 listening on http://127.0.0.1:"));
    CHECK(log.has("3 a handler threw: no [/throws, 127.0.0.1:"));
    CHECK(log.has("2 not a request: not a method, a target and a version with spaces between: malformed HTTP request line "
                  "[127.0.0.1:"));
    CHECK(log.has("2 This is a WebSocket endpoint; the request has no Upgrade: websocket. Use a WebSocket client. "
                  "[/echo, 127.0.0.1:"));
    CHECK(!log.has("healthz"));
    CHECK(log.has("1 stopped\n"));
}
