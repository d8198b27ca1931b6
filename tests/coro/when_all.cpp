#include <weir/coro/when_all.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scope.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

using weir::queue;
using weir::errc;
using weir::task;
using namespace std::chrono_literals;

namespace {

task<std::unique_ptr<int>> on_heap(int value) { co_return std::make_unique<int>(value); }
task<> none() { co_return; }
task<int> after(weir::event& what) {
    auto waited = co_await what.wait();
    co_return waited ? 1 : -1;
}
task<> throwing(weir::event* what = nullptr) {
    if (what) {
        auto waited = co_await what->wait();
        CHECK(waited);
    }
    throw std::runtime_error("thrown");
}

struct fixture {
    tests::manual_scheduler loop;
    weir::event go, never;
    weir::scope all;
    bool ran = false;
};

} // namespace

TEST_CASE("when_all gives all results, at once when all are there") {
    fixture f;
    auto body = [&]() -> task<> {
        auto results = co_await weir::when_all(on_heap(1), none(), on_heap(2));
        CHECK(*std::get<0>(results) == 1);
        CHECK(std::get<1>(results) == weir::nothing());
        CHECK(*std::get<2>(results) == 2);
        auto empty = co_await weir::when_all();
        CHECK(std::tuple_size_v<decltype(empty)> == 0);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.turn();
    CHECK(f.ran);
}

TEST_CASE("when_all runs its operations at the same time and waits for all") {
    fixture f;
    queue<int> pipe(1);
    auto body = [&]() -> task<> {
        auto results = co_await weir::when_all(after(f.go), pipe.receive(), f.never.wait().within(2s));
        CHECK(std::get<0>(results) == 1);
        CHECK(std::get<1>(results).value_or(0) == 5);
        CHECK(std::get<2>(results).error() == errc::timed_out);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    CHECK(pipe.try_send(5));
    f.loop.run();
    f.go.set();
    f.loop.advance(1s);
    CHECK_FALSE(f.ran);
    f.loop.advance(1s);
    CHECK(f.ran);
}

TEST_CASE("when_all: an exception cancels the others and is rethrown when all have ended") {
    for (bool at_once : {false, true}) {
        fixture f;
        auto body = [&]() -> task<> {
            try {
                if (at_once) {
                    auto results = co_await weir::when_all(throwing(), after(f.never));
                    CHECK(std::get<1>(results) == 0);
                } else {
                    auto results = co_await weir::when_all(after(f.never), throwing(&f.go), none());
                    CHECK(std::get<0>(results) == 0);
                }
            } catch (const std::runtime_error&) {
                f.ran = true;
            }
        };
        f.all.spawn(body());
        f.loop.run();
        f.go.set();
        f.loop.run();
        CHECK(f.ran);
    }
}

TEST_CASE("when_all: cancelled from above") {
    fixture f;
    auto body = [&]() -> task<> {
        auto results = co_await weir::when_all(f.never.wait(), none(), after(f.never));
        CHECK(std::get<0>(results).error() == errc::canceled);
        CHECK(std::get<2>(results) == -1);
        auto again = co_await weir::when_all(f.never.wait(), on_heap(1));
        CHECK(std::get<0>(again).error() == errc::canceled);
        CHECK(*std::get<1>(again) == 1);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    f.all.cancel();
    f.loop.run();
    CHECK(f.ran);
}

TEST_CASE("when_all within a deadline") {
    fixture f;
    queue<int> pipe(1);
    auto body = [&]() -> task<> {
        auto late = co_await weir::when_all(f.never.wait(), none()).within(1s);
        CHECK(late.error() == errc::timed_out);
        auto in_time = co_await weir::when_all(pipe.receive(), f.go.wait()).within(1s);
        REQUIRE(in_time);
        CHECK(std::get<0>(*in_time).value_or(0) == 5);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.advance(1s);
    f.go.set();
    CHECK(pipe.try_send(5));
    f.loop.pass(5s); // the deadline is seen after the values were there, and before they were taken
    f.loop.run();
    CHECK(f.ran);
    CHECK_FALSE(f.loop.armed());
}
