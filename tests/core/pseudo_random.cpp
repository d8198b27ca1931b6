#include <weir/core/pseudo_random.hpp>
#include <weir/core/seeded_entropy.hpp>

#include <doctest/doctest.h>

using namespace weir;

TEST_CASE("pseudo_random: the numbers of splitmix64, today and tomorrow") {
    pseudo_random from(1234567);
    for (const std::uint64_t each : {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u})
        CHECK(from.next() == each);
}

TEST_CASE("pseudo_random: bounds and probabilities") {
    pseudo_random from(7);
    int chances = 0;
    unsigned seen = 0;
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t number = from.below(6);
        REQUIRE(number < 6);
        seen |= 1u << number;
        chances += from.chance(0.25);
        CHECK(from.chance(1));
        CHECK(!from.chance(0));
        CHECK(from.below(1) == 0);
    }
    CHECK(seen == 0x3f);
    CHECK(chances > 2300);
    CHECK(chances < 2700);
}

TEST_CASE("seeded_entropy: the same bytes for the same seed, others for another") {
    seeded_entropy first(1), again(1), other(2);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t bytes = first.next_64();
        CHECK(bytes == again.next_64());
        CHECK(bytes != other.next_64());
    }
}
