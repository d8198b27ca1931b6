#include <doctest/doctest.h>

#include <weir/core/chain.hpp>

#include <optional>
#include <string>

using namespace weir;

namespace {

struct item : chain_node<item> {
    explicit item(char a_name) : name(a_name) {}
    char name;
};

std::string names(const chain<item>& from) {
    std::string all;
    for (const item* each = from.front(); each; each = from.after(*each)) all += each->name;
    return all;
}

} // namespace

TEST_CASE("what was added last comes first, until the chain is reversed, and leaves from anywhere") {
    chain<item> all;
    item a('a'), b('b'), c('c'), d('d');
    CHECK(all.empty());
    CHECK(all.front() == nullptr);
    all.reverse();
    CHECK(all.empty());
    all.push_front(a);
    all.push_front(b);
    all.push_front(c);
    all.push_front(d);
    CHECK(names(all) == "dcba");
    CHECK(all.begins_with(d));
    CHECK_FALSE(all.begins_with(c));
    all.reverse();
    CHECK(names(all) == "abcd");
    c.unlink();
    CHECK_FALSE(c.linked());
    c.unlink(); // once more does nothing
    CHECK(names(all) == "abd");
    a.unlink();
    CHECK(names(all) == "bd");
    d.unlink();
    CHECK(names(all) == "b");
    all.push_front(a);
    all.reverse();
    CHECK(names(all) == "ba");
    b.unlink();
    a.unlink();
    CHECK(all.empty());
    CHECK_FALSE(all.begins_with(a));
}

TEST_CASE("an element that is destroyed leaves its chain") {
    chain<item> all;
    item a('a'), c('c');
    std::optional<item> b(std::in_place, 'b');
    all.push_front(a);
    all.push_front(*b);
    all.push_front(c);
    b.reset();
    CHECK(names(all) == "ca");
}

TEST_CASE("a chain that is destroyed lets its elements go") {
    item a('a'), b('b');
    {
        chain<item> all;
        all.push_front(a);
        all.push_front(b);
    }
    CHECK_FALSE(a.linked());
    CHECK_FALSE(b.linked());
    chain<item> other;
    other.push_front(a);
    CHECK(names(other) == "a");
}
