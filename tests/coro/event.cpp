#include <weir/coro/event.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <vector>

using weir::errc;
using weir::task;

namespace {

task<> wait_and_log(weir::event& what, std::vector<int>& log, int name) {
    auto waited = co_await what.wait();
    log.push_back(waited ? name : -name);
}

} // namespace

TEST_CASE("an event wakes all who wait, in order, and lets others through until it is reset") {
    tests::manual_scheduler loop;
    weir::event go;
    std::vector<int> log;
    weir::scope all;
    for (int i = 1; i <= 3; ++i) all.spawn(wait_and_log(go, log, i));
    loop.run();
    go.set();
    CHECK(log.empty());
    CHECK(go.is_set());
    go.reset();
    CHECK_FALSE(go.is_set());
    all.spawn(wait_and_log(go, log, 4));
    loop.run();
    CHECK(log == std::vector<int>{1, 2, 3});
    go.set();
    all.spawn(wait_and_log(go, log, 5));
    loop.run();
    CHECK(log == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE("a waiter that is cancelled or destroyed leaves the event") {
    tests::manual_scheduler loop;
    weir::event go;
    std::vector<int> log;
    {
        weir::scope canceled, destroyed;
        canceled.spawn(wait_and_log(go, log, 1));
        destroyed.spawn(wait_and_log(go, log, 2));
        loop.run();
        canceled.cancel();
        loop.run();
    }
    go.set();
    loop.run();
    CHECK(log == std::vector<int>{-1});
}

TEST_CASE("an event that dies closes the waits for it") {
    tests::manual_scheduler loop;
    std::optional<weir::event> go(std::in_place);
    std::vector<int> log;
    weir::scope all;
    all.spawn(wait_and_log(*go, log, 1));
    loop.run();
    go.reset();
    loop.run();
    CHECK(log == std::vector<int>{-1});
}

TEST_CASE("yield lets the others run, even when cancelled") {
    tests::manual_scheduler loop;
    std::vector<int> log;
    weir::scope all;
    auto body = [&](int name) -> task<> {
        for (int i = 0; i < 3; ++i) {
            log.push_back(name);
            auto go_on = co_await weir::yield();
            if (!go_on) {
                CHECK(go_on.error() == errc::canceled);
                co_return;
            }
        }
    };
    all.spawn(body, 1);
    all.spawn(body, 2);
    loop.turn();
    CHECK(log == std::vector<int>{1, 2});
    loop.turn();
    CHECK(log == std::vector<int>{1, 2, 1, 2});
    all.cancel();
    loop.run();
    CHECK(log == std::vector<int>{1, 2, 1, 2});
    CHECK(all.size() == 0);
}
