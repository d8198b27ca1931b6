#include <doctest/doctest.h>

#include <weir/protocol/http/event_stream.hpp>

#include "pieces.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace weir;
using http::event_stream_parser;
using http::parse_status;

namespace {

struct outcome {
    std::string events; // "type|data|last id;" for each
    std::uint64_t retry = 0;
    error failure;
};

outcome feed(std::string_view text, std::size_t piece, std::size_t limit = 1000) {
    event_stream_parser parser(limit);
    outcome found;
    while (!text.empty() && !found.failure) {
        bytes_view input = as_bytes(text.substr(0, piece));
        text.remove_prefix(input.size());
        for (;;) {
            const parse_status status = parser.parse(input);
            if (status == parse_status::need_more) {
                CHECK(input.empty());
                break;
            }
            if (status == parse_status::failed) {
                found.failure = parser.error();
                CHECK(parser.parse(input) == parse_status::failed);
                break;
            }
            found.events.append(parser.type()).append("|").append(parser.data()).append("|").append(parser.last_id()).append(";");
        }
    }
    found.retry = parser.retry_ms();
    return found;
}

void check_events(std::string_view text, std::string_view events) {
    for (const std::size_t piece : piece_sizes) {
        CAPTURE(text);
        CAPTURE(piece);
        const outcome found = feed(text, piece);
        CHECK(found.events == events);
        CHECK(!found.failure);
    }
}

void check_failure(std::string_view text, errc code, std::string_view before = {}, std::size_t limit = 1000) {
    for (const std::size_t piece : piece_sizes) {
        CAPTURE(text);
        CAPTURE(piece);
        const outcome found = feed(text, piece, limit);
        CHECK(found.failure == code);
        CHECK(found.events == before);
    }
}

} // namespace

TEST_CASE("HTML 9.2.6: the examples of the standard") {
    check_events("data: This is the first message.\n\n"
                 "data: This is the second message, it\ndata: has two lines.\n\n"
                 "data: This is the third message.\n\n",
                 "|This is the first message.|;|This is the second message, it\nhas two lines.|;|This is the third message.|;");
    check_events("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
                 "add|73857293|;remove|2153|;add|113411|;");
    check_events("data: YHOO\ndata: +2\ndata: 10\n\n", "|YHOO\n+2\n10|;");
    check_events(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                 "|first event|1;|second event|;| third event|;");
    check_events("data\n\ndata\ndata\n\ndata:", "||;|\n|;");
    check_events("data:test\n\ndata: test\n\n", "|test|;|test|;");
}

TEST_CASE("HTML 9.2.6: lines end with LF, CR LF or CR, wherever they are cut") {
    check_events("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\ndata: e\n\r\n", "|a|;|b|;|c|;|d|;|e|;");
    check_events("data: a\r\ndata: b\rdata: c\ndata: d\r\n\r\n", "|a\nb\nc\nd|;");
    check_events("\r\n\n\r\r\ndata: a\n\n\n\n", "|a|;");
}

TEST_CASE("HTML 9.2.6: what is no event, and what is skipped") {
    check_events("", "");
    check_events("event: none\n\ndata: a\n\n", "|a|;"); // the type goes with an event that is none
    check_events("id: 7\n\ndata: a\n\n", "|a|7;");      // the id does not
    check_events("data: a\n", "");
    check_events("data: a\n\ndata: b", "|a|;");
    check_events("data: a\n:data: b\nDATA: c\n data: d\nfoo: e\ndata : f\nfoo\n\n", "|a|;");
    check_events("data: a: b:c\n\n", "|a: b:c|;");
    check_events(std::string_view("id: 1\ndata: a\n\nid: 2\0" "3\ndata: b\n\n", 32), "|a|1;|b|1;");
    check_events("\xEF\xBB\xBF" "data: a\n\n", "|a|;");
    check_events("\n\xEF\xBB\xBF" "data: a\n\n", "");
    check_events("\xEF\xBB\xBF\xEF\xBB\xBF" "data: a\n\n", "");
}

TEST_CASE("HTML 9.2.6: the time to come back in") {
    CHECK(feed("data: a\n\n", 100).retry == UINT64_MAX);
    CHECK(feed("retry: 1500\n", 100).retry == 1500);
    CHECK(feed("retry: 1500\nretry: 15x\nretry: -1\nretry\nretry:\nretry: 99999999999999999999999\n", 1).retry == 1500);
    CHECK(feed("retry:0\n", 3).retry == 0);
}

TEST_CASE("an event stream is UTF-8") {
    check_events("data: gr\xC3\xBC\xC3\x9F\n\n", "|gr\xC3\xBC\xC3\x9F|;");
    check_failure("data: a\n\ndata: \xC3\n\n", errc::bad_utf8, "|a|;");
    check_failure(": \xFF\n", errc::bad_utf8);
    check_failure("data: \xED\xA0\x80\n\n", errc::bad_utf8);
}

TEST_CASE("an event stream is bounded") {
    const std::string full(20, 'x');
    for (const std::size_t piece : piece_sizes) {
        CHECK(feed("data:" + full.substr(5) + "\n\n", piece, 20).events == "|" + full.substr(5) + "|;");
        CHECK(feed("data:12345\ndata:123456789\n\n", piece, 20).events == "|12345\n123456789|;");
        CHECK(!feed(":" + full.substr(1) + "\n:" + full.substr(1) + "\n", piece, 20).failure);
    }
    check_failure(":" + full + "\n", errc::message_too_large, {}, 20);
    check_failure(full + "xxxxx", errc::message_too_large, {}, 20); // before the line ends
    check_failure("data: 1\n\ndata:12345678901\ndata:123456789\n\n", errc::message_too_large, "|1|;", 20);
}
