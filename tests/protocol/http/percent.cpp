#include <doctest/doctest.h>

#include <weir/protocol/http/percent.hpp>

#include <string>

using namespace weir;

TEST_CASE("RFC 3986 2.1: percent-encoding") {
    struct {
        std::string encoded, decoded;
    } const cases[] = {
        {"", ""},
        {"abc", "abc"},
        {"a%20b", "a b"},
        {"%41%6a%6A", "Ajj"},
        {"caf%C3%A9", "caf\xC3\xA9"},
        {"%2F%2e%2e%00", std::string("/..\0", 4)},
        {"%25", "%"},
        {"%2525", "%25"}, // once only
        {"a+b", "a+b"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.encoded);
        CHECK(http::is_percent_encoded(each.encoded));
        CHECK(http::percent_decoded_bytes(each.encoded) == each.decoded.size());
        std::string got = ">";
        http::append_percent_decoded(got, each.encoded);
        CHECK(got == ">" + each.decoded);
    }
    for (const char* each : {"%", "%2", "a%", "%zz", "%2g", "%%20", "%20%"}) {
        CAPTURE(each);
        CHECK(!http::is_percent_encoded(each));
    }
    std::string form;
    http::append_percent_decoded(form, "a+b%2B", true);
    CHECK(form == "a b+");
}
