// Sleeping, and bounds on sleeping: in virtual time, and for a few milliseconds of the real one.
#include "../support/events.hpp"
#include "../support/memory_loop.hpp"

#include <weir/coro/scope.hpp>
#include <weir/io/sleep.hpp>

#include <ostream>

using namespace weir;
using namespace std::chrono_literals;

namespace {

task<> timed(std::chrono::nanoseconds wanted) {
    scheduler& home = *scheduler::current();
    const auto before = home.now();
    auto slept = co_await sleep(wanted);
    CHECK(slept);
    CHECK(home.now() - before >= wanted);
    CHECK(home.now() - before <= std::max(wanted, std::chrono::nanoseconds(0)) + 1ms);
}

task<> bounded_sleep(std::chrono::nanoseconds wanted, std::chrono::nanoseconds bound, bool in_time) {
    scheduler& home = *scheduler::current();
    const auto before = home.now();
    auto slept = co_await sleep(wanted).within(bound);
    CHECK(static_cast<bool>(slept) == in_time);
    if (!slept) CHECK(slept.error() == errc::timed_out);
    CHECK(home.now() - before >= (in_time ? wanted : bound));
}

task<> doubly_bounded() {
    auto outer = co_await sleep(1h).within(1min).within(1s);
    CHECK(outer.error() == errc::timed_out);
    auto inner = co_await sleep(1h).within(1s).within(1min);
    CHECK(inner.error() == errc::timed_out);
}

task<> sleeper(errc& outcome) {
    auto slept = co_await sleep(100h).within(50h);
    outcome = slept ? errc{} : static_cast<errc>(slept.error().code().value());
    auto again = co_await sleep(1ms); // cancelled for good
    CHECK(again.error() == errc::canceled);
}

task<> canceler() {
    errc outcome{};
    scope all;
    all.spawn(sleeper(outcome));
    (void)co_await sleep(1s);
    all.cancel();
    co_await all.join();
    CHECK(outcome == errc::canceled);
}

task<> dropper() {
    errc outcome{};
    {
        scope all;
        all.spawn(sleeper(outcome));
        (void)co_await sleep(1s);
    }
    (void)co_await sleep(200h);
    CHECK(outcome == errc{});
}

} // namespace

TEST_CASE("sleep: as long as asked, to the tick") {
    tests::memory_loop loop;
    for (const std::chrono::nanoseconds each :
        {std::chrono::nanoseconds(-5), std::chrono::nanoseconds(0), std::chrono::nanoseconds(1), std::chrono::nanoseconds(1ms),
            std::chrono::nanoseconds(1'500'000), std::chrono::nanoseconds(63ms), std::chrono::nanoseconds(24h * 300)}) {
        loop.run(timed(each));
        loop.network().advance(300us); // not on a tick
    }
}

TEST_CASE("sleep: within a bound") {
    tests::memory_loop loop;
    loop.run(bounded_sleep(1s, 2s, true));
    loop.run(bounded_sleep(2s, 1s, false));
    loop.run(bounded_sleep(1h, 0s, false));
    loop.run(doubly_bounded());
}

TEST_CASE("sleep: cancelled, and destroyed") {
    tests::memory_loop loop;
    const auto before = loop.now();
    loop.run(canceler());
    CHECK(loop.now() - before <= 1s + 1ms);
    loop.run(dropper());
}

TEST_CASE("sleep: a loop that ignores its cancellation gives way, and time goes on if turns take time") {
    tests::memory_loop loop({.busy_turn = 1ms});
    int rounds = 0;
    bool enough = false;
    auto heedless = [&]() -> task<> {
        while (!enough && rounds < 1'000'000) {
            (void)co_await sleep(1h);
            ++rounds;
        }
    };
    auto work = [&]() -> task<> {
        scope all;
        all.spawn(heedless());
        all.cancel();
        (void)co_await sleep(1s);
        enough = true;
        co_await all.join();
    };
    loop.run(work());
    CHECK(rounds > 1000);
    CHECK(rounds < 100'000);
}

TEST_CASE("sleep: a few milliseconds on the system's clock") {
    auto events = tests::make_events();
    REQUIRE(events);
    io::loop loop(std::move(*events));
    const auto before = std::chrono::steady_clock::now();
    loop.run(bounded_sleep(1h, 3ms, false));
    loop.run(bounded_sleep(2ms, 1h, true));
    CHECK(std::chrono::steady_clock::now() - before >= 5ms);
}
