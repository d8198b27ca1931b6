// The loop: turns, fairness, other threads, signals, loops within loops, and what lingers.
#include "../support/no_sockets.hpp"
#include "../support/stream_fixtures.hpp"

#include <weir/coro/next_turn.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/stream_signal.hpp>

#include <atomic>
#include <thread>

#include <poll.h>
#include <signal.h>

using namespace weir;
using namespace std::chrono_literals;

namespace {

owned<io::backend> make_sockets() {
    auto made = tests::make_events();
    REQUIRE(made);
    return std::move(*made);
}

struct work final : ready_item {
    void run() noexcept override {
        ++runs;
        if (log) log->push_back(name);
        if (again) again->post(*this);
        if (at_end) at_end->post_at_turn_end(*this);
    }
    int runs = 0;
    char name = '?';
    std::string* log = nullptr;
    scheduler* again = nullptr;
    scheduler* at_end = nullptr;
};

struct remote_work final : remote_item {
    void run() noexcept override {
        ++runs;
        if (victim) home->revoke(*victim);
        if (again) home->post_remote(*this);
    }
    int runs = 0;
    bool again = false;
    scheduler* home = nullptr;
    remote_item* victim = nullptr;
};

struct alarm_clock final : timer {
    void expire() noexcept override { ++rings; }
    int rings = 0;
};

struct bell final : io::interrupt {
    void on_interrupt() noexcept override { ++rings; }
    int rings = 0;
};

// A backend on a clock of its own, which counts how often it is read. Waiting takes the whole time, or, while `events` are
// left, a millisecond and the time that each of them takes.
class scripted final : public tests::no_sockets {
public:
    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        const std::chrono::nanoseconds most = events > 0 && timeout > 1ms ? 1ms : timeout;
        at += most;
        return events > 0 && most < timeout;
    }
    bool dispatch() noexcept override {
        if (events > 0 && --events >= 0) at += takes;
        return false;
    }
    void wake() noexcept override {}
    std::chrono::nanoseconds now() noexcept override {
        ++reads;
        return at;
    }

    std::chrono::nanoseconds at{0}, takes{0};
    int events = 0, reads = 0;
};

task<int> give(int what) { co_return what; }

task<> note(std::string& log, std::string what, std::chrono::nanoseconds after) {
    (void)co_await sleep(after);
    log += what;
}

task<> three(std::string& log) {
    scope all;
    all.spawn(note(log, "c", 3h));
    all.spawn(note(log, "a", 1h));
    all.spawn(note(log, "b", 2h));
    co_await all.join();
}

task<> nested(std::string& log) {
    scheduler* const outer = scheduler::current();
    {
        tests::memory_loop inner;
        CHECK(inner.run(give(3)) == 3);
        CHECK(scheduler::current() == outer);
        inner.run(three(log));
    }
    CHECK(scheduler::current() == outer);
    (void)co_await sleep(1ms);
    log += "!";
}

#if defined(__cpp_exceptions)
task<> throws() {
    (void)co_await sleep(1ms);
    throw 42;
}
#endif

} // namespace

TEST_CASE("loop: runs a task to its end and gives what it gives") {
    tests::memory_loop memory;
    CHECK(memory.run(give(7)) == 7);
    CHECK(io::loop(make_sockets()).run(give(8)) == 8);
    CHECK(io::loop::current() == nullptr);
#if defined(__cpp_exceptions)
    CHECK_THROWS_AS(memory.run(throws()), int);
#endif
}

TEST_CASE("loop: deadlines in order; loops within loops, one after the other") {
    std::string log;
    io::loop outer(make_sockets());
    outer.run(nested(log));
    CHECK(log == "abc!");
    outer.run(nested(log));
    CHECK(log == "abc!abc!");
}

TEST_CASE("loop: a turn that is nested at the end of another one ends that first, and the rest in order") {
    struct nesting final : ready_item {
        void run() noexcept override {
            *log += '(';
            on->turn(1h); // what is left has something to do in the next turn, so that nothing is waited for
            *log += ')';
        }
        io::loop* on = nullptr;
        std::string* log = nullptr;
    };
    tests::memory_loop memory;
    io::loop& loop = memory.loop();
    std::string log;
    nesting outer;
    outer.on = &loop, outer.log = &log;
    work last, after;
    last.name = 'l', after.name = 'a';
    last.log = after.log = &log;
    last.again = &loop;
    loop.post_at_turn_end(outer);
    loop.post_at_turn_end(last);
    loop.post_at_turn_end(after);
    const auto began = loop.events().now();
    loop.turn(0ns);
    CHECK(log.starts_with("(lal"));
    CHECK(log.ends_with(')'));
    CHECK(loop.events().now() - began < 1h);
}

TEST_CASE("loop: what is posted runs in order, and what is for the turn's end at its end") {
    tests::memory_loop memory;
    io::loop& loop = memory.loop();
    std::string log;
    work a, b, c, gone;
    a.name = 'a';
    b.name = 'b';
    c.name = 'c';
    a.log = b.log = c.log = &log;
    loop.post_at_turn_end(c);
    loop.post(a);
    loop.post(b);
    loop.post(a); // moves to the end
    {
        work dies;
        loop.post(dies);
    }
    CHECK(loop.until_next() == 0ns);
    loop.turn();
    CHECK(log == "bac");
    CHECK(loop.until_next() == io::loop::forever);
    loop.turn(0ns);
    CHECK(log == "bac");
}

TEST_CASE("loop: who posts itself for ever does not keep events, deadlines or other threads waiting") {
    tests::unix_fixture in;
    io::loop& loop = in.loop();
    auto [a, b] = in.pair();
    tests::told of_a;
    a->observe(&of_a);
    in.settle();
    of_a = tests::told();
    work restless, at_end;
    restless.again = &loop;
    at_end.at_end = &loop;
    loop.post(restless);
    loop.post_at_turn_end(at_end);
    remote_work remote, restless_remote;
    restless_remote.home = &loop;
    restless_remote.again = true;
    loop.post_remote(restless_remote);
    loop.post_remote(remote);
    CHECK(tests::write_some(*b, "x") == 1);
    loop.turn();
    loop.turn();
    CHECK(of_a.readable == 1);
    CHECK(remote.runs == 1);
    CHECK(restless.runs > 2);
    CHECK(restless.runs <= 64);
    CHECK(at_end.runs == 2);
    CHECK(restless_remote.runs == 2);
    loop.revoke(restless_remote);
    a->observe(nullptr);
}

TEST_CASE("loop: a turn waits for the next deadline, not longer than asked, and not for what is unlinked") {
    tests::memory_loop memory;
    io::loop& loop = memory.loop();
    const auto start = memory.now();
    alarm_clock one, two;
    loop.arm(one, 10ms);
    loop.arm(two, 5ms);
    two.disarm();
    CHECK(loop.until_next() == 10ms);
    loop.turn(4ms);
    CHECK(memory.now() == start + 4ms);
    CHECK(loop.now() == memory.now());
    CHECK(one.rings == 0);
    loop.turn();
    CHECK(memory.now() == start + 10ms);
    CHECK(one.rings == 1);
    loop.arm(one, 1h);
    loop.arm(one, 1ms); // anew
    loop.turn();
    CHECK(memory.now() == start + 11ms);
    loop.arm(one, -1s);
    loop.turn();
    CHECK(one.rings == 3);
    CHECK(memory.now() <= start + 12ms);
    loop.arm(one, io::loop::forever); // a year
    loop.turn(24h * 364);
    CHECK(one.rings == 3);
    one.disarm();
    CHECK(loop.until_next() == io::loop::forever);
}

TEST_CASE("loop: on a clock that has run for years a deadline is as far away as asked") {
    auto events = make_owned<io::memory>();
    events->advance(24h * 365 * 5);
    io::loop loop(std::move(events));
    const auto start = loop.now();
    alarm_clock one;
    loop.arm(one, 1h);
    for (int turns = 0; one.rings == 0 && turns < 6; ++turns) loop.turn(); // the wheel may want a few on the way
    CHECK(one.rings == 1);
    CHECK(loop.now() == start + 1h);
}

TEST_CASE("loop: the clock is read once a turn while there are events, and deadlines are kept all the same") {
    auto made = make_owned<scripted>();
    scripted& events = *made;
    io::loop loop(std::move(made));
    alarm_clock far;
    loop.arm(far, 20s);
    loop.turn(0ns);
    events.events = 1000;
    events.reads = 0;
    for (int turn = 0; turn < 1000; ++turn) loop.turn();
    CHECK(events.reads <= 1001);
    CHECK(far.rings == 0);
    int turns = 0;
    for (; far.rings == 0 && turns < 10; ++turns) loop.turn();
    CHECK(far.rings == 1);
    CHECK(turns <= 6); // the wheel may want a few on the way
    CHECK(events.at >= 20s);
    CHECK(events.at <= 20s + 1ms);

    for (const std::chrono::nanoseconds busy : {1ms, 90ms, 200ms, 2s + 0ms, 5s + 0ms}) { // a turn that takes long
        const std::chrono::nanoseconds due = events.at + 3s;
        loop.arm(far, due - loop.now());
        far.rings = 0;
        loop.turn(0ns);
        events.takes = busy;
        events.events = 1;
        while (far.rings == 0) loop.turn();
        CHECK(events.at >= due);
        CHECK(events.at <= due + busy + 2ms);
    }
}

TEST_CASE("loop: an item is taken back by whoever runs before it") {
    tests::memory_loop memory;
    io::loop& loop = memory.loop();
    remote_work a, b, c;
    a.home = &loop;
    a.victim = &b;
    loop.post_remote(a);
    loop.post_remote(b);
    loop.post_remote(c);
    loop.turn();
    CHECK(a.runs == 1);
    CHECK(b.runs == 0);
    CHECK(c.runs == 1);
    loop.revoke(c); // has run already: nothing
    loop.turn(0ns);
    CHECK(c.runs == 1);
}

namespace {

// Counts; posted by several threads, each its own items.
struct tick final : remote_item {
    void run() noexcept override {
        ++*count;
        done.store(true, std::memory_order_release);
    }
    int* count = nullptr;
    std::atomic<bool> done{false};
};

} // namespace

TEST_CASE("loop: no post from another thread is lost or left lying") {
    // Each thread posts its next item when the last has run: a lost wake-up would hang here.
    for (const bool on_sockets : {true, false}) {
        auto memory = make_owned<io::memory>();
        io::memory& network = *memory;
        io::loop loop(on_sockets ? make_sockets() : std::move(memory));
        int count = 0;
        constexpr int each_posts = 2000, threads = 3;
        std::vector<std::thread> posters;
        std::optional<io::memory::clock_hold> held;
        if (!on_sockets) held.emplace(network);
        for (int i = 0; i < threads; ++i)
            posters.emplace_back([&] {
                tick item;
                item.count = &count;
                for (int k = 0; k < each_posts; ++k) {
                    item.done.store(false);
                    loop.post_remote(item);
                    while (!item.done.load(std::memory_order_acquire)) std::this_thread::yield();
                }
            });
        while (count < each_posts * threads) loop.turn();
        for (std::thread& each : posters) each.join();
        CHECK(count == each_posts * threads);
    }
}

TEST_CASE("loop: may be destroyed as soon as what was posted has run") {
    for (int round = 0; round < 200; ++round) {
        int count = 0;
        tick item;
        item.count = &count;
        std::optional<io::loop> loop(std::in_place, make_sockets());
        std::thread poster([&loop = *loop, &item] { loop.post_remote(item); });
        while (count == 0) loop->turn(1ms);
        loop.reset();
        poster.join();
    }
}

TEST_CASE("loop: within somebody else's loop, polled by its descriptor") {
    tests::unix_fixture in;
    io::loop& loop = in.loop();
    if (loop.descriptor() < 0) {
        MESSAGE("no descriptor: ", loop.backend_name());
        return;
    }
    auto [a, b] = in.pair();
    tests::told of_a;
    a->observe(&of_a);
    in.settle();
    of_a = tests::told();
    auto readable = [&](int milliseconds) {
        pollfd one{loop.descriptor(), POLLIN, 0};
        return ::poll(&one, 1, milliseconds) == 1;
    };
    // what happens to a stream
    CHECK(loop.until_next() == io::loop::forever);
    CHECK(!readable(0));
    CHECK(tests::write_some(*b, "x") == 1);
    CHECK(readable(10'000));
    loop.turn(0ns);
    CHECK(of_a.readable == 1);
    CHECK(!readable(0));
    // a post from another thread, before or after the question
    for (const bool before : {false, true}) {
        int count = 0;
        tick item;
        item.count = &count;
        std::thread poster;
        if (before) {
            poster = std::thread([&] { loop.post_remote(item); });
            poster.join();
            CHECK(loop.until_next() == 0ns);
        } else {
            CHECK(loop.until_next() == io::loop::forever);
            poster = std::thread([&] { loop.post_remote(item); });
            CHECK(readable(10'000));
            poster.join();
        }
        loop.turn(0ns);
        CHECK(count == 1);
        CHECK(loop.until_next() == io::loop::forever);
        CHECK(!readable(0));
    }
    // a deadline does not show in the descriptor
    alarm_clock soon;
    loop.arm(soon, 3ms);
    CHECK(loop.until_next() <= 4ms);
    while (soon.rings == 0) {
        CHECK(!readable(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(loop.until_next()).count())));
        loop.turn(0ns);
    }
    a->observe(nullptr);
}

namespace {

io::loop* signalled_loop = nullptr;
bell* signalled_bell = nullptr;
void on_signal(int) { signalled_loop->raise(*signalled_bell); }

} // namespace

TEST_CASE("loop: raised from a signal handler") {
    for (const bool on_sockets : {true, false}) {
        io::loop loop(on_sockets ? make_sockets() : make_owned<io::memory>());
        bell rung, silent;
        loop.add(silent);
        loop.add(rung);
        signalled_loop = &loop;
        signalled_bell = &rung;
        struct sigaction action{}, before;
        action.sa_handler = on_signal;
        ::sigaction(SIGUSR1, &action, &before);
        ::raise(SIGUSR1);
        loop.turn();
        CHECK(rung.rings == 1);
        // while another thread's signal interrupts the wait
        const pthread_t self = ::pthread_self();
        for (int round = 2; round < 20; ++round) {
            std::thread other([self] { ::pthread_kill(self, SIGUSR1); });
            while (rung.rings < round) loop.turn();
            other.join();
        }
        ::sigaction(SIGUSR1, &before, nullptr);
        CHECK(silent.rings == 0);
    }
}

namespace {

// Stays a while after its owner has gone.
struct straggler final : lingering, timer {
    straggler(io::loop& loop, std::string& to) : log(to) {
        loop.keep(*this);
        loop.arm(*this, 1h);
    }
    void expire() noexcept override {
        log += "expired ";
        delete this;
    }
    void abandon() noexcept override {
        log += scheduler::current() ? "abandoned " : "abandoned outside ";
        delete this;
    }
    std::string& log;
};

task<> drop(io::loop& loop, std::string& log) {
    new straggler(loop, log);
    co_return;
}

} // namespace

TEST_CASE("loop: ends when nothing lingers, and takes what lingers down with it") {
    std::string log;
    {
        tests::memory_loop memory;
        const auto before = memory.now();
        memory.run(drop(memory.loop(), log));
        CHECK(log == "expired ");
        CHECK(memory.now() - before == 1h);
        new straggler(memory.loop(), log);
    }
    CHECK(log == "expired abandoned ");
}

TEST_CASE("loop: random numbers are the injected ones, or the kernel's") {
    seeded_entropy twin(5);
    tests::memory_loop memory({}, 5);
    for (int i = 0; i < 1000; ++i) REQUIRE(memory.loop().random().next_32() == twin.next_32());
    io::loop loop(make_sockets());
    std::byte bytes[4096]{};
    loop.random().fill(bytes);
    std::size_t zeros = 0;
    for (const std::byte each : bytes) zeros += each == std::byte{0};
    CHECK(zeros < 100); // 16 on average
    CHECK(loop.random().next_64() != loop.random().next_64());
}

TEST_CASE("loop: next_turn goes on in the next turn, cancelled or not") {
    struct steps {
        static task<> take(io::loop& on, std::vector<std::uint64_t>& turns, bool& canceled) {
            for (int i = 0; i < 3; ++i) {
                const result<> turned = co_await next_turn();
                turns.push_back(on.turn_number());
                canceled = !turned;
            }
        }
        static task<> take_all(io::loop& on, std::vector<std::uint64_t>& turns, bool& canceled) {
            scope all;
            all.spawn(take(on, turns, canceled));
            co_await all.join();
            CHECK(!canceled);
            CHECK(turns[1] == turns[0] + 1);
            CHECK(turns[2] == turns[1] + 1);
            all.spawn(take(on, turns, canceled));
            all.cancel();
            co_await all.join();
            CHECK(canceled);
            CHECK(turns.size() == 6);
        }
    };
    tests::memory_loop memory;
    std::vector<std::uint64_t> turns;
    bool canceled = false;
    memory.run(steps::take_all(memory.loop(), turns, canceled));
}
