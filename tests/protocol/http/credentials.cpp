#include <doctest/doctest.h>

#include <weir/protocol/http/credentials.hpp>

#include <ostream>
#include <string>

using namespace weir;
using http::credentials;

TEST_CASE("RFC 3986 3.2.1: from a URL's user info") {
    const struct {
        std::string_view text, user, password;
    } cases[] = {
        {"", "", ""},
        {"me", "me", ""},
        {"me:", "me", ""},
        {":secret", "", "secret"},
        {"me:secret", "me", "secret"},
        {"me:sec:ret", "me", "sec:ret"},
        {"m%65:p%40ss%3A+", "me", "p@ss:+"},
        {"%3A:%00", ":", std::string_view("\0", 1)},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        const credentials made = credentials::from_user_info(each.text);
        CHECK(made.user == each.user);
        CHECK(made.password == each.password);
        CHECK(made.empty() == (each.text.empty()));
    }
}

TEST_CASE("RFC 7617 2: as a field's value") {
    CHECK(*credentials{"Aladdin", "open sesame"}.basic() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK(*credentials{"test", "123\xC2\xA3"}.basic() == "Basic dGVzdDoxMjPCow=="); // section 2.1, in UTF-8
    CHECK(*credentials{"", ""}.basic() == "Basic Og==");
    CHECK(*credentials{"me", "a:b"}.basic() == "Basic bWU6YTpi");
    for (const credentials& each : {credentials{"m:e", ""}, credentials{"me\n", ""}, credentials{"me", "\x7f"},
                                    credentials{"me", std::string(1, '\0')}}) {
        const auto none = each.basic();
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::bad_field);
    }
}
