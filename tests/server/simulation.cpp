// A server and its clients in hundreds of simulated networks: latency, cut reads and writes, partitions, lost
// connections, crashes, failing operations, each as its seed has it.
//
// Whatever happens: messages come whole, in order, none of them lost or twice, for as long as the connection lives; a
// connection's end is explained; every handler ends; nothing is left; and all of it in bounded virtual time.
#include "serving.hpp"

#include <weir/io/simulation.hpp>

namespace {

// What holds at the end of a run, and what shows that there was something to hold.
struct tally {
    int opened = 0; // handlers
    int ended = 0;
    int echoed = 0;   // messages that came back
    int broken = 0;   // connections that did not end in order
    int in_order = 0; // and those that did
};

std::string text_of(std::uint64_t number, std::size_t bytes) { return std::to_string(number) + " " + std::string(bytes, 'x'); }

bool is_text_of(std::uint64_t number, std::string_view text) {
    const std::string begin = std::to_string(number) + " ";
    return text.starts_with(begin) && text.find_first_not_of('x', begin.size()) == text.npos;
}

void expect_explained(simulation& world, const close_info& end) {
    if (!end || end.message().empty()) world.fail("an end that nobody explains");
    if (end.cause == close_cause::reset && !end.error) world.fail("no error says how it broke: " + end.message());
    if (end.cause == close_cause::protocol_error || end.cause == close_cause::limit) world.fail("nobody did that: " + end.message());
}

task<> handle(websocket& ws, simulation& world, tally& of) {
    struct ending {
        tally& of;
        ~ending() { ++of.ended; }
    } const counted{of};
    ++of.opened;
    std::uint64_t expected = 0;
    while (auto message = co_await ws.read()) {
        if (!is_text_of(expected++, message->text())) world.fail("the server got another message than the next one");
        const std::string reply(message->text()); // a copy, since it may wait
        if (world.random().chance(0.2)) (void)co_await weir::sleep(std::chrono::milliseconds(world.random().below(30)));
        co_await ws.send(std::string_view(reply));
    }
    expect_explained(world, ws.closed());
}

task<> serve(simulation& world, tally& of, bool gracefully) {
    server here;
    here.websocket("/echo", [&](websocket& ws) { return handle(ws, world, of); });
    const result<> listening = here.listen({.port = 80});
    REQUIRE_MESSAGE(listening, listening.error().message());
    if (gracefully)
        here.spawn([&]() -> task<> {
            (void)co_await weir::sleep(40s);
            here.stop(1s);
        });
    const result<> served = co_await here.serve();
    CHECK_MESSAGE(served, served.error().message());
    CHECK(here.connections() == 0);
}

// Sends and reads at the same time, as far as the other allows.
task<> pour(websocket& ws, simulation& world, std::uint64_t count, std::uint64_t& sent) {
    while (sent < count) {
        const std::string text = text_of(sent, world.random().below(world.random().chance(0.1) ? 100'000 : 300));
        ++sent;
        const auto done = co_await ws.send(std::string_view(text));
        if (!done) co_return;
        if (world.random().chance(0.3)) (void)co_await weir::sleep(std::chrono::milliseconds(world.random().below(500)));
    }
}

task<> talk(simulation& world, tally& of) {
    for (int connection = 0; connection < 3; ++connection) {
        auto ws = co_await weir::connect("ws://server/echo", {.timeout = 5s});
        if (!ws) {
            if (!ws.error().message().starts_with("opening ws://server/echo: ")) world.fail(ws.error().message());
            (void)co_await weir::sleep(100ms);
            continue;
        }
        const std::uint64_t count = world.random().below(20);
        std::uint64_t sent = 0, got = 0;
        {
            scope pouring;
            pouring.spawn(pour(*ws, world, count, sent));
            while (got < count) {
                auto message = co_await ws->read();
                if (!message) break;
                if (got >= sent || !is_text_of(got, message->text())) world.fail("the client got another message than the next one");
                ++got;
            }
            pouring.cancel();
            co_await pouring.join();
        }
        of.echoed += static_cast<int>(got);
        const bool whole = got == count;
        if (!whole) expect_explained(world, ws->closed());
        switch (world.random().below(3)) {
        case 0: break; // dropped
        case 1: ws->reset(); break;
        default:
            co_await ws->close();
            expect_explained(world, ws->closed());
            if (whole && ws->closed().cause == close_cause::local && ws->closed().unanswered.count() == 0) ++of.in_order;
        }
        of.broken += !whole;
    }
}

// What happens to the network, for a while: after that all is well again.
task<> disturb(simulation& world, bool crashes) {
    const char* const names[] = {"alice", "bob", "carol"};
    for (int round = 0; round < 40; ++round) {
        auto slept = co_await weir::sleep(std::chrono::milliseconds(world.random().below(500)));
        if (!slept) co_return;
        const char* const whom = names[world.random().below(3)];
        switch (world.random().below(crashes ? 8 : 7)) {
        case 0: world.partition("server", whom); break;
        case 1: world.disconnect("server", whom); break;
        case 7: world.restart("server"); break;
        default: world.heal("server", whom);
        }
    }
    for (const char* each : names) world.heal("server", each);
}

struct climate {
    simulation_options network = {};
    bool disturbed = false;
    bool crashes = false;
    bool gracefully = false;
};

tally run(const climate& how, std::uint64_t seed) {
    simulation_options options = how.network;
    options.seed = seed;
    options.longest = 300s;
    tally of;
    simulation world(options);
    world.host("server", serve, std::ref(world), std::ref(of), how.gracefully);
    for (const char* each : {"alice", "bob", "carol"}) world.client(each, talk, std::ref(world), std::ref(of));
    if (how.disturbed) world.host("weather", disturb, std::ref(world), how.crashes);
    const result<> ran = world.run();
    CHECK_MESSAGE(ran, ran.error().message());
    CHECK(world.connections() == 0);
    CHECK(of.opened == of.ended);
    return of;
}

tally run_seeds(const climate& how, std::uint64_t count) {
    tally all;
    for (std::uint64_t seed = 0; seed < count; ++seed) {
        CAPTURE(seed);
        const tally one = run(how, seed);
        all.opened += one.opened;
        all.echoed += one.echoed;
        all.broken += one.broken;
        all.in_order += one.in_order;
    }
    return all;
}

} // namespace

TEST_CASE("simulation: a server in a network that is well loses nothing") {
    const tally of = run_seeds({.network = {.latency = {0s, 100ms}}}, 100);
    CHECK(of.opened == 900);
    CHECK(of.broken == 0);
    CHECK(of.echoed > 6000);
    CHECK(of.in_order > 200);
}

TEST_CASE("simulation: nor over a slow line") {
    const tally of = run_seeds({.network = {.latency = {20ms, 200ms}, .bytes_per_second = 50'000, .pipe_bytes = 5000}}, 30);
    CHECK(of.broken == 0);
    CHECK(of.echoed > 1500);
}

TEST_CASE("simulation: a server whose network breaks all the time") {
    const tally of = run_seeds({.network = {.latency = {1ms, 50ms}}, .disturbed = true}, 200);
    CHECK(of.broken > 100);
    CHECK(of.in_order > 50);
    CHECK(of.echoed > 3000);
}

TEST_CASE("simulation: a server that crashes, and comes again") {
    const tally of = run_seeds({.disturbed = true, .crashes = true}, 200);
    CHECK(of.broken > 100);
    CHECK(of.echoed > 2000);
}

TEST_CASE("simulation: a server whose operations fail") {
    const tally of = run_seeds({.network = {.failures = {.connect = 0.1, .accept = 0.1, .fill = 0.003, .write = 0.003}}}, 200);
    CHECK(of.broken > 100);
    CHECK(of.in_order > 50);
}

TEST_CASE("simulation: a server that stops while all of that goes on") {
    const tally of = run_seeds({.network = {.latency = {1ms, 2s}, .failures = {.write = 0.001}}, .disturbed = true,
                                .gracefully = true}, 100);
    CHECK(of.opened > 100);
}

TEST_CASE("simulation: the same seed gives the same run of server and clients") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::uint64_t digests[2];
        for (std::uint64_t& each : digests) {
            tally of;
            simulation world({.seed = seed, .failures = {.write = 0.002}});
            world.host("server", serve, std::ref(world), std::ref(of), false);
            for (const char* name : {"alice", "bob", "carol"}) world.client(name, talk, std::ref(world), std::ref(of));
            world.host("weather", disturb, std::ref(world), true);
            const result<> ran = world.run();
            CHECK_MESSAGE(ran, ran.error().message());
            each = world.digest();
        }
        CHECK(digests[0] == digests[1]);
    }
}
