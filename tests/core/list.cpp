#include <doctest/doctest.h>

#include <weir/core/list.hpp>

#include <optional>
#include <string>

using namespace weir;

namespace {

struct item : list_node<item> {
    explicit item(char a_name) : name(a_name) {}
    char name;
};

std::string names(const list<item>& from) {
    std::string all;
    for (const item* each = from.front(); each; each = from.after(*each)) all += each->name;
    return all;
}

} // namespace

TEST_CASE("elements stay in order and leave from anywhere") {
    list<item> queue;
    item a('a'), b('b'), c('c'), d('d');
    CHECK(queue.empty());
    CHECK(queue.front() == nullptr);
    CHECK(queue.pop_front() == nullptr);
    queue.push_back(b);
    queue.push_back(c);
    queue.push_front(a);
    queue.push_back(d);
    CHECK(names(queue) == "abcd");
    c.unlink();
    CHECK_FALSE(c.linked());
    c.unlink(); // once more does nothing
    CHECK(names(queue) == "abd");
    CHECK(queue.pop_front() == &a);
    CHECK_FALSE(a.linked());
    queue.push_back(a);
    CHECK(names(queue) == "bda");
}

TEST_CASE("an element that is destroyed leaves its list") {
    list<item> queue;
    item a('a'), c('c');
    std::optional<item> b(std::in_place, 'b');
    queue.push_back(a);
    queue.push_back(*b);
    queue.push_back(c);
    b.reset();
    CHECK(names(queue) == "ac");
}

TEST_CASE("a list that is destroyed lets its elements go") {
    item a('a'), b('b');
    {
        list<item> queue;
        queue.push_back(a);
        queue.push_back(b);
        CHECK(b.linked());
    }
    CHECK_FALSE(a.linked());
    CHECK_FALSE(b.linked());
}

TEST_CASE("all elements of one list move to the end of another") {
    list<item> first, second;
    item a('a'), b('b'), c('c');
    first.push_back(a);
    first.take_all(second);
    CHECK(names(first) == "a");
    second.push_back(b);
    second.push_back(c);
    first.take_all(second);
    CHECK(names(first) == "abc");
    CHECK(second.empty());
    second.take_all(first);
    CHECK(names(second) == "abc");
    CHECK(first.empty());
}
