#include <weir/coro/caught.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/in_context.hpp>
#include <weir/coro/scope.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

using weir::errc;
using weir::task;

namespace {

task<std::unique_ptr<int>> number(weir::event& after, bool fail) {
    auto waited = co_await after.wait();
    if (!waited) co_return nullptr;
    if (fail) throw std::runtime_error("no number");
    co_return std::make_unique<int>(7);
}

task<> nothing(bool fail) {
    const int what = fail;
    if (what) throw what;
    co_return;
}

task<> all_of_it(weir::event& go, int& checked) {
    std::string what;
    std::optional<std::unique_ptr<int>> made = co_await weir::caught(number(go, false), what);
    REQUIRE(made);
    CHECK(**made == 7);
    CHECK(what == "");
    made = co_await weir::caught(number(go, true), what);
    CHECK(!made);
    CHECK(what == "no number");
    bool done = co_await weir::caught(nothing(false), what);
    CHECK(done);
    done = co_await weir::caught(nothing(true), what);
    CHECK(!done);
    CHECK(what == "something that is no std::exception");
    ++checked;
}

} // namespace

TEST_CASE("caught: what an operation throws is a value") {
    tests::manual_scheduler loop;
    weir::event go;
    weir::scope all;
    int checked = 0;
    all.spawn(all_of_it(go, checked));
    while (loop.turn()) {}
    CHECK(checked == 0);
    go.set();
    while (loop.turn()) {}
    CHECK(checked == 1);
}

TEST_CASE("caught: cancelled and destroyed like what is inside") {
    tests::manual_scheduler loop;
    weir::event go;
    int checked = 0;
    auto wait = [&]() -> task<> {
        std::string what;
        std::optional<std::unique_ptr<int>> made = co_await weir::caught(number(go, true), what);
        CHECK((made && !*made));
        ++checked;
    };
    {
        weir::scope all;
        all.spawn(wait());
        while (loop.turn()) {}
        all.cancel();
        while (loop.turn()) {}
        CHECK(checked == 1);
    }
    weir::scope dropped;
    dropped.spawn(wait());
    while (loop.turn()) {}
}

TEST_CASE("in_context: cancelled with its context, and not with the awaiting coroutine") {
    tests::manual_scheduler loop;
    weir::event go;
    weir::context own(loop);
    weir::scope all;
    std::string seen;
    auto wait = [&]() -> task<> {
        const auto waited = co_await weir::in_context(own, go.wait());
        seen = waited ? "set" : "cancelled";
        const auto again = co_await weir::in_context(own, go.wait().within(std::chrono::seconds(1)));
        if (!again) seen += again.error() == errc::canceled ? ", cancelled again" : ", timed out";
    };
    all.spawn(wait());
    while (loop.turn()) {}
    all.cancel();
    while (loop.turn()) {}
    CHECK(seen == "");
    own.cancel();
    while (loop.turn()) {}
    CHECK(seen == "cancelled, cancelled again");
}
