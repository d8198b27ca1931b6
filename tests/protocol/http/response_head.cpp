#include <doctest/doctest.h>

#include <weir/protocol/http/response_head.hpp>

using namespace weir;

TEST_CASE("RFC 9112 9.3: whether a server lets the connection persist") {
    http::response_head head;
    CHECK(head.status == http::status::ok);
    CHECK(head.keep_alive());
    head.version_minor = 0;
    CHECK_FALSE(head.keep_alive());
    head.fields.add("Connection", "Keep-Alive");
    CHECK(head.keep_alive());
    head.fields.add("Connection", "close");
    CHECK_FALSE(head.keep_alive());
}
