#include "network.hpp"

#include "../support/memory_loop.hpp"

#include <ostream>

namespace {

// A port that nobody listens on.
std::uint16_t free_port() {
    const result<net::listener> taken = net::listen("127.0.0.1", 0);
    return taken->local_endpoint().port();
}

// A listener whose queue is full: connecting to it lasts.
struct full_queue {
    full_queue() {
        socket = io::unique_descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const endpoint any = endpoint::loopback_ipv4(0);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(any.bytes().data()), sizeof(sockaddr_in)) == 0);
        REQUIRE(::listen(socket.get(), 0) == 0);
        at = net::detail::ask_address(socket.get(), net::detail::ask_local);
    }

    task<> fill() {
        for (stream_result& each : fillers) {
            each = co_await net::connect(at).within(1ms);
            if (!each) co_return;
        }
        REQUIRE_MESSAGE(false, "the queue does not get full");
    }

    io::unique_descriptor socket;
    endpoint at;
    stream_result fillers[8] = {errc::closed, errc::closed, errc::closed, errc::closed,
                                errc::closed, errc::closed, errc::closed, errc::closed};
};

using addresses = result<sequence<endpoint>>;

addresses not_found(const std::string&, std::uint16_t) { return errc::name_not_found; }
addresses loopback(const std::string&, std::uint16_t port) {
    sequence<endpoint> found;
    found.push_back(endpoint::loopback_ipv4(port));
    return found;
}

sequence<endpoint> list_of(std::initializer_list<const char*> texts) {
    sequence<endpoint> made;
    for (const char* each : texts) made.push_back(*endpoint::parse(each));
    return made;
}

} // namespace

TEST_CASE("connect: refused") {
    auto work = []() -> task<> {
        const endpoint to = endpoint::loopback_ipv4(free_port());
        stream_result refused = co_await net::connect(to);
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == std::errc::connection_refused);
        CHECK(refused.error() == condition::unreachable);
        CHECK(refused.error().message() == "connecting to " + to.to_string() + ": Connection refused");

        refused = co_await net::connect("127.0.0.1", to.port());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().context() == "connecting to " + to.to_string());

        refused = co_await net::connect("localhost", to.port());
        REQUIRE_FALSE(refused);
        const std::string six = endpoint::loopback_ipv6(to.port()).to_string();
        CHECK(refused.error().message().starts_with("connecting to localhost: " + six + ": "));
        CHECK(refused.error().message().ends_with("; " + to.to_string() + ": Connection refused"));
    };
    run_on(make_sockets(), work());
    run_on(make_memory(), work());
}

TEST_CASE("connect: no Unix socket there") {
    auto work = []() -> task<> {
        const endpoint to = *endpoint::local("/no/such/socket");
        const stream_result none = co_await net::connect(to);
        REQUIRE_FALSE(none);
        CHECK(none.error().message() == "connecting to unix:/no/such/socket: No such file or directory");
        CHECK(none.error() == condition::unreachable);
    };
    run_on(make_sockets(), work());
}

TEST_CASE("connect: no address, no loop") {
    auto work = []() -> task<> {
        stream_result none = co_await net::connect(endpoint());
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::bad_address);
        none = co_await net::connect(sequence<endpoint>());
        REQUIRE_FALSE(none);
        CHECK(none.error().message() == "connecting to no address: malformed address");
    };
    run_on(make_sockets(), work());
}

TEST_CASE("connect: by name") {
    for (auto* events : {make_sockets, make_memory}) {
        auto work = []() -> task<> {
            result<net::listener> listener = net::listen("127.0.0.1", 0);
            REQUIRE(listener);
            const std::uint16_t port = listener->local_endpoint().port();
            for (const char* name : {"127.0.0.1", "localhost", "my.localhost"}) {
                const stream_result client = co_await net::connect(name, port);
                CHECK_MESSAGE(client, client.error().message());
                const stream_result server = co_await listener->accept();
                CHECK(server);
            }
        };
        run_on(events(), work());
    }
    auto work = []() -> task<> {
        result<net::listener> listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        net::connect_options options;
        options.lookup = loopback;
        const std::uint16_t port = listener->local_endpoint().port();
        stream_result client = co_await net::connect("example.test", port, options);
        CHECK_MESSAGE(client, client.error().message());
        const std::uint16_t closed = free_port();
        client = co_await net::connect("example.test", closed, options);
        REQUIRE_FALSE(client);
        CHECK(client.error().context() == "connecting to 127.0.0.1:" + std::to_string(closed) + " (example.test)");
        options.lookup = not_found;
        client = co_await net::connect("example.test", port, options);
        REQUIRE_FALSE(client);
        CHECK(client.error().message() == "resolving example.test: name not found");
    };
    run_on(make_sockets(), work());
}

TEST_CASE("connect: the next address is tried") {
    for (auto* events : {make_sockets, make_memory}) {
        auto work = []() -> task<> {
            result<net::listener> listener = net::listen("127.0.0.1", 0);
            REQUIRE(listener);
            sequence<endpoint> to;
            to.push_back(endpoint::loopback_ipv4(free_port()));
            to.push_back(endpoint::loopback_ipv6(to[0].port()));
            to.push_back(listener->local_endpoint());
            const stream_result client = co_await net::connect(to);
            CHECK_MESSAGE(client, client.error().message());
            const stream_result server = co_await listener->accept().within(1s);
            CHECK(server);
        };
        run_on(events(), work());
    }
}

TEST_CASE("connect: an address that does not answer gives way to the next") {
    auto work = []() -> task<> {
        full_queue full;
        co_await full.fill();
        result<net::listener> listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        sequence<endpoint> to;
        to.push_back(full.at);
        to.push_back(listener->local_endpoint());
        net::connect_options options;
        options.stagger = 1ms;
        const stream_result client = co_await net::connect(to, options);
        REQUIRE_MESSAGE(client, client.error().message());
        CHECK(net::peer_endpoint(**client) == listener->local_endpoint());
    };
    run_on(make_sockets(), work());
}

TEST_CASE("connect: a deadline, a cancellation and a destroyed frame leave nothing behind") {
    const std::size_t open = open_descriptors();
    auto work = []() -> task<> {
        full_queue full;
        co_await full.fill();
        const std::size_t before = open_descriptors();

        stream_result late = co_await net::connect(full.at).within(1ms);
        REQUIRE_FALSE(late);
        CHECK(late.error() == errc::timed_out);
        late = co_await net::connect("127.0.0.1", full.at.port()).within(1ms);
        REQUIRE_FALSE(late);
        CHECK(late.error() == errc::timed_out);
        late = co_await net::connect("localhost", full.at.port()).within(1ms);
        REQUIRE_FALSE(late);
        CHECK(late.error() == errc::timed_out);
        CHECK(open_descriptors() == before);

        auto attempt = [](endpoint to, errc* end) -> task<> {
            const stream_result made = co_await net::connect(to);
            *end = made ? errc{} : errc::canceled;
            if (!made) CHECK(made.error() == errc::canceled);
        };
        errc end = errc::busy;
        {
            scope attempts;
            attempts.spawn(attempt(full.at, &end));
            const result<> gone_on = co_await yield();
            CHECK(open_descriptors() == before + 1);
            attempts.cancel();
            co_await attempts.join();
            CHECK(end == errc::canceled);
            CHECK(open_descriptors() == before);
        }
        end = errc::busy;
        {
            scope attempts;
            attempts.spawn(attempt(full.at, &end));
            const result<> gone_on = co_await yield();
            CHECK(open_descriptors() == before + 1);
        }
        CHECK(end == errc::busy);
        CHECK(open_descriptors() == before);
    };
    run_on(make_sockets(), work());
    CHECK(open_descriptors() == open);
}

TEST_CASE("connect: destroyed or cancelled after each turn") {
    for (auto* events : {make_sockets, make_memory})
        for (int turns = 0; turns < 8; ++turns)
            for (const bool destroy : {false, true}) {
                const std::size_t open = open_descriptors();
                auto work = [&]() -> task<> {
                    result<net::listener> listener = net::listen("127.0.0.1", 0);
                    REQUIRE(listener);
                    auto talk = [](net::listener* to) -> task<> {
                        stream_result client = co_await net::connect("localhost", to->local_endpoint().port());
                        if (!client) co_return;
                        stream_result server = co_await to->accept();
                        if (!server) co_return;
                        const result<> passed = co_await pass(**client, **server, "whole");
                        if (!passed) CHECK(passed.error() == errc::canceled);
                    };
                    scope clients;
                    clients.spawn(talk(&*listener));
                    for (int i = 0; i < turns; ++i) {
                        const result<> rested = co_await sleep(1ns);
                        CHECK(rested);
                    }
                    if (destroy) co_return;
                    clients.cancel();
                    co_await clients.join();
                };
                run_on(events(), work());
                CHECK(open_descriptors() == open);
            }
}

TEST_CASE("connect: a failure at each operation is an error, not a hang") {
    for (std::uint64_t at = 0;; ++at) {
        auto events = make_owned<io::memory>();
        io::memory& network = *events;
        bool injected = false;
        auto work = [&]() -> task<> {
            network.fail_at(at);
            result<net::listener> listener = net::listen("127.0.0.1", 0);
            if (listener) {
                const stream_result client = co_await net::connect(listener->local_endpoint());
                if (client) {
                    const stream_result server = co_await listener->accept().within(5s);
                    CHECK_MESSAGE(server, server.error().message()); // accepting recovers
                } else {
                    CHECK(client.error().message().starts_with("connecting to 127.0.0.1:"));
                }
            } else {
                CHECK(listener.error().message().starts_with("listening on 127.0.0.1:0: "));
            }
            injected = network.injected();
        };
        run_on(std::move(events), work());
        if (!injected) {
            CHECK(at == 3); // listen, connect, accept
            break;
        }
    }
}

namespace {

// An address in memory to which connecting lasts for ever: its queue is full, and nobody accepts.
struct silent {
    explicit silent(const char* where) : listener(net::listen(*endpoint::parse(where), {.backlog = 1})) { REQUIRE(listener); }

    endpoint at() const { return listener->local_endpoint(); }
    task<> fill() {
        filler = co_await net::connect(at());
        CHECK(filler);
    }

    // Whether who was waiting to connect has gone, or will once it is let in.
    task<bool> is_deserted() {
        const stream_result first = co_await listener->accept();
        REQUIRE(first);
        for (;;) {
            const stream_result next = co_await listener->accept().within(1s);
            if (!next) co_return true;
            io::stream_signal signal(**next);
            io::lease lease;
            io::status came = (*next)->fill(lease);
            while (came == io::status::blocked) {
                const result<> told = co_await signal.readable().within(1s);
                if (!told) co_return false;
                came = (*next)->fill(lease);
            }
            CHECK(came != io::status::ready);
            (*next)->release(std::move(lease));
        }
    }

    result<net::listener> listener;
    stream_result filler = errc::closed;
};

constexpr const char* silent_places[] = {"[::1]:1", "127.0.0.1:1", "[::1]:2"};

} // namespace

TEST_CASE("RFC 8305 5: the next address is tried after the stagger, beside those that are silent") {
    for (const std::chrono::nanoseconds stagger : {250ms, 100ms, 3000ms}) {
        tests::memory_loop loop({.latency = 10ms});
        auto work = [&]() -> task<> {
            silent first(silent_places[0]), second(silent_places[1]), third(silent_places[2]);
            co_await first.fill();
            co_await second.fill();
            co_await third.fill();
            result<net::listener> listener = net::listen("127.0.0.1", 5);
            REQUIRE(listener);
            sequence<endpoint> to;
            for (const endpoint& each : {first.at(), second.at(), third.at(), listener->local_endpoint()}) to.push_back(each);
            const auto began = loop.now();
            net::connect_options options;
            options.stagger = stagger;
            const stream_result made = co_await net::connect(to, options);
            REQUIRE_MESSAGE(made, made.error().message());
            CHECK(loop.now() - began >= 3 * stagger);
            CHECK(loop.now() - began <= 3 * stagger + 30ms);
            const stream_result server = co_await listener->accept();
            CHECK(server);
            co_await expect_passes(**made, **server, "it is this one");
            for (silent* each : {&first, &second, &third}) {
                const bool deserted = co_await each->is_deserted();
                CHECK(deserted);
            }
        };
        loop.run(work());
    }
}

TEST_CASE("RFC 8305 5: the first to answer wins, also an earlier one; a failure has the next tried at once") {
    tests::memory_loop loop({.latency = 100ms});
    auto work = [&]() -> task<> {
        result<net::listener> slow = net::listen(*endpoint::parse("[::1]:1"), {.backlog = 1});
        REQUIRE(slow);
        stream_result filler = co_await net::connect(slow->local_endpoint());
        REQUIRE(filler);
        silent never("127.0.0.1:1");
        co_await never.fill();
        sequence<endpoint> to;
        to.push_back(slow->local_endpoint());
        to.push_back(never.at());
        auto let_in = [&]() -> task<> {
            (void)co_await weir::sleep(400ms); // the second one is under way by then
            stream_result first = co_await slow->accept();
            CHECK(first);
        };
        scope both;
        both.spawn(let_in());
        auto began = loop.now();
        const stream_result made = co_await net::connect(to);
        REQUIRE_MESSAGE(made, made.error().message());
        CHECK(loop.now() - began >= 400ms);
        CHECK(loop.now() - began <= 600ms);
        co_await both.join();
        const bool deserted = co_await never.is_deserted();
        CHECK(deserted);

        result<net::listener> listener = net::listen("127.0.0.1", 7);
        REQUIRE(listener);
        to = list_of({"127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5", "127.0.0.1:6", "127.0.0.1:7"});
        net::connect_options patient;
        patient.stagger = 1h;
        began = loop.now();
        const stream_result last = co_await net::connect(to, patient); // four are refused, each after a round trip
        REQUIRE_MESSAGE(last, last.error().message());
        CHECK(loop.now() - began <= 1s + 100ms);
    };
    loop.run(work());
}

TEST_CASE("RFC 8305 5: two that answer at the same time are one connection") {
    tests::memory_loop loop({.latency = 10ms});
    auto work = [&]() -> task<> {
        result<net::listener> first = net::listen("127.0.0.1", 1), second = net::listen("127.0.0.1", 2);
        REQUIRE((first && second));
        net::connect_options hasty;
        hasty.stagger = 0ns;
        const sequence<endpoint> to = list_of({"127.0.0.1:1", "127.0.0.1:2"});
        const stream_result made = co_await net::connect(to, hasty);
        REQUIRE_MESSAGE(made, made.error().message());
        (void)co_await weir::sleep(1s);
        int open = 0, closed = 0;
        for (net::listener* each : {&*first, &*second}) {
            const stream_result server = co_await each->accept().within(1s);
            if (!server) continue;
            io::lease lease;
            const io::status came = (*server)->fill(lease);
            open += came == io::status::blocked;
            closed += came == io::status::end || came == io::status::failed;
        }
        CHECK(open == 1);
        CHECK(closed <= 1);
    };
    loop.run(work());
}

TEST_CASE("connect: the error names every address, and why it failed") {
    tests::memory_loop loop;
    auto work = [&]() -> task<> {
        const sequence<endpoint> three = list_of({"127.0.0.1:1", "[::1]:2", "127.0.0.1:3"}), two = list_of({"127.0.0.1:1", "[::1]:2"});
        stream_result none = co_await net::connect(three);
        REQUIRE_FALSE(none);
        CHECK(none.error().message() ==
              "connecting to 127.0.0.1:1: Connection refused; [::1]:2: Connection refused; 127.0.0.1:3: Connection refused");
        CHECK(none.error() == condition::unreachable);
        loop.network().fail_next(io::memory_operation::connect, 1);
        none = co_await net::connect(two);
        REQUIRE_FALSE(none);
        CHECK(none.error().message() == "connecting to 127.0.0.1:1: Connection refused; [::1]:2: failure injected by a test");
        sequence<endpoint> many;
        for (std::uint16_t i = 1; i <= 20; ++i) many.push_back(endpoint::loopback_ipv4(i));
        none = co_await net::connect(many);
        REQUIRE_FALSE(none);
        const std::string said = none.error().message();
        CHECK_MESSAGE(said.ends_with("127.0.0.1:7: Connection refused; 12 more; 127.0.0.1:20: Connection refused"), said);
    };
    loop.run(work());
}

TEST_CASE("connect: several addresses, destroyed or cancelled after each step of time, leave nothing behind") {
    for (int steps = 0; steps < 30; ++steps)
        for (const bool destroy : {false, true}) {
            tests::memory_loop loop({.latency = 10ms});
            auto work = [&]() -> task<> {
                silent first(silent_places[0]), second(silent_places[1]);
                co_await first.fill();
                co_await second.fill();
                errc end = errc::busy;
                auto attempt = [&]() -> task<> {
                    sequence<endpoint> to;
                    for (const endpoint& each : {first.at(), second.at(), endpoint::loopback_ipv4(9)}) to.push_back(each);
                    const stream_result made = co_await net::connect(to); // never
                    CHECK_FALSE(made);
                    end = made.error() == errc::canceled ? errc::canceled : errc{};
                };
                {
                    scope attempts;
                    attempts.spawn(attempt);
                    for (int i = 0; i < steps; ++i) (void)co_await weir::sleep(20ms);
                    if (!destroy) {
                        attempts.cancel();
                        co_await attempts.join();
                        CHECK(end == errc::canceled);
                    }
                }
                if (destroy) CHECK(end == errc::busy);
                const bool deserted = co_await first.is_deserted();
                CHECK(deserted);
                const bool second_deserted = co_await second.is_deserted();
                CHECK(second_deserted);
            };
            loop.run(work());
        }
}

TEST_CASE("connect: several addresses over sockets, with one that is silent and one that refuses") {
    const std::size_t open = open_descriptors();
    auto work = []() -> task<> {
        full_queue full;
        co_await full.fill();
        result<net::listener> listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        const std::size_t before = open_descriptors();
        net::connect_options hasty;
        hasty.stagger = 2ms;
        sequence<endpoint> to;
        for (const endpoint& each : {endpoint::loopback_ipv4(free_port()), full.at, listener->local_endpoint()}) to.push_back(each);
        {
            const stream_result client = co_await net::connect(to, hasty);
            REQUIRE_MESSAGE(client, client.error().message());
            CHECK(net::peer_endpoint(**client) == listener->local_endpoint());
            CHECK(open_descriptors() == before + 1);
        }
        stream_result late = co_await net::connect(to, hasty).within(0ns);
        CHECK(open_descriptors() <= before + 1);
    };
    run_on(make_sockets(), work());
    CHECK(open_descriptors() == open);
}

TEST_CASE("RFC 8305 4: families take turns") {
    struct row {
        sequence<endpoint> given;
        sequence<endpoint> tried;
    };
    const row rows[] = {
        {{}, {}},
        {list_of({"1.1.1.1:1"}), list_of({"1.1.1.1:1"})},
        {list_of({"1.1.1.1:1", "1.1.1.2:1", "[::1]:1", "[::2]:1"}),
         list_of({"1.1.1.1:1", "[::1]:1", "1.1.1.2:1", "[::2]:1"})},
        {list_of({"[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"}),
         list_of({"[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"})},
        {list_of({"[::1]:1", "1.1.1.1:1", "1.1.1.2:1"}), list_of({"[::1]:1", "1.1.1.1:1", "1.1.1.2:1"})},
        {list_of({"[::1]:1", "[::2]:1"}), list_of({"[::1]:1", "[::2]:1"})},
    };
    for (const row& each : rows) {
        sequence<endpoint> all = each.given;
        net::detail::interleave_families(all);
        CHECK(all == each.tried);
    }
}

TEST_CASE("connect: a socket that met itself is no connection") {
    auto work = []() -> task<> {
        // TCP's simultaneous open, of one socket with itself.
        const int itself = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const endpoint any = endpoint::loopback_ipv4(0);
        REQUIRE(::bind(itself, reinterpret_cast<const sockaddr*>(any.bytes().data()), sizeof(sockaddr_in)) == 0);
        const endpoint to = net::detail::ask_address(itself, net::detail::ask_local);
        REQUIRE(::connect(itself, reinterpret_cast<const sockaddr*>(to.bytes().data()), sizeof(sockaddr_in)) == 0);
        const stream_result stream = io::loop::current()->events().adopt_stream(itself);
        REQUIRE(stream);
        CHECK(net::detail::is_connected_to_itself(**stream, to));
        CHECK_FALSE(net::detail::is_connected_to_itself(**stream, endpoint::loopback_ipv4(1)));
        co_return;
    };
    run_on(make_sockets(), work());
}
