// Cancels, and destroys, after step 0, 1, 2, … of a scenario in which everything of coro/ takes part. However it ends,
// nothing may leak, hang, or come twice; and a value that a queue has accepted is received or still in it.
#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/offload.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/shield.hpp>
#include <weir/coro/stop.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/coro/when_all.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/coro/yield.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

using weir::task;
using namespace std::chrono_literals;

namespace {

// A move-only value that knows how many of its kind are alive.
class token {
public:
    token(int name, int& alive) noexcept : x_name(name), x_alive(&alive) { ++alive; }
    token(token&& other) noexcept : x_name(other.x_name), x_alive(other.x_alive) { ++*x_alive; }
    ~token() { --*x_alive; }
    int name() const noexcept { return x_name; }

private:
    int x_name;
    int* x_alive;
};

int square(int value) { return value * value; }

struct world {
    int alive = 0; // before all that holds tokens
    tests::manual_scheduler loop;
    std::vector<int> accepted, received;
    int offloaded = 0, children_alive = 0;
    bool offloading = false, ended = false;
    std::stop_source stop;
    weir::event go, finish;
    weir::queue<token> narrow{1}, wide{3};
    std::optional<weir::scope> all{std::in_place};

    void take(weir::result<token>&& got) {
        if (got) received.push_back(got->name());
    }

    task<> send_to(weir::queue<token>& to, int name, bool hurried) {
        weir::result<> sent;
        if (hurried)
            sent = co_await to.send(token(name, alive)).within(1ms);
        else
            sent = co_await to.send(token(name, alive));
        if (sent) accepted.push_back(name);
    }
    task<> produce() {
        for (int i = 0; i < 6; ++i) {
            co_await send_to(narrow, i, i % 2 == 1);
            co_await send_to(wide, 10 + i, i % 3 != 0);
            co_await send_to(i % 2 ? narrow : wide, 30 + i, true);
            auto yielded = co_await weir::yield();
            if (!yielded) co_return;
        }
    }
    task<weir::result<token>> receive_in_task(weir::queue<token>& from) { co_return co_await from.receive(); }
    task<> race() {
        for (int i = 0; i < 4; ++i) {
            auto first = co_await weir::when_any(narrow.receive(), receive_in_task(wide), finish.wait(),
                go.wait().within(2ms), weir::when_any(wide.receive(), narrow.receive()).within(1ms));
            if (auto& got = std::get<0>(first.results)) take(std::move(*got));
            if (auto& got = std::get<1>(first.results)) take(std::move(*got));
            auto& nested = std::get<4>(first.results);
            if (nested && *nested) {
                if (auto& got = std::get<0>((*nested)->results)) take(std::move(*got));
                if (auto& got = std::get<1>((*nested)->results)) take(std::move(*got));
            }
        }
    }
    task<> join_all() {
        auto each = co_await weir::when_all(wide.receive().within(3ms), send_to(narrow, 20, true),
            weir::shield(receive_in_task(narrow)).within(1ms), finish.wait().on(stop.get_token()).within(9ms));
        take(std::move(std::get<0>(each)));
        take(std::move(std::get<2>(each)));
    }
    task<> child(int) {
        struct presence {
            explicit presence(int& of) : count(of) { ++count; }
            ~presence() { --count; }
            int& count;
        } here(children_alive);
        auto waited = co_await go.wait();
        if (!waited) co_return;
        auto in = co_await weir::this_context();
        CHECK(in);
    }
    task<> drain() {
        while (auto got = co_await wide.receive()) {
            received.push_back(got->name());
            auto paused = co_await finish.wait().within(1ms);
            if (paused) break;
        }
    }
    task<> nest() {
        weir::scope inner;
        inner.spawn(child(1));
        inner.spawn(child(2));
        inner.spawn([this](int name) -> task<> { co_await child(name); }, 3);
        offloading = true;
        auto squared = co_await weir::offload(square, 7);
        offloading = false;
        if (squared) offloaded = *squared;
        go.set();
        auto joined = co_await inner.join().within(4ms);
        if (joined) CHECK(inner.size() == 0);
    }
    task<> main() {
        weir::scope work;
        work.spawn(produce());
        work.spawn(drain());
        work.spawn(race());
        work.spawn(join_all());
        work.spawn(nest());
        for (int i = 0; i < 12; ++i) {
            auto got = co_await wide.receive().on(stop.get_token()).within(2ms);
            take(std::move(got));
        }
        finish.set();
        narrow.close();
        wide.close();
        co_await work.join();
        while (auto got = co_await narrow.receive()) received.push_back(got->name());
        ended = true;
    }

    // One step; where only the helper thread can go on, waits for it. False: nothing will happen any more.
    bool step() {
        if (loop.step()) return true;
        if (all->size() == 0 || !offloading) return false;
        loop.wait_remote();
        return loop.step();
    }
};

bool contains(const std::vector<int>& names, int name) {
    for (int each : names)
        if (each == name) return true;
    return false;
}

enum class ending { natural, canceled, destroyed, canceled_and_destroyed, stopped };

// Runs the scenario with `how` after `steps`. Gives how many steps it took altogether.
int play(ending how, int steps) {
    world w;
    int taken = 0;
    w.all->spawn(w.main());
    for (; taken < steps && w.step(); ++taken) {}
    if (how == ending::stopped) w.stop.request_stop();
    if (how == ending::canceled || how == ending::canceled_and_destroyed) w.all->cancel();
    if (how == ending::canceled_and_destroyed) w.step();
    if (how == ending::destroyed || how == ending::canceled_and_destroyed) {
        w.all.reset();
        CHECK(w.children_alive == 0);
        w.loop.run();
        CHECK_FALSE(w.loop.armed());
    } else {
        while (w.step()) ++taken;
        REQUIRE(w.all->size() == 0); // it ended
        CHECK(w.ended);
        CHECK_FALSE(w.loop.armed());
    }
    while (auto left = w.narrow.try_receive()) w.received.push_back(left->name());
    while (auto left = w.wide.try_receive()) w.received.push_back(left->name());
    for (std::size_t i = 0; i < w.received.size(); ++i)
        for (std::size_t k = i + 1; k < w.received.size(); ++k) CHECK(w.received[i] != w.received[k]);
    if (how != ending::destroyed && how != ending::canceled_and_destroyed) {
        // a task that ends with its frame takes along what it had received; here none did
        CHECK(w.accepted.size() == w.received.size());
        for (int name : w.accepted) CHECK(contains(w.received, name));
        if (how == ending::natural) CHECK(w.offloaded == 49);
    }
    CHECK(w.alive == 0);
    return taken;
}

} // namespace

TEST_CASE("the scenario ends by itself") {
    CHECK(play(ending::natural, 0) > 60);
}

TEST_CASE("cancelled after step 0, 1, 2, …") {
    const int total = play(ending::natural, 0);
    for (int steps = 0; steps <= total; ++steps) {
        CAPTURE(steps);
        play(ending::canceled, steps);
    }
}

TEST_CASE("destroyed after step 0, 1, 2, …") {
    const int total = play(ending::natural, 0);
    for (int steps = 0; steps <= total; ++steps) {
        CAPTURE(steps);
        play(ending::destroyed, steps);
    }
}

TEST_CASE("cancelled, and destroyed a step later, after step 0, 1, 2, …") {
    const int total = play(ending::natural, 0);
    for (int steps = 0; steps <= total; ++steps) {
        CAPTURE(steps);
        play(ending::canceled_and_destroyed, steps);
    }
}

TEST_CASE("stopped by token after step 0, 1, 2, …") {
    const int total = play(ending::natural, 0);
    for (int steps = 0; steps <= total; ++steps) {
        CAPTURE(steps);
        play(ending::stopped, steps);
    }
}
