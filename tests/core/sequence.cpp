#include <doctest/doctest.h>

#include <weir/core/owned.hpp>
#include <weir/core/sequence.hpp>

#include <string>
#include <type_traits>
#include <utility>

using namespace weir;

namespace {

struct counted {
    explicit counted(int& alive) noexcept : alive(&alive) { ++alive; }
    counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
    ~counted() { --*alive; }
    int* alive;
};

struct aggregate {
    int number = 7;
    char letter = 'a';
};

static_assert(std::is_nothrow_move_constructible_v<sequence<std::string>>);
static_assert(std::is_nothrow_default_constructible_v<sequence<std::string>>);

} // namespace

TEST_CASE("sequence: elements stay in order while the room grows") {
    sequence<std::string> texts;
    CHECK(texts.empty());
    CHECK(texts.begin() == texts.end());
    for (int i = 0; i < 100; ++i) {
        std::string& made = texts.emplace_back("a text that is too long to lie within, number ");
        made += std::to_string(i);
    }
    REQUIRE(texts.size() == 100);
    int next = 0;
    for (const std::string& each : texts)
        CHECK(each == "a text that is too long to lie within, number " + std::to_string(next++));
    CHECK(texts.data() == &texts[0]);
    texts.push_back("the last");
    CHECK(std::as_const(texts)[100] == "the last");

    const std::string* const first = texts.data();
    texts.clear();
    CHECK(texts.empty());
    texts.reserve(50); // there is more room than that
    texts.push_back("first again");
    CHECK(texts.data() == first);
}

TEST_CASE("sequence: makes, moves and destroys each element once") {
    int alive = 0;
    {
        sequence<counted> some;
        some.reserve(3);
        const counted* const place = some.data();
        for (int i = 0; i < 3; ++i) some.emplace_back(alive);
        CHECK(some.data() == place);
        for (int i = 0; i < 10; ++i) some.emplace_back(alive);
        CHECK(alive == 13);
        sequence<counted> taken = std::move(some);
        CHECK(some.empty());
        CHECK(taken.size() == 13);
        CHECK(alive == 13);
        some.emplace_back(alive); // usable after the move
        taken = std::move(some);
        CHECK(taken.size() == 1);
        CHECK(alive == 1);
    }
    CHECK(alive == 0);

    sequence<owned<int>> moved; // cannot be copied
    moved.push_back(make_owned<int>(5));
    moved.emplace_back(new int(6));
    CHECK(*moved[0] + *moved[1] == 11);
}

TEST_CASE("sequence: copies, comparisons, a size to begin with") {
    sequence<std::string> one;
    one.push_back("a");
    one.push_back("b");
    sequence<std::string> two = one;
    CHECK(two == one);
    two.push_back("c");
    CHECK(two != one);
    CHECK(one.size() == 2);
    one = two;
    CHECK(one == two);
    one[0] = "z";
    CHECK(one != two);
    one.swap(two);
    CHECK(one[0] == "a");

    const sequence<aggregate> three(3);
    REQUIRE(three.size() == 3);
    for (const aggregate& each : three) CHECK((each.number == 7 && each.letter == 'a'));
    CHECK(sequence<int>(4)[3] == 0);
}
