#include <doctest/doctest.h>

#include <weir/protocol/http/query.hpp>

#include <string>

using namespace weir;

TEST_CASE("parameters of a query") {
    const std::string_view query = "room=7&name=J%C3%BCrgen+K&&flag&=nameless&room=8&a%3Db=c%26d&bad=%zz&x==y&empty=";
    const std::string decoded = http::decode_query(query);
    const auto value = [&](std::string_view name) { return http::query_parameter(query, decoded, name); };
    CHECK(value("room") == "7"); // the first
    CHECK(value("name") == "J\xC3\xBCrgen K");
    CHECK(value("flag") == "");
    CHECK(value("") == "nameless");
    CHECK(value("a=b") == "c&d");
    CHECK(value("bad") == "%zz");
    CHECK(value("x") == "=y");
    CHECK(value("empty") == "");
    CHECK(!value("Room"));
    CHECK(!value("roo"));
    CHECK(!value("a"));
    CHECK(http::decode_query("").empty());
    CHECK(!http::query_parameter("", "", ""));
    CHECK(!http::query_parameter("&&", http::decode_query("&&"), ""));
}
