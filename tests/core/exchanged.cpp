#include <doctest/doctest.h>

#include <weir/core/exchanged.hpp>
#include <weir/core/owned.hpp>

#include <string>

using namespace weir;

static_assert(noexcept(exchanged(*static_cast<int*>(nullptr), 1)));
static_assert([] {
    int place = 1;
    return exchanged(place, 2) == 1 && place == 2;
}());

TEST_CASE("exchanged: gives what was there and leaves the other") {
    std::string text = "before";
    CHECK(exchanged(text, "after, which is longer than what fits into it") == "before");
    CHECK(text == "after, which is longer than what fits into it");

    owned<int> number = make_owned<int>(1); // cannot be copied
    int* const first = number.get();
    CHECK(exchanged(number, {}).get() == first);
    CHECK(!number);

    const char* pointer = text.c_str();
    CHECK(exchanged(pointer, nullptr) == text);
    CHECK(pointer == nullptr);
}
