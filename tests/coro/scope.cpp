#include <weir/coro/scope.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/this_context.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using weir::task;
using namespace std::chrono_literals;

namespace {

task<> wait_for(weir::event& what, std::vector<std::string>& log, std::string name) {
    auto waited = co_await what.wait();
    log.push_back(name + (waited ? " done" : " " + waited.error().message()));
}
task<> throw_after(weir::event& what) {
    auto waited = co_await what.wait();
    if (waited) throw std::runtime_error("a child failed");
}

} // namespace

TEST_CASE("join waits for all children") {
    tests::manual_scheduler loop;
    weir::event a, b;
    std::vector<std::string> log;
    weir::scope outer;
    auto body = [&]() -> task<> {
        weir::scope inner;
        inner.spawn(wait_for(a, log, "a"));
        inner.spawn(wait_for(b, log, "b"));
        CHECK(inner.size() == 2);
        co_await inner.join();
        CHECK(inner.size() == 0);
        log.push_back("joined");
        co_await inner.join(); // nothing is left: at once
    };
    outer.spawn(body());
    loop.run();
    b.set();
    loop.run();
    CHECK(log == std::vector<std::string>{"b done"});
    a.set();
    loop.run();
    CHECK(log == std::vector<std::string>{"b done", "a done", "joined"});
}

TEST_CASE("the first exception cancels the siblings and is rethrown by join") {
    tests::manual_scheduler loop;
    weir::event never, go;
    std::vector<std::string> log;
    weir::scope outer;
    auto body = [&]() -> task<> {
        weir::scope inner;
        inner.spawn(wait_for(never, log, "sibling"));
        inner.spawn(throw_after(go));
        try {
            co_await inner.join();
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
    };
    outer.spawn(body());
    loop.run();
    go.set();
    loop.run();
    CHECK(log == std::vector<std::string>{"sibling canceled", "a child failed"});
    CHECK(outer.size() == 0);
}

TEST_CASE("a scope that dies unjoined destroys its children where they are") {
    tests::manual_scheduler loop;
    weir::event never;
    auto alive = std::make_shared<int>(0);
    std::vector<std::string> log;
    auto child = [&](std::shared_ptr<int>) -> task<> {
        co_await wait_for(never, log, "child");
        log.push_back("after");
    };
    {
        weir::scope all;
        all.spawn(child(alive));
        all.spawn(child, alive);
        CHECK(alive.use_count() == 3);
    }
    CHECK(alive.use_count() == 1); // never started
    {
        weir::scope all;
        all.spawn(child(alive));
        all.spawn(child, alive);
        loop.run();
        CHECK(alive.use_count() > 1);
    }
    CHECK(alive.use_count() == 1); // suspended
    never.set();
    loop.run();
    CHECK(log.empty());
}

TEST_CASE("the scope keeps a lambda and its arguments until the task has ended") {
    tests::manual_scheduler loop;
    weir::event go;
    std::string seen;
    weir::scope all;
    {
        auto text = std::make_unique<std::string>("captured");
        all.spawn(
            [&go, &seen, text = std::move(text)](const std::string& more) -> task<> {
                auto waited = co_await go.wait();
                if (waited) seen = *text + more;
            },
            std::string(" and given"));
    }
    loop.run();
    go.set();
    loop.run();
    CHECK(seen == "captured and given");
}

TEST_CASE("cancel ends what waits and what will wait") {
    tests::manual_scheduler loop;
    weir::event never;
    std::vector<std::string> log;
    weir::scope all;
    all.spawn(wait_for(never, log, "first"));
    loop.run();
    all.cancel();
    CHECK(log.empty()); // nothing is resumed inside the call
    all.spawn(wait_for(never, log, "second"));
    loop.run();
    CHECK(log == std::vector<std::string>{"first canceled", "second canceled"});
    CHECK(all.size() == 0);
}

TEST_CASE("cancelling who joins cancels the children, which are still waited for") {
    tests::manual_scheduler loop;
    weir::event never;
    std::vector<std::string> log;
    weir::scope outer;
    auto body = [&]() -> task<> {
        weir::scope inner;
        inner.spawn(wait_for(never, log, "child"));
        co_await inner.join();
        log.push_back("joined");
    };
    outer.spawn(body());
    loop.run();
    outer.cancel();
    loop.run();
    CHECK(log == std::vector<std::string>{"child canceled", "joined"});
}

TEST_CASE("join within a deadline cancels the children when it passes") {
    tests::manual_scheduler loop;
    weir::event never;
    std::vector<std::string> log;
    weir::scope outer;
    auto body = [&]() -> task<> {
        weir::scope inner;
        inner.spawn(wait_for(never, log, "child"));
        auto joined = co_await inner.join().within(1s);
        log.push_back(joined ? "joined" : joined.error().message());
    };
    outer.spawn(body());
    loop.advance(2s);
    CHECK(log == std::vector<std::string>{"child canceled", "timed out"});
    CHECK_FALSE(loop.armed());
}

TEST_CASE("a scope may be made before and used outside of coroutines, and spawns from within") {
    tests::manual_scheduler loop;
    weir::scope all;
    int depth = 0;
    struct recursive {
        static task<> run(weir::scope& in, int& depth) {
            if (++depth < 100) in.spawn(run(in, depth));
            co_return;
        }
    };
    all.spawn(recursive::run(all, depth));
    loop.run();
    CHECK(depth == 100);
}

TEST_CASE("abandon destroys who does not heed cancellation, and join completes") {
    tests::manual_scheduler loop;
    weir::event never;
    auto alive = std::make_shared<int>(0);
    auto deaf = [&](std::shared_ptr<int>) -> task<> {
        for (;;) (void)co_await never.wait();
    };
    bool joined = false;
    weir::scope all;
    CHECK(all.abandon() == 0);
    auto join = [&]() -> task<> {
        co_await all.join();
        joined = true;
    };
    weir::scope joiner;
    all.spawn(deaf, alive);
    all.spawn(deaf, alive);
    joiner.spawn(join());
    loop.run();
    CHECK(!joined);
    all.cancel();
    for (int i = 0; i < 10; ++i) loop.turn();
    CHECK(!joined);
    CHECK(all.abandon() == 2);
    CHECK(alive.use_count() == 1);
    CHECK(all.size() == 0);
    CHECK(all.abandon() == 0);
    loop.run();
    CHECK(joined);
}

TEST_CASE("abandon: what a destructor spawns meanwhile goes too, and nobody waits for it") {
    tests::manual_scheduler loop;
    weir::event never;
    weir::scope all;
    struct afterthought {
        weir::scope& in;
        weir::event& never;
        ~afterthought() { in.spawn([](weir::event& what) -> task<> { (void)co_await what.wait(); }, std::ref(never)); }
    };
    auto stubborn = [&]() -> task<> {
        const afterthought last{all, never};
        (void)co_await never.wait();
    };
    all.spawn(stubborn());
    loop.run();
    CHECK(all.abandon() == 1);
    CHECK(all.size() == 0);
    bool joined = false;
    auto join = [&]() -> task<> {
        co_await all.join();
        joined = true;
    };
    weir::scope joiner;
    joiner.spawn(join());
    loop.run();
    CHECK(joined);
}

namespace {

weir::scope::spawned note_when(weir::scope& in, weir::event& what, std::vector<std::string>& log, std::shared_ptr<int> held) {
    CHECK(co_await weir::this_context() == &in.runs_in());
    auto waited = co_await what.wait();
    log.push_back(waited ? "done" : waited.error().message());
    if (waited && *held < 0) throw std::runtime_error("a child failed");
}

} // namespace

TEST_CASE("a coroutine that returns `scope::spawned` is a child by being called") {
    tests::manual_scheduler loop;
    weir::event go, never;
    std::vector<std::string> log;
    const auto held = std::make_shared<int>(1);
    {
        weir::scope children;
        note_when(children, go, log, held);
        note_when(children, never, log, held);
        CHECK(children.size() == 2);
        CHECK(log.empty());
        loop.run();
        go.set();
        loop.run();
        CHECK(log == std::vector<std::string>{"done"});
        CHECK(children.size() == 1);
        CHECK(held.use_count() == 2);
        children.cancel();
        loop.run();
        CHECK(log == std::vector<std::string>{"done", make_error_code(weir::errc::canceled).message()});
        note_when(children, never, log, held); // cancelled from the start
        loop.run();
        CHECK(log.size() == 3);
        weir::scope others;
        note_when(others, never, log, held); // destroyed where it waits
        loop.run();
        CHECK(others.abandon() == 1);
        CHECK(held.use_count() == 1);
    }
    weir::scope outer;
    bool thrown = false;
    auto body = [&]() -> task<> {
        weir::scope inner;
        note_when(inner, go, log, std::make_shared<int>(-1));
        note_when(inner, never, log, held); // its sibling
        try {
            co_await inner.join();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
    };
    outer.spawn(body());
    loop.run();
    CHECK(thrown);
    CHECK(log.back() == make_error_code(weir::errc::canceled).message());
}
