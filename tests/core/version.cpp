#include <doctest/doctest.h>

#include <weir/core/version.hpp>

#include <string>

TEST_CASE("the version is the same in all its forms") {
    CHECK(std::string(weir::version) == WEIR_VERSION_STRING);
    CHECK(std::string(weir::version) == std::to_string(WEIR_VERSION_MAJOR) + "." + std::to_string(WEIR_VERSION_MINOR) +
                                            "." + std::to_string(WEIR_VERSION_PATCH));
}
