#include <doctest/doctest.h>

#include <weir/protocol/http/accept_encoding.hpp>

using namespace weir;

TEST_CASE("RFC 9110 12.5.3: Accept-Encoding") {
    struct {
        const char* text;
        bool accepted;
    } const cases[] = {
        {"gzip", true},
        {"GZIP", true},
        {"br, gzip", true},
        {"gzip;q=1.0, identity; q=0.5, *;q=0", true},
        {"gzip ; q=0.001", true},
        {"gzip;x=0;q=0.5", true},
        {"*", true},
        {"*;q=0.1", true},
        {"gzip, *;q=0", true},
        {"", false},
        {"br", false},
        {"gzipped", false},
        {"gzip;q=0", false},
        {"gzip;Q=0.000", false},
        {"gzip;q=0, *", false},
        {"*;q=0", false},
        {"identity", false},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        http::fields in;
        in.add("Accept-Encoding", each.text);
        CHECK(http::accepts_coding(in, "gzip") == each.accepted);
    }
    CHECK(!http::accepts_coding({}, "gzip"));
}
