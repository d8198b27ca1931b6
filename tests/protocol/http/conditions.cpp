#include <doctest/doctest.h>

#include <weir/protocol/http/conditions.hpp>

#include <string>
#include <vector>

using namespace weir;
using http::precondition;

namespace {

constexpr std::uint64_t then = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT
const std::string at_then = "Sun, 06 Nov 1994 08:49:37 GMT", before = "Sun, 06 Nov 1994 08:49:36 GMT",
                  after = "Sun, 06 Nov 1994 08:49:38 GMT";

http::request_head request(const std::vector<std::pair<std::string, std::string>>& fields, std::string method = "GET") {
    http::request_head made;
    made.method = std::move(method);
    for (const auto& each : fields) made.fields.add(each.first, each.second);
    return made;
}

} // namespace

TEST_CASE("RFC 9110 13: conditions") {
    struct {
        std::string name;
        std::vector<std::pair<std::string, std::string>> fields;
        precondition outcome;
        std::string method = "GET";
    } const cases[] = {
        {"none", {}, precondition::holds},
        {"13.1.2: the same", {{"If-None-Match", "\"a\""}}, precondition::not_modified},
        {"... weakly", {{"If-None-Match", "W/\"a\""}}, precondition::not_modified},
        {"... one of several", {{"If-None-Match", "\"x\", \"y,\\\"\", \"a\""}}, precondition::not_modified},
        {"... in another field", {{"If-None-Match", "\"x\""}, {"If-None-Match", "\"a\""}}, precondition::not_modified},
        {"... any", {{"If-None-Match", "*"}}, precondition::not_modified},
        {"... another", {{"If-None-Match", "\"b\""}}, precondition::holds},
        {"... without quotes", {{"If-None-Match", "a"}}, precondition::holds},
        {"... in upper case", {{"If-None-Match", "\"A\""}}, precondition::holds},
        {"... with PUT", {{"If-None-Match", "*"}}, precondition::failed, "PUT"},
        {"... with HEAD", {{"If-None-Match", "\"a\""}}, precondition::not_modified, "HEAD"},
        {"13.1.3: not modified since", {{"If-Modified-Since", at_then}}, precondition::not_modified},
        {"... a second later", {{"If-Modified-Since", after}}, precondition::not_modified},
        {"... modified since", {{"If-Modified-Since", before}}, precondition::holds},
        {"... with a tag that goes before it", {{"If-None-Match", "\"b\""}, {"If-Modified-Since", at_then}}, precondition::holds},
        {"... no date", {{"If-Modified-Since", "yesterday"}}, precondition::holds},
        {"... with POST", {{"If-Modified-Since", at_then}}, precondition::holds, "POST"},
        {"13.1.1: the same", {{"If-Match", "\"a\""}}, precondition::holds, "PUT"},
        {"... weakly", {{"If-Match", "W/\"a\""}}, precondition::failed, "PUT"},
        {"... any", {{"If-Match", "*"}}, precondition::holds, "PUT"},
        {"... another", {{"If-Match", "\"b\""}}, precondition::failed, "PUT"},
        {"... with GET", {{"If-Match", "\"b\""}}, precondition::failed},
        {"13.1.4: not modified since", {{"If-Unmodified-Since", at_then}}, precondition::holds, "PUT"},
        {"... modified since", {{"If-Unmodified-Since", before}}, precondition::failed, "PUT"},
        {"... with a tag that goes before it", {{"If-Match", "\"a\""}, {"If-Unmodified-Since", before}}, precondition::holds, "PUT"},
        {"13.2.2: both hold", {{"If-Match", "\"a\""}, {"If-None-Match", "\"a\""}}, precondition::not_modified},
    };
    for (const auto& each : cases) {
        CAPTURE(each.name);
        CHECK(http::judge_conditions(request(each.fields, each.method), {"\"a\"", then}) == each.outcome);
    }
    CHECK(http::judge_conditions(request({{"If-None-Match", "\"a\""}}), {}) == precondition::holds); // nothing to compare with
    CHECK(http::judge_conditions(request({{"If-Modified-Since", at_then}}), {}) == precondition::holds);
    CHECK(http::judge_conditions(request({{"If-Match", "\"a\""}}), {"W/\"a\"", {}}) == precondition::failed);
}

TEST_CASE("RFC 9110 13.1.5: If-Range") {
    const http::validators state{"\"a\"", then};
    CHECK(http::if_range_holds(request({}), state));
    CHECK(http::if_range_holds(request({{"If-Range", "\"a\""}}), state));
    CHECK(http::if_range_holds(request({{"If-Range", at_then}}), state));
    CHECK(!http::if_range_holds(request({{"If-Range", after}}), state)); // exactly this date
    CHECK(!http::if_range_holds(request({{"If-Range", "\"b\""}}), state));
    CHECK(!http::if_range_holds(request({{"If-Range", "W/\"a\""}}), state));
    CHECK(!http::if_range_holds(request({{"If-Range", "W/\"a\""}}), {"W/\"a\"", then}));
    CHECK(!http::if_range_holds(request({{"If-Range", "soon"}}), {}));
}
