#include <doctest/doctest.h>

#include <weir/protocol/http/limits.hpp>

#include <type_traits>

TEST_CASE("the limits are a plain struct whose defaults agree with each other") {
    constexpr weir::http::head_limits limits{.field_count = 7};
    static_assert(std::is_trivially_copyable_v<weir::http::head_limits>);
    CHECK(limits.field_count == 7);
    CHECK(limits.line_bytes < limits.head_bytes);
}
