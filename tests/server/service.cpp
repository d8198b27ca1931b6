// Serving, and every way of stopping.
#include "serving.hpp"

#include <weir/coro/offload.hpp>

#include <memory>
#include <thread>

namespace {

std::chrono::nanoseconds now() { return io::loop::current()->now(); }

task<std::unique_ptr<websocket>> open(net::endpoint at, std::string_view path = "/echo") {
    auto ws = co_await weir::connect(url_of(at, path));
    REQUIRE_MESSAGE(ws, ws.error().message());
    co_return std::make_unique<websocket>(std::move(*ws));
}

// Serves, with the result in `outcome`, beside what a test does.
struct running {
    explicit running(server& of, server_options options = {}) {
        options.host = "127.0.0.1";
        const result<> listening = of.listen(options);
        REQUIRE_MESSAGE(listening, listening.error().message());
        at = of.local_endpoint();
        all.spawn(serve_into(of, outcome));
    }
    net::endpoint at;
    result<> outcome = errc::busy;
    scope all;
};

} // namespace

TEST_CASE("stop: peers get 1001, waiting requests are let go, the port is free") {
    auto work = [](bool memory) -> task<> {
        server of;
        of.websocket("/echo", echo);
        of.get("/healthz", "ok");
        running it(of);
        const net::endpoint at = it.at;
        auto one = co_await open(at);
        auto two = co_await open(at);
        co_await one->send("a");
        auto echoed = co_await one->read();
        CHECK((echoed && echoed->text() == "a"));
        CHECK(of.connections() == 2);
        std::unique_ptr<raw_peer> idle = co_await dial(at); // nothing was asked
        std::unique_ptr<raw_peer> kept = co_await dial(at); // waits for another request
        co_await kept->send("GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n");
        const std::string answer = co_await kept->read_response();
        CHECK(answer.ends_with("ok"));
        CHECK(!contains(answer, "Connection: close"));
        co_await two->send("b"); // under way when it stops
        const auto began = now();
        of.stop(2s);
        auto end = co_await one->read();
        CHECK(!end);
        CHECK(one->closed().code == ws::close_code::going_away);
        CHECK(one->closed().reason == "the server is stopping");
        CHECK(one->closed().cause == close_cause::peer);
        while (auto more = co_await two->read()) CHECK(more->text() == "b");
        CHECK(two->closed().code == ws::close_code::going_away);
        const std::string nothing = co_await idle->read_all();
        CHECK(nothing == "");
        CHECK(!idle->failure());
        const std::string no_more = co_await kept->read_all();
        CHECK(no_more == "");
        CHECK(!kept->failure());
        co_await it.all.join();
        CHECK(it.outcome);
        if (memory) CHECK(now() - began < 100ms);
        const auto refused = co_await net::connect(at);
        CHECK(!refused);
        CHECK(refused.error() == std::errc::connection_refused);
    };
    tests::memory_loop loop;
    loop.run(work(true));
    io::loop(std::move(*tests::make_events())).run(work(false));
}

TEST_CASE("stop: handlers are cancelled after the grace, and waited for") {
    auto work = []() -> task<> {
        server of;
        std::string told;
        auto stubborn = [&](websocket& ws) -> task<> { // heeds cancellation only
            const auto slept = co_await weir::sleep(1h);
            CHECK(slept.error() == errc::canceled);
            CHECK(!ws.is_open());
            told += "stubborn ";
        };
        auto deaf = [&](websocket&) -> task<> { // heeds nothing for a while
            const auto slept = co_await shield(weir::sleep(30s));
            CHECK(slept);
            told += "deaf ";
        };
        auto slow = [&](const http::request_head&) -> task<response> {
            const auto slept = co_await weir::sleep(1h);
            CHECK(slept.error() == errc::canceled);
            told += "slow ";
            co_return "too late";
        };
        of.websocket("/stubborn", stubborn);
        of.websocket("/deaf", deaf);
        of.get("/slow", slow);
        running it(of, {.cancel_grace = 1min, .websocket = {.close_timeout = 100s}});
        auto one = co_await open(it.at, "/stubborn");
        auto two = co_await open(it.at, "/deaf");
        std::unique_ptr<raw_peer> mute = co_await dial(it.at); // does not answer the close frame
        co_await mute->send(handshake("/stubborn"));
        (void)co_await mute->read_response();
        std::unique_ptr<raw_peer> asking = co_await dial(it.at);
        co_await asking->send("GET /slow HTTP/1.1\r\nHost: here\r\n\r\n");
        (void)co_await weir::sleep(1s);
        const auto began = now();
        of.stop(7s);
        co_await it.all.join();
        CHECK(now() - began >= 29s); // the deaf one
        CHECK(now() - began < 31s);
        CHECK(contains(told, "stubborn "));
        CHECK(contains(told, "slow "));
        CHECK(told.ends_with("deaf "));
        const std::string late = co_await asking->read_all();
        CHECK(late.starts_with("HTTP/1.1 200 OK")); // it was answered after all, in one write
        const std::string bye = co_await mute->read_all();
        CHECK(bye.starts_with("\x88"));
        CHECK(mute->failure() == std::errc::connection_reset);
    };
    tests::memory_loop loop;
    loop.run(work());
}

namespace {

// Handlers that heed no cancellation. The counter says how many of them there are.
struct alive {
    explicit alive(int& of) : count(of) { ++count; }
    ~alive() { --count; }
    int& count;
};
task<> send_on(websocket& ws, int& count) {
    const alive here(count);
    for (;;) {
        (void)co_await weir::sleep(100ms);
        ws.send("x");
    }
}
task<> send_only(websocket& ws, int& count) {
    const alive here(count);
    for (;;) co_await ws.send("x");
}
task<> read_on(websocket& ws, int& count) {
    const alive here(count);
    for (;;) (void)co_await ws.read();
}
task<> do_not_disturb(websocket&, int& count) {
    const alive here(count);
    (void)co_await shield(weir::sleep(1h));
}
using deaf_handler = task<> (*)(websocket&, int&);
constexpr deaf_handler deaf_handlers[] = {send_on, send_only, read_on, do_not_disturb};

} // namespace

TEST_CASE("stop: handlers that do not heed their cancellation are given up") {
    for (const bool hurried : {false, true}) {
        journal log;
        tests::memory_loop loop({.busy_turn = 1ms});
        int running_now = 0;
        auto work = [&]() -> task<> {
            server of;
            of.websocket("/0", [&](websocket& ws) { return send_on(ws, running_now); });
            of.websocket("/1", [&](websocket& ws) { return send_only(ws, running_now); });
            of.websocket("/2", [&](websocket& ws) { return read_on(ws, running_now); });
            of.websocket("/3", [&](websocket& ws) { return do_not_disturb(ws, running_now); });
            of.get("/slow", [&](const http::request_head&) -> task<response> {
                const alive here(running_now);
                for (;;) (void)co_await weir::sleep(1ms);
            });
            running it(of, {.log = log.hook()});
            std::vector<std::unique_ptr<raw_peer>> peers;
            for (int i = 0; i < 4; ++i) {
                peers.push_back(co_await dial(it.at));
                co_await peers.back()->send(handshake("/" + std::to_string(i)));
                (void)co_await peers.back()->read_response();
            }
            peers.push_back(co_await dial(it.at));
            co_await peers.back()->send("GET /slow HTTP/1.1\r\nHost: here\r\n\r\n");
            (void)co_await weir::sleep(1s);
            CHECK(running_now == 5);
            const auto began = now();
            of.stop();
            if (hurried) {
                of.stop(0s);
                (void)co_await weir::sleep(100ms);
                CHECK(running_now == 5);
                of.stop(0s);
            }
            co_await it.all.join();
            CHECK(it.outcome);
            CHECK(running_now == 0);
            CHECK(of.connections() == 0);
            CHECK(now() - began >= (hurried ? 100ms : 8s));
            CHECK(now() - began < (hurried ? 200ms : 9s));
        };
        loop.run(work());
        CHECK(log.has("3 gave up 5 handlers that did not end when cancelled [/0]\n"));
    }
}

TEST_CASE("serve: a handler that goes on when its peer is gone keeps nobody waiting, and is given up") {
    for (const deaf_handler deaf : deaf_handlers) {
        journal log;
        tests::memory_loop loop({.busy_turn = 1ms});
        int running_now = 0;
        auto work = [&]() -> task<> {
            server of;
            of.websocket("/deaf", [&](websocket& ws) { return deaf(ws, running_now); });
            of.websocket("/echo", echo);
            running it(of, {.stop_grace = 0s, .log = log.hook()});
            std::unique_ptr<raw_peer> peer = co_await dial(it.at);
            co_await peer->send(handshake("/deaf"));
            (void)co_await peer->read_response();
            peer->stream().reset();
            peer.reset();
            (void)co_await weir::sleep(1s);
            CHECK(running_now == 1);
            auto ws = co_await open(it.at);
            for (int i = 0; i < 10; ++i) {
                const auto began = now();
                co_await ws->send("here");
                const auto echoed = co_await ws->read();
                CHECK(echoed);
                CHECK(now() - began < 50ms);
            }
            (void)co_await weir::sleep(3s);
            const bool busy = deaf == do_not_disturb; // which does not keep the loop from sleeping
            CHECK(running_now == busy);
            CHECK(of.connections() == 1u + busy);
            of.stop(0s);
            co_await it.all.join();
            CHECK(running_now == 0);
        };
        loop.run(work());
        CHECK(log.has("3 gave up a handler that went on when cancelled [/deaf]\n") == (deaf != do_not_disturb));
    }
}

TEST_CASE("serve: a handler whose peer is gone may take its time to tidy up") {
    tests::memory_loop loop;
    std::string told;
    auto work = [&]() -> task<> {
        server of;
        of.websocket("/save", [&](websocket&) -> task<> {
            (void)co_await weir::sleep(1h);
            for (int i = 0; i < 1000; ++i) (void)co_await weir::sleep(1s); // in vain
            for (int i = 0; i < 1000; ++i) (void)co_await shield(weir::sleep(1s));
            told += "saved";
        });
        running it(of);
        std::unique_ptr<raw_peer> peer = co_await dial(it.at);
        co_await peer->send(handshake("/save"));
        (void)co_await peer->read_response();
        peer.reset();
        (void)co_await weir::sleep(1010s);
        CHECK(told == "saved");
        of.stop();
        co_await it.all.join();
    };
    loop.run(work());
}

TEST_CASE("stop: a second one begins a new grace, so it can end at once") {
    auto work = []() -> task<> {
        server of;
        of.websocket("/hang", [](websocket&) -> task<> { (void)co_await weir::sleep(1h); });
        running it(of, {.websocket = {.close_timeout = 1h}});
        std::unique_ptr<raw_peer> peer = co_await dial(it.at);
        co_await peer->send(handshake("/hang"));
        (void)co_await peer->read_response();
        const auto began = now();
        of.stop(1h);
        (void)co_await weir::sleep(10s);
        CHECK(it.all.size() == 1);
        of.stop(0s);
        co_await it.all.join();
        CHECK(now() - began < 11s);
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("stop: a handshake under way is refused with 503") {
    auto work = []() -> task<> {
        server of;
        int entered = 0;
        of.websocket("/slow", [&](websocket&) -> task<> {
            ++entered;
            co_return;
        }).admit([](const http::request_head&) -> task<std::optional<response>> {
            (void)co_await weir::sleep(2s);
            co_return std::nullopt;
        });
        running it(of);
        std::unique_ptr<raw_peer> peer = co_await dial(it.at);
        co_await peer->send(handshake("/slow"));
        (void)co_await weir::sleep(1s);
        of.stop(10s);
        const std::string got = co_await peer->read_all();
        CHECK(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        CHECK(contains(got, "The server is stopping."));
        peer.reset();
        co_await it.all.join();
        CHECK(entered == 0);
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("stop: from a handler, and before serving") {
    auto work = []() -> task<> {
        server of;
        of.websocket("/stop", [&](websocket& ws) -> task<> {
            of.stop();
            const auto end = co_await ws.read();
            CHECK(!end);
        });
        for (int round = 0; round < 3; ++round) { // one server, several times
            running it(of);
            auto ws = co_await open(it.at, "/stop");
            const auto end = co_await ws->read();
            CHECK(!end);
            CHECK(ws->closed().code == ws::close_code::going_away);
            co_await it.all.join();
            CHECK(it.outcome);
        }
        of.stop();
        running it(of);
        co_await it.all.join();
        CHECK(it.outcome);
        running again(of); // the request has had its effect
        auto ws = co_await open(again.at, "/stop");
        const auto end = co_await ws->read();
        CHECK(!end);
        co_await again.all.join();
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("serve: cancelled from outside, at once, also while it stops") {
    auto work = []() -> task<> {
        for (const bool stopping : {false, true}) {
            server of;
            of.websocket("/echo", echo);
            of.websocket("/hang", [](websocket&) -> task<> { (void)co_await weir::sleep(1h); });
            running it(of, {.websocket = {.close_timeout = 1h}});
            auto ws = co_await open(it.at);
            std::unique_ptr<raw_peer> peer = co_await dial(it.at);
            co_await peer->send(handshake("/hang"));
            (void)co_await peer->read_response();
            std::unique_ptr<raw_peer> idle = co_await dial(it.at);
            if (stopping) {
                of.stop(1h);
                (void)co_await weir::sleep(1s);
            }
            const auto began = now();
            it.all.cancel();
            co_await it.all.join();
            CHECK(now() - began < 1s);
            CHECK(of.connections() == 0);
            CHECK(!of.local_endpoint());
            const auto end = co_await ws->read();
            CHECK(!end);
        }
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("serve: destroyed while it serves, and the server runs again") {
    auto work = []() -> task<> {
        server of;
        of.websocket("/echo", echo);
        of.get("/slow", [](const http::request_head&) -> task<response> {
            (void)co_await weir::sleep(1h);
            co_return "never";
        });
        for (int round = 0; round < 2; ++round) {
            std::unique_ptr<websocket> ws;
            std::unique_ptr<raw_peer> idle, asking;
            {
                running it(of);
                ws = co_await open(it.at);
                co_await ws->send("a");
                idle = co_await dial(it.at);
                asking = co_await dial(it.at);
                co_await asking->send("GET /slow HTTP/1.1\r\nHost: here\r\n\r\n");
                (void)co_await weir::sleep(1s);
            }
            CHECK(of.connections() == 0);
            CHECK(!of.local_endpoint());
            while (auto more = co_await ws->read()) CHECK(more->text() == "a");
            CHECK(ws->closed().code == ws::close_code::normal); // dropped: closed in the background
            const std::string nothing = co_await idle->read_all();
            CHECK(nothing == "");
            const std::string none = co_await asking->read_all();
            CHECK(none == "");
        }
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("serve: how connections end with their handlers") {
    server of;
    journal log;
    of.websocket("/returns", [](websocket&) -> task<> { co_return; });
    of.websocket("/throws", [](websocket&) -> task<> {
        (void)co_await yield();
        throw std::runtime_error("out of coffee");
    });
    of.websocket("/throws/int", [](websocket&) -> task<> {
        throw 1;
        co_return;
    });
    of.websocket("/no/coroutine", [](websocket&) -> task<> { throw std::runtime_error("at once"); });
    of.websocket("/closes", [](websocket& ws) -> task<> { co_await ws.close(ws::close_code::policy_violation, "no"); });
    of.websocket("/resets", [](websocket& ws) -> task<> {
        ws.reset();
        co_return;
    });
    in_memory(of, [](net::endpoint at) -> task<> {
        struct expected {
            const char* path;
            unsigned code;
            const char* reason;
        };
        for (const expected each : {expected{"/returns", 1000, ""}, expected{"/throws", 1011, ""},
                 expected{"/throws/int", 1011, ""}, expected{"/no/coroutine", 1011, ""},
                 expected{"/closes", 1008, "no"}, expected{"/resets", 1006, ""}}) {
            CAPTURE(std::string(each.path));
            auto ws = co_await open(at, each.path);
            const auto end = co_await ws->read();
            CHECK(!end);
            CHECK(static_cast<unsigned>(ws->closed().code) == each.code);
            CHECK(ws->closed().reason == each.reason);
        }
    }, {.log = log.hook()});
    CHECK(log.has("3 a handler threw: out of coffee [/throws]\n"));
    CHECK(log.has("3 a handler threw: something that is no std::exception [/throws/int]\n"));
    CHECK(log.has("3 a handler threw: at once [/no/coroutine]\n"));
}

TEST_CASE("serve: log lines name the target and the peer") {
    server of;
    journal log;
    of.websocket("/throws", [](websocket& ws) -> task<> {
        const auto message = co_await ws.read();
        if (message) throw std::runtime_error("no coffee");
    });
    over_sockets(of, [](net::endpoint at) -> task<> {
        auto ws = co_await open(at, "/throws?hard");
        co_await ws->send("x");
        const auto end = co_await ws->read();
        CHECK(!end);
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send(handshake("/throws"));
        (void)co_await peer->read_response();
        co_await peer->send(std::string("\x81\x00", 2)); // not masked
        (void)co_await peer->read_all();
    }, {.log = log.hook()});
    CHECK(log.has("3 a handler threw: no coffee [/throws?hard, 127.0.0.1:"));
    CHECK(log.has(" [/throws, 127.0.0.1:"));
}

TEST_CASE("serve: a handler is cancelled when its peer is lost while it does not read") {
    server of;
    std::chrono::nanoseconds lost{0};
    of.websocket("/wait", [&](websocket& ws) -> task<> {
        const auto slept = co_await weir::sleep(1h);
        CHECK(slept.error() == errc::canceled);
        CHECK(ws.closed().cause != close_cause::open);
        lost = now();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (const bool reset : {true, false}) {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(handshake("/wait"));
            (void)co_await peer->read_response();
            (void)co_await weir::sleep(3s);
            const auto then = now();
            if (reset) peer->stream().reset();
            peer.reset();
            (void)co_await weir::sleep(1s);
            CHECK(lost >= then);
            CHECK(lost < then + 100ms);
        }
    });
}

TEST_CASE("serve: bytes behind the handshake are not lost") {
    auto work = [](net::endpoint at) -> task<> {
        for (const std::size_t step : {std::string::npos, std::size_t(1), std::size_t(7)}) {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            co_await peer->send(handshake() + std::string("\x81\x82\0\0\0\0hi\x89\x80\0\0\0\0\x88\x80\0\0\0\0", 20), step);
            const std::string accepted = co_await peer->read_response();
            CHECK(accepted.starts_with("HTTP/1.1 101 "));
            const std::string got = co_await peer->read_all();
            const bool whole = got == std::string("\x81\x02hi\x8A\0\x88\0", 8) || got == std::string("\x8A\0\x81\x02hi\x88\0", 8);
            CHECK(whole);
        }
    };
    server of;
    of.websocket("/echo", echo);
    in_memory(of, work);
    in_memory(of, work, {}, {.fill_bytes = 10, .fragment = true});
    over_sockets(of, work);
}

TEST_CASE("listen: what can be wrong with it") {
    auto work = []() -> task<> {
        server first, second;
        const result<> nowhere = first.listen({.host = "example.com", .port = 80});
        REQUIRE(!nowhere);
        CHECK(contains(nowhere.error().message(), "listening on \"example.com\" (the host is an address of this machine"));
        const result<> port = first.listen({.port = 70000});
        REQUIRE(!port);
        CHECK(port.error() == errc::bad_port);
        CHECK(contains(port.error().message(), "listening on port 70000: "));
        running it(first);
        const result<> taken = second.listen({.host = "127.0.0.1", .port = it.at.port()});
        REQUIRE(!taken);
        CHECK(taken.error().message() == "listening on " + it.at.to_string() + ": Address already in use");
        first.stop();
        co_await it.all.join();
    };
    tests::memory_loop loop;
    loop.run(work());
    server homeless;
    CHECK(homeless.listen({}).error() == errc::no_loop);
}

TEST_CASE("serve: running out of descriptors is logged, and passes") {
    journal log;
    tests::memory_loop loop;
    auto work = [&]() -> task<> {
        server of;
        of.websocket("/echo", echo);
        running it(of, {.log = log.hook()});
        loop.network().fail_next_accept(EMFILE);
        auto ws = co_await open(it.at);
        co_await ws->send("here");
        const auto echoed = co_await ws->read();
        CHECK(echoed);
        of.stop();
        co_await ws->close();
        co_await it.all.join();
    };
    loop.run(work());
    CHECK(log.has("2 accepting pauses: Too many open files\n"));
}

TEST_CASE("serve: fails when accepting does for good") {
    journal log;
    tests::memory_loop loop;
    auto work = [&]() -> task<> {
        server of;
        of.websocket("/echo", echo);
        running it(of, {.log = log.hook()});
        auto ws = co_await open(it.at);
        loop.network().fail_next_accept(EBADF);
        const auto refused = co_await net::connect(it.at); // whoever it is
        (void)refused;
        const auto end = co_await ws->read();
        CHECK(!end);
        co_await it.all.join();
        CHECK(!it.outcome);
        CHECK(contains(it.outcome.error().message(), "accepting on 127.0.0.1:"));
    };
    loop.run(work());
    CHECK(log.has("3 no longer accepting: Bad file descriptor\n"));
}

TEST_CASE("serve: when accepting fails for good, connections get 1001 and the grace") {
    auto work = []() -> task<> {
        server of;
        of.websocket("/echo", echo);
        of.websocket("/hang", [](websocket&) -> task<> { (void)co_await weir::sleep(1h); });
        running it(of, {.stop_grace = 7s, .websocket = {.close_timeout = 1h}});
        auto ws = co_await open(it.at);
        std::unique_ptr<raw_peer> mute = co_await dial(it.at); // does not answer the close frame
        co_await mute->send(handshake("/hang"));
        (void)co_await mute->read_response();
        const auto began = now();
        static_cast<io::memory&>(io::loop::current()->events()).fail_next_accept(EBADF);
        (void)co_await net::connect(it.at); // whoever it is
        const auto end = co_await ws->read();
        CHECK(!end);
        CHECK(ws->closed().code == ws::close_code::going_away);
        CHECK(ws->closed().cause == close_cause::peer);
        co_await it.all.join();
        CHECK(!it.outcome);
        CHECK(now() - began >= 7s);
        CHECK(now() - began < 8s);
        const std::string bye = co_await mute->read_all();
        CHECK(bye.starts_with("\x88"));
        CHECK(bye.substr(2, 2) == "\x03\xe9");
        CHECK(mute->failure() == std::errc::connection_reset);
    };
    tests::memory_loop loop;
    loop.run(work());
}
