#include <doctest/doctest.h>

#include <weir/core/shared.hpp>

#include <type_traits>
#include <utility>

using namespace weir;

namespace {

struct counted {
    counted(int& alive, int&& number) : alive(alive), number(number) { ++alive; }
    counted(const counted&) = delete;
    ~counted() { --alive; }
    int& alive;
    int number;
};

static_assert(std::is_nothrow_copy_constructible_v<shared<counted>> && std::is_nothrow_copy_assignable_v<shared<counted>>);
static_assert(sizeof(shared<counted>) == sizeof(void*));

} // namespace

TEST_CASE("shared: the object goes with its last owner") {
    int alive = 0;
    shared<const counted> first = shared<const counted>::make(alive, 7), second;
    CHECK((first && !second));
    CHECK(first->number == 7);
    CHECK(second.get() == nullptr);
    second = first;
    CHECK(second.get() == &*first);
    first = nullptr;
    CHECK(alive == 1);
    shared<const counted> third = std::move(second);
    CHECK((!second && third));
    shared<const counted>& same = third;
    third = same;
    CHECK((alive == 1 && third->number == 7));
    third = shared<const counted>::make(alive, 8);
    CHECK((alive == 1 && third->number == 8));
    third = {};
    CHECK(alive == 0);
}
