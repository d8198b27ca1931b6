#include <doctest/doctest.h>

#include <weir/protocol/http/cors.hpp>

#include <string>

using namespace weir;

namespace {

http::request_head from(std::string_view origin, std::string method = "GET", std::string_view asked_method = {},
                        std::string_view asked_headers = {}) {
    http::request_head made;
    made.method = std::move(method);
    if (!origin.empty()) made.fields.add("Origin", origin);
    if (!asked_method.empty()) made.fields.add("Access-Control-Request-Method", asked_method);
    if (!asked_headers.empty()) made.fields.add("Access-Control-Request-Headers", asked_headers);
    return made;
}
std::string answer(const http::cors_policy& by, const http::request_head& request) {
    http::fields made;
    by.add_to(made, request);
    return std::string(made.lines());
}
std::string preflight(const http::cors_policy& by, const http::request_head& request) {
    http::fields made;
    by.add_preflight(made, request, "GET, PUT");
    return std::string(made.lines());
}

const std::string_view any[] = {"*"};
const std::string_view two[] = {"https://a.example", "http://localhost:8080"};

} // namespace

TEST_CASE("Fetch: what is a preflight") {
    CHECK(http::cors_policy::is_preflight(from("https://a.example", "OPTIONS", "PUT")));
    CHECK(!http::cors_policy::is_preflight(from("https://a.example", "OPTIONS")));
    CHECK(!http::cors_policy::is_preflight(from("https://a.example", "GET", "PUT")));
    CHECK(!http::cors_policy::is_preflight(from("", "OPTIONS", "PUT")));
}

TEST_CASE("Fetch: origins that are listed") {
    const http::cors_policy policy({.origins = two});
    CHECK(answer(policy, from("https://a.example")) == "Vary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\n");
    CHECK(answer(policy, from("HTTP://LOCALHOST:8080")) == "Vary: Origin\r\nAccess-Control-Allow-Origin: HTTP://LOCALHOST:8080\r\n");
    for (const char* each : {"https://b.example", "https://a.example.evil", "http://a.example", "https://a.example:444",
             "http://localhost", "null", "https://a.example, http://localhost:8080", ""}) {
        CAPTURE(each);
        CHECK(answer(policy, from(each)) == "Vary: Origin\r\n");
        CHECK(!policy.allows_origin(from(each)));
    }
    http::request_head twice = from("https://a.example");
    twice.fields.add("Origin", "https://a.example");
    CHECK(!policy.allows_origin(twice));
}

TEST_CASE("Fetch: all origins") {
    CHECK(answer(http::cors_policy({.origins = any}), from("https://a.example")) == "Access-Control-Allow-Origin: *\r\n");
    CHECK(answer(http::cors_policy({.origins = any}), from("")) == "");
    CHECK(answer(http::cors_policy({.origins = any, .credentials = true}), from("https://a.example")) ==
          "Vary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\nAccess-Control-Allow-Credentials: true\r\n");
    CHECK(answer(http::cors_policy({}), from("https://a.example")) == "Vary: Origin\r\n"); // none
}

TEST_CASE("Fetch: preflights") {
    const std::string_view methods[] = {"GET", "DELETE"}, headers[] = {"X-Token", "Content-Type"}, exposed[] = {"X-Next"};
    const http::cors_policy policy({.origins = two, .methods = methods, .headers = headers, .exposed = exposed, .max_age_seconds = 5});
    CHECK(preflight(policy, from("https://a.example", "OPTIONS", "PUT", "x-other")) ==
          "Vary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\nAccess-Control-Allow-Methods: GET, DELETE\r\n"
          "Access-Control-Allow-Headers: X-Token, Content-Type\r\nAccess-Control-Max-Age: 5\r\n");
    CHECK(preflight(policy, from("https://b.example", "OPTIONS", "PUT")) == "Vary: Origin\r\n");
    CHECK(answer(policy, from("https://a.example")) ==
          "Vary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\nAccess-Control-Expose-Headers: X-Next\r\n");
    const http::cors_policy open({.origins = any, .headers = any});
    CHECK(preflight(open, from("https://a.example", "OPTIONS", "PUT", "x-a, x-b")) ==
          "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, PUT\r\nVary: Access-Control-Request-Headers\r\n"
          "Access-Control-Allow-Headers: x-a, x-b\r\nAccess-Control-Max-Age: 600\r\n");
}
