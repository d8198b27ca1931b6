#include <doctest/doctest.h>

#include <weir/protocol/http/body_framing.hpp>

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string_view>

using namespace weir;
using http::body_kind;

namespace {

http::request_head request(std::initializer_list<http::field> fields, unsigned minor = 1) {
    http::request_head head;
    head.version_minor = minor;
    for (const auto& each : fields) head.fields.add(each.name, each.value);
    return head;
}

http::response_head answer(unsigned code, std::initializer_list<http::field> fields, unsigned minor = 1) {
    http::response_head head;
    head.status = static_cast<http::status>(code);
    head.version_minor = minor;
    for (const auto& each : fields) head.fields.add(each.name, each.value);
    return head;
}

void check_error(const http::request_head& head, errc code) {
    CAPTURE(head.fields.lines());
    const auto framing = http::framing_of(head);
    REQUIRE_FALSE(framing);
    CHECK(framing.error() == code);
    CHECK_FALSE(framing.error().context().empty());
}

} // namespace

TEST_CASE("RFC 9112 6.3: the length of a request's body") {
    CHECK(http::framing_of(request({}))->kind == body_kind::none);
    CHECK(http::framing_of(request({{"Content-Length", "0"}}))->kind == body_kind::none);
    const auto five = http::framing_of(request({{"content-length", "005"}}));
    CHECK(five->kind == body_kind::length);
    CHECK(five->length == 5);
    CHECK(http::framing_of(request({{"Content-Length", "9223372036854775807"}}))->length == INT64_MAX);
    CHECK(http::framing_of(request({{"Content-Length", "7"}, {"Content-Length", "7, 7"}}))->length == 7);
    CHECK(http::framing_of(request({{"Transfer-Encoding", "Chunked"}}))->kind == body_kind::chunked);
}

TEST_CASE("RFC 9112 6.3: lengths that make no sense, or several") {
    for (const std::string_view value : {"", "-1", "+1", "1 2", "0x10", "1.0", "5,", ",5", "5,,5", "5, 6", "5;6", "9223372036854775808",
                                         "99999999999999999999999999", "1e3", "\"5\""})
        check_error(request({{"Content-Length", value}}), errc::bad_framing);
    check_error(request({{"Content-Length", "5"}, {"Content-Length", "6"}}), errc::bad_framing);
    check_error(request({{"Content-Length", "0"}, {"Content-Length", "6"}}), errc::bad_framing);
}

TEST_CASE("RFC 9112 6.1: transfer codings that smuggle, or are unknown") {
    check_error(request({{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}), errc::bad_framing);
    check_error(request({{"Content-Length", "5"}, {"Transfer-Encoding", "gzip"}}), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", "chunked, chunked"}}), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", "chunked, gzip"}}), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "identity"}}), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", ""}}), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", "chunked"}}, 0), errc::bad_framing);
    check_error(request({{"Transfer-Encoding", "gzip, chunked"}}), errc::unknown_coding);
    check_error(request({{"Transfer-Encoding", "identity"}}), errc::unknown_coding);
    check_error(request({{"Transfer-Encoding", "xchunked"}}), errc::unknown_coding);
    check_error(request({{"Transfer-Encoding", "chunked;a=b"}}), errc::unknown_coding);
}

TEST_CASE("RFC 9112 6.3: the length of a response's body") {
    const http::field length = {"Content-Length", "5"};
    CHECK(http::framing_of(answer(200, {length}), "GET")->length == 5);
    CHECK(http::framing_of(answer(200, {}), "GET")->kind == body_kind::until_close);
    CHECK(http::framing_of(answer(200, {{"Content-Length", "0"}}), "GET")->kind == body_kind::none);
    CHECK(http::framing_of(answer(200, {{"Transfer-Encoding", "chunked"}}), "GET")->kind == body_kind::chunked);
    CHECK(http::framing_of(answer(200, {length}), "HEAD")->kind == body_kind::none);
    for (const unsigned code : {100u, 101u, 204u, 304u})
        CHECK(http::framing_of(answer(code, {length}), "GET")->kind == body_kind::none);
    CHECK(http::framing_of(answer(200, {length}), "CONNECT")->kind == body_kind::none);
    CHECK(http::framing_of(answer(407, {length}), "CONNECT")->length == 5);
    CHECK(http::framing_of(answer(200, {length, {"Transfer-Encoding", "chunked"}}), "GET").error() ==
          errc::bad_framing);
    CHECK(http::framing_of(answer(200, {{"Transfer-Encoding", "gzip"}}), "GET").error() == errc::unknown_coding);
    CHECK(http::framing_of(answer(200, {{"Transfer-Encoding", "chunked"}}, 0), "GET").error() == errc::bad_framing);
}
