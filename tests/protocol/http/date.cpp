#include <doctest/doctest.h>

#include <weir/protocol/http/date.hpp>

#include <string>

using namespace weir;

TEST_CASE("RFC 9110 5.6.7: dates, both ways") {
    struct {
        std::uint64_t seconds;
        const char* text;
    } const cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1709164800, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}, // which is no leap year
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        CHECK(http::format_date(each.seconds) == each.text);
        CHECK(http::parse_date(each.text) == each.seconds);
    }
    CHECK(http::parse_date("Wed, 31 Dec 1969 23:59:59 GMT") == 0);
    CHECK(http::format_date(UINT64_MAX) == "Fri, 31 Dec 9999 23:59:59 GMT");
    for (std::uint64_t seconds = 1; seconds < 253402300799; seconds += 86400 * 37 + 12345) {
        if (http::parse_date(http::format_date(seconds)) == seconds) continue;
        FAIL_CHECK(seconds);
    }
}

TEST_CASE("RFC 9110 5.6.7: the forms that are obsolete, and what is no date") {
    CHECK(http::parse_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
    CHECK(http::parse_date("Sun Nov  6 08:49:37 1994") == 784111777);
    CHECK(http::parse_date("Wed Nov 16 08:49:37 1994") == 784111777 + 10 * 86400);
    CHECK(http::parse_date("Tuesday, 01-Jan-69 00:00:00 GMT") == 3124224000); // 2069
    CHECK(http::parse_date("Thursday, 01-Jan-70 00:00:00 GMT") == 0);
    for (const char* each : {"", "Sun", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
             "Sun, 06 Nob 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
             "Sun, 29 Feb 2100 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
             "Sun, 06 Nov 0000 08:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun Nov  6 08:49:37 1994 ", "Sun, 06 Nov",
             "Sunday, 06-Nov-94", ",", "Sun, -6 Nov 1994 08:49:37 GMT"}) {
        CAPTURE(each);
        CHECK(!http::parse_date(each));
    }
}
