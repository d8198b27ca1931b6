#include <weir/coro/bounded.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/stop.hpp>

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

using weir::errc;
using weir::task;
using namespace std::chrono_literals;

namespace {

// A loop, a scope and an event to wait for.
struct fixture {
    tests::manual_scheduler loop;
    weir::event go;
    weir::scope all;
    std::vector<std::string> log;

    void note(const char* what, std::error_code how) { log.push_back(std::string(what) + ": " + how.message()); }
    bool logged(std::vector<std::string> expected) const { return log == expected; }
};

task<int> number_after(weir::event& what) {
    auto waited = co_await what.wait();
    co_return waited ? 7 : -1;
}
task<weir::result<int>> result_after(weir::event& what) {
    auto waited = co_await what.wait();
    if (!waited) co_return waited.error();
    co_return 7;
}

} // namespace

TEST_CASE("within: the deadline passes") {
    fixture f;
    auto body = [&]() -> task<> {
        auto plain = co_await f.go.wait().within(1s);
        CHECK(plain.error() == errc::timed_out);
        CHECK(f.loop.now() == 1s);
        weir::result<int> number = co_await number_after(f.go).within(1s);
        CHECK(number.error() == errc::timed_out);
        weir::result<int> same = co_await result_after(f.go).within(1s); // not result<result<int>>
        CHECK(same.error() == errc::timed_out);
        CHECK(f.loop.now() == 3s);
        auto none = co_await f.go.wait().within(0s);
        CHECK(none.error() == errc::timed_out);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.advance(10s);
    CHECK(f.logged({"end"}));
    CHECK_FALSE(f.loop.armed());
}

TEST_CASE("within: what is waited for comes first") {
    fixture f;
    auto body = [&]() -> task<> {
        auto plain = co_await f.go.wait().within(1s);
        CHECK(plain);
        auto number = co_await number_after(f.go).within(1s);
        CHECK(number.value_or(0) == 7);
        auto same = co_await result_after(f.go).within(1s);
        CHECK(same.value_or(0) == 7);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.run();
    CHECK(f.loop.armed());
    f.go.set();
    f.loop.run();
    CHECK(f.logged({"end"}));
    CHECK_FALSE(f.loop.armed());
}

TEST_CASE("within: what came in the same turn before the deadline is not lost") {
    fixture f;
    auto body = [&]() -> task<> {
        auto plain = co_await f.go.wait().within(1s);
        CHECK(plain);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.run();
    f.go.set(); // woken, not yet resumed
    f.loop.advance(5s);
    CHECK(f.logged({"end"}));
    fixture g;
    auto other = [&]() -> task<> {
        auto plain = co_await g.go.wait().within(1s);
        CHECK(plain);
        g.log.push_back("end");
    };
    g.all.spawn(other());
    g.loop.run();
    g.loop.pass(2s);
    g.go.set();
    g.loop.turn(); // here the deadline is seen first
    CHECK(g.logged({"end"}));
}

TEST_CASE("within: nested, the earlier deadline decides") {
    fixture f;
    auto body = [&]() -> task<> {
        auto inner = co_await f.go.wait().within(1s).within(2s);
        CHECK(inner.error() == errc::timed_out);
        CHECK(f.loop.now() == 1s);
        auto outer = co_await f.go.wait().within(2s).within(1s);
        CHECK(outer.error() == errc::timed_out);
        CHECK(f.loop.now() == 2s);
        auto same = co_await number_after(f.go).within(1s).within(1s);
        CHECK(same.error() == errc::timed_out);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.advance(10s);
    CHECK(f.logged({"end"}));
}

TEST_CASE("within: a deadline inside a task does not look like one outside") {
    fixture f;
    auto child = [](weir::event& what) -> task<weir::result<>> { co_return co_await what.wait().within(2s); };
    auto body = [&]() -> task<> {
        auto outer = co_await child(f.go).within(1s);
        CHECK(outer.error() == errc::timed_out);
        CHECK(f.loop.now() == 1s);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.advance(10s);
    CHECK(f.logged({"end"}));
}

TEST_CASE("within: a cancelled parent gives canceled") {
    for (bool ahead : {false, true}) {
        fixture f;
        auto body = [&]() -> task<> {
            auto plain = co_await f.go.wait().within(1s);
            CHECK(plain.error() == errc::canceled);
            auto number = co_await number_after(f.go).within(1s);
            CHECK(number.error() == errc::canceled);
            auto same = co_await result_after(f.go).within(1s).within(1h);
            CHECK(same.error() == errc::canceled);
            f.log.push_back("end");
        };
        f.all.spawn(body());
        if (ahead) f.all.cancel();
        f.loop.run();
        f.all.cancel();
        f.loop.advance(10s);
        CHECK(f.logged({"end"}));
    }
}

TEST_CASE("within: exceptions pass") {
    fixture f;
    auto throwing = []() -> task<int> {
        throw 1;
        co_return 0;
    };
    auto body = [&]() -> task<> {
        try {
            auto number = co_await throwing().within(1s);
            CHECK_FALSE(number);
        } catch (int) {
            f.log.push_back("caught");
        }
    };
    f.all.spawn(body());
    f.loop.run();
    CHECK(f.logged({"caught"}));
    CHECK_FALSE(f.loop.armed());
}

TEST_CASE("on: a stop from another thread ends the wait") {
    fixture f;
    std::stop_source stop;
    auto body = [&]() -> task<> {
        auto plain = co_await f.go.wait().on(stop.get_token());
        CHECK(plain.error() == errc::canceled);
        auto again = co_await number_after(f.go).on(stop.get_token()); // requested before
        CHECK(again.error() == errc::canceled);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.run();
    std::thread other([&] { stop.request_stop(); });
    f.loop.wait_remote();
    f.loop.run();
    other.join();
    CHECK(f.logged({"end"}));
}

TEST_CASE("on: a stop while the wait ends otherwise, or the frame") {
    for (int round = 0; round < 50; ++round) {
        fixture f;
        std::stop_source stop;
        auto body = [&]() -> task<> {
            auto plain = co_await f.go.wait().on(stop.get_token()).within(1h);
            CHECK((plain || plain.error() == errc::canceled));
        };
        std::thread other;
        {
            weir::scope brief;
            brief.spawn(body());
            f.loop.run();
            other = std::thread([&] { stop.request_stop(); });
            if (round % 2 == 0) {
                f.go.set();
                f.loop.run();
            }
        }
        other.join();
        f.loop.run();
        CHECK_FALSE(f.loop.armed());
    }
}

TEST_CASE("on: a token that never stops costs nothing") {
    fixture f;
    auto body = [&]() -> task<> {
        auto plain = co_await f.go.wait().on(std::stop_token());
        CHECK(plain);
        f.log.push_back("end");
    };
    f.all.spawn(body());
    f.loop.run();
    f.go.set();
    f.loop.run();
    CHECK(f.logged({"end"}));
}
