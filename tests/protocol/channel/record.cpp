// The records of include/weir/protocol/channel/README.md: one table for both directions, what is refused, and lines.
#include <weir/protocol/channel/record.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace envelope = weir::envelope;
using envelope::kind;
using weir::as_bytes;

namespace {

std::string line_of(std::uint64_t number, bool is_text, std::string_view payload) {
    std::string made;
    envelope::append_message_line(made, number, is_text, as_bytes(payload));
    return made;
}
std::string message_of(std::uint64_t number, bool is_text, std::string_view payload) {
    std::string made;
    envelope::append_message(made, number, is_text, as_bytes(payload));
    return made;
}

} // namespace

TEST_CASE("messages: to lines and back") {
    struct {
        std::uint64_t number;
        bool is_text;
        std::string_view payload, line, message;
    } const table[] = {
        {1, true, "hello", "t1 hello", "t1 hello"},
        {17, true, "", "t17 ", "t17 "},
        {2, true, " a b ", "t2  a b ", "t2  a b "},
        {3, true, "a\nb\r\nc\\", "t3 a\\nb\\r\\nc\\\\", "t3 a\nb\r\nc\\"},
        {4, true, "\\n", "t4 \\\\n", "t4 \\n"},
        {5, true, "\xE2\x82\xAC\t\x7F", "t5 \xE2\x82\xAC\t\x7F", "t5 \xE2\x82\xAC\t\x7F"},
        {6, false, "hello", "b6 aGVsbG8=", "b6 hello"},
        {7, false, "", "b7 ", "b7 "},
        {envelope::greatest_number, false, {"\0 \n\xFF", 4}, "b9007199254740991 ACAK/w==", {"b9007199254740991 \0 \n\xFF", 22}},
    };
    for (const auto& each : table) {
        CAPTURE(each.line);
        CHECK(line_of(each.number, each.is_text, each.payload) == each.line);
        CHECK(message_of(each.number, each.is_text, each.payload) == each.message);
        const auto read = envelope::parse(each.line);
        REQUIRE(read);
        CHECK(read->what == (each.is_text ? kind::text : kind::binary));
        CHECK(read->number == each.number);
        const auto payload = envelope::payload_of_line(*read);
        REQUIRE(payload);
        CHECK(*payload == each.payload);
        const auto whole = envelope::parse(each.message);
        REQUIRE(whole);
        CHECK(whole->number == each.number);
        CHECK(whole->rest == each.payload);
    }
}

TEST_CASE("every byte survives, as text where it is ASCII and as binary") {
    for (int length = 0; length < 300; ++length) {
        std::string payload;
        for (int i = 0; i < length; ++i) payload += static_cast<char>(i * 7 + length);
        const std::string line = line_of(9, false, payload);
        CHECK(line.find_first_of("\r\n") == line.npos);
        const auto read = envelope::parse(line);
        REQUIRE(read);
        CHECK(envelope::payload_of_line(*read) == payload);
        for (char& each : payload) each = static_cast<char>(each & 127);
        const std::string text = line_of(9, true, payload);
        CHECK(text.find_first_of("\r\n") == text.npos);
        const auto again = envelope::parse(text);
        REQUIRE(again);
        CHECK(envelope::payload_of_line(*again) == payload);
    }
}

TEST_CASE("the other records") {
    struct {
        std::string_view text;
        kind what;
        std::optional<std::uint64_t> number;
        std::string_view id, rest;
    } const table[] = {
        {"t hello", kind::text, {}, "", "hello"},
        {"t", kind::text, {}, "", ""},
        {"b aGVsbG8=", kind::binary, {}, "", "aGVsbG8="},
        {"a0", kind::acknowledged, 0, "", ""},
        {"a17", kind::acknowledged, 17, "", ""},
        {"r5", kind::resumed, 5, "", ""},
        {"h", kind::heartbeat, {}, "", ""},
        {"x", kind::closed, {}, "", ""},
        {"x1000", kind::closed, 1000, "", ""},
        {"x1001 the server is stopping", kind::closed, 1001, "", "the server is stopping"},
        {"e404 no such session", kind::failed, 404, "", "no such session"},
        {"oabc heartbeat=1", kind::opened, {}, "abc", "heartbeat=1"},
        {"oabc", kind::opened, {}, "abc", ""},
    };
    for (const auto& each : table) {
        CAPTURE(each.text);
        const auto read = envelope::parse(each.text);
        REQUIRE(read);
        CHECK(read->what == each.what);
        CHECK(read->number == each.number);
        CHECK(read->id == each.id);
        CHECK(read->rest == each.rest);
    }
    std::string made;
    envelope::append_number(made, kind::acknowledged, 17);
    CHECK(made == "a17");
    made.clear();
    envelope::append_sentence(made, kind::closed, 1000, {});
    CHECK(made == "x1000");
    made.clear();
    envelope::append_sentence(made, kind::failed, 404, "two\r\nlines");
    CHECK(made == "e404 two  lines");
}

TEST_CASE("what is no record says why") {
    const std::string_view table[] = {"", "q", "T1 a", "t0 a", "t1x a", "tt a", "t-1 a", "t9007199254740992 a", "a", "a1 2", "ax",
                                      "h1", "h ", "x10a", "e", "e no number", "r", "r1 ", "o", "o heartbeat=1", "hello", " t1 a",
                                      "t18446744073709551617 a"};
    for (const std::string_view each : table) {
        CAPTURE(each);
        const auto read = envelope::parse(each);
        REQUIRE(!read);
        CHECK(read.error() == weir::errc::bad_record);
        CHECK(!read.error().context().empty());
    }
    for (const std::string_view each : {"t1 a\\", "t1 a\\x", "b1 a", "b1 aGVsbG8", "b1 aGVsbG9=x", "b1 a b="}) {
        CAPTURE(each);
        const auto read = envelope::parse(each);
        REQUIRE(read);
        CHECK(!envelope::payload_of_line(*read));
    }
}

TEST_CASE("settings: any order, others are skipped") {
    std::string made;
    envelope::append_opened(made, "abc", {25000, 30000, 1048576});
    CHECK(made == "oabc heartbeat=25000 keep=30000 limit=1048576");
    const auto read = envelope::parse(made);
    REQUIRE(read);
    const envelope::settings all = envelope::parse_settings(read->rest);
    CHECK(all.heartbeat_ms == 25000);
    CHECK(all.keep_ms == 30000);
    CHECK(all.limit_bytes == 1048576);
    const envelope::settings some = envelope::parse_settings(" limit=3 colour=blue nothing keep=x  heartbeat=1 ");
    CHECK(some.heartbeat_ms == 1);
    CHECK(some.keep_ms == 0);
    CHECK(some.limit_bytes == 3);
}
