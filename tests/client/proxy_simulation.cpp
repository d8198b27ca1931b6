// Clients behind proxies in simulated networks: opening ends in its time whatever the network and the proxy go through, what is said
// arrives whole, and nothing is left behind.
#include "relay.hpp"

#include <weir/client/open.hpp>
#include <weir/client/proxy.hpp>
#include <weir/io/simulation.hpp>
#include <weir/server/channel.hpp>

#include <algorithm>

using nanoseconds = std::chrono::nanoseconds;

namespace {

task<> serve() {
    server here;
    here.websocket("/echo", echo);
    here.channel("/chat", [](channel& client) -> task<> {
        while (auto message = co_await client.read()) co_await client.send(*message);
    });
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
    bool echoed = false;
    std::string message;
    nanoseconds took{0};
};

task<> talk(simulation& world, const char* proxy, attempt& of) {
    const nanoseconds began = world.now();
    auto ws = co_await weir::connect("ws://server/echo", {.timeout = 3s, .proxy = weir::proxy(proxy)});
    of.opened = ws.has_value();
    of.message = ws ? "" : ws.error().message();
    of.took = world.now() - began;
    if (!ws) co_return;
    const std::string said(20'000, 'x');
    co_await ws->send(said);
    auto reply = co_await ws->read();
    of.echoed = reply.has_value();
    if (reply && reply->text() != said) world.fail("another answer than what was said");
    co_await ws->close();
}

task<> restless(simulation& world) { // what is between the three comes and goes
    constexpr const char* ways[][2] = {{"client", "proxy"}, {"proxy", "server"}};
    while (auto slept = co_await weir::sleep(std::chrono::milliseconds(world.random().below(1500)))) {
        const auto& way = ways[world.random().below(2)];
        switch (world.random().below(6)) {
        case 0: world.partition(way[0], way[1]); break;
        case 1: world.disconnect(way[0], way[1]); break;
        case 2: world.restart("proxy"); break;
        default: world.heal(way[0], way[1]);
        }
    }
}

constexpr const char* proxies[] = {"http://proxy:3128", "socks5://proxy:3128"};

} // namespace

TEST_CASE("simulation: an echo through a proxy") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed});
        world.host("server", serve);
        world.host("proxy", relay::serve, std::uint16_t(3128));
        attempt of;
        world.client("client", talk, std::ref(world), proxies[seed % 2], std::ref(of));
        expect_runs(world);
        CHECK_MESSAGE(of.opened, of.message);
        CHECK(of.echoed);
    }
}

TEST_CASE("simulation: channels through a proxy, by each transport, also when it is restarted") {
    for (const transport_kind& kind : every_transport)
        for (std::uint64_t seed = 0; seed < 10; ++seed) {
            CAPTURE(seed);
            simulation world({.seed = seed});
            world.host("server", serve);
            world.host("proxy", relay::serve, std::uint16_t(3128));
            int echoed = 0;
            world.client("client", [&]() -> task<> {
                const std::string url(proxies[seed % 2]); // copied by the call
                auto chat = co_await weir::open("http://server/chat", {.transports = {&kind, 1}, .proxy = weir::proxy(url)});
                REQUIRE_MESSAGE(chat, chat.error().message());
                for (int i = 0; i < 5; ++i) {
                    if (i == 2) world.restart("proxy");
                    co_await chat->send(std::to_string(i));
                    auto reply = co_await chat->read();
                    REQUIRE_MESSAGE(reply, chat->closed().message());
                    CHECK(reply->text() == std::to_string(i));
                    ++echoed;
                }
                co_await chat->close();
            });
            expect_runs(world);
            CHECK(echoed == 5);
        }
}

TEST_CASE("simulation: through a proxy, opening ends in its time, whatever happens on the way") {
    int opened = 0, timed_out = 0, refused = 0, other = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed, .latency = {1ms, 300ms}, .failures = {.connect = 0.05, .fill = 0.003, .write = 0.003}});
        world.host("server", serve);
        world.host("proxy", relay::serve, std::uint16_t(3128));
        attempt of;
        world.client("client", talk, std::ref(world), proxies[seed % 2], std::ref(of));
        world.host("weather", restless, std::ref(world));
        expect_runs(world);
        CHECK(of.took <= 3s + 1ms);
        if (of.opened) {
            ++opened;
            continue;
        }
        CHECK(of.message.starts_with("opening ws://server/echo: "));
        ++(of.message.ends_with(": timed out") ? timed_out : of.message.ends_with(": refused by the proxy") ? refused : other);
    }
    CHECK(opened > 20);
    CHECK(timed_out > 20);
    CHECK(refused > 5);
    CHECK(other > 20);
}

TEST_CASE("simulation: a client behind a proxy that is cancelled or destroyed at any moment leaves nothing behind") {
    int opened = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed});
        world.host("server", serve);
        world.host("proxy", relay::serve, std::uint16_t(3128));
        attempt of;
        world.client("client", [&]() -> task<> {
            scope work;
            work.spawn(talk(world, proxies[seed % 2], of));
            (void)co_await weir::sleep(std::chrono::milliseconds(world.random().below(700)));
            if (world.random().chance(0.5)) co_return; // the scope destroys it
            work.cancel();
            co_await work.join();
        });
        expect_runs(world);
        CHECK(world.now() < 20s);
        opened += of.opened;
    }
    CHECK(opened > 20);
    CHECK(opened < 390);
}
