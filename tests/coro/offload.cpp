#include <weir/coro/offload.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/scope.hpp>
#include <weir/coro/when_all.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>

using weir::errc;
using weir::task;
using namespace std::chrono_literals;

namespace {

int add(int a, int b) { return a + b; }
int take(std::unique_ptr<int> value) { return *value; }
std::unique_ptr<int> make(int value) { return std::make_unique<int>(value); }
weir::result<int> fail() { return errc::closed; }
[[noreturn]] void throwing(const std::string& text) { throw std::runtime_error(text); }

// A function that blocks until it is let go, and what its thread has done.
struct gate {
    std::binary_semaphore begun{0}, open{0}, ended{0};
};
struct tells_its_end {
    explicit tells_its_end(gate* of) noexcept : x_gate(of) {}
    tells_its_end(tells_its_end&& other) noexcept : x_gate(std::exchange(other.x_gate, nullptr)) {}
    ~tells_its_end() {
        if (x_gate) x_gate->ended.release();
    }
    gate* x_gate;
};
tells_its_end pass(gate* through) {
    through->begun.release();
    through->open.acquire();
    return tells_its_end(through);
}

// Turns until the scope is empty, blocking where only another thread can go on.
void complete(tests::manual_scheduler& loop, weir::scope& all) {
    for (loop.run(); all.size() != 0; loop.run()) loop.wait_remote();
}

} // namespace

TEST_CASE("offload gives what the function gives, or throws what it throws") {
    tests::manual_scheduler loop;
    weir::scope all;
    bool ran = false;
    auto body = [&]() -> task<> {
        auto sum = co_await weir::offload(add, 1, 2);
        CHECK(sum.value_or(0) == 3);
        auto taken = co_await weir::offload(take, std::make_unique<int>(4));
        CHECK(taken.value_or(0) == 4);
        auto made = co_await weir::offload(make, 5);
        REQUIRE(made);
        CHECK(**made == 5);
        weir::result<int> failed = co_await weir::offload(fail);
        CHECK(failed.error() == errc::closed);
        std::string text = "captured";
        auto named = [text]() { return text + "!"; };
        auto shouted = co_await weir::offload(named);
        CHECK(*shouted == "captured!");
        try {
            auto nothing = co_await weir::offload(throwing, std::string("thrown over there"));
            CHECK_FALSE(nothing);
        } catch (const std::runtime_error& error) {
            CHECK(std::string(error.what()) == "thrown over there");
            ran = true;
        }
    };
    all.spawn(body());
    complete(loop, all);
    CHECK(ran);
}

TEST_CASE("offload: more functions than threads") {
    tests::manual_scheduler loop;
    weir::scope all;
    std::atomic<int> running{0}, most{0};
    int done = 0;
    auto count = [&running, &most] {
        int now = ++running;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
        std::this_thread::yield();
        --running;
        return 1;
    };
    auto body = [&]() -> task<> {
        auto one = co_await weir::offload(count);
        done += one.value_or(0);
    };
    for (int i = 0; i < 100; ++i) all.spawn(body());
    complete(loop, all);
    CHECK(done == 100);
    CHECK(most <= static_cast<int>(weir::max_offload_threads));
}

TEST_CASE("offload: a cancelled wait leaves at once, and the result is dropped on the thread") {
    gate through;
    tests::manual_scheduler loop;
    weir::scope all;
    bool ran = false;
    auto body = [&]() -> task<> {
        auto outcome = co_await weir::offload(pass, &through).within(1s);
        CHECK(outcome.error() == errc::timed_out);
        ran = true;
    };
    all.spawn(body());
    loop.run();
    through.begun.acquire();
    loop.advance(1s);
    CHECK(ran);
    through.open.release();
    through.ended.acquire();
}

TEST_CASE("offload: the frame, and the loop, may be gone when the function ends") {
    for (int round = 0; round < 20; ++round) {
        gate through;
        {
            tests::manual_scheduler loop;
            weir::scope all;
            auto body = [&]() -> task<> {
                auto outcome = co_await weir::offload(pass, &through);
                CHECK(outcome);
            };
            all.spawn(body());
            loop.run();
            through.begun.acquire();
            if (round % 2) through.open.release(); // it ends while the frame and the loop do
        }
        if (round % 2 == 0) through.open.release();
        through.ended.acquire();
    }
}

TEST_CASE("offload: cancelled after the function has ended") {
    gate through;
    tests::manual_scheduler loop;
    weir::scope all;
    int values = 0, canceled = 0;
    auto body = [&]() -> task<> {
        auto outcome = co_await weir::offload(add, 1, 2);
        outcome ? ++values : ++canceled;
    };
    all.spawn(body());
    loop.turn();
    loop.wait_remote();
    all.cancel(); // the result is posted, but has not come
    loop.run();
    CHECK(values == 0);
    CHECK(canceled == 1);
    weir::scope again;
    again.spawn(body());
    loop.turn();
    loop.wait_remote();
    again.spawn([&]() -> task<> {
        again.cancel();
        co_return;
    });
    loop.run(); // the result has come, and is kept
    CHECK(values == 1);
    CHECK(canceled == 1);
}

TEST_CASE("offload: a function that has not begun when nobody waits any more is not run") {
    tests::manual_scheduler loop;
    gate through[weir::max_offload_threads];
    std::atomic<int> runs{0};
    auto count = [&runs] { ++runs; };
    weir::scope blocked;
    auto block = [](gate& each) -> task<> {
        auto outcome = co_await weir::offload(pass, &each);
        CHECK(outcome);
    };
    for (gate& each : through) blocked.spawn(block(each));
    loop.run();
    for (gate& each : through) each.begun.acquire();
    auto body = [&]() -> task<> {
        auto outcome = co_await weir::offload(count);
        CHECK(outcome.error() == errc::canceled);
    };
    {
        weir::scope canceled, destroyed;
        canceled.spawn(body());
        destroyed.spawn(body());
        loop.run();
        canceled.cancel();
        canceled.spawn(body()); // not even queued
        loop.run();
        CHECK(canceled.size() == 0);
    }
    for (gate& each : through) each.open.release();
    complete(loop, blocked);
    CHECK(runs == 0);
    auto never_awaited = weir::offload(count);
    (void)never_awaited;
}
