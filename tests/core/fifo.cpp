#include <doctest/doctest.h>

#include <weir/core/fifo.hpp>
#include <weir/core/owned.hpp>

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

using namespace weir;

TEST_CASE("fifo: what goes in at the back comes out at the front, wherever the ring begins") {
    fifo<std::string> texts;
    std::deque<std::string> expected;
    unsigned next = 0;
    for (unsigned round = 0; round < 200; ++round) {
        for (unsigned i = 0; i < round * 7 % 13; ++i) {
            const std::string text = "a text that is too long to lie within, number " + std::to_string(next++);
            texts.push(text);
            expected.push_back(text);
        }
        for (unsigned i = 0; i < round * 5 % 11 && !expected.empty(); ++i) {
            CHECK(texts.pop() == expected.front());
            expected.pop_front();
        }
        REQUIRE(texts.size() == expected.size());
        REQUIRE(texts.empty() == expected.empty());
        for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(std::as_const(texts)[i] == expected[i]);
    }
    CHECK(next > 1000);
}

TEST_CASE("fifo: elements are destroyed when they are taken, or with it") {
    struct counted {
        explicit counted(int& alive) noexcept : alive(&alive) { ++alive; }
        counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
        ~counted() { --*alive; }
        int* alive;
    };
    int alive = 0;
    {
        fifo<counted> some;
        for (int i = 0; i < 100; ++i) {
            some.push(counted(alive));
            CHECK(alive == i + 1);
        }
        for (int i = 0; i < 40; ++i) (void)some.pop();
        CHECK(alive == 60);
        for (int i = 0; i < 10; ++i) some.push(counted(alive)); // behind the end of the ring, at its beginning
        CHECK(alive == 70);
    }
    CHECK(alive == 0);
}

TEST_CASE("fifo: a few places are kept when it is empty, many are not") {
    fifo<owned<int>> numbers;
    numbers.push(make_owned<int>(0));
    const owned<int>* const place = &numbers[0];
    CHECK(*numbers.pop() == 0);
    numbers.push(make_owned<int>(1));
    CHECK(&numbers[0] == place + 1);
    CHECK(*numbers.pop() == 1);

    for (int i = 0; i < 1000; ++i) numbers.push(make_owned<int>(i));
    for (int i = 0; i < 1000; ++i) CHECK(*numbers.pop() == i);
    CHECK(numbers.empty());
    for (int i = 0; i < 30; ++i) numbers.push(make_owned<int>(i)); // the large ring would go round now
    CHECK(&numbers[29] == &numbers[0] + 29);
}
