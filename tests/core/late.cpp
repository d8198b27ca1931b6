#include <doctest/doctest.h>

#include <weir/core/late.hpp>

#include <type_traits>

using namespace weir;

namespace {

struct counted {
    counted(int& alive, int value) : alive(alive), value(value) { ++alive; }
    counted(const counted&) = delete;
    ~counted() { --alive; }
    int& alive;
    int value;
};

static_assert(!std::is_copy_constructible_v<late<int>> && !std::is_move_constructible_v<late<int>>);

} // namespace

TEST_CASE("late: makes its object when told to, in its own place, and destroys it with itself") {
    int alive = 0;
    {
        late<counted> never, object;
        CHECK(!object);
        CHECK(alive == 0);
        counted& made = object.emplace(alive, 7);
        CHECK(object);
        CHECK(alive == 1);
        CHECK((&made == &*object && object->value == 7));
        const late<counted>& seen = object;
        CHECK(seen->value == 7);
        CHECK(!never);
    }
    CHECK(alive == 0);
}
