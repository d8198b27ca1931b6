#include <doctest/doctest.h>

#include <weir/core/atomic.hpp>

#include <thread>
#include <type_traits>

using namespace weir::detail;

static_assert(!std::is_copy_constructible_v<atomic<int>> && !std::is_copy_assignable_v<atomic<int>>);
static_assert(sizeof(atomic<bool>) == sizeof(bool) && sizeof(atomic<long>) == sizeof(long));

TEST_CASE("atomic: each operation gives the value from before") {
    atomic<int> number{5};
    CHECK(number.exchange(6) == 5);
    CHECK(number.fetch_add(2) == 6);
    CHECK(number.fetch_sub(1, order::both) == 8);
    number.store(number.load(order::acquire) + 1, order::relaxed);
    CHECK(number.load() == 8);
}

TEST_CASE("atomic: a value is replaced where it is what was expected") {
    int here = 0;
    atomic<int*> place;
    CHECK(place.load() == nullptr);
    CHECK(place.replace(nullptr, &here));
    CHECK_FALSE(place.replace(nullptr, &here + 1));
    CHECK(place.load() == &here);
}

TEST_CASE("atomic: no addition of two threads is lost, and what was written before a flag is seen behind it") {
    atomic<int> sum{0};
    atomic<bool> said{false};
    int written = 0;
    std::thread other([&] {
        for (int i = 0; i < 10'000; ++i) sum.fetch_add(1, order::relaxed);
        written = 7;
        said.store(true);
    });
    for (int i = 0; i < 10'000; ++i) sum.fetch_add(1);
    while (!said.load(order::acquire)) std::this_thread::yield();
    CHECK(written == 7);
    other.join();
    CHECK(sum.load() == 20'000);
}
