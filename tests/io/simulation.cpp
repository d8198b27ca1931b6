// The simulated network, by streams that say lines; a server and its clients in it are in server/ and client/.
#include "../support/raw_peer.hpp"

#include <weir/coro/offload.hpp>
#include <weir/io/simulation.hpp>
#include <weir/io/sleep.hpp>
#include <weir/net/listen.hpp>

#include <set>

using namespace weir;
using namespace std::chrono_literals;
using tests::raw_peer;
using nanoseconds = std::chrono::nanoseconds;

namespace {

void expect_runs(simulation& world) {
    const result<> ran = world.run();
    CHECK_MESSAGE(ran, ran.error().message());
    CHECK(world.connections() == 0);
}

task<> answer(owned<io::stream> stream) { // each line with its own length before it, until the end
    raw_peer peer(std::move(stream));
    for (;;) {
        const std::string line = co_await peer.read_to("\n");
        if (!line.ends_with('\n')) co_return;
        const bool sent = co_await peer.send(std::to_string(line.size()) + " " + line);
        if (!sent) co_return;
    }
}

task<> serve() { // on port 7
    auto listener = net::listen("", 7);
    REQUIRE_MESSAGE(listener, listener.error().message());
    scope clients;
    for (;;) {
        auto stream = co_await listener->accept();
        if (!stream) break;
        clients.spawn(answer(std::move(*stream)));
    }
    co_await clients.join();
}

// What comes back for a line; or why nothing does.
task<std::string> ask(std::string host, std::string line) {
    auto stream = co_await net::connect(host, 7).within(600s);
    if (!stream) co_return stream.error().message();
    raw_peer peer(std::move(*stream));
    line += '\n';
    (void)co_await peer.send(line);
    std::string got = co_await peer.read_to("\n");
    if (!got.ends_with('\n')) got += peer.failure() ? "(" + peer.failure().message() + ")" : "(end)";
    co_return got;
}

task<> expect_answer(std::string host, std::string line, std::string expected) {
    const std::string got = co_await ask(host, line);
    CHECK(got == expected);
}

task<> chatter(simulation& world, int lines) { // on one connection, with pauses
    auto stream = co_await net::connect("server", 7);
    if (!stream) co_return;
    raw_peer peer(std::move(*stream));
    for (int i = 0; i < lines; ++i) {
        const std::string line(1 + world.random().below(2000), 'x');
        (void)co_await peer.send(line + "\n");
        const std::string got = co_await peer.read_to("\n");
        if (!got.ends_with('\n')) co_return;
        CHECK(got == std::to_string(line.size() + 1) + " " + line + "\n");
        (void)co_await sleep(std::chrono::milliseconds(world.random().below(50)));
    }
}

struct journal {
    std::vector<std::string> lines;
    log_hook hook() {
        return {[](void* self, const log_event& event) { static_cast<journal*>(self)->lines.emplace_back(event.what); }, this};
    }
    bool has(std::string_view what) const {
        for (const std::string& each : lines)
            if (each.find(what) != each.npos) return true;
        return false;
    }
};

} // namespace

TEST_CASE("simulation: hosts find each other by name and address, and themselves") {
    journal record;
    simulation world({.trace = record.hook()});
    world.host("server", serve);
    world.client("by name", expect_answer, "server", "a", "2 a\n");
    world.client("by address", expect_answer, "10.0.0.1", "bc", "3 bc\n");
    world.client("nobody", expect_answer, "nobody", "", "connecting to 10.0.0.4:7 (nobody): Connection refused");
    world.client("no name", expect_answer, "example.com", "", "resolving example.com: name not found");
    world.client("no address", expect_answer, "10.9.9.9", "", "connecting to 10.9.9.9:7: No route to host");
    world.client("alone", expect_answer, "localhost", "",
        "connecting to localhost: [::1]:7: Connection refused; 127.0.0.1:7: Connection refused");
    auto self = []() -> task<> {
        scope both;
        both.spawn(serve());
        const auto before = io::loop::current()->now();
        co_await expect_answer("localhost", "x", "2 x\n");
        co_await expect_answer("127.0.0.1", "x", "2 x\n");
        co_await expect_answer("self", "x", "2 x\n");
        CHECK(io::loop::current()->now() == before);
        CHECK(io::loop::current()->backend_name() == "simulation");
        both.cancel();
        co_await both.join();
    };
    world.client("self", self);
    const result<> ran = world.run();
    CHECK_MESSAGE(ran, ran.error().message());
    CHECK(record.has("0.000000000 server starts"));
    CHECK(record.has("by name > server: connects"));
    CHECK(record.has("server > by name: accepts"));
    CHECK(record.has("alone has ended"));
}

TEST_CASE("simulation: latency") {
    std::set<nanoseconds> times;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        simulation world({.seed = seed, .latency = {10ms, 20ms}, .fragment = false});
        world.host("server", serve);
        world.client("client", expect_answer, "server", "a", "2 a\n");
        bool links = seed >= 40;
        if (links) world.link("client", "server", {1s, 1s});
        nanoseconds took{0};
        auto measure = [&]() -> task<> {
            const auto before = world.now();
            co_await expect_answer("server", "a", "2 a\n");
            took = world.now() - before;
        };
        world.client("measured", measure);
        if (links) world.link("measured", "server", {1s, 1s});
        expect_runs(world);
        CHECK(took >= (links ? 4s : 40ms)); // there and back for connecting, and for the line
        CHECK(took <= (links ? 4s : 80ms));
        if (!links) times.insert(took);
    }
    CHECK(times.size() > 30);
}

TEST_CASE("simulation: bandwidth is shared by the connections between two hosts") {
    simulation world({.latency = {1ms, 1ms}, .bytes_per_second = 100'000});
    world.host("server", serve);
    nanoseconds took{0};
    auto two = [&](const std::string& line) -> task<> {
        scope both;
        for (int i = 0; i < 2; ++i) both.spawn(expect_answer("server", line, std::to_string(line.size() + 1) + " " + line + "\n"));
        const auto before = world.now();
        co_await both.join();
        took = world.now() - before;
    };
    world.client("client", two, std::string(49'993, 'x'));
    expect_runs(world);
    CHECK(took >= 1s); // 100,000 bytes each way, which overlap in part
    CHECK(took <= 2100ms);
}

TEST_CASE("simulation: a partition holds back what is said during it") {
    simulation world({.latency = {10ms, 10ms}});
    world.host("server", serve);
    nanoseconds answered{0}, connected{0};
    std::string got, end;
    auto talk = [&]() -> task<> {
        auto stream = co_await net::connect("server", 7);
        REQUIRE(stream);
        raw_peer peer(std::move(*stream));
        world.partition("server", "client");
        (void)co_await peer.send("one\n");
        (void)co_await sleep(1ms);
        (void)co_await peer.send("two\n");
        peer.end();
        got = co_await peer.read_to("\n") + co_await peer.read_to("\n");
        answered = world.now();
        end = co_await peer.read_all();
        CHECK(peer.over());
        CHECK(!peer.failure());
    };
    auto call = [&]() -> task<> {
        (void)co_await sleep(1s);
        const std::string line = co_await ask("server", "three");
        CHECK(line == "6 three\n");
        connected = world.now();
    };
    auto repair = [&]() -> task<> {
        (void)co_await sleep(30s);
        CHECK(answered == 0s);
        world.heal("server", "client");
    };
    world.client("client", [&]() -> task<> {
        scope both;
        both.spawn(talk());
        both.spawn(call());
        co_await both.join();
    });
    world.client("mechanic", repair);
    expect_runs(world);
    CHECK(got == "4 one\n4 two\n");
    CHECK(end.empty());
    CHECK(answered == 30s + 20ms);
    CHECK(connected == 30s + 40ms);
}

TEST_CASE("simulation: a reset, a refusal and a crash are held back as well") {
    simulation world({.latency = {10ms, 10ms}});
    world.host("server", serve);
    std::string lost, refused;
    auto talk = [&]() -> task<> {
        auto stream = co_await net::connect("server", 7);
        REQUIRE(stream);
        raw_peer peer(std::move(*stream));
        (void)co_await sleep(20ms); // it has been accepted
        world.partition("client", "server");
        world.crash("server");
        (void)co_await peer.read_to("\n");
        lost = peer.failure().message() + " at " + std::to_string(world.now() / 1ms);
    };
    auto call = [&]() -> task<> {
        (void)co_await sleep(1s);
        const std::string line = co_await ask("server", "x");
        refused = line + " at " + std::to_string(world.now() / 1ms);
    };
    world.client("client", talk);
    world.client("other", call);
    world.partition("other", "server");
    auto passed = world.run_for(9s);
    CHECK(passed);
    CHECK(lost.empty());
    CHECK(refused.empty());
    world.heal("server", "client");
    world.heal("server", "other");
    expect_runs(world);
    CHECK(lost == "Connection reset by peer at 9010");
    CHECK(refused == "connecting to 10.0.0.1:7 (server): Connection refused at 9020");
}

TEST_CASE("simulation: a host that crashes loses its connections, and starts anew") {
    simulation world({.latency = {10ms, 10ms}});
    int starts = 0, ends = 0;
    world.host("server", [&]() -> task<> {
        struct on_end {
            int& count;
            ~on_end() { ++count; }
        } const counted{ends};
        ++starts;
        co_await serve();
    });
    std::vector<std::string> got;
    world.client("client", [&]() -> task<> {
        auto stream = co_await net::connect("server", 7);
        REQUIRE(stream);
        raw_peer peer(std::move(*stream));
        world.crash("server");
        world.crash("bystander");
        got.push_back(co_await peer.read_to("\n") + peer.failure().message());
        got.push_back(co_await ask("server", "a"));
        world.restart("server");
        (void)co_await yield();
        (void)co_await sleep(1ms);
        got.push_back(co_await ask("server", "b"));
    });
    world.client("bystander", [&]() -> task<> { (void)co_await sleep(100h); });
    expect_runs(world);
    REQUIRE(got.size() == 3);
    CHECK(got[0] == "Connection reset by peer");
    CHECK(got[1] == "connecting to 10.0.0.1:7 (server): Connection refused");
    CHECK(got[2] == "2 b\n");
    CHECK(starts == 2);
    CHECK(ends == 2);
    CHECK(world.now() < 1s);
}

TEST_CASE("simulation: connections that are lost are reset at both ends") {
    simulation world({.latency = {10ms, 10ms}});
    std::string seen[2];
    auto watch = [&](owned<io::stream> of, std::string& into) -> task<> {
        raw_peer peer(std::move(of));
        (void)co_await peer.read_to("\n");
        into = peer.failure().message() + " at " + std::to_string(world.now() / 1ms);
    };
    world.host("server", [&]() -> task<> {
        auto listener = net::listen("", 7);
        REQUIRE(listener);
        auto stream = co_await listener->accept();
        REQUIRE(stream);
        co_await watch(std::move(*stream), seen[0]);
    });
    world.client("client", [&]() -> task<> {
        auto stream = co_await net::connect("server", 7);
        REQUIRE(stream);
        co_await watch(std::move(*stream), seen[1]);
    });
    auto passed = world.run_for(1s);
    CHECK(passed);
    CHECK(world.connections() == 1);
    world.disconnect("client", "server");
    expect_runs(world);
    CHECK(seen[0] == "Connection reset by peer at 1000");
    CHECK(seen[1] == "Connection reset by peer at 1000");
}

TEST_CASE("simulation: an operation fails when a test wants it") {
    const std::string reset = "(Connection reset by peer)", injected = "(failure injected by a test)";
    struct row {
        const char* host;
        simulation::operation kind;
        std::string got;
    };
    for (const row& each : {row{"client", simulation::operation::connect, "connecting to 10.0.0.1:7 (server): Connection refused"},
                            row{"server", simulation::operation::accept, "2 a\n"}, // tried again
                            row{"server", simulation::operation::fill, reset}, row{"server", simulation::operation::write, reset},
                            row{"client", simulation::operation::fill, injected},
                            row{"client", simulation::operation::write, injected}}) {
        CAPTURE(static_cast<int>(each.kind));
        simulation world;
        world.host("server", serve);
        world.client("client", expect_answer, "server", "a", each.got);
        world.inject(each.host, each.kind);
        expect_runs(world);
    }
    simulation world({.fragment = false});
    world.host("server", serve);
    world.client("client", expect_answer, "server", "a", "2 a\n");
    world.client("second", expect_answer, "server", "a", "2 a\n");
    world.inject("server", simulation::operation::write, 2); // there are but two
    expect_runs(world);
}

TEST_CASE("simulation: operations fail by chance") {
    int answered = 0, asked = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        simulation world({.seed = seed, .failures = {.connect = 0.2, .accept = 0.2, .fill = 0.02, .write = 0.02}});
        world.host("server", serve);
        for (const char* name : {"alice", "bob", "carol"})
            world.client(name, [&]() -> task<> {
                const std::string got = co_await ask("server", "a");
                ++asked;
                answered += got == "2 a\n";
            });
        expect_runs(world);
    }
    CHECK(asked == 300);
    CHECK(answered > 150);
    CHECK(answered < 270);
}

namespace {

struct replay {
    std::uint64_t digest;
    std::string trace;
};

replay play(std::uint64_t seed) {
    journal record;
    simulation world({.seed = seed, .bytes_per_second = 1'000'000, .failures = {.connect = 0.1, .write = 0.01},
                      .trace = record.hook()});
    world.host("server", serve);
    for (const char* name : {"alice", "bob", "carol"}) world.client(name, chatter, std::ref(world), 4);
    world.host("weather", [&]() -> task<> {
        const char* const names[] = {"alice", "bob", "carol"};
        while (auto slept = co_await sleep(std::chrono::milliseconds(world.random().below(100)))) {
            const char* const whom = names[world.random().below(3)];
            switch (world.random().below(10)) {
            case 0: world.partition("server", whom); break;
            case 1: world.disconnect("server", whom); break;
            case 2: world.restart("server"); break;
            default: world.heal("server", whom);
            }
        }
    });
    const result<> ran = world.run();
    CHECK_MESSAGE(ran, ran.error().message());
    std::string trace;
    for (const std::string& each : record.lines) trace += each + '\n';
    return {world.digest(), trace};
}

} // namespace

TEST_CASE("simulation: the same seed gives the same trace, letter by letter; another one another") {
    std::set<std::uint64_t> digests;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        CAPTURE(seed);
        const replay once = play(seed), again = play(seed);
        CHECK(once.digest == again.digest);
        CHECK(once.trace == again.trace);
        digests.insert(once.digest);
    }
    CHECK(digests.size() == 100);
}

TEST_CASE("simulation: a seed gives today, with each compiler, what it gave when this was written") {
    CHECK(play(4711).digest == 18043989004346120034u);
}

TEST_CASE("simulation: which host comes first at the same time is decided by the seed") {
    std::set<std::string> orders;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        simulation world({.seed = seed});
        std::string order;
        for (const char* name : {"a", "b", "c"})
            world.client(name, [&order, name]() -> task<> {
                (void)co_await sleep(1s);
                order += name;
            });
        expect_runs(world);
        orders.insert(order);
    }
    CHECK(orders.size() == 6);
}

TEST_CASE("simulation: so is the order in which a host hears of what comes at the same time") {
    std::set<std::string> orders;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        simulation world({.seed = seed, .latency = {1ms, 1ms}});
        std::string order;
        auto listen = [&order](char which, io::stream* of) -> task<> {
            io::stream_signal signal(*of);
            io::lease got;
            while (of->fill(got) != io::status::ready) (void)co_await signal.readable();
            of->release(std::move(got));
            order += which;
        };
        world.client("server", [&]() -> task<> {
            auto listener = net::listen("", 7);
            REQUIRE(listener);
            owned<io::stream> all[3];
            for (owned<io::stream>& each : all) {
                auto stream = co_await listener->accept();
                if (stream) each = std::move(*stream);
            }
            scope listening;
            for (int i = 0; i < 3; ++i) listening.spawn(listen(static_cast<char>('a' + i), all[i].get()));
            co_await listening.join();
        });
        auto talk = [](std::string) -> task<> {
            auto stream = co_await net::connect("server", 7);
            REQUIRE(stream);
            (void)co_await sleep(1s);
            const bytes_view piece = as_bytes(std::string_view("x"));
            CHECK((*stream)->write({&piece, 1}) == 1);
            (void)co_await sleep(1s);
        };
        for (const char* name : {"x", "y", "z"}) world.client(name, talk, name);
        expect_runs(world);
        orders.insert(order);
    }
    CHECK(orders.size() >= 4);
}

namespace {

int answer_from_helper(int of) { return of + 1; }

struct oddity : std::exception {
    const char* what() const noexcept override { return "odd"; }
};

task<> for_ever() {
    while (auto passed = co_await sleep(1s)) {}
}

std::string error_of(simulation& world) {
    const result<> ran = world.run();
    return ran ? "none" : ran.error().message();
}

} // namespace

TEST_CASE("simulation: offload takes no virtual time") {
    simulation world;
    world.client("one", [&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            auto got = co_await offload(answer_from_helper, i).within(1ms);
            REQUIRE(got);
            CHECK(*got == i + 1);
        }
    });
    world.host("other", for_ever);
    expect_runs(world);
    CHECK(world.now() == 0s);
}

TEST_CASE("simulation: what is wrong is said with the seed and the time") {
    simulation_options options{.seed = 4711, .longest = 10s};
    SUBCASE("a program throws") {
        simulation world(options);
        world.host("thrower", []() -> task<> {
            (void)co_await sleep(1500ms);
            throw oddity();
        });
        world.client("client", for_ever);
        CHECK(error_of(world) == "seed 4711 at 1.500000000 s: thrower threw: odd: an exception ended a task");
    }
    SUBCASE("a check fails") {
        simulation world(options);
        world.client("client", [&]() -> task<> {
            world.fail("it is wet");
            world.fail("it is cold");
            co_await for_ever();
        });
        CHECK(error_of(world) == "seed 4711 at 0.000000000 s: it is wet: a check failed");
    }
    SUBCASE("nothing is left that could happen") {
        simulation world(options);
        world.host("server", []() -> task<> {
            auto listener = net::listen("", 7);
            REQUIRE(listener);
            auto stream = co_await listener->accept();
            auto never = co_await listener->accept();
            CHECK(never.error() == errc::canceled);
        });
        world.client("client", []() -> task<> {
            auto stream = co_await net::connect("server", 7);
            REQUIRE(stream);
            io::stream_signal signal(**stream);
            (void)co_await signal.readable();
        });
        const std::string said = error_of(world);
        CHECK(said.starts_with("seed 4711 at 0.0"));
        CHECK(said.ends_with(" s: client not at an end: everybody waits, and nothing is left that could happen"));
    }
    SUBCASE("it takes too long") {
        simulation world(options);
        world.client("a", for_ever);
        world.client("b", for_ever);
        CHECK(error_of(world) == "seed 4711 at 10.000000000 s: a, b not at an end: timed out");
    }
    SUBCASE("somebody never waits") {
        simulation world(options);
        world.client("client", []() -> task<> {
            while (auto others = co_await yield()) {}
        });
        CHECK(error_of(world) == "seed 4711 at 0.000000000 s: a million turns, and nobody waits: timed out");
    }
}

TEST_CASE("simulation: time passes as far as asked, and hosts come later") {
    simulation world({.seed = 5});
    CHECK(world.seed() == 5);
    int rounds = 0;
    world.host("host", [&]() -> task<> {
        while (auto passed = co_await sleep(1s)) ++rounds;
    });
    auto passed = world.run_for(10500ms);
    CHECK(passed);
    CHECK(rounds == 10);
    CHECK(world.now() == 10500ms);
    nanoseconds began{0};
    world.client("client", [&]() -> task<> {
        began = world.now();
        (void)co_await sleep(2s);
        world.client("late", [&]() -> task<> {
            (void)co_await sleep(2s);
            began = world.now() - began;
        });
    });
    const std::uint64_t before = world.digest();
    world.note("half time");
    CHECK(world.digest() != before);
    expect_runs(world);
    CHECK(began == 4s);
    passed = world.run_for(24h); // nobody is left
    CHECK(passed);
    CHECK(world.now() == 24h + 14500ms);
}
