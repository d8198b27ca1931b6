#include <doctest/doctest.h>

#include <weir/core/error.hpp>

#include <ostream>
#include <string>
#include <utility>

using namespace weir;

TEST_CASE("an error without text") {
    const error none;
    CHECK_FALSE(none);
    CHECK(none.context().empty());
    const error refused(std::make_error_code(std::errc::connection_refused));
    CHECK(refused);
    CHECK(refused == std::errc::connection_refused);
    CHECK(refused == condition::unreachable);
    CHECK(refused.message() == std::make_error_code(std::errc::connection_refused).message());
    const error closed = errc::closed;
    CHECK(closed == errc::closed);
    CHECK(closed == make_error_code(errc::closed));
    CHECK(closed.code() == errc::closed);
    CHECK(std::error_code(closed) == errc::closed);
    CHECK(closed == error(errc::closed));
    CHECK_FALSE(closed == error(errc::busy));
    CHECK(closed.message() == "closed");
}

TEST_CASE("an error with text owns it through copies and moves") {
    error first(make_error_code(errc::timed_out), "connecting to a host with quite a long name:9001");
    CHECK(first.message() == "connecting to a host with quite a long name:9001: timed out");
    error copy = first;
    CHECK(copy.context() == first.context());
    CHECK(copy.context().data() != first.context().data());
    const error moved = std::move(first);
    CHECK(moved.context() == copy.context());
    CHECK(first.context().empty());
    copy = error(errc::busy);
    CHECK(copy.context().empty());
    copy = moved;
    CHECK(copy == errc::timed_out);
    CHECK(copy.context() == moved.context());
    const error& itself = copy;
    copy = itself;
    CHECK(copy.context() == moved.context());
}
