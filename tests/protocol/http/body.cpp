#include <doctest/doctest.h>

#include <weir/protocol/http/body.hpp>

#include "pieces.hpp"

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

using namespace weir;
using http::body_decoder;
using http::body_event;
using http::body_kind;

namespace {

struct outcome {
    body_event::kind last = body_event::need_more;
    std::string data;
    std::size_t left = 0;
};

outcome feed(body_decoder& decoder, std::string_view text, std::size_t piece) {
    outcome found;
    for (;;) {
        bytes_view input = as_bytes(text.substr(0, piece));
        const std::size_t given = input.size();
        const body_event event = decoder.decode(input);
        text.remove_prefix(given - input.size());
        found.last = event.what;
        found.left = text.size();
        if (event.what == body_event::data) {
            REQUIRE_FALSE(event.bytes.empty());
            found.data += as_text(event.bytes);
        } else if (event.what != body_event::need_more || text.empty()) {
            return found;
        }
    }
}

void check_chunked_failure(std::string_view text, errc code, std::uint64_t limit = 1000) {
    for (const std::size_t piece : piece_sizes) {
        CAPTURE(text);
        CAPTURE(piece);
        body_decoder decoder({body_kind::chunked, 0}, limit);
        CHECK(feed(decoder, text, piece).last == body_event::failed);
        CHECK(decoder.error() == code);
        CHECK(feed(decoder, "0\r\n\r\n", piece).last == body_event::failed);
        CHECK_FALSE(decoder.end_of_stream());
        CHECK(decoder.error() == code);
    }
}

} // namespace

TEST_CASE("RFC 9112 6.2: a body of known length, and what follows it") {
    for (const std::size_t piece : piece_sizes) {
        body_decoder decoder({body_kind::length, 11});
        const outcome found = feed(decoder, "hello world/next", piece);
        CHECK(found.last == body_event::done);
        CHECK(found.data == "hello world");
        CHECK(found.left == 5);
        CHECK(decoder.end_of_stream());
        CHECK_FALSE(decoder.error());
    }
}

TEST_CASE("a message without a body is done at once") {
    body_decoder decoder{http::body_framing()};
    bytes_view input = as_bytes("next");
    CHECK(decoder.decode(input).what == body_event::done);
    CHECK(input.size() == 4);
    CHECK(decoder.end_of_stream());
}

TEST_CASE("RFC 9112 7.1: chunked bodies, in pieces of every size") {
    const struct {
        std::string_view text, data;
    } cases[] = {
        {"0\r\n\r\n", ""},
        {"000\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0006\r\n world\r\n0\r\n\r\n", "hello world"},
        {"A\r\n0123456789\r\nb\r\n0123456789\n\r\n0\r\n\r\n", "01234567890123456789\n"},
        {"1;ext\r\na\r\n1 ; a=\"b;c\"\r\nb\r\n0\t;last\r\n\r\n", "ab"},
        {"1\r\na\r\n0\r\nTrailer: value\r\nOther:\r\n\r\n", "a"},
        {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
    };
    for (const auto& each : cases) {
        for (const std::size_t piece : piece_sizes) {
            CAPTURE(each.text);
            body_decoder decoder({body_kind::chunked, 0});
            const outcome found = feed(decoder, std::string(each.text) + "next", piece);
            CHECK(found.last == body_event::done);
            CHECK(found.data == each.data);
            CHECK(found.left == 4);
        }
        for (std::size_t size = 0; size < each.text.size(); ++size) {
            body_decoder decoder({body_kind::chunked, 0});
            CHECK(feed(decoder, each.text.substr(0, size), 3).last == body_event::need_more);
            CHECK_FALSE(decoder.end_of_stream());
            CHECK(decoder.error() == errc::end_of_stream);
        }
    }
}

TEST_CASE("RFC 9112 7.1: malformed chunks") {
    for (const std::string_view text : {
             "\r\n", "g\r\n", "-1\r\n", " 5\r\n", "0x5\r\n", "5\n", "5 \r\n", "5 5\r\n", "5\rx", "5;a\n", "5;a\x01", "5;a\rb",
             "1\r\nab", "1\r\na\n", "1\r\na\rb", ";\r\n", "0\r\n\n", "0\r\n\rx", "0\r\n folded", "0\r\n: v", "0\r\nname\r\n",
             "0\r\na b: c", "0\r\na: b\n", "0\r\na: b\rc", "0\r\na: \x7F"})
        check_chunked_failure(text, errc::bad_chunk);
}

TEST_CASE("RFC 9112 7.1: a size that is too large does not wrap around") {
    check_chunked_failure("3e9\r\n", errc::body_too_large);
    check_chunked_failure("10000000000000005\r\n", errc::body_too_large);
    check_chunked_failure("10000000000000005\r\n", errc::body_too_large, UINT64_MAX);
    check_chunked_failure("ffffffffffffffff0", errc::body_too_large, UINT64_MAX);
    body_decoder decoder({body_kind::chunked, 0}, UINT64_MAX);
    bytes_view input = as_bytes("ffffffffffffffff\r\nab");
    CHECK(decoder.decode(input).bytes.size() == 2);
}

TEST_CASE("a body over its limit fails") {
    for (const std::size_t piece : piece_sizes) {
        body_decoder announced({body_kind::length, 6}, 5);
        const outcome refused = feed(announced, "123456", piece);
        CHECK(refused.last == body_event::failed);
        CHECK(refused.data.empty());
        CHECK(announced.error() == errc::body_too_large);

        body_decoder chunks({body_kind::chunked, 0}, 5);
        CHECK(feed(chunks, "3\r\nabc\r\n3\r\n", piece).last == body_event::failed);
        CHECK(chunks.error() == errc::body_too_large);

        body_decoder fitting({body_kind::chunked, 0}, 5);
        CHECK(feed(fitting, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", piece).data == "abcde");

        body_decoder open({body_kind::until_close, 0}, 5);
        const outcome cut = feed(open, "123456", piece);
        CHECK(cut.last == body_event::failed);
        CHECK(cut.data == "12345");
        CHECK(open.error() == errc::body_too_large);
    }
}

TEST_CASE("extensions, trailers and leading zeros are bounded over the whole body") {
    const std::string long_text(body_decoder::most_overhead_bytes + 1, 'x');
    check_chunked_failure("1;" + long_text, errc::bad_chunk);
    check_chunked_failure("0\r\n" + long_text, errc::bad_chunk);
    check_chunked_failure("0\r\na:" + long_text, errc::bad_chunk);
    check_chunked_failure(std::string(body_decoder::most_overhead_bytes + 1, '0'), errc::bad_chunk);
    std::string many;
    for (std::size_t i = 0; i < body_decoder::most_overhead_bytes / 4 + 1; ++i) many += "1;abc\r\nd\r\n";
    check_chunked_failure(many, errc::bad_chunk, 1'000'000);
}

TEST_CASE("RFC 9112 6.3: a body that ends with the stream, and one that ends too early") {
    body_decoder open({body_kind::until_close, 0});
    CHECK(feed(open, "all of it", 4).data == "all of it");
    CHECK(open.end_of_stream());
    bytes_view none;
    CHECK(open.decode(none).what == body_event::done);

    body_decoder early({body_kind::length, 5});
    CHECK(feed(early, "1234", 4).last == body_event::need_more);
    CHECK_FALSE(early.end_of_stream());
    CHECK(early.error() == errc::end_of_stream);

    body_decoder exact({body_kind::length, 4});
    bytes_view input = as_bytes("1234");
    CHECK(exact.decode(input).bytes.size() == 4);
    CHECK(exact.end_of_stream()); // told before the decoder was asked again
}
