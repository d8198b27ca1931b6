// Requests with parameters and bodies, answers at once and in pieces, and clients that go away.
#include "serving.hpp"

#include <weir/coro/in_context.hpp>

#include <memory>

namespace {

std::string request(std::string_view line, std::string_view fields = {}, std::string_view body = {}) {
    return std::string(line) + "\r\nHost: here\r\n" + std::string(fields) + "\r\n" + std::string(body);
}
std::string post(std::string_view path, std::string_view body, std::string_view fields = {}) {
    return request("POST " + std::string(path) + " HTTP/1.1",
                   "Content-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields), body);
}
std::string in_chunks(std::string_view path, std::vector<std::string> chunks, std::string_view fields = {}) {
    std::string body;
    for (const std::string& each : chunks) {
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", each.size());
        body += size + each + "\r\n";
    }
    return request("POST " + std::string(path) + " HTTP/1.1", "Transfer-Encoding: chunked\r\n" + std::string(fields),
                   body + "0\r\n\r\n");
}

task<> who(exchange& http) {
    std::string said = http.request().method + " room=" + std::string(http.parameter("room")) +
                       " item=" + std::string(http.parameter("item")) + " q=" + std::string(http.query("q").value_or("-"));
    http.respond(std::move(said));
    co_return;
}
task<> rest(exchange& http) {
    http.respond("rest=" + std::string(http.parameter("path")));
    co_return;
}
task<> repeat(exchange& http) { // the whole body
    const auto text = co_await http.body(100'000);
    if (text) http.respond("[" + std::string(*text) + "]");
}
task<> count(exchange& http) { // piece by piece
    std::size_t bytes = 0;
    for (;;) {
        const auto piece = co_await http.read();
        if (!piece) co_return;
        if (piece->empty()) break;
        bytes += piece->size();
    }
    http.respond(std::to_string(bytes));
}
task<> deaf(exchange& http) {
    http.respond("I do not listen");
    co_return;
}
task<> late(exchange& http) {
    const auto slept = co_await weir::sleep(10ms);
    http.respond(slept ? "late" : "woken");
}
task<> lines(exchange& http) {
    response head("first\n");
    head.fields.add("X-Kind", "lines");
    response_stream& out = http.stream(std::move(head));
    for (const char* each : {"second\n", "", "third\n"}) {
        const send_status sent = co_await out.write(each);
        if (!sent) co_return;
    }
}
task<> measured(exchange& http) {
    response_stream& out = http.stream("12345", 10);
    out.write("67890 and more");
    co_return;
}
task<> too_short(exchange& http) {
    http.stream("12345", 10);
    co_return;
}
task<> silent(exchange&) { co_return; }
task<> throws(exchange&) {
    (void)co_await yield();
    throw std::runtime_error("no");
}
task<> throws_midway(exchange& http) {
    response_stream& out = http.stream("begun");
    co_await out.write(" and");
    (void)co_await weir::sleep(1ms);
    throw std::runtime_error("not finished");
}

void add_routes(server& to) {
    to.get("/healthz", "ok");
    to.route("GET", "/rooms/{room}", who);
    to.route("PUT", "/rooms/{room}", who);
    to.route("GET", "/rooms/lobby", who);
    to.route("GET", "/rooms/{room}/items/{item}", who);
    to.route("*", "/any", who);
    to.route("GET", "/tree/{path...}", rest);
    to.route("POST", "/repeat", repeat);
    to.route("POST", "/count", count);
    to.route("POST", "/deaf", deaf);
    to.route("GET", "/late", late);
    to.route("GET", "/lines", lines);
    to.route("GET", "/measured", measured);
    to.route("GET", "/short", too_short);
    to.route("GET", "/silent", silent);
    to.route("GET", "/throws", throws);
    to.route("GET", "/throws/midway", throws_midway);
    to.websocket("/both", echo);
    to.route("GET", "/both", who);
    to.route("POST", "/both", repeat);
}

struct expectation {
    std::string name;
    std::string sent;
    const char* status;
    const char* says;
    bool kept = true;
};

std::vector<expectation> expectations() {
    const std::string large(100'001, 'x');
    return {
        {"a parameter", request("GET /rooms/kitchen HTTP/1.1"), "HTTP/1.1 200 ", "GET room=kitchen item= q=-"},
        {"a parameter, decoded", request("GET /rooms/caf%C3%A9%2Fbar+1 HTTP/1.1"), "HTTP/1.1 200 ", "room=caf\xC3\xA9/bar+1 "},
        {"a parameter, badly encoded", request("GET /rooms/50% HTTP/1.1"), "HTTP/1.1 400 ", "no two hexadecimal digits"},
        {"two parameters", request("GET /rooms/a/items/%62 HTTP/1.1"), "HTTP/1.1 200 ", "GET room=a item=b q=-"},
        {"a literal goes before a parameter", request("GET /rooms/lobby HTTP/1.1"), "HTTP/1.1 200 ", "GET room= item="},
        {"... but for its methods only", request("PUT /rooms/lobby HTTP/1.1"), "HTTP/1.1 200 ", "PUT room=lobby"},
        {"a parameter is not empty", request("GET /rooms/ HTTP/1.1"), "HTTP/1.1 404 ", "nothing at this path"},
        {"a parameter is one segment", request("GET /rooms/a/b HTTP/1.1"), "HTTP/1.1 404 ", "nothing at this path"},
        {"all that is left", request("GET /tree/a/b%20c/ HTTP/1.1"), "HTTP/1.1 200 ", "rest=a/b c/"},
        {"nothing that is left", request("GET /tree/ HTTP/1.1"), "HTTP/1.1 200 ", "rest="},
        {"not even a slash", request("GET /tree HTTP/1.1"), "HTTP/1.1 404 ", ""},
        {"a query", request("GET /rooms/a?p=1&q=x%26+y&q=2 HTTP/1.1"), "HTTP/1.1 200 ", "q=x& y"},
        {"an empty value", request("GET /rooms/a?q HTTP/1.1"), "HTTP/1.1 200 ", "q=\0"},
        {"any method", request("BREW /any?q=%zz HTTP/1.1"), "HTTP/1.1 200 ", "BREW room= item= q=%zz"},
        {"RFC 9110 15.5.6: another method", request("DELETE /rooms/a HTTP/1.1"), "HTTP/1.1 405 ", "Allow: GET, HEAD, PUT, OPTIONS\r\n"},
        {"RFC 9110 9.3.7: OPTIONS", request("OPTIONS /repeat HTTP/1.1"), "HTTP/1.1 204 ", "Allow: POST, OPTIONS\r\n"},
        {"a body", post("/repeat", "some text"), "HTTP/1.1 200 ", "[some text]"},
        {"an empty body", post("/repeat", ""), "HTTP/1.1 200 ", "[]"},
        {"no body", request("POST /repeat HTTP/1.1"), "HTTP/1.1 200 ", "[]"},
        {"a body in chunks", in_chunks("/repeat", {"some", " ", "text"}), "HTTP/1.1 200 ", "[some text]"},
        {"a body in pieces", post("/count", std::string(70'000, 'x')), "HTTP/1.1 200 ", "70000"},
        {"chunks in pieces", in_chunks("/count", {std::string(70'000, 'x'), "y"}), "HTTP/1.1 200 ", "70001"},
        {"a body that nobody reads", post("/deaf", "some text"), "HTTP/1.1 200 ", "I do not listen"},
        {"chunks that nobody reads", in_chunks("/deaf", {"some", "text"}), "HTTP/1.1 200 ", "I do not listen"},
        {"a large body that nobody reads", request("POST /deaf HTTP/1.1", "Content-Length: 1000000\r\n", "some of it"), "HTTP/1.1 200 ",
            "I do not listen", false},
        {"RFC 9110 15.5.14: a body over the limit", post("/repeat", large), "HTTP/1.1 413 ", "HTTP body too large", false},
        {"chunks over the limit", in_chunks("/repeat", {large}), "HTTP/1.1 413 ", "HTTP body too large", false},
        {"bad chunks", request("POST /repeat HTTP/1.1", "Transfer-Encoding: chunked\r\n", "x\r\n"), "HTTP/1.1 400 ",
            "malformed chunk", false},
        {"RFC 9112 6.3: a bad length", request("POST /repeat HTTP/1.1", "Content-Length: 1, 2\r\n", "x"), "HTTP/1.1 400 ",
            "Content-Length", false},
        {"a handler that waits", request("GET /late HTTP/1.1"), "HTTP/1.1 200 ", "late"},
        {"a length that is known", request("GET /measured HTTP/1.1"), "HTTP/1.1 200 ", "Content-Length: 10\r\n\r\n1234567890"},
        {"a handler without an answer", request("GET /silent HTTP/1.1"), "HTTP/1.1 500 ", "The server failed to answer."},
        {"a handler that throws", request("GET /throws HTTP/1.1"), "HTTP/1.1 500 ", "The server failed to answer."},
        {"a path with both: plain", request("GET /both HTTP/1.1"), "HTTP/1.1 200 ", "GET room="},
        {"a path with both: POST", post("/both", "text"), "HTTP/1.1 200 ", "[text]"},
        {"a path with both: a strange method", request("PUT /both HTTP/1.1"), "HTTP/1.1 405 ", "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    };
}

task<> expect(net::endpoint at, const expectation& one, std::size_t step) {
    CAPTURE(one.name);
    CAPTURE(step);
    std::unique_ptr<raw_peer> peer = co_await dial(at);
    (void)co_await peer->send(one.sent, step);
    const std::string got = co_await peer->read_response();
    CAPTURE(got);
    CHECK(got.starts_with(one.status));
    CHECK(contains(got, one.says));
    CHECK(contains(got, "Connection: close\r\n") == !one.kept);
    if (one.kept) {
        (void)co_await peer->send(request("GET /healthz HTTP/1.1", "Connection: close\r\n"));
        const std::string next = co_await peer->read_response();
        CHECK(next.ends_with("\r\n\r\nok"));
    }
    const std::string after = co_await peer->read_all();
    CHECK(after == "");
}

// The body of an answer in chunks.
std::string unchunked(std::string_view got) {
    std::string body;
    std::size_t at = got.find("\r\n\r\n");
    if (at == got.npos) return "no head";
    at += 4;
    for (;;) {
        const std::size_t size = std::stoul(std::string(got.substr(at)), nullptr, 16);
        at = got.find("\r\n", at) + 2;
        if (size == 0) return got.substr(at) == "\r\n" ? body : "something behind the last chunk";
        body += got.substr(at, size);
        at += size + 2;
    }
}

const io::memory_options thin = {.pipe_bytes = 500, .fill_bytes = 60, .fragment = true, .latency = 1ms};

} // namespace

TEST_CASE("exchanges: requests and answers") {
    const std::vector<expectation> all = expectations();
    auto work = [&](net::endpoint at) -> task<> {
        for (const expectation& each : all)
            for (const std::size_t step : {std::string::npos, std::size_t(1), std::size_t(7)})
                if (step > 7 || each.sent.size() < 1000) co_await expect(at, each, step);
    };
    auto whole = [&](net::endpoint at) -> task<> {
        for (const expectation& each : all) co_await expect(at, each, std::string::npos);
    };
    {
        server of;
        add_routes(of);
        in_memory(of, work);
    }
    {
        server of;
        add_routes(of);
        in_memory(of, whole, {}, thin);
    }
    {
        server of;
        add_routes(of);
        over_sockets(of, whole);
    }
}

TEST_CASE("RFC 9112 7.1: an answer in chunks") {
    for (const io::memory_options& network : {io::memory_options(), thin}) {
        server of;
        add_routes(of);
        in_memory(of, [](net::endpoint at) -> task<> {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(request("GET /lines HTTP/1.1") + request("GET /healthz HTTP/1.1"));
            const std::string got = co_await peer->read_to("0\r\n\r\n");
            CHECK(got.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
                                  "X-Kind: lines\r\n\r\n6\r\nfirst\n\r\n"));
            CHECK(unchunked(got) == "first\nsecond\nthird\n");
            const std::string next = co_await peer->read_response();
            CHECK(next.ends_with("\r\n\r\nok"));

            (void)co_await peer->send(request("HEAD /lines HTTP/1.1") + request("HEAD /measured HTTP/1.1") +
                                      request("GET /healthz HTTP/1.1"));
            const std::string head = co_await peer->read_response(false);
            CHECK(contains(head, "Transfer-Encoding: chunked\r\n"));
            const std::string second = co_await peer->read_response(false);
            CHECK(contains(second, "Content-Length: 10\r\n"));
            const std::string last = co_await peer->read_response();
            CHECK(last.ends_with("\r\n\r\nok"));

            std::unique_ptr<raw_peer> old = co_await dial(at); // HTTP/1.0 knows no chunks
            (void)co_await old->send(request("GET /lines HTTP/1.0"));
            const std::string all = co_await old->read_all();
            CHECK(!contains(all, "Transfer-Encoding"));
            CHECK(contains(all, "Connection: close\r\n"));
            CHECK(all.ends_with("\r\n\r\nfirst\nsecond\nthird\n"));
        }, {}, network);
    }
}

TEST_CASE("an answer that is not completed is broken off, so that nobody takes it for whole") {
    journal log;
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        for (const char* const path : {"/short", "/throws/midway"}) {
            CAPTURE(path);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(request("GET " + std::string(path) + " HTTP/1.1"));
            const std::string got = co_await peer->read_all();
            CHECK(!contains(got, "0\r\n\r\n"));
            CHECK(peer->failure() == std::errc::connection_reset);
        }
    }, {.log = log.hook()});
    CHECK(log.has("3 a handler threw: not finished [/throws/midway"));
}

TEST_CASE("RFC 9112 9.3.2: pipelined requests with bodies, chunks, and a handshake at the end") {
    for (const io::memory_options& network : {io::memory_options(), thin}) {
        server of;
        add_routes(of);
        in_memory(of, [](net::endpoint at) -> task<> {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            std::string all;
            for (int i = 0; i < 50; ++i)
                all += post("/repeat", "a" + std::to_string(i)) + in_chunks("/repeat", {"b", std::to_string(i)}) +
                       request("GET /late HTTP/1.1") + post("/deaf", "xyz") + request("GET /measured HTTP/1.1");
            all += handshake("/both");
            all += std::string("\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8", 16);
            scope both;
            bool sent = false;
            both.spawn([](raw_peer& by, std::string& what, bool& done) -> task<> { done = co_await by.send(what); },
                       std::ref(*peer), std::ref(all), std::ref(sent));
            for (int i = 0; i < 50; ++i) {
                for (const std::string& each : {"[a" + std::to_string(i) + "]", "[b" + std::to_string(i) + "]",
                                                std::string("late"), std::string("I do not listen"), std::string("1234567890")}) {
                    const std::string got = co_await peer->read_response();
                    CAPTURE(got);
                    CHECK(got.ends_with("\r\n\r\n" + each));
                }
            }
            const std::string last = co_await peer->read_response();
            CHECK(last.starts_with("HTTP/1.1 101 "));
            co_await both.join();
            CHECK(sent);
            const std::string closed = co_await peer->read_all();
            CHECK(closed == "\x81\x02hi\x88\x02\x03\xe8");
        }, {}, network);
    }
}

TEST_CASE("RFC 9110 10.1.1: 100-continue") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        const std::string expects = "Content-Length: 4\r\nExpect: 100-continue\r\n";
        (void)co_await peer->send(request("POST /repeat HTTP/1.1", expects));
        const std::string go_on = co_await peer->read_to("\r\n\r\n");
        CHECK(go_on == "HTTP/1.1 100 Continue\r\n\r\n");
        (void)co_await peer->send("text" + request("POST /repeat HTTP/1.1", expects, "more")); // the second does not wait
        const std::string got = co_await peer->read_response();
        CHECK(got.ends_with("\r\n\r\n[text]"));
        const std::string second = co_await peer->read_response();
        CHECK(second.starts_with("HTTP/1.1 200 "));
        CHECK(second.ends_with("\r\n\r\n[more]"));

        (void)co_await peer->send(request("POST /repeat HTTP/1.1", "Content-Length: 1000000\r\nExpect: 100-continue\r\n"));
        const std::string refused = co_await peer->read_all();
        CHECK(refused.starts_with("HTTP/1.1 413 "));
        CHECK(contains(refused, "Connection: close\r\n"));

        std::unique_ptr<raw_peer> old = co_await dial(at); // HTTP/1.0 has no such expectation
        (void)co_await old->send(request("POST /repeat HTTP/1.0", expects));
        for (int i = 0; i < 50; ++i) (void)co_await yield();
        (void)co_await old->send("text");
        const std::string plain = co_await old->read_all();
        CHECK(plain.starts_with("HTTP/1.1 200 "));

        std::unique_ptr<raw_peer> unread = co_await dial(at); // the handler does not want the body
        (void)co_await unread->send(request("POST /deaf HTTP/1.1", expects));
        const std::string answer = co_await unread->read_all();
        CHECK(answer.starts_with("HTTP/1.1 200 "));
        CHECK(contains(answer, "Connection: close\r\n"));
    });
}

TEST_CASE("a body that comes too slowly, or not to its end") {
    server of;
    add_routes(of);
    in_memory(of, [](net::endpoint at) -> task<> {
        const auto now = [] { return io::loop::current()->now(); };
        for (const char* const path : {"/repeat", "/count"}) {
            CAPTURE(path);
            std::unique_ptr<raw_peer> slow = co_await dial(at); // a byte a second
            (void)co_await slow->send(request("POST " + std::string(path) + " HTTP/1.1", "Content-Length: 100\r\n"));
            const auto began = now();
            scope both;
            both.spawn([](raw_peer& peer) -> task<> {
                for (int i = 0; i < 100; ++i) {
                    const bool sent = co_await peer.send("x");
                    if (!sent) break;
                    (void)co_await weir::sleep(1s);
                }
            }, std::ref(*slow));
            const std::string got = co_await slow->read_all();
            CHECK(got.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
            CHECK(now() - began >= 10s);
            CHECK(now() - began < 13s);
            both.cancel();
            co_await both.join();

            std::unique_ptr<raw_peer> half = co_await dial(at);
            (void)co_await half->send(request("POST " + std::string(path) + " HTTP/1.1", "Content-Length: 100\r\n", "x"));
            half->end();
            const std::string answer = co_await half->read_all();
            CHECK((answer.starts_with("HTTP/1.1 400 ") || answer.empty()));
        }
    });
}

namespace {

struct watch {
    bool began = false, canceled = false, open_after = true;
    int lines = 0;
    event over;

    task<> wait_long(exchange& http) {
        began = true;
        const auto slept = co_await weir::sleep(1h);
        canceled = !slept && slept.error() == errc::canceled;
        open_after = http.is_open();
        over.set();
    }
    task<> pour(exchange& http) {
        response_stream& out = http.stream("");
        for (; out.is_open(); ++lines) {
            const send_status sent = co_await out.write(std::string(1000, 'x'));
            CHECK(out.queued_bytes() <= response_stream::high_water_bytes + 1100);
            if (!sent) break;
        }
        open_after = out.is_open();
        over.set();
    }
    task<> answer_first(exchange& http) {
        http.respond("at once");
        CHECK(http.answered());
        CHECK(!http.is_open());
        began = true;
        const auto slept = co_await weir::sleep(1h);
        canceled = !slept;
        over.set();
    }
    task<> drip(exchange& http) {
        response_stream& out = http.stream("begun\n");
        began = true;
        const auto slept = co_await in_context(http.until_stop(), weir::sleep(1h));
        canceled = !slept && slept.error() == errc::canceled;
        out.write("the end\n");
        over.set();
    }
};

} // namespace

TEST_CASE("a handler is cancelled when its client is gone") {
    auto check = [](watch& seen, bool resets) {
        return [&seen, resets](net::endpoint at) -> task<> {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(request("GET /long HTTP/1.1"));
            while (!seen.began) (void)co_await weir::sleep(1ms);
            (void)co_await peer->send(request("GET /healthz HTTP/1.1")); // kept, and not looked at
            if (resets)
                peer->stream().reset();
            else
                peer->stream().close();
            (void)co_await seen.over.wait();
            CHECK(seen.canceled);
            CHECK(!seen.open_after);
        };
    };
    for (const bool resets : {true, false}) {
        {
            watch seen;
            server of;
            of.route("GET", "/long", [&](exchange& http) { return seen.wait_long(http); });
            in_memory(of, check(seen, resets));
        }
        {
            watch seen;
            server of;
            of.route("GET", "/long", [&](exchange& http) { return seen.wait_long(http); });
            over_sockets(of, check(seen, resets));
        }
    }
}

TEST_CASE("an answer leaves at once, also when its handler goes on; the next request waits for that") {
    watch seen;
    server of;
    of.get("/healthz", "ok");
    of.route("GET", "/first", [&](exchange& http) { return seen.answer_first(http); });
    in_memory(of, [&](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        const auto began = io::loop::current()->now();
        (void)co_await peer->send(request("GET /first HTTP/1.1") + request("GET /healthz HTTP/1.1"));
        const std::string got = co_await peer->read_response();
        CHECK(got.ends_with("at once"));
        CHECK(io::loop::current()->now() - began < 1s);
        (void)co_await weir::sleep(30min);
        CHECK(!peer->has_more());
        CHECK(!seen.over.is_set());
        const std::string next = co_await peer->read_response();
        CHECK(next.empty()); // it has given up after a minute
        peer->stream().close();
        (void)co_await seen.over.wait();
        CHECK(seen.canceled);
    });
}

TEST_CASE("a stream waits for its reader, and ends when that is gone or too slow") {
    for (const bool closes : {true, false}) {
        watch seen;
        server of;
        of.route("GET", "/pour", [&](exchange& http) { return seen.pour(http); });
        in_memory(of, [&](net::endpoint at) -> task<> {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(request("GET /pour HTTP/1.1"));
            const auto began = io::loop::current()->now();
            for (int i = 0; i < 5; ++i) { // 20 KiB each second
                std::string got;
                while (got.size() < 20'000) got += co_await peer->read_to("\n");
                (void)co_await weir::sleep(1s);
            }
            CHECK(seen.lines > 100);
            CHECK(seen.lines < 600);
            if (closes) peer->stream().reset();
            (void)co_await seen.over.wait();
            CHECK(!seen.open_after);
            if (!closes) CHECK(io::loop::current()->now() - began > 10s);
            if (!closes) CHECK(io::loop::current()->now() - began < 30s);
        }, {}, {.pipe_bytes = 16 * 1024});
    }
}

TEST_CASE("what waits in until_stop() is let go when the server stops") {
    watch seen;
    server of;
    of.route("GET", "/drip", [&](exchange& http) { return seen.drip(http); });
    in_memory(of, [&](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        (void)co_await peer->send(request("GET /drip HTTP/1.1"));
        while (!seen.began) (void)co_await weir::sleep(1ms);
        const auto began = io::loop::current()->now();
        of.stop(1h);
        const std::string got = co_await peer->read_all();
        CHECK(unchunked(got) == "begun\nthe end\n");
        CHECK(seen.canceled);
        CHECK(io::loop::current()->now() - began < 1min);
    });
}
