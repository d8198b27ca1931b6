// A client in simulated networks: opening takes as long as it is allowed to and no longer, silence is noticed when it was
// said to be and not before, and cancelling at any moment leaves nothing behind.
#include "../server/serving.hpp"

#include <weir/io/simulation.hpp>

using nanoseconds = std::chrono::nanoseconds;

namespace {

task<> serve() {
    server here;
    here.websocket("/echo", echo);
    const result<> listening = here.listen({.port = 80});
    REQUIRE_MESSAGE(listening, listening.error().message());
    (void)co_await here.serve();
}

void expect_runs(simulation& world) {
    const result<> ran = world.run();
    CHECK_MESSAGE(ran, ran.error().message());
    CHECK(world.connections() == 0);
}

// What opening has come to, and when.
struct attempt {
    bool opened = false;
    std::string message;
    nanoseconds took{0};
};

task<> try_opening(simulation& world, nanoseconds timeout, attempt& of) {
    const nanoseconds began = world.now();
    auto ws = co_await weir::connect("ws://server/echo", {.timeout = timeout});
    of = {ws.has_value(), ws ? "" : ws.error().message(), world.now() - began};
    if (!ws) co_return;
    co_await ws->send("hello");
    auto reply = co_await ws->read();
    if (reply && reply->text() != "hello") world.fail("another answer than what was said");
    if (!reply && ws->closed().message().empty()) world.fail("an end that nobody explains");
}

task<> restless(simulation& world) { // the network comes and goes
    while (auto slept = co_await weir::sleep(std::chrono::milliseconds(world.random().below(2000)))) {
        if (world.random().chance(0.5))
            world.partition("client", "server");
        else
            world.heal("client", "server");
        if (world.random().chance(0.1)) world.restart("server");
        if (world.random().chance(0.1)) world.disconnect("client", "server");
    }
}

} // namespace

TEST_CASE("simulation: opening ends in its time, whatever the network does, and says what it was about") {
    int opened = 0, timed_out = 0, other = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed, .latency = {1ms, 500ms}, .failures = {.connect = 0.1, .fill = 0.01, .write = 0.01}});
        world.host("server", serve);
        attempt of;
        world.client("client", try_opening, std::ref(world), nanoseconds(3s), std::ref(of));
        world.host("weather", restless, std::ref(world));
        expect_runs(world);
        CHECK(of.took <= 3s + 1ms);
        if (of.opened) {
            ++opened;
            continue;
        }
        CHECK(of.message.starts_with("opening ws://server/echo: "));
        const bool late = of.message.ends_with(": timed out");
        ++(late ? timed_out : other);
        if (late) CHECK(of.took >= 3s);
    }
    CHECK(opened > 20);
    CHECK(timed_out > 20);
    CHECK(other > 20);
}

TEST_CASE("simulation: a client that is cancelled at any moment leaves nothing behind") {
    int opened = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed});
        world.host("server", serve);
        attempt of;
        world.client("client", [&]() -> task<> {
            scope work;
            work.spawn(try_opening(world, 3s, of));
            (void)co_await weir::sleep(std::chrono::milliseconds(world.random().below(400)));
            if (world.random().chance(0.5)) co_return; // the scope destroys it
            work.cancel();
            co_await work.join();
        });
        expect_runs(world);
        CHECK(world.now() < 20s);
        opened += of.opened;
    }
    CHECK(opened > 50);
    CHECK(opened < 290);
}

TEST_CASE("simulation: silence is noticed after the ping timeout; a shorter one is no harm") {
    int survived = 0, given_up = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed, .latency = {1ms, 100ms}});
        world.host("server", serve);
        const nanoseconds silence = std::chrono::milliseconds(world.random().below(60'000));
        close_info end;
        nanoseconds ended{0};
        world.client("client", [&]() -> task<> {
            auto ws = co_await weir::connect("ws://server/echo", {.websocket = {.ping_interval = 10s, .ping_timeout = 10s}});
            REQUIRE_MESSAGE(ws, ws.error().message());
            const nanoseconds began = world.now();
            world.partition("client", "server");
            auto message = co_await ws->read().within(100s);
            CHECK(!message);
            end = ws->closed();
            ended = world.now() - began;
        });
        world.host("mechanic", [&]() -> task<> {
            (void)co_await weir::sleep(1s + silence); // it has connected by then
            world.heal("client", "server");
        });
        expect_runs(world);
        if (end) {
            ++given_up;
            CHECK(end.cause == close_cause::timeout);
            CHECK(ended >= 19s); // a round trip before the silence, at the least
            CHECK(ended <= 21s);
            CHECK(silence > 17s);
        } else {
            ++survived;
            CHECK(silence < 21s);
        }
    }
    CHECK(survived > 30);
    CHECK(given_up > 100);
}
