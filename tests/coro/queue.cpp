#include <weir/coro/queue.hpp>

#include "../support/manual_scheduler.hpp"
#include <weir/coro/scope.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <vector>

using weir::queue;
using weir::errc;
using weir::task;
using namespace std::chrono_literals;

namespace {

task<> send_all(queue<int>& to, int from, int count, std::vector<int>& accepted) {
    for (int i = from; i < from + count; ++i) {
        auto sent = co_await to.send(i);
        if (!sent) co_return;
        accepted.push_back(i);
    }
}
task<> receive_all(queue<int>& from, std::vector<int>& got) {
    while (auto value = co_await from.receive()) got.push_back(*value);
    got.push_back(-1);
}
task<> receive_one(queue<int>& from, std::vector<int>& got, int name) {
    auto value = co_await from.receive();
    got.push_back(value ? name * 100 + *value : -name);
}
task<> send_one(queue<int>& to, int value, std::vector<int>& log) {
    auto sent = co_await to.send(value);
    log.push_back(sent ? value : -value);
}

} // namespace

TEST_CASE("a queue hands values on in order, however small it is") {
    for (std::size_t capacity : {1U, 2U, 3U, 100U}) {
        tests::manual_scheduler loop;
        queue<int> pipe(capacity);
        std::vector<int> accepted, got, expected;
        for (int i = 0; i < 50; ++i) expected.push_back(i);
        weir::scope all;
        all.spawn(send_all(pipe, 0, 50, accepted));
        all.spawn(receive_all(pipe, got));
        loop.run();
        CHECK(accepted == expected);
        CHECK(got == expected);
        pipe.close();
        pipe.close();
        loop.run();
        expected.push_back(-1);
        CHECK(got == expected);
        CHECK(all.size() == 0);
    }
}

TEST_CASE("a full queue makes senders wait, in order") {
    tests::manual_scheduler loop;
    queue<int> pipe(1);
    std::vector<int> log;
    weir::scope all;
    for (int i = 1; i <= 3; ++i) all.spawn(send_one(pipe, i, log));
    loop.run();
    CHECK(log == std::vector<int>{1});
    CHECK(pipe.size() == 1);
    CHECK(pipe.try_send(9).error() == errc::buffer_full);
    CHECK(pipe.try_receive() == 1);
    CHECK(pipe.size() == 1); // the next has moved up
    loop.run();
    CHECK(log == std::vector<int>{1, 2});
    CHECK(pipe.try_receive() == 2);
    CHECK(pipe.try_receive() == 3);
    CHECK_FALSE(pipe.try_receive());
    loop.run();
    CHECK(log == std::vector<int>{1, 2, 3});
}

TEST_CASE("receivers are served in the order in which they came, also when one comes in between") {
    tests::manual_scheduler loop;
    queue<int> pipe(4);
    std::vector<int> got;
    weir::scope all;
    all.spawn(receive_one(pipe, got, 1));
    all.spawn(receive_one(pipe, got, 2));
    loop.run();
    all.spawn(receive_one(pipe, got, 3)); // runs before those that the next lines wake
    for (int i = 1; i <= 3; ++i) CHECK(pipe.try_send(i));
    loop.run();
    CHECK(got.size() == 3);
    CHECK(got == std::vector<int>{101, 202, 303});
}

TEST_CASE("close: what is inside can be received, senders and receivers are told") {
    tests::manual_scheduler loop;
    queue<int> pipe(1);
    std::vector<int> log, got;
    weir::scope all;
    all.spawn(send_one(pipe, 1, log));
    all.spawn(send_one(pipe, 2, log));
    loop.run();
    pipe.close();
    CHECK(pipe.is_closed());
    loop.run();
    CHECK(log == std::vector<int>{1, -2});
    CHECK(pipe.try_send(3).error() == errc::closed);
    all.spawn(send_one(pipe, 4, log));
    all.spawn(receive_all(pipe, got));
    loop.run();
    CHECK(log == std::vector<int>{1, -2, -4});
    CHECK(got == std::vector<int>{1, -1});
}

TEST_CASE("a cancelled send has delivered nothing") {
    tests::manual_scheduler loop;
    queue<std::unique_ptr<int>> pipe(1);
    CHECK(pipe.try_send(std::make_unique<int>(1)));
    weir::scope all;
    bool ran = false;
    auto body = [&]() -> task<> {
        auto sent = co_await pipe.send(std::make_unique<int>(2)).within(1s);
        CHECK(sent.error() == errc::timed_out);
        ran = true;
    };
    all.spawn(body());
    loop.advance(2s);
    CHECK(ran);
    auto first = pipe.try_receive();
    REQUIRE(first);
    CHECK(**first == 1);
    CHECK_FALSE(pipe.try_receive());
    CHECK(pipe.try_send(std::make_unique<int>(3)));
    auto kept = std::make_unique<int>(4);
    CHECK_FALSE(pipe.try_send(std::move(kept)));
    CHECK(kept); // a refused value stays
}

TEST_CASE("a receiver that was woken and then cancelled still has its value") {
    tests::manual_scheduler loop;
    queue<int> pipe(1);
    std::vector<int> got;
    weir::scope all;
    all.spawn(receive_one(pipe, got, 1));
    loop.run();
    CHECK(pipe.try_send(5));
    all.cancel();
    loop.run();
    CHECK(got == std::vector<int>{105});
}

TEST_CASE("a receiver that was woken and then destroyed leaves its value to the next") {
    tests::manual_scheduler loop;
    queue<int> pipe(2);
    std::vector<int> got;
    weir::scope second;
    {
        weir::scope first;
        first.spawn(receive_one(pipe, got, 1));
        loop.run();
        second.spawn(receive_one(pipe, got, 2));
        loop.run();
        CHECK(pipe.try_send(5));
        CHECK_FALSE(pipe.try_receive()); // promised
    }
    loop.run();
    CHECK(got == std::vector<int>{205});
    {
        weir::scope first;
        first.spawn(receive_one(pipe, got, 1));
        loop.run();
        CHECK(pipe.try_send(6));
        pipe.close();
        second.spawn(receive_one(pipe, got, 3));
        loop.turn(); // 1 takes it; 3 waits for what becomes of it
    }
    loop.run();
    CHECK(got == std::vector<int>{205, 106, -3});
}

TEST_CASE("closed is not said while a value may still come back") {
    tests::manual_scheduler loop;
    queue<int> pipe(1);
    std::vector<int> got;
    weir::scope second;
    second.spawn(receive_one(pipe, got, 9)); // spawned first, so that it runs before the one that is woken
    {
        weir::scope first;
        loop.run();
        CHECK(pipe.try_send(1));
        loop.run();
        CHECK(got == std::vector<int>{901});
        first.spawn(receive_one(pipe, got, 1));
        loop.run();
        second.spawn(receive_one(pipe, got, 2));
        CHECK(pipe.try_send(5));
        pipe.close();
        CHECK(pipe.size() == 1);
    } // the first is destroyed with its value promised, before the second ran
    loop.run();
    CHECK(got == std::vector<int>{901, 205});
}

TEST_CASE("a queue that dies closes") {
    tests::manual_scheduler loop;
    std::optional<queue<int>> pipe(std::in_place, 1U);
    std::vector<int> got, log;
    weir::scope all;
    all.spawn(receive_one(*pipe, got, 1));
    all.spawn(receive_one(*pipe, got, 2));
    loop.run();
    CHECK(pipe->try_send(1)); // promised to the first
    pipe.reset();
    loop.run();
    CHECK(got == std::vector<int>{-1, -2});
    pipe.emplace(1U);
    all.spawn(send_one(*pipe, 1, log));
    all.spawn(send_one(*pipe, 2, log));
    loop.run();
    pipe.reset();
    loop.run();
    CHECK(log == std::vector<int>{1, -2});
    {
        weir::scope brief;
        pipe.emplace(1U);
        brief.spawn(receive_one(*pipe, got, 3));
        loop.run();
        CHECK(pipe->try_send(1));
        pipe.reset();
    } // destroyed after the queue, with a value promised
    CHECK(got.size() == 2);
}
