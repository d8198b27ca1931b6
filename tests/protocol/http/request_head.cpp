#include <doctest/doctest.h>

#include <weir/protocol/http/request_head.hpp>

#include <string>

using namespace weir;

TEST_CASE("RFC 9112 3.2: path and query of each form of target") {
    const struct {
        std::string_view target, path, query;
    } cases[] = {
        {"/", "/", ""},
        {"/chat", "/chat", ""},
        {"/chat?", "/chat", ""},
        {"/chat?room=1&x=?", "/chat", "room=1&x=?"},
        {"/a%20b?u=http://x/", "/a%20b", "u=http://x/"},
        {"/http://x/y", "/http://x/y", ""},
        {"http://example.org", "/", ""},
        {"http://example.org/a/b?c", "/a/b", "c"},
        {"http://example.org?c", "/", "c"},
        {"*", "*", ""},
        {"example.org:443", "example.org:443", ""},
        {"", "/", ""},
    };
    for (const auto& each : cases) {
        http::request_head head;
        head.target = each.target;
        CAPTURE(head.target);
        CHECK(head.path() == each.path);
        CHECK(head.query() == each.query);
    }
}

TEST_CASE("RFC 9112 9.3: whether a connection persists") {
    const struct {
        unsigned minor;
        std::string_view connection;
        bool expected;
    } cases[] = {
        {1, "", true},  {1, "close", false},         {1, "Upgrade, Close", false}, {1, "keep-alive", true},
        {0, "", false}, {0, "Keep-Alive", true}, {0, "keep-alive, close", false},
    };
    for (const auto& each : cases) {
        http::request_head head;
        head.version_minor = each.minor;
        head.fields.add("Connection", each.connection);
        CHECK(head.keep_alive() == each.expected);
    }
}
