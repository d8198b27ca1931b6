#include <weir/coro/when_any.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/shield.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

using weir::queue;
using weir::errc;
using weir::task;
using namespace std::chrono_literals;

namespace {

task<std::unique_ptr<int>> on_heap(int value) { co_return std::make_unique<int>(value); }
task<int> after(weir::event& what, bool& ended) {
    auto waited = co_await what.wait();
    ended = true;
    co_return waited ? 1 : -1;
}
task<> throwing(weir::event& what) {
    auto waited = co_await what.wait();
    throw std::runtime_error(waited ? "won" : "lost");
}

struct fixture {
    tests::manual_scheduler loop;
    weir::event go, never;
    weir::scope all;
    bool ran = false, ended = false;
};

} // namespace

TEST_CASE("when_any: the first to end cancels the others, which are waited for") {
    fixture f;
    auto body = [&]() -> task<> {
        auto first = co_await weir::when_any(after(f.never, f.ended), f.go.wait(), f.never.wait().within(1h));
        CHECK(f.ended);
        CHECK(first.index == 1);
        CHECK(std::get<0>(first.results) == -1);
        CHECK(std::get<1>(first.results)->has_value());
        CHECK(std::get<2>(first.results)->error() == errc::canceled);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    f.go.set();
    f.loop.run();
    CHECK(f.ran);
    CHECK_FALSE(f.loop.armed());
}

TEST_CASE("when_any: those after one that ends at once are not started") {
    fixture f;
    queue<int> one(1), two(1);
    CHECK(one.try_send(1));
    CHECK(two.try_send(2));
    auto body = [&]() -> task<> {
        auto first = co_await weir::when_any(f.never.wait(), one.receive(), two.receive(), after(f.go, f.ended));
        CHECK(first.index == 1);
        CHECK(std::get<0>(first.results)->error() == errc::canceled);
        CHECK(std::get<1>(first.results)->value_or(0) == 1);
        CHECK_FALSE(std::get<2>(first.results));
        CHECK_FALSE(f.ended);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    CHECK(f.ran);
    CHECK(two.size() == 1);
}

TEST_CASE("when_any: a loser that had its value keeps it") {
    fixture f;
    queue<int> one(1), two(1);
    auto body = [&]() -> task<> {
        auto first = co_await weir::when_any(one.receive(), two.receive());
        CHECK(first.index == 1);
        CHECK(std::get<0>(first.results)->value_or(0) == 1);
        CHECK(std::get<1>(first.results)->value_or(0) == 2);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    CHECK(two.try_send(2));
    CHECK(one.try_send(1));
    f.loop.run();
    CHECK(f.ran);
}

TEST_CASE("when_any: the exception of the winner is rethrown, that of a loser dropped") {
    fixture f;
    auto body = [&]() -> task<> {
        bool caught = false;
        try {
            auto first = co_await weir::when_any(f.never.wait(), throwing(f.go));
            CHECK(first.index == 99);
        } catch (const std::runtime_error& error) {
            caught = std::string(error.what()) == "won";
        }
        CHECK(caught);
        auto second = co_await weir::when_any(throwing(f.never), on_heap(3));
        CHECK(second.index == 1);
        CHECK_FALSE(std::get<0>(second.results));
        CHECK(**std::get<1>(second.results) == 3);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    f.go.set();
    f.loop.run();
    CHECK(f.ran);
}

TEST_CASE("when_any: cancelled from above") {
    fixture f;
    queue<int> pipe(1);
    auto body = [&]() -> task<> {
        auto first = co_await weir::when_any(f.never.wait(), pipe.receive());
        CHECK(first.index == 1); // the one that has something
        CHECK(std::get<1>(first.results)->value_or(0) == 5);
        auto again = co_await weir::when_any(f.never.wait(), pipe.receive());
        CHECK(again.index == 0);
        CHECK(std::get<0>(again.results)->error() == errc::canceled);
        CHECK(std::get<1>(again.results)->error() == errc::canceled);
        CHECK(pipe.try_send(6));
        auto ready = co_await weir::when_any(f.never.wait(), pipe.receive());
        CHECK(ready.index == 1);
        CHECK(std::get<1>(ready.results)->value_or(0) == 6);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.run();
    CHECK(pipe.try_send(5));
    f.all.cancel();
    f.loop.run();
    CHECK(f.ran);
}

TEST_CASE("when_any within a deadline: nothing is lost") {
    fixture f;
    queue<int> pipe(1);
    auto body = [&]() -> task<> {
        auto late = co_await weir::when_any(f.never.wait(), pipe.receive()).within(1s);
        CHECK(late.error() == errc::timed_out);
        // the value is there before the deadline, but the shielded loser takes longer than that
        auto slow = co_await weir::when_any(pipe.receive(), weir::shield(f.go.wait())).within(1s);
        REQUIRE(slow);
        CHECK(slow->index == 0);
        CHECK(std::get<0>(slow->results)->value_or(0) == 5);
        f.ran = true;
    };
    f.all.spawn(body());
    f.loop.advance(1s);
    CHECK(pipe.try_send(5));
    f.loop.advance(5s);
    CHECK_FALSE(f.ran);
    f.go.set();
    f.loop.run();
    CHECK(f.ran);
    CHECK_FALSE(f.loop.armed());
}

TEST_CASE("when_any and when_all nest, and end with the frame") {
    fixture f;
    auto alive = std::make_shared<int>(0);
    auto child = [](weir::event& what, std::shared_ptr<int>) -> task<> {
        auto waited = co_await what.wait();
        CHECK_FALSE(waited);
    };
    {
        weir::scope brief;
        auto body = [&]() -> task<> {
            auto first = co_await weir::when_any(child(f.never, alive), weir::when_any(child(f.never, alive)));
            CHECK(first.index == 99);
        };
        brief.spawn(body());
        f.loop.run();
        CHECK(alive.use_count() == 3);
    }
    CHECK(alive.use_count() == 1);
}
