// A reconnecting session, disturbed at every place: stopped, cancelled and destroyed after step 0, 1, 2, ...; and in simulated networks
// that come and go.
//
// However it is disturbed, it ends in bounded virtual time and leaves nothing behind, and no message arrives twice or out of order.
#include "../server/serving.hpp"
#include "../support/steps.hpp"

#include <weir/client/reconnecting.hpp>
#include <weir/io/simulation.hpp>

namespace {

using numbers = std::vector<int>;

bool is_rising(const numbers& of) {
    for (std::size_t i = 1; i < of.size(); ++i)
        if (of[i] <= of[i - 1]) return false;
    return true;
}

task<> take_numbers(websocket& ws, numbers& got) {
    co_await ws.send("hello");
    while (auto message = co_await ws.read()) {
        got.push_back(std::stoi(std::string(message->text())));
        if (got.size() % 5 == 0) co_await ws.close(ws::close_code::service_restart);
    }
}

task<> use(reconnecting& feed, int& next, int most) {
    while (auto ws = co_await feed.next())
        for (bool goes_on = true; goes_on;) {
            auto message = co_await ws->read().within(300ms);
            goes_on = message || message.error() == errc::timed_out;
            const std::string text = std::to_string(next++);
            co_await feed.send(std::string_view(text));
            if (next > most) feed.stop(1s);
            if (next > most) break;
        }
}

} // namespace

TEST_CASE("reconnecting sweep: stopped, cancelled and destroyed after step 0, 1, 2, ...") {
    enum { stopped, cancelled, destroyed };
    for (const int how : {stopped, cancelled, destroyed}) {
        for (int steps = 0;; ++steps) {
            CAPTURE(how);
            CAPTURE(steps);
            tests::memory_loop loop({.pipe_bytes = 400, .fragment = true});
            numbers got;
            bool ended = false;
            const auto began = loop.now();
            auto main = [&]() -> task<> {
                server of;
                of.websocket("/echo", [&](websocket& ws) { return take_numbers(ws, got); });
                const result<> listening = of.listen({.host = "127.0.0.1"});
                REQUIRE(listening);
                result<> served;
                scope serving;
                serving.spawn(serve_into(of, served));
                int next = 1;
                {
                    reconnecting feed(url_of(of.local_endpoint()), {.first_delay = 100ms, .longest_delay = 100ms, .outbox_bytes = 1000});
                    scope work;
                    work.spawn(use, std::ref(feed), std::ref(next), 12);
                    ended = co_await tests::take_steps(work, steps, 10ms);
                    if (how == stopped) feed.stop(1s);
                    if (how == cancelled) work.cancel();
                    if (how != destroyed) co_await work.join();
                }
                of.stop(1s);
                co_await serving.join();
                CHECK(of.connections() == 0);
            };
            loop.run(main());
            CHECK(is_rising(got));
            CHECK(loop.now() - began < 5min);
            if (ended) break;
            if (steps > 100) steps += steps / 10;
            REQUIRE(steps < 100'000);
        }
    }
}

TEST_CASE("reconnecting sweep: networks that come and go") {
    std::uint64_t connections = 0;
    std::size_t arrived = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        std::uint64_t digests[2] = {};
        for (int run = 0; run < (seed % 20 == 0 ? 2 : 1); ++run) {
            simulation world({.seed = seed, .failures = {.connect = 0.05, .fill = 0.003, .write = 0.003}});
            numbers got;
            world.host("server", [&]() -> task<> {
                server of;
                of.websocket("/echo", [&](websocket& ws) { return take_numbers(ws, got); });
                const result<> listening = of.listen({.port = 80});
                REQUIRE(listening);
                (void)co_await of.serve();
            });
            bool ended = false;
            world.client("client", [&]() -> task<> {
                reconnecting feed("ws://server/echo", {.connect = {.timeout = 3s}, .longest_delay = 4s, .outbox_bytes = 10'000});
                int next = 1;
                scope work;
                work.spawn(use, std::ref(feed), std::ref(next), 1'000'000);
                (void)co_await weir::sleep(std::chrono::milliseconds(10'000 + world.random().below(20'000)));
                feed.stop(std::chrono::milliseconds(world.random().below(2000)));
                co_await work.join();
                connections += feed.connections();
                ended = feed.last_error() == errc::canceled;
            });
            world.host("weather", [&]() -> task<> {
                while (auto slept = co_await weir::sleep(std::chrono::milliseconds(world.random().below(3000)))) {
                    switch (world.random().below(6)) {
                    case 0: world.partition("client", "server"); break;
                    case 1: world.disconnect("client", "server"); break;
                    case 2: world.restart("server"); break;
                    default: world.heal("client", "server");
                    }
                }
            });
            const result<> ran = world.run();
            CHECK_MESSAGE(ran, ran.error().message());
            CHECK(world.connections() == 0);
            CHECK(ended);
            CHECK(is_rising(got));
            arrived += got.size();
            digests[run] = world.digest();
        }
        if (digests[1]) CHECK(digests[0] == digests[1]);
    }
    CHECK(connections > 500);
    CHECK(arrived > 2000);
}
