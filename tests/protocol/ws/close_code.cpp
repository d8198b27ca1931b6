#include <doctest/doctest.h>

#include <weir/protocol/ws/close_code.hpp>

#include <string>

using weir::ws::close_code;

TEST_CASE("RFC 6455 7.4: which close codes may be sent") {
    for (unsigned number = 0; number < 65536; ++number) {
        const bool allowed = (number >= 1000 && number <= 1003) || (number >= 1007 && number <= 1014) ||
                             (number >= 3000 && number <= 4999);
        REQUIRE(weir::ws::may_be_sent(static_cast<close_code>(number)) == allowed);
    }
}

TEST_CASE("RFC 6455 11.7: each registered close code has its own text") {
    std::string seen;
    for (unsigned number = 1000; number <= 1015; ++number) {
        const std::string text = weir::ws::describe(static_cast<close_code>(number));
        CHECK((text == "unknown close code") == (number == 1004)); // 1004 was reserved and never given a meaning
        CHECK(seen.find(text) == std::string::npos);
        seen += text + '\n';
    }
    CHECK(std::string(weir::ws::describe(static_cast<close_code>(3000))) == "registered by a library");
    CHECK(std::string(weir::ws::describe(static_cast<close_code>(4999))) == "private to an application");
    CHECK(std::string(weir::ws::describe(static_cast<close_code>(2999))) == "unknown close code");
    CHECK(std::string(weir::ws::describe(static_cast<close_code>(5000))) == "unknown close code");
}
