// RFC 9110 section 10.2.3: Retry-After.
#include <weir/protocol/http/retry_after.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace weir;

TEST_CASE("RFC 9110 10.2.3: seconds, or a date") {
    constexpr std::uint64_t now = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT
    const struct {
        const char* text;
        std::optional<std::uint64_t> seconds;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"120", 120},
        {"007", 7},
        {"18446744073709551615", UINT64_MAX},
        {"18446744073709551616", UINT64_MAX},
        {"999999999999999999999999999999", UINT64_MAX},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:38 GMT", 1},
        {"Sunday, 06-Nov-94 09:49:37 GMT", 3600},
        {"Sun Nov  6 08:50:37 1994", 60},
        {"Mon, 07 Nov 1994 08:49:37 GMT", 86400},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0}, // past
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 - now},
        {"", std::nullopt},
        {" 1", std::nullopt},
        {"1 ", std::nullopt},
        {"-1", std::nullopt},
        {"+1", std::nullopt},
        {"1.5", std::nullopt},
        {"1s", std::nullopt},
        {"0x10", std::nullopt},
        {"soon", std::nullopt},
        {"Sun, 06 Nov 1994 08:49:37", std::nullopt},
        {"Sun, 32 Nov 1994 08:49:37 GMT", std::nullopt},
    };
    for (const auto& each : cases) {
        CAPTURE(std::string(each.text));
        CHECK(http::parse_retry_after(each.text, now) == each.seconds);
    }
}
