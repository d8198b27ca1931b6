#include <weir/coro/context.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/offload.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/shield.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/coro/when_any.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

using weir::task;
using namespace std::chrono_literals;

namespace {

struct counting_hook final : weir::cancel_hook {
    int calls = 0;
    void on_cancel() noexcept override {
        ++calls;
        CHECK_FALSE(linked());
    }
};

struct naming_hook final : weir::cancel_hook {
    naming_hook(std::string& into, char name) noexcept : x_into(into), x_name(name) {}
    void on_cancel() noexcept override { x_into += x_name; }
    std::string& x_into;
    char x_name;
};

} // namespace

TEST_CASE("cancelling goes down the tree, not up and not aside") {
    tests::manual_scheduler loop;
    weir::context root(loop), left(root), right(root), leaf(left);
    counting_hook at_root, at_leaf, at_right;
    root.add(at_root);
    leaf.add(at_leaf);
    right.add(at_right);
    left.cancel();
    CHECK(leaf.canceled());
    CHECK_FALSE(right.canceled());
    CHECK_FALSE(root.canceled());
    CHECK(at_leaf.calls == 1);
    CHECK(at_right.calls == 0);
    root.cancel();
    root.cancel();
    CHECK(at_leaf.calls == 1);
    CHECK(at_right.calls == 1);
    CHECK(at_root.calls == 1);
    weir::context late(left);
    CHECK(late.canceled());
}

TEST_CASE("what has waited longest is told of the cancellation first, and children after that") {
    tests::manual_scheduler loop;
    weir::context root(loop), first(root), second(root);
    std::string order;
    const auto named = [&](char name) { return naming_hook(order, name); };
    naming_hook a = named('a'), b = named('b'), c = named('c'), d = named('d'), e = named('e'), f = named('f');
    second.add(f);
    first.add(d);
    first.add(e);
    root.add(a);
    root.add(b);
    root.add(c);
    b.unlink();
    root.cancel();
    CHECK(order == "acdef");
}

TEST_CASE("a context that dies leaves its children and hooks alone") {
    tests::manual_scheduler loop;
    weir::context root(loop);
    std::optional<weir::context> middle(std::in_place, root);
    weir::context leaf(*middle);
    counting_hook hook;
    middle->add(hook);
    middle.reset();
    CHECK_FALSE(hook.linked());
    CHECK(leaf.parent() == nullptr);
    root.cancel();
    CHECK_FALSE(leaf.canceled());
    CHECK(hook.calls == 0);
}

TEST_CASE("tasks inherit the context of who awaits them") {
    tests::manual_scheduler loop;
    weir::scope all;
    bool ran = false;
    auto child = []() -> task<weir::context*> { co_return co_await weir::this_context(); };
    auto body = [&]() -> task<> {
        weir::context* mine = co_await weir::this_context();
        weir::context* same = co_await child();
        CHECK(mine == same);
        auto inner = co_await child().within(1s);
        CHECK(*inner != mine);
        CHECK_FALSE(mine->canceled());
        all.cancel();
        CHECK(mine->canceled());
        weir::context* shielded = co_await weir::shield(child());
        CHECK(shielded != mine);
        ran = true;
    };
    all.spawn(body());
    loop.run();
    CHECK(ran);
}

TEST_CASE("a shield keeps cancellation out, and its own deadline in") {
    tests::manual_scheduler loop;
    weir::event go;
    weir::scope all;
    bool ran = false;
    auto child = [](weir::event& what) -> task<int> {
        auto waited = co_await what.wait();
        co_return waited ? 1 : 0;
    };
    auto body = [&]() -> task<> {
        auto timed = co_await weir::shield(go.wait().within(1s));
        CHECK(timed.error() == weir::errc::timed_out);
        auto whole = co_await weir::shield(child(go)).within(1s); // the deadline outside has no effect
        CHECK(whole.value_or(0) == 1);
        auto after = co_await go.wait(); // set, so ready even here
        CHECK(after);
        go.reset();
        auto canceled = co_await go.wait();
        CHECK(canceled.error() == weir::errc::canceled);
        ran = true;
    };
    all.spawn(body());
    loop.run();
    all.cancel();
    loop.advance(5s);
    CHECK_FALSE(ran);
    go.set();
    loop.run();
    CHECK(ran);
}

TEST_CASE("a shielded operation ends with the frame") {
    tests::manual_scheduler loop;
    weir::event go;
    auto alive = std::make_shared<int>(0);
    {
        weir::scope all;
        auto child = [](weir::event& what, std::shared_ptr<int>) -> task<> {
            auto waited = co_await what.wait();
            CHECK_FALSE(waited);
        };
        auto body = [&]() -> task<> { co_await weir::shield(child(go, alive)); };
        all.spawn(body());
        loop.run();
        CHECK(alive.use_count() == 2);
    }
    CHECK(alive.use_count() == 1);
    go.set();
    loop.run();
}

namespace {

int nothing_much() { return 1; }

// Awaits what `begin` gives again and again, whatever comes of it.
template <class Begin>
task<> heedless(Begin begin, int& rounds, const bool& enough) {
    while (!enough && rounds < 1000) {
        (void)co_await begin();
        ++rounds;
    }
}

// How often such a loop comes round in five turns.
template <class Begin>
int rounds_in_five_turns(bool canceled, Begin begin) {
    tests::manual_scheduler loop;
    int rounds = 0;
    bool enough = false;
    weir::scope all;
    all.spawn(heedless(begin, rounds, enough));
    if (canceled) all.cancel();
    for (int i = 0; i < 5; ++i) loop.turn();
    const int seen = rounds;
    enough = true;
    loop.run();
    CHECK(all.size() == 0);
    return seen;
}

} // namespace

TEST_CASE("a loop that does not heed its cancellation gives way at each wait") {
    weir::event never;
    weir::queue<int> empty(1), full(1), closed(1);
    REQUIRE(full.try_send(1));
    closed.close();
    CHECK(rounds_in_five_turns(true, [&] { return never.wait(); }) == 4);
    CHECK(rounds_in_five_turns(true, [&] { return empty.receive(); }) == 4);
    CHECK(rounds_in_five_turns(true, [&] { return full.send(2); }) == 4);
    CHECK(rounds_in_five_turns(true, [&] { return weir::offload(nothing_much); }) == 4);
    CHECK(rounds_in_five_turns(true, [&] { return never.wait().within(1s); }) == 4);
    CHECK(rounds_in_five_turns(true, [&] { return weir::when_any(never.wait(), empty.receive()); }) == 4);
    // The same with a queue that is closed, cancelled or not.
    for (const bool canceled : {false, true}) {
        CHECK(rounds_in_five_turns(canceled, [&] { return closed.receive(); }) == 4);
        CHECK(rounds_in_five_turns(canceled, [&] { return closed.send(2); }) == 4);
    }
}
