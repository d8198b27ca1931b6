#include <doctest/doctest.h>

#include <weir/core/owned.hpp>

#include <type_traits>
#include <utility>

using namespace weir;

namespace {

struct base {
    explicit base(int& alive) : alive(alive) { ++alive; }
    base(const base&) = delete;
    virtual ~base() { --alive; }
    int& alive;
};
struct derived final : base {
    using base::base;
};

static_assert(!std::is_copy_constructible_v<owned<base>>);
static_assert(std::is_nothrow_move_constructible_v<owned<base>> && std::is_nothrow_move_assignable_v<owned<base>>);
static_assert(std::is_convertible_v<owned<derived>, owned<base>> && !std::is_convertible_v<owned<base>, owned<derived>>);
static_assert(!std::is_convertible_v<base*, owned<base>>, "to own something is said");
static_assert(sizeof(owned<base>) == sizeof(base*));

} // namespace

TEST_CASE("owned: destroys what it owns, once") {
    int alive = 0;
    {
        owned<base> one(new derived(alive)), two = make_owned<derived>(alive), none;
        CHECK(alive == 2);
        CHECK(!none);
        CHECK((none == nullptr && one != nullptr));
        none = std::move(one);
        CHECK(!one);
        CHECK(&none->alive == &alive);
        two = std::move(none); // what it owned before is gone
        CHECK(alive == 1);
        CHECK(two.get() == &*two);
        two = nullptr;
        CHECK(alive == 0);
        two.reset(new derived(alive));
    }
    CHECK(alive == 0);
}

TEST_CASE("owned: release, reset, moving onto itself") {
    int alive = 0;
    owned<base> it = make_owned<derived>(alive);
    base* const bare = it.release();
    CHECK((!it && alive == 1));
    it.reset(bare);
    owned<base>& same = it;
    it = std::move(same);
    CHECK(it.get() == bare);
    it.reset();
    CHECK(alive == 0);
}
