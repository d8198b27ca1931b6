// Tasks beside a server's connections: when they start, when they are cancelled, and what becomes of those that fail.
#include "serving.hpp"

#include <weir/coro/queue.hpp>
#include <weir/coro/shield.hpp>
#include <weir/hub/room.hpp>

#include <functional>
#include <memory>

namespace {

// Serves in memory until a task stops it, or `work` does.
struct served {
    explicit served(server& of, server_options options = {}) : x_of(of) {
        options.host = "127.0.0.1";
        const result<> listening = of.listen(options);
        REQUIRE_MESSAGE(listening, listening.error().message());
        at = of.local_endpoint();
        all.spawn(serve_into(x_of, outcome));
    }
    net::endpoint at;
    result<> outcome = errc::busy;
    scope all;

private:
    server& x_of;
};

task<> tick(room& to, std::string& told) {
    told += "starts ";
    while (auto slept = co_await weir::sleep(1s)) to.send("tick");
    told += "ends ";
}

std::chrono::nanoseconds now() { return io::loop::current()->now(); }

} // namespace

TEST_CASE("spawn: a task starts with the server, and is cancelled when the last handler has ended") {
    auto work = []() -> task<> {
        room everyone;
        std::string told;
        server of;
        of.websocket("/watch", [&](websocket& ws) -> task<> {
            const room::seat here(everyone, ws);
            while (auto message = co_await ws.read()) co_await ws.send(*message);
            (void)co_await shield(weir::sleep(2s)); // the ticks go on meanwhile
            told += "handler ";
        });
        of.spawn(tick(everyone, told));
        of.spawn(tick, std::ref(everyone), std::ref(told));
        (void)co_await weir::sleep(1s);
        CHECK(told.empty());
        served it(of);
        auto ws = co_await weir::connect(url_of(it.at, "/watch"));
        REQUIRE(ws);
        CHECK(told == "starts starts ");
        for (int i = 0; i < 4; ++i) {
            const auto heard = co_await ws->read();
            CHECK((heard && heard->text() == "tick"));
        }
        const auto began = now();
        of.stop();
        while (auto heard = co_await ws->read()) {}
        CHECK(ws->closed().code == ws::close_code::going_away);
        co_await it.all.join();
        CHECK(it.outcome);
        CHECK(told == "starts starts handler ends ends ");
        CHECK(now() - began >= 2s);
        CHECK(now() - began < 3s);
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("spawn: stopping does not wait for tasks, which are not run again") {
    auto work = []() -> task<> {
        int runs = 0;
        server of;
        of.spawn([&, own = std::make_unique<int>(1)]() -> task<> { // kept as long as it runs
            runs += *own;
            (void)co_await weir::sleep(1h);
            runs += *own;
        });
        for (int round = 0; round < 2; ++round) {
            served it(of);
            (void)co_await weir::sleep(1s);
            CHECK(runs == 1 + round);
            const auto began = now();
            of.stop();
            co_await it.all.join();
            CHECK(it.outcome);
            CHECK(now() - began < 10ms);
            CHECK(runs == 2);
        }
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("spawn: from a handler, at once, and longer than its connection") {
    auto work = []() -> task<> {
        queue<std::string> saved(10);
        server of;
        auto save = [&](std::string what) -> task<> {
            (void)co_await weir::sleep(3s);
            const auto kept = co_await saved.send(what);
            CHECK(kept);
        };
        of.websocket("/save", [&](websocket& ws) -> task<> {
            while (auto message = co_await ws.read()) of.spawn(save, std::string(message->text()));
        });
        served it(of);
        auto ws = co_await weir::connect(url_of(it.at, "/save"));
        REQUIRE(ws);
        co_await ws->send("one");
        co_await ws->close();
        CHECK(of.connections() == 0);
        const auto first = co_await saved.receive();
        CHECK((first && *first == "one"));
        of.stop();
        co_await it.all.join();
    };
    tests::memory_loop loop;
    loop.run(work());
}

TEST_CASE("spawn: a task that throws stops the server, which fails") {
    journal log;
    auto work = [&]() -> task<> {
        server of;
        bool other_ended = false;
        of.websocket("/echo", echo);
        of.spawn([&]() -> task<> {
            (void)co_await weir::sleep(1h);
            other_ended = true;
        });
        of.spawn([]() -> task<> {
            (void)co_await weir::sleep(1s);
            throw std::runtime_error("the feed is gone");
        });
        {
            served it(of, {.log = log.hook()});
            auto ws = co_await weir::connect(url_of(it.at));
            REQUIRE(ws);
            const auto end = co_await ws->read();
            CHECK(!end);
            CHECK(ws->closed().code == ws::close_code::going_away);
            co_await it.all.join();
            REQUIRE(!it.outcome);
            CHECK(it.outcome.error() == errc::task_threw);
            CHECK(it.outcome.error().message() == "the feed is gone: an exception ended a task");
            CHECK(other_ended);
        }
        of.spawn([]() -> task<> { throw std::runtime_error("no coroutine"); });
        served it(of, {.log = log.hook()});
        co_await it.all.join();
        CHECK(!it.outcome);
        served again(of); // what failed is over
        of.stop();
        co_await again.all.join();
        CHECK(again.outcome);
    };
    tests::memory_loop loop;
    loop.run(work());
    CHECK(log.has("3 a task threw: the feed is gone\n"));
    CHECK(log.has("3 a task threw: no coroutine\n"));
}

TEST_CASE("spawn: a task that does not heed its cancellation is given up") {
    journal log;
    tests::memory_loop loop({.busy_turn = 1ms});
    auto work = [&]() -> task<> {
        auto alive = std::make_shared<int>();
        server of;
        of.spawn([](std::shared_ptr<int> kept) -> task<> {
            for (;;) (void)co_await weir::sleep(std::chrono::seconds(*kept));
        }, alive);
        served it(of, {.log = log.hook()});
        (void)co_await weir::sleep(1s);
        const auto began = now();
        of.stop();
        co_await it.all.join();
        CHECK(it.outcome);
        CHECK(alive.use_count() == 1);
        CHECK(now() - began >= 3s);
        CHECK(now() - began < 4s);
    };
    loop.run(work());
    CHECK(log.has("3 gave up 1 task that did not end when cancelled\n"));
}

TEST_CASE("spawn: serving is cancelled, or destroyed, or never begun") {
    auto work = []() -> task<> {
        auto alive = std::make_shared<int>();
        auto wait = [](std::shared_ptr<int>) -> task<> { (void)co_await weir::sleep(1h); };
        for (const bool cancel : {true, false}) {
            server of;
            of.spawn(wait, alive);
            served it(of);
            (void)co_await weir::sleep(1s);
            of.spawn(wait, alive);
            (void)co_await weir::sleep(1s);
            CHECK(alive.use_count() > 2);
            if (!cancel) continue;
            const auto began = now();
            it.all.cancel();
            co_await it.all.join();
            CHECK(now() - began < 10ms);
            CHECK(alive.use_count() == 1);
        }
        CHECK(alive.use_count() == 1);
        {
            server never;
            never.spawn(wait, alive);
            CHECK(alive.use_count() == 2);
        }
        CHECK(alive.use_count() == 1);
    };
    tests::memory_loop loop;
    loop.run(work());
}
