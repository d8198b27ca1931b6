#include <doctest/doctest.h>

#include <weir/protocol/http/path_pattern.hpp>

using namespace weir;

TEST_CASE("patterns") {
    for (const char* each : {"/", "/a", "/a/", "/a//b", "/{a}", "/{a}/b/{c}", "/{a...}", "/a/{b...}", "/caf%C3%A9", "/a-{b"}) {
        CAPTURE(each);
        CHECK(http::is_path_pattern(each) == (std::string_view(each) != "/a-{b"));
    }
    for (const char* each : {"", "a", "/a?b", "/a b", "/{}", "/{...}", "/{a...}/", "/{a...}/b", "/{a b}", "/{a}b", "/{{a}}", "/\xC3\xA9"}) {
        CAPTURE(each);
        CHECK(!http::is_path_pattern(each));
    }
}

TEST_CASE("paths that a pattern stands for") {
    struct {
        const char* pattern;
        const char* path;
        bool matches;
        const char* a = ""; // of its parameter a
    } const cases[] = {
        {"/", "/", true},
        {"/", "", false},
        {"/", "/a", false},
        {"/x", "/x", true},
        {"/x", "/x/", false},
        {"/x/", "/x/", true},
        {"/x/", "/x", false},
        {"/{a}", "/x", true, "x"},
        {"/{a}", "/%2F", true, "%2F"},
        {"/{a}", "/", false},
        {"/{a}", "/x/", false},
        {"/{a}", "/x/y", false},
        {"/x/{a}/y", "/x/1/y", true, "1"},
        {"/x/{a}/y", "/x//y", false},
        {"/x/{a}/y", "/x/1/z", false},
        {"/{b}/{a}", "/1/2", true, "2"},
        {"/{a...}", "/", true, ""},
        {"/{a...}", "/x/y/", true, "x/y/"},
        {"/x/{a...}", "/x/", true, ""},
        {"/x/{a...}", "/x//y", true, "/y"},
        {"/x/{a...}", "/x", false},
        {"/x/{a...}", "/xy", false},
        {"/*", "*", false},
    };
    for (const auto& each : cases) {
        CAPTURE(each.pattern);
        CAPTURE(each.path);
        CHECK(http::matches_path(each.pattern, each.path) == each.matches);
        if (each.matches) CHECK(http::path_parameter(each.pattern, each.path, "a").value_or("") == each.a);
    }
    CHECK(!http::path_parameter("/{a}", "/x", "b"));
    CHECK(!http::path_parameter("/{a}", "/x/y/z", "b"));
    CHECK(!http::path_parameter("/y/{a}", "/x/1", "a"));
}

TEST_CASE("which pattern says more") {
    const auto better = [](std::string_view a, std::string_view b) {
        return http::compare_patterns(a, b) > 0 && http::compare_patterns(b, a) < 0;
    };
    CHECK(better("/x", "/{a}"));
    CHECK(better("/x", "/{a...}"));
    CHECK(better("/{a}", "/{a...}"));
    CHECK(better("/x/{a}", "/{a}/y"));
    CHECK(better("/x/y", "/x/{a}"));
    CHECK(better("/{a}/y", "/{b}/{c}"));
    CHECK(better("/x/{a}", "/x/{a...}"));
    CHECK(better("/x/{a...}", "/{a...}"));
    CHECK(http::compare_patterns("/{a}", "/{b}") == 0);
    CHECK(http::compare_patterns("/x", "/x") == 0);
}
