// Turns that the backend takes by itself: whatever else a turn may have to do is still done in it, and in time.
#include "../support/no_sockets.hpp"

#include <weir/coro/event.hpp>
#include <weir/io/loop.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <utility>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;

namespace {

// A backend on a clock of its own, with one event a wait: every `gap`, `told` is called, until `events` are over.
class one_by_one final : public tests::no_sockets {
public:
    one_by_one() { x_takes_lone_turns = true; }

    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        ++waits;
        if (on_wait && timeout > 0ns) std::exchange(on_wait, nullptr)();
        longest = timeout > longest && timeout != forever ? timeout : longest;
        const bool comes = events > 0 && gap <= timeout;
        at += comes ? gap : timeout;
        events -= comes;
        x_pending = comes;
        x_found_one = comes && !crowded;
        return comes;
    }
    bool dispatch() noexcept override {
        if (std::exchange(x_pending, false) && told) told();
        return false;
    }
    io::lone_end take_lone_turns(io::lone_turns& of, std::chrono::nanoseconds most) noexcept override {
        ++entered;
        const int before = waits;
        const auto look = [&] { return !wait(most) ? io::lone_end::nothing : found_one() ? io::lone_end::told : io::lone_end::found; };
        const io::lone_end end = io::lone_turns::take(*this, of, look, [&] { (void)dispatch(); });
        taken += waits - before;
        return end;
    }
    void wake() noexcept override { ++wakes; }
    std::chrono::nanoseconds now() noexcept override { return at; }

    std::function<void()> told, on_wait;
    std::chrono::nanoseconds at = 1h, gap = 1ms, longest{0};
    int events = 0, waits = 0, wakes = 0, entered = 0, taken = 0;
    bool crowded = false; // something else has happened, too

private:
    bool x_pending = false;
};

struct stage {
    explicit stage(wait_policy waiting = {}) : events(new one_by_one), loop(owned<io::backend>(events), nullptr, waiting) {}

    // Runs until all `count` events were told; calls `each` with the number of each.
    void run(int count, std::function<void(int)> each) {
        event over;
        events->events = count;
        events->told = [&, number = 0]() mutable {
            each(++number);
            if (number == count) over.set();
        };
        const auto main = [](event& end) -> task<> { (void)co_await end.wait(); };
        loop.run(main(over));
    }

    one_by_one* events;
    io::loop loop;
};

struct work final : ready_item {
    work(std::string& to, char letter) : log(to), name(letter) {}
    void run() noexcept override { log += name; }
    std::string& log;
    char name;
};

struct alarm_clock final : timer {
    explicit alarm_clock(io::loop& on) : loop(on) {}
    void expire() noexcept override { rang = loop.now(); }
    io::loop& loop;
    std::chrono::nanoseconds rang{0};
};

struct parcel final : remote_item {
    void run() noexcept override { ++runs; }
    int runs = 0;
};

// Waits for whoever resumes `by` at once, from within an event.
struct resumed_at_once : awaitable<resumed_at_once> {
    explicit resumed_at_once(waiter& by) : by(by) {}
    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept { return by.suspend(who, in); }
    void await_resume() const noexcept {}
    waiter& by;
};

struct bell final : io::interrupt {
    void on_interrupt() noexcept override { ++rings; }
    int rings = 0;
};

} // namespace

TEST_CASE("lone turns: each is a turn, with its number and its time") {
    stage on;
    std::set<std::uint64_t> numbers;
    std::chrono::nanoseconds last{0};
    on.run(100, [&](int number) {
        numbers.insert(on.loop.turn_number());
        CHECK(on.loop.now() == on.events->at);
        CHECK(on.loop.now() > last);
        last = on.loop.now();
        if (number > 1) CHECK(on.loop.tells_lone_event());
    });
    CHECK(numbers.size() == 100);
    CHECK(on.events->entered == 1); // the first turn of all found out that it was not alone
    CHECK(on.events->taken == 99);
}

TEST_CASE("lone turns: what is posted runs in the same turn, what is for the next one in that") {
    stage on;
    std::string log;
    work soon(log, 's'), last(log, 'e'), next(log, 'n');
    on.run(6, [&](int number) {
        log += static_cast<char>('0' + number);
        if (number % 2 == 1) return;
        on.loop.post_next_turn(next);
        on.loop.post_at_turn_end(last);
        on.loop.post(soon);
        on.events->gap = 1us;
    });
    on.loop.turn(0ns);
    CHECK(log == "12sen34sen56sen");
    CHECK(on.events->entered >= 3);
}

TEST_CASE("lone turns: deadlines are kept, those that were there and those that are armed meanwhile") {
    stage on;
    alarm_clock far(on.loop), near(on.loop), nearer(on.loop);
    std::chrono::nanoseconds began{0};
    on.run(1000, [&](int number) {
        if (number == 2) {
            began = on.loop.now();
            on.loop.arm(far, 800ms);
        }
        if (number == 100) on.loop.arm(near, 50ms);
        if (number == 101) on.loop.arm(nearer, 5ms);
    });
    CHECK(far.rang - began >= 800ms);
    CHECK(far.rang - began <= 802ms);
    CHECK(near.rang - began >= 148ms);
    CHECK(near.rang - began <= 150ms);
    CHECK(nearer.rang - began >= 104ms);
    CHECK(nearer.rang - began <= 106ms);
    CHECK(on.events->taken > 500);
}

TEST_CASE("lone turns: no wait is longer than the next deadline allows") {
    stage on;
    alarm_clock bell(on.loop);
    on.loop.arm(bell, 1s);
    const std::chrono::nanoseconds began = on.loop.now();
    on.run(3, [&](int number) { on.events->gap = number == 1 ? 450ms : 1ms; });
    const std::chrono::nanoseconds last = on.loop.now();
    CHECK(last - began < 1s);
    while (!bell.rang.count()) on.loop.turn();
    CHECK(bell.rang - began >= 1s);
    CHECK(bell.rang - began <= 1001ms);
}

TEST_CASE("lone turns: a deadline that was armed in the turn before is kept") {
    for (int phase = 0; phase < 100; ++phase) { // of the wheel
        stage on;
        alarm_clock bell(on.loop);
        std::chrono::nanoseconds armed{0};
        std::string log;
        work keeps_busy(log, '.');
        on.run(4 + phase, [&](int number) {
            on.events->gap = number == 3 + phase ? 10s : 50ms;
            if (number == 2 + phase) { // something is posted, so that the turn goes on outside
                on.loop.post(keeps_busy);
                armed = on.loop.now();
                on.loop.arm(bell, 2s);
                on.events->gap = 1s;
            }
        });
        CHECK(bell.rang - armed >= 2s);
        CHECK(bell.rang - armed <= 2001ms);
    }
}

TEST_CASE("lone turns: after a turn of the same loop within one, who posts wakes it still") {
    stage on;
    parcel item;
    on.run(6, [&](int number) {
        if (number != 3) return;
        on.loop.turn(0ns);
        on.events->on_wait = [&] {
            const int before = on.events->wakes;
            on.loop.post_remote(item);
            CHECK(on.events->wakes == before + 1);
        };
    });
    CHECK(item.runs == 1);
}

TEST_CASE("lone turns: what comes from other threads and from signals is taken in at once") {
    stage on;
    parcel item;
    bell rung;
    on.loop.add(rung);
    on.run(8, [&](int number) {
        if (number == 3) on.loop.post_remote(item);
        if (number == 4) CHECK(item.runs == 1);
        if (number == 5) on.loop.raise(rung);
        if (number == 6) CHECK(rung.rings == 1);
    });
    CHECK(on.events->wakes >= 2); // whoever posts cannot know that nobody sleeps
    CHECK(item.runs == 1);
    CHECK(rung.rings == 1);
}

TEST_CASE("lone turns: they end where more than one event comes") {
    stage on;
    on.run(10, [&](int number) {
        on.events->crowded = number == 4;
        if (number == 5) CHECK(!on.loop.tells_lone_event());
        if (number > 6) CHECK(on.loop.tells_lone_event());
    });
    CHECK(on.events->entered == 2);
}

TEST_CASE("lone turns: they end with the task that the loop runs") {
    stage on;
    waiter by;
    on.events->events = 100;
    on.events->told = [&] {
        if (on.events->events == 90) by.resume();
    };
    const auto main = [](waiter& waits) -> task<> { co_await resumed_at_once(waits); };
    on.loop.run(main(by));
    CHECK(on.events->events == 90);
    CHECK(on.events->entered == 1);
}

TEST_CASE("lone turns: memory of a burst is given back meanwhile") {
    stage on;
    bool was_full = false;
    on.run(4000, [&](int number) {
        if (number != 10) return;
        std::vector<block> all;
        for (int i = 0; i < 64; ++i) all.push_back(on.loop.blocks().take(64 * 1024));
        for (const block each : all) on.loop.blocks().give(each);
        was_full = on.loop.blocks().is_full();
    });
#if defined(WEIR_DETAIL_ADDRESS_SANITIZER)
    CHECK(!was_full); // nothing is kept
#else
    CHECK(was_full);
#endif
    CHECK(!on.loop.blocks().is_full());
}

TEST_CASE("lone turns: not for loops that spin, and not for turns that are asked for") {
    stage spins(wait_policy::adaptive(1ms));
    spins.events->gap = 0ns;
    spins.run(10, [](int) {});
    CHECK(spins.events->entered == 0);
    stage asked;
    asked.events->events = 10;
    for (int i = 0; i < 10; ++i) asked.loop.turn();
    CHECK(asked.events->entered == 0);
}
