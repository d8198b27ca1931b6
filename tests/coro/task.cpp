#include <weir/coro/task.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using weir::task;

// Runs `body` to its end.
void complete(task<> body) {
    tests::manual_scheduler loop;
    weir::scope all;
    all.spawn(std::move(body));
    loop.run();
    CHECK(all.size() == 0);
}

task<int> number(int value) { co_return value; }
task<int> later(int value) {
    auto yielded = co_await weir::yield();
    CHECK(yielded);
    co_return value;
}
task<std::unique_ptr<int>> on_heap(int value) { co_return std::make_unique<int>(value); }
task<weir::result<int>> failing() { co_return weir::errc::closed; }
task<> assign(int& to, int value) {
    to = value;
    co_return;
}
task<std::string> joined(std::string a, const std::string& b) {
    auto yielded = co_await weir::yield();
    CHECK(yielded);
    co_return a + b;
}
task<int> throwing(bool wait) {
    if (wait) {
        auto yielded = co_await weir::yield();
        CHECK(yielded);
    }
    throw std::runtime_error("thrown");
    co_return 0;
}

struct counted {
    explicit counted(int& alive) : x_alive(&alive) { ++*x_alive; }
    counted(const counted& other) : x_alive(other.x_alive) { ++*x_alive; }
    ~counted() { --*x_alive; }
    int* x_alive;
};
struct throws_at_its_end {
    ~throws_at_its_end() noexcept(false) { throw std::runtime_error("the end"); }
};
task<counted> value_then_throw(int& alive) {
    throws_at_its_end local;
    co_return counted(alive);
}

} // namespace

TEST_CASE("a task gives its value, at once or later") {
    bool ran = false;
    auto body = [&]() -> task<> {
        int one = co_await number(1);
        int two = co_await later(2);
        CHECK(one + two == 3);
        auto pointer = co_await on_heap(4);
        CHECK(*pointer == 4);
        int assigned = 0;
        co_await assign(assigned, 5);
        CHECK(assigned == 5);
        auto failed = co_await failing();
        CHECK(failed.error() == weir::errc::closed);
        std::string text = co_await joined("a", std::string("b"));
        CHECK(text == "ab");
        ran = true;
    };
    complete(body());
    CHECK(ran);
}

TEST_CASE("an exception of a task is rethrown where it is awaited") {
    int caught = 0;
    auto body = [&]() -> task<> {
        for (bool wait : {false, true}) {
            try {
                co_await throwing(wait);
            } catch (const std::runtime_error& error) {
                CHECK(std::string(error.what()) == "thrown");
                ++caught;
            }
        }
    };
    complete(body());
    CHECK(caught == 2);
}

TEST_CASE("a local that throws after the value was returned replaces the value, which is destroyed once") {
    int alive = 0;
    bool caught = false;
    auto body = [&]() -> task<> {
        try {
            co_await value_then_throw(alive);
        } catch (const std::runtime_error&) {
            caught = true;
        }
    };
    complete(body());
    CHECK(alive == 0);
    CHECK(caught);
}

TEST_CASE("a task that is never awaited never starts, and is destroyed") {
    int alive = 0;
    auto body = [](counted, int& started) -> task<> {
        ++started;
        co_return;
    };
    int started = 0;
    {
        auto never = body(counted(alive), started);
        CHECK(alive == 1);
        CHECK(never.has_coroutine());
        auto moved = std::move(never);
        CHECK_FALSE(never.has_coroutine());
        moved = task<>();
        CHECK(alive == 0);
    }
    CHECK(started == 0);
}

namespace {

// Where the stack is: the address of a local, which no inlining may merge.
[[gnu::noinline]] std::uintptr_t stack_address() {
    volatile char here = 0;
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) + static_cast<unsigned char>(here);
}
struct stack_extent {
    std::uintptr_t lowest = UINTPTR_MAX, highest = 0;
    void note() {
        const std::uintptr_t here = stack_address();
        lowest = here < lowest ? here : lowest;
        highest = here > highest ? here : highest;
    }
};
task<int> noting(stack_extent& extent, int value) {
    extent.note();
    co_return value;
}
task<int> nested(stack_extent& extent, int value) {
    int inner = co_await noting(extent, value);
    co_return inner;
}

} // namespace

TEST_CASE("a million awaits that complete at once use constant stack") {
    stack_extent first, all;
    long long sum = 0;
    auto body = [&]() -> task<> {
        for (int i = 0; i < 1'000'000; ++i) {
            int one = co_await nested(all, 1);
            sum += one;
            if (i == 0) first = all;
        }
    };
    complete(body());
    CHECK(sum == 1'000'000);
    CHECK(first.lowest == all.lowest);
    CHECK(first.highest == all.highest);
}

TEST_CASE("tasks that complete later use constant stack, too") {
    stack_extent first, all;
    auto child = [](stack_extent& extent) -> task<> {
        auto yielded = co_await weir::yield();
        CHECK(yielded);
        extent.note();
    };
    auto body = [&]() -> task<> {
        for (int i = 0; i < 10'000; ++i) {
            co_await child(all);
            if (i == 1) first = all;
        }
    };
    complete(body());
    CHECK(first.lowest == all.lowest);
    CHECK(first.highest == all.highest);
}
