#include <doctest/doctest.h>

#include <weir/protocol/http/range.hpp>

using namespace weir;
using http::byte_range;

TEST_CASE("RFC 9110 14.1.2: ranges of bytes") {
    struct {
        const char* text;
        std::uint64_t size;
        byte_range::kind what;
        std::uint64_t first, count;
    } const cases[] = {
        {"bytes=0-499", 10000, byte_range::part, 0, 500},
        {"bytes=500-999", 10000, byte_range::part, 500, 500},
        {"bytes=-500", 10000, byte_range::part, 9500, 500},
        {"bytes=9500-", 10000, byte_range::part, 9500, 500},
        {"bytes=0-0", 10000, byte_range::part, 0, 1},
        {"bytes=-1", 10000, byte_range::part, 9999, 1},
        {"BYTES=0-0", 1, byte_range::part, 0, 1},
        {"bytes= 0-0 ", 1, byte_range::part, 0, 1},
        {"bytes=0-0,", 1, byte_range::part, 0, 1},
        {"bytes=0-", 10000, byte_range::part, 0, 10000},
        {"bytes=-20000", 10000, byte_range::part, 0, 10000},
        {"bytes=9999-20000", 10000, byte_range::part, 9999, 1},
        {"bytes=0-99999999999999999999999999", 10000, byte_range::part, 0, 10000},
        {"bytes=-99999999999999999999999999", 10000, byte_range::part, 0, 10000},
        {"bytes=10000-", 10000, byte_range::unsatisfiable, 0, 0},
        {"bytes=10000-10001", 10000, byte_range::unsatisfiable, 0, 0},
        {"bytes=99999999999999999999999999-", 10000, byte_range::unsatisfiable, 0, 0},
        {"bytes=-0", 10000, byte_range::unsatisfiable, 0, 0},
        {"bytes=0-", 0, byte_range::unsatisfiable, 0, 0},
        {"bytes=-1", 0, byte_range::unsatisfiable, 0, 0},
        {"bytes=0-0,2-3", 10000, byte_range::whole, 0, 10000}, // several: all of it
        {"bytes=5-4", 10000, byte_range::whole, 0, 10000},
        {"bytes=", 10000, byte_range::whole, 0, 10000},
        {"bytes=,", 10000, byte_range::whole, 0, 10000},
        {"bytes=-", 10000, byte_range::whole, 0, 10000},
        {"bytes=a-b", 10000, byte_range::whole, 0, 10000},
        {"bytes=1", 10000, byte_range::whole, 0, 10000},
        {"bytes=1-2x", 10000, byte_range::whole, 0, 10000},
        {"bytes=--2", 10000, byte_range::whole, 0, 10000},
        {"bytes=1 - 2", 10000, byte_range::whole, 0, 10000},
        {"lines=1-2", 10000, byte_range::whole, 0, 10000},
        {"bytes", 10000, byte_range::whole, 0, 10000},
        {"", 10000, byte_range::whole, 0, 10000},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        const byte_range got = http::parse_range(each.text, each.size);
        CHECK(got.what == each.what);
        CHECK(got.first == each.first);
        CHECK(got.count == each.count);
    }
}
