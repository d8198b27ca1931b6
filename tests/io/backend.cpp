// What every backend owes its loop (io/backend.hpp): waking, telling, destroying, threads, the clock. What it owes by its
// streams and acceptors is in io/stream.cpp, which runs on every backend too.
#include "../support/stream_fixtures.hpp"

#include <weir/core/entropy.hpp>

#include <deque>
#include <thread>

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

using namespace weir;
using namespace std::chrono_literals;
using namespace tests;
using io::status;

namespace {

// Has everything told that has happened already.
void drain(io::backend& events) {
    for (int quiet = 0; quiet < 3;) {
        quiet = events.wait(0ns) ? 0 : quiet + 1;
        while (events.dispatch()) {}
    }
}

// Waits until something is found; what it is remains untold.
bool find_something(io::backend& events) {
    for (int tries = 0; tries < 100; ++tries)
        if (events.wait(100ms)) return true;
    return false;
}

io::backend* woken = nullptr;
void wake_it(int) { woken->wake(); }

owned<io::stream> adopt(io::backend& events, int number) {
    auto made = events.adopt_stream(number);
    REQUIRE(made);
    return std::move(*made);
}

} // namespace

TEST_CASE_TEMPLATE("backend: a wake ends the wait that is under way, or the next one", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    io::backend& events = in.events();
    drain(events);
    events.wake();
    events.wake();
    CHECK(events.wait(io::backend::forever));
    drain(events);
    CHECK(!events.wait(0ns)); // and no other
    for (int round = 0; round < 200; ++round) {
        std::thread other([&] { events.wake(); });
        CHECK(events.wait(io::backend::forever));
        other.join();
        drain(events);
    }
}

TEST_CASE_TEMPLATE("backend: a wake from a signal handler, which does not disturb what it interrupts", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    woken = &in.events();
    struct sigaction action{}, before;
    action.sa_handler = wake_it;
    ::sigaction(SIGUSR1, &action, &before);
    for (int round = 0; round < 3; ++round) {
        errno = 77;
        ::raise(SIGUSR1);
        CHECK(errno == 77);
        CHECK(in.events().wait(io::backend::forever));
        drain(in.events());
    }
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE_TEMPLATE("backend: a wait lasts as long as asked, and the clock goes on", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    io::backend& events = in.events();
    drain(events);
    for (const auto wish : {1ns, 1000ns, 1'500'000ns, 4'000'000ns}) {
        const auto before = events.now();
        CHECK(!events.wait(wish));
        CHECK(events.now() - before >= wish);
        CHECK(!events.dispatch());
    }
    auto last = events.now();
    for (int i = 0; i < 1000; ++i) {
        const auto now = events.now();
        REQUIRE(now >= last);
        last = now;
    }
}

TEST_CASE_TEMPLATE("backend: tells from dispatch, and from nowhere else", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto [a, b] = in.pair();
    told of_a, of_b;
    in.settle();
    for (int round = 0; round < 3; ++round) {
        a->observe(&of_a);
        b->observe(&of_b);
        CHECK(read_some(*a).empty());
        drain(in.events());
        of_a = of_b = told();
        CHECK(write_some(*b, "x") == 1);
        CHECK(find_something(in.events()));
        CHECK(of_a.readable + of_a.writable + of_b.readable + of_b.writable == 0);
        CHECK(in.until([&] { return of_a.readable > 0; }));
        CHECK(read_some(*a) == "x");
        // nobody observes: the next try finds it all the same
        a->observe(nullptr);
        CHECK(read_some(*a).empty());
        CHECK(write_some(*b, "y") == 1);
        std::string got;
        CHECK(in.until([&] { return !(got = read_some(*a)).empty(); }));
        CHECK(got == "y");
    }
    b->observe(nullptr);
}

TEST_CASE_TEMPLATE("backend: nothing is told for ever", Fixture, ALL_STREAM_FIXTURES) {
    // Bytes that nobody takes, room that nobody needs, ends and resets that nobody looks at, clients that nobody accepts.
    Fixture in;
    told of_all;
    auto listening = in.events().listen(in.listening_address(), {});
    REQUIRE(listening);
    (*listening)->observe(&of_all);
    auto client = in.events().connect((*listening)->local_address());
    REQUIRE(client);
    auto [a, b] = in.pair();
    auto [c, d] = in.pair();
    auto [e, f] = in.pair();
    for (auto* each : {&a, &b, &c, &e}) (*each)->observe(&of_all);
    CHECK(write_some(*a, "unread") > 0);
    CHECK(write_some(*f, "unread") > 0);
    d->shutdown_write();
    f->reset();
    for (int turns = 0; turns < 10; ++turns) in.loop().turn(1ms);
    of_all = told();
    const auto before = in.events().now();
    CHECK(!in.events().wait(5ms));
    CHECK(in.events().now() - before >= 5ms);
    CHECK(of_all.readable + of_all.writable + of_all.acceptable == 0);
    for (auto* each : {&a, &b, &c, &e}) (*each)->observe(nullptr);
    (*listening)->observe(nullptr);
}

TEST_CASE_TEMPLATE("backend: hundreds at once are all told", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    constexpr int count = 300;
    std::vector<stream_pair> pairs;
    std::deque<told> observers;
    for (int i = 0; i < count; ++i) {
        pairs.push_back(in.pair());
        pairs.back().first->observe(&observers.emplace_back());
        CHECK(read_some(*pairs.back().first).empty());
    }
    drain(in.events());
    for (int round = 0; round < 3; ++round) {
        for (told& each : observers) each = told();
        for (stream_pair& each : pairs) CHECK(write_some(*each.second, "x") == 1);
        int silent = 0;
        CHECK(in.until([&] {
            silent = 0;
            for (const told& each : observers) silent += each.readable == 0;
            return silent == 0;
        }));
        CHECK(silent == 0);
        in.settle();
        for (int i = 0; i < count; ++i) {
            CHECK(observers[static_cast<std::size_t>(i)].readable == 1);
            CHECK(read_some(*pairs[static_cast<std::size_t>(i)].first) == "x");
            CHECK(read_some(*pairs[static_cast<std::size_t>(i)].first).empty());
        }
    }
    for (stream_pair& each : pairs) each.first->observe(nullptr);
}

TEST_CASE_TEMPLATE("backend: streams come and go in any order, and no byte goes astray", Fixture, ALL_STREAM_FIXTURES) {
    // Each pair has a letter of its own. What the steps are says a generator with a seed.
    struct talk {
        stream_pair ends;
        char letter;
        std::size_t sent = 0, got = 0;
        told of_it;
    };
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Fixture in;
        seeded_entropy random(seed);
        std::deque<std::unique_ptr<talk>> talks;
        auto take = [&](talk& each) {
            for (std::string more; !(more = read_some(*each.ends.second)).empty(); each.got += more.size())
                REQUIRE(more == std::string(more.size(), each.letter));
        };
        for (int step = 0; step < 400; ++step) {
            const std::size_t any = talks.empty() ? 0 : random.next_32() % talks.size();
            switch (random.next_32() % 8) {
            case 0:
            case 1:
                if (talks.size() > 20) break;
                talks.push_back(std::make_unique<talk>());
                talks.back()->ends = in.pair();
                talks.back()->letter = static_cast<char>('a' + step % 26);
                talks.back()->ends.second->observe(&talks.back()->of_it);
                break;
            case 2: in.loop().turn(0ns); break;
            case 3: (void)in.events().wait(0ns); break;
            case 4: (void)in.events().dispatch(); break;
            case 5: // in the middle of it
                if (talks.empty()) break;
                if (random.next_32() % 2) talks[any]->ends.first->reset();
                talks.erase(talks.begin() + static_cast<std::ptrdiff_t>(any));
                break;
            default:
                if (talks.empty()) break;
                talks[any]->sent += write_some(*talks[any]->ends.first, std::string(random.next_32() % 300, talks[any]->letter));
                take(*talks[any]);
            }
        }
        for (auto& each : talks) {
            each->ends.first->close();
            CHECK(in.until([&] { return take(*each), each->got == each->sent; }));
            each->ends.second->observe(nullptr);
        }
    }
}

TEST_CASE("backend: a closed socket is closed for the world at once, whatever was in flight") {
    unix_fixture in;
    io::backend& events = in.events();
    for (int round = 0; round < 24; ++round) {
        int numbers[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, numbers) == 0);
        owned<io::stream> ours = adopt(events, numbers[0]);
        if (round & 1) drain(events); // so that it is not only watched, but found
        if (round & 2) CHECK(::send(numbers[1], "x", 1, MSG_NOSIGNAL) == 1);
        if (round & 4) (void)events.wait(0ns);
        switch (round % 3) {
        case 0: ours->close(); break;
        case 1: ours->reset(); break;
        case 2: ours.reset(); break;
        }
        pollfd theirs{numbers[1], POLLIN, 0};
        CHECK(::poll(&theirs, 1, 0) == 1); // nobody waits or turns in between
        CHECK((theirs.revents & POLLHUP) != 0);
        ::close(numbers[1]);
    }
}

TEST_CASE("backend: a port is free again as soon as what listened is gone, and when the backend is") {
    for (int round = 0; round < 20; ++round) {
        std::optional<tcp_fixture> in(std::in_place);
        auto listening = in->events().listen(in->listening_address(), {});
        REQUIRE(listening);
        const std::vector<std::byte> at((*listening)->local_address().begin(), (*listening)->local_address().end());
        auto client = in->events().connect(at);
        REQUIRE(client);
        owned<io::stream> server;
        std::error_code failure;
        CHECK(in->until([&] { return (*listening)->accept(server, failure) == status::ready; }));
        auto waiting = in->events().connect(at); // found, and not accepted
        REQUIRE(waiting);
        (void)in->events().wait(0ns);
        listening->reset();
        if (round % 2) {
            client->reset();
            server.reset();
            waiting->reset();
            in.emplace();
        }
        auto again = in->events().listen(at, {});
        CHECK_MESSAGE(again, again.error().message());
    }
}

TEST_CASE("backend: made and set up here, run and destroyed elsewhere") {
    auto made = make_events();
    REQUIRE(made);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto listening = (*made)->listen(bytes_of(&any, sizeof any), {});
    REQUIRE(listening);
    bool passed = false;
    std::thread other([&] {
        io::loop on(std::move(*made));
        {
            auto client = on.events().connect((*listening)->local_address());
            REQUIRE(client);
            owned<io::stream> server;
            std::error_code failure;
            for (int turns = 0; turns < 1000 && !passed; ++turns) {
                if (!server) (void)(*listening)->accept(server, failure);
                if (server && (*client)->connected() == status::ready) write_some(**client, "x");
                on.turn(1ms);
                passed = server && !read_some(*server).empty();
            }
        }
        listening->reset();
    });
    other.join();
    CHECK(passed);
}

TEST_CASE("backend: what cannot be adopted is an error, and closed") {
    tcp_fixture in;
    CHECK(!in.events().adopt_stream(-1));
    CHECK(!in.events().adopt_acceptor(-1));
}

TEST_CASE("backend: says who it is, and why") {
    auto made = make_events();
    REQUIRE(made);
    io::loop on(std::move(*made));
    CHECK(!on.backend_name().empty());
    CHECK(on.backend_name() == on.events().name());
    CHECK(on.backend_reason() == on.events().reason());
}
