#include <doctest/doctest.h>

#include <weir/core/result.hpp>

#include <memory>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

using namespace weir;

namespace {

struct immovable_number {
    explicit immovable_number(int from) : value(from) {}
    immovable_number(const immovable_number&) = delete;
    int value;
};

// Not inlined: g++ 12 under the address sanitizer takes the side of the union that is not there for uninitialised.
[[gnu::noinline]] result<std::unique_ptr<int>> make_owner(int number) { return std::make_unique<int>(number); }

static_assert(std::is_convertible_v<int, result<long>>);
static_assert(std::is_convertible_v<errc, result<int>>);
static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<result<std::string>>);

} // namespace

TEST_CASE("a result with a value") {
    result<std::string> text = "weir";
    REQUIRE(text);
    CHECK(text.has_value());
    CHECK(*text == "weir");
    CHECK(text->size() == 4);
    CHECK(std::as_const(text)->size() == 4);
    CHECK(*std::as_const(text) == "weir");
    CHECK(text.value() == "weir");
    CHECK(std::as_const(text).value() == "weir");
    CHECK(text.value_or("other") == "weir");
    result<std::string> copy = text;
    const result<std::string> moved = std::move(text);
    CHECK(*moved == "weir");
    CHECK(*std::move(copy) == "weir");
    copy = moved;
    CHECK(std::move(copy).value() == "weir");
}

TEST_CASE("a result with an error") {
    result<std::string> text = errc::closed;
    CHECK_FALSE(text);
    CHECK(text.error() == errc::closed);
    CHECK(text.value_or("other") == "other");
    const result<std::string> copy = text;
    CHECK(copy.error() == errc::closed);
    result<std::string> moved = std::move(text);
    CHECK(moved.error() == errc::closed);
    moved = result<std::string>("now a value");
    CHECK(*moved == "now a value");
    moved = error(make_error_code(errc::busy), "again");
    CHECK(std::move(moved).error().context() == "again");
    const result<int> number = std::make_error_code(std::errc::timed_out);
    CHECK(number.error() == condition::timeout);
}

TEST_CASE("a result of something that only moves, and of something that does not") {
    result<std::unique_ptr<int>> owner = make_owner(7);
    result<std::unique_ptr<int>> taken = std::move(owner);
    CHECK(**taken == 7);
    const std::unique_ptr<int> out = *std::move(taken);
    CHECK(*out == 7);
    const result<immovable_number> number = 9;
    CHECK(number->value == 9);
}

TEST_CASE("a result without a value") {
    const result<> good;
    CHECK(good);
    CHECK(good.has_value());
    CHECK_FALSE(good.error());
    result<> bad = errc::buffer_full;
    CHECK_FALSE(bad);
    CHECK(bad.error() == condition::limit);
    CHECK(std::move(bad).error() == errc::buffer_full);
    CHECK(result<>(error(errc::busy)).error() == errc::busy);
    CHECK(result<>(std::make_error_code(std::errc::broken_pipe)).error() == condition::disconnected);
}

TEST_CASE("value() throws the error as std::system_error") {
    const auto thrown = [](auto&& call) {
        try {
            call();
        } catch (const std::system_error& failure) {
            return std::pair(failure.code(), std::string(failure.what()));
        }
        return std::pair(std::error_code(), std::string());
    };
    result<int> plain = errc::closed;
    CHECK(thrown([&] { (void)plain.value(); }).first == errc::closed);
    CHECK(thrown([&] { (void)std::as_const(plain).value(); }).first == errc::closed);
    CHECK(thrown([&] { (void)std::move(plain).value(); }).first == errc::closed);
    const result<> nothing = error(make_error_code(errc::bad_port), "URL \"ws://h:0\"");
    CHECK(thrown([&] { nothing.value(); }).second.find("ws://h:0") != std::string::npos);
    CHECK(thrown([] { result<>().value(); }).second.empty());
}
