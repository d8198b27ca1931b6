#include <doctest/doctest.h>

#include <weir/protocol/ws/connection.hpp>

#include <string>
#include <vector>

using namespace weir;
using namespace std::string_literals;
using ws::close_code;
using ws::opcode;
using ws::role;

namespace {

constexpr ws::masking_key key{{std::byte{0x37}, std::byte{0xFA}, std::byte{0x21}, std::byte{0x3D}}};
constexpr role both[] = {role::client, role::server};

// One frame as the peer of `receiver` sends it, `first` being its first byte.
std::string frame(role receiver, unsigned first, std::string payload) {
    const bool masked = receiver == role::server;
    const ws::frame_header header{payload.size(), static_cast<opcode>(first & 15), static_cast<std::uint8_t>(first >> 4 & 7),
                                  (first & 0x80) != 0, masked, masked ? key : ws::masking_key{}};
    std::byte bytes[ws::frame_header::max_bytes];
    const std::size_t size = ws::encode(header, bytes);
    const mutable_bytes body{reinterpret_cast<std::byte*>(payload.data()), payload.size()};
    if (masked) ws::apply_mask(body, key);
    return std::string(as_text({bytes, size})) + payload;
}

// What a receiver reports, as text. Pieces of one frame are put together, since their number depends on the cut.
class transcript {
public:
    void add(const ws::event& seen) {
        switch (seen.what) {
        case ws::event::kind::need_more: return;
        case ws::event::kind::data:
            begun |= seen.first;
            piece += as_text(seen.payload);
            if (seen.frame_remaining) {
                if (seen.last || seen.payload.empty()) FAIL("a piece that cannot be");
                return;
            }
            text += (seen.type == opcode::text ? "text"s : "binary"s) + (begun ? "<" : "") + (seen.last ? ">" : "");
            if (seen.reserved_bits) text += " rsv" + std::to_string(seen.reserved_bits);
            text += ":" + piece + "\n";
            piece.clear();
            begun = false;
            return;
        case ws::event::kind::ping: text += "ping:" + std::string(as_text(seen.payload)) + "\n"; return;
        case ws::event::kind::pong: text += "pong:" + std::string(as_text(seen.payload)) + "\n"; return;
        case ws::event::kind::close:
            text += "close " + std::to_string(static_cast<int>(seen.code)) + ":" +
                    std::string(as_text(seen.payload)) + "\n";
            return;
        case ws::event::kind::failed: text += "failed " + std::to_string(static_cast<int>(seen.code)) + "\n"; return;
        }
    }

    std::string text;

private:
    std::string piece;
    bool begun = false;
};

// Feeds `input` in parts of `step` bytes (0: whole), each in a block of its own so that ASan sees a step over its end.
std::string feed(ws::connection& to, const std::string& input, std::size_t step) {
    transcript seen;
    if (step == 0) step = input.size() + 1;
    for (std::size_t at = 0; at < input.size(); at += step) {
        const auto part = as_bytes(std::string_view(input).substr(at, step));
        std::vector<std::byte> block(part.begin(), part.end());
        mutable_bytes rest = block;
        for (;;) {
            const ws::event each = to.receive(rest);
            seen.add(each);
            if (each.what == ws::event::kind::need_more) break;
        }
        CHECK(rest.empty());
    }
    return seen.text;
}

constexpr std::size_t steps[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 31};

struct conversation {
    const char* name;
    std::vector<std::pair<unsigned, std::string>> frames; // first byte and payload
    std::string expected;
};

const std::string euro = "\xE2\x82\xAC";
const std::string long_text(300, 'x');

// What a peer of either role may send, and what is to be seen of it.
const std::vector<conversation> conversations = {
    {"text", {{0x81, "Hello"}}, "text<>:Hello\n"},
    {"binary", {{0x82, "\x00\xFF"s}}, "binary<>:\x00\xFF\n"s},
    {"several", {{0x81, "a"}, {0x82, "b"}, {0x81, "c"}}, "text<>:a\nbinary<>:b\ntext<>:c\n"},
    {"empty", {{0x81, ""}, {0x82, ""}}, "text<>:\nbinary<>:\n"},
    {"two-byte length", {{0x81, long_text}}, "text<>:" + long_text + "\n"},
    {"fragments", {{0x01, "He"}, {0x00, "ll"}, {0x80, "o"}}, "text<:He\ntext:ll\ntext>:o\n"},
    {"binary fragments", {{0x02, "a"}, {0x80, "b"}}, "binary<:a\nbinary>:b\n"},
    {"empty first fragment", {{0x01, ""}, {0x80, "x"}}, "text<:\ntext>:x\n"},
    {"empty middle fragment", {{0x01, "a"}, {0x00, ""}, {0x80, "x"}}, "text<:a\ntext>:x\n"},
    {"empty last fragment", {{0x01, "a"}, {0x80, ""}}, "text<:a\ntext>:\n"},
    {"nothing in fragments", {{0x01, ""}, {0x00, ""}, {0x80, ""}}, "text<:\ntext>:\n"},
    {"character across fragments", {{0x01, euro.substr(0, 1)}, {0x00, euro.substr(1, 1)}, {0x80, euro.substr(2)}},
     "text<:\xE2\ntext:\x82\ntext>:\xAC\n"},
    {"control between fragments", {{0x01, "a"}, {0x89, "p"}, {0x00, "b"}, {0x8A, "q"}, {0x80, "c"}},
     "text<:a\nping:p\ntext:b\npong:q\ntext>:c\n"},
    {"control within a character", {{0x01, euro.substr(0, 1)}, {0x89, "\xFF"}, {0x80, euro.substr(1)}},
     "text<:\xE2\nping:\xFF\ntext>:\x82\xAC\n"},
    {"empty controls", {{0x89, ""}, {0x8A, ""}}, "ping:\npong:\n"},
    {"longest controls", {{0x89, std::string(125, 'p')}, {0x8A, std::string(125, 'q')}},
     "ping:" + std::string(125, 'p') + "\npong:" + std::string(125, 'q') + "\n"},
    {"binary is not text", {{0x82, "\xFF"}, {0x02, "\xC0"}, {0x80, "\x80"}},
     "binary<>:\xFF\nbinary<:\xC0\nbinary>:\x80\n"},
    {"a text after one in the middle of nothing", {{0x01, "a"}, {0x80, euro}, {0x81, "b"}},
     "text<:a\ntext>:" + euro + "\ntext<>:b\n"},
    {"close without a code", {{0x88, ""}}, "close 1005:\n"},
    {"close", {{0x88, "\x03\xE8"}}, "close 1000:\n"},
    {"close with a reason", {{0x81, "a"}, {0x88, "\x0F\xA0" + euro}}, "text<>:a\nclose 4000:" + euro + "\n"},
    {"longest close", {{0x88, "\x03\xE9" + std::string(123, 'r')}}, "close 1001:" + std::string(123, 'r') + "\n"},
    {"close inside a message", {{0x01, "a"}, {0x88, "\x03\xE8"}}, "text<:a\nclose 1000:\n"},
    {"frames after close", {{0x88, "\x03\xE8"}, {0x81, "late"}, {0xFF, "wrong"}}, "close 1000:\n"},
};

struct misbehaviour {
    const char* name;
    std::vector<std::pair<unsigned, std::string>> frames; // the last one is wrong
    errc failure;
    close_code code;
    const char* reason;
};

// What no peer of either role may send.
const std::vector<misbehaviour> misbehaviours = {
    {"RSV1", {{0xC1, "a"}}, errc::reserved_bits, close_code::protocol_error,
     "reserved bits 100 set without an extension (RFC 6455 5.2)"},
    {"RSV2", {{0xA2, "a"}}, errc::reserved_bits, close_code::protocol_error,
     "reserved bits 010 set without an extension (RFC 6455 5.2)"},
    {"RSV3 on a ping", {{0x99, "a"}}, errc::reserved_bits, close_code::protocol_error,
     "reserved bits 001 set without an extension (RFC 6455 5.2)"},
    {"RSV1 on a continuation", {{0x01, "a"}, {0xC0, "b"}}, errc::reserved_bits, close_code::protocol_error,
     "reserved bits 100 set without an extension (RFC 6455 5.2)"},
    {"opcode 3", {{0x83, ""}}, errc::reserved_opcode, close_code::protocol_error, "reserved opcode 3 (RFC 6455 5.2)"},
    {"opcode 7", {{0x07, "a"}}, errc::reserved_opcode, close_code::protocol_error, "reserved opcode 7 (RFC 6455 5.2)"},
    {"opcode 11", {{0x8B, "a"}}, errc::reserved_opcode, close_code::protocol_error, "reserved opcode 11 (RFC 6455 5.2)"},
    {"opcode 15", {{0x81, "a"}, {0x8F, "a"}}, errc::reserved_opcode, close_code::protocol_error,
     "reserved opcode 15 (RFC 6455 5.2)"},
    {"ping without FIN", {{0x09, "a"}}, errc::fragmented_control, close_code::protocol_error,
     "fragmented control frame, opcode 9 (RFC 6455 5.5)"},
    {"close without FIN", {{0x08, ""}}, errc::fragmented_control, close_code::protocol_error,
     "fragmented control frame, opcode 8 (RFC 6455 5.5)"},
    {"long ping", {{0x89, std::string(126, 'a')}}, errc::long_control, close_code::protocol_error,
     "control frame over 125 bytes, opcode 9 (RFC 6455 5.5)"},
    {"huge pong", {{0x8A, std::string(65536, 'a')}}, errc::long_control, close_code::protocol_error,
     "control frame over 125 bytes, opcode 10 (RFC 6455 5.5)"},
    {"continuation of nothing", {{0x80, "a"}}, errc::unexpected_continuation, close_code::protocol_error,
     "continuation frame with no message to continue (RFC 6455 5.4)"},
    {"continuation after the end", {{0x01, "a"}, {0x80, "b"}, {0x00, "c"}}, errc::unexpected_continuation,
     close_code::protocol_error, "continuation frame with no message to continue (RFC 6455 5.4)"},
    {"message in a message", {{0x01, "a"}, {0x82, "b"}}, errc::expected_continuation, close_code::protocol_error,
     "new message, opcode 2, inside a fragmented one (RFC 6455 5.4)"},
    {"text in a text", {{0x01, ""}, {0x01, "b"}}, errc::expected_continuation, close_code::protocol_error,
     "new message, opcode 1, inside a fragmented one (RFC 6455 5.4)"},
    {"broken text", {{0x81, "ab\xFF" + long_text}}, errc::bad_utf8, close_code::invalid_payload,
     "text is not valid UTF-8 (RFC 6455 8.1)"},
    {"text ends in a character", {{0x81, "ab\xE2\x82"}}, errc::bad_utf8, close_code::invalid_payload,
     "text is not valid UTF-8 (RFC 6455 8.1)"},
    {"message ends in a character", {{0x01, "ab\xE2\x82"}, {0x80, ""}}, errc::bad_utf8, close_code::invalid_payload,
     "text is not valid UTF-8 (RFC 6455 8.1)"},
    {"broken in a fragment", {{0x01, "ab\xE2\x82"}, {0x00, "a"}}, errc::bad_utf8, close_code::invalid_payload,
     "text is not valid UTF-8 (RFC 6455 8.1)"},
    {"close of one byte", {{0x88, "\x03"}}, errc::bad_close_payload, close_code::protocol_error,
     "close payload of 1 byte (RFC 6455 5.5.1)"},
    {"close 999", {{0x88, "\x03\xE7"}}, errc::bad_close_code, close_code::protocol_error,
     "close code 999 may not be sent (RFC 6455 7.4)"},
    {"close 1005", {{0x88, "\x03\xED"}}, errc::bad_close_code, close_code::protocol_error,
     "close code 1005 may not be sent (RFC 6455 7.4)"},
    {"close 1015", {{0x88, "\x03\xF7why"}}, errc::bad_close_code, close_code::protocol_error,
     "close code 1015 may not be sent (RFC 6455 7.4)"},
    {"close 65535", {{0x88, "\xFF\xFF"}}, errc::bad_close_code, close_code::protocol_error,
     "close code 65535 may not be sent (RFC 6455 7.4)"},
    {"broken reason", {{0x88, "\x03\xE8\xC0\x80"}}, errc::bad_utf8, close_code::invalid_payload,
     "close reason is not valid UTF-8 (RFC 6455 5.5.1)"},
};

struct broken_start {
    role receiver;
    std::string bytes; // the last one decides
    errc failure;
};

// Headers that are wrong before they are complete.
const std::vector<broken_start> broken_starts = {
    {role::server, "\xC1", errc::reserved_bits},
    {role::server, "\x83", errc::reserved_opcode},
    {role::server, "\x09", errc::fragmented_control},
    {role::server, "\x80", errc::unexpected_continuation},
    {role::server, "\x81\x05", errc::mask_missing},
    {role::server, "\x89\x00"s, errc::mask_missing},
    {role::server, "\x88\xFE", errc::long_control},
    {role::server, "\x82\xFE\x00\x7D"s, errc::long_length_form},
    {role::server, "\x82\xFF\x00\x00\x00\x00\x00\x00"s, errc::long_length_form},
    {role::server, "\x82\xFF\x80", errc::bad_length},
    {role::client, "\xC1", errc::reserved_bits},
    {role::client, "\x8B", errc::reserved_opcode},
    {role::client, "\x0A", errc::fragmented_control},
    {role::client, "\x00"s, errc::unexpected_continuation},
    {role::client, "\x81\x85", errc::mask_unexpected},
    {role::client, "\x8A\x80", errc::mask_unexpected},
    {role::client, "\x88\x7E", errc::long_control},
    {role::client, "\x82\x7E\x00\x00"s, errc::long_length_form},
    {role::client, "\x82\x7F\x00\x00\x00\x00\x00\x00"s, errc::long_length_form},
    {role::client, "\x82\x7F\xFF", errc::bad_length},
};

std::string join(role receiver, const std::vector<std::pair<unsigned, std::string>>& frames) {
    std::string all;
    for (const auto& [first, payload] : frames) all += frame(receiver, first, payload);
    return all;
}

} // namespace

static_assert(sizeof(ws::connection) <= 96); // every idle connection pays for it

TEST_CASE("RFC 6455 5: what is received, however it is cut") {
    for (const role receiver : both) {
        for (const conversation& each : conversations) {
            for (const std::size_t step : steps) {
                CAPTURE(each.name);
                CAPTURE(step);
                block_pool pool;
                ws::connection to(receiver, pool);
                CHECK(feed(to, join(receiver, each.frames), step) == each.expected);
                CHECK(!to.failed());
                CHECK(to.close_received() == (each.expected.find("close") != std::string::npos));
                CHECK(!to.close_sent());
                CHECK(to.role() == receiver);
            }
        }
    }
}

TEST_CASE("RFC 6455 7.1.7: each broken rule fails with its code and reason, and nothing is parsed after it") {
    for (const role receiver : both) {
        for (const misbehaviour& each : misbehaviours) {
            for (const std::size_t step : steps) {
                CAPTURE(each.name);
                CAPTURE(step);
                block_pool pool;
                ws::connection to(receiver, pool);
                const std::string seen = feed(to, join(receiver, each.frames) + frame(receiver, 0x81, "after"), step);
                CHECK(seen.ends_with("failed " + std::to_string(static_cast<int>(each.code)) + "\n"));
                CHECK(seen.find("after") == std::string::npos);
                CHECK(to.failed());
                CHECK(to.failure() == each.failure);
                CHECK(to.failure_close_code() == each.code);
                CHECK(to.failure_reason() == each.reason);
                CHECK(!to.close_received());
                CHECK(feed(to, frame(receiver, 0x81, "more"), 0).empty());
            }
        }
    }
}

TEST_CASE("RFC 6455 5.2: a header fails at the byte that decides it") {
    for (const broken_start& each : broken_starts) {
        CAPTURE(static_cast<int>(each.failure));
        block_pool pool;
        ws::connection byte_wise(each.receiver, pool);
        const std::size_t last = each.bytes.size() - 1;
        CHECK(feed(byte_wise, each.bytes.substr(0, last), 1).empty());
        CHECK(!byte_wise.failed());
        CHECK(feed(byte_wise, each.bytes.substr(last), 1) == "failed 1002\n");
        CHECK(byte_wise.failure() == each.failure);

        ws::connection whole(each.receiver, pool);
        CHECK(feed(whole, each.bytes, 0) == "failed 1002\n");
        CHECK(whole.failure() == each.failure);
        CHECK(whole.failure_reason() == byte_wise.failure_reason());
        CHECK(!whole.failure_reason().empty());
    }
}

TEST_CASE("RFC 6455 8.1: broken text fails at the byte that breaks it, before its frame is there") {
    for (const role receiver : both) {
        const std::string all = frame(receiver, 0x01, "ok\xED\xA0") + frame(receiver, 0x80, "more");
        const std::size_t deciding = frame(receiver, 0x01, "ok\xED\xA0").size();
        block_pool pool;
        ws::connection to(receiver, pool);
        (void)feed(to, all.substr(0, deciding - 1), 1);
        CHECK(!to.failed());
        CHECK(feed(to, all.substr(deciding - 1, 1), 1) == "failed 1007\n");
    }
}

namespace {

// Feeds `input` whole, asking the short way first; and counts what went that way.
std::string feed_short(ws::connection& to, const std::string& input, std::uint64_t most_bytes, int& taken) {
    const bytes_view all = as_bytes(input);
    std::vector<std::byte> block(all.begin(), all.end());
    transcript seen;
    for (mutable_bytes rest = block; !rest.empty();) {
        ws::event each;
        const mutable_bytes before = rest;
        if (to.receive_whole(rest, most_bytes, each.payload, each.type)) {
            ++taken;
            each.what = ws::event::kind::data;
            each.first = each.last = true;
            CHECK(rest.data() == each.payload.data() + each.payload.size());
        } else {
            CHECK(rest.data() == before.data());
            CHECK(rest.size() == before.size());
            each = to.receive(rest);
        }
        seen.add(each);
    }
    return seen.text;
}

} // namespace

TEST_CASE("RFC 6455 5: the short way past the machine takes what is whole and right, and leaves all else to it") {
    for (const role receiver : both) {
        for (const conversation& each : conversations) {
            for (const std::uint64_t most : {std::uint64_t{0}, std::uint64_t{4}, ~std::uint64_t{0}}) {
                CAPTURE(each.name);
                CAPTURE(most);
                block_pool pool;
                ws::connection to(receiver, pool);
                int taken = 0;
                CHECK(feed_short(to, join(receiver, each.frames), most, taken) == each.expected);
                CHECK(to.between_messages() == !to.close_received());
            }
        }
        for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 65535u}) {
            const std::string all = frame(receiver, 0x82, std::string(size, 'b')) + frame(receiver, 0x81, std::string(size, 't'));
            block_pool pool;
            ws::connection shortly(receiver, pool), at_length(receiver, pool);
            int taken = 0;
            CHECK(feed_short(shortly, all, size, taken) == feed(at_length, all, 1));
            CHECK(taken == (receiver == role::client && size < 2 ? static_cast<int>(size) : 2)); // it wants to see six bytes
        }
        for (const std::string& broken : {"ok\xFF"s, euro.substr(0, 2), std::string(200, 'x') + "\xC0"}) {
            const std::string all = frame(receiver, 0x81, "right") + frame(receiver, 0x81, broken) + frame(receiver, 0x81, "more");
            block_pool pool;
            ws::connection shortly(receiver, pool), at_length(receiver, pool);
            int taken = 0;
            CHECK(feed_short(shortly, all, ~std::uint64_t{0}, taken) == "text<>:right\nfailed 1007\n");
            CHECK(taken == 1);
            (void)feed(at_length, all, 0);
            CHECK(shortly.failure() == at_length.failure());
            CHECK(shortly.failure_reason() == at_length.failure_reason());
            CHECK(!shortly.between_messages());
        }
    }
}

TEST_CASE("RFC 6455 5.2: frames at each length boundary") {
    for (const role receiver : both) {
        for (const std::size_t size : {0u, 1u, 124u, 125u, 126u, 127u, 65535u, 65536u, 65537u}) {
            const std::string payload(size, 'z');
            const std::string wire = frame(receiver, 0x82, payload) + frame(receiver, 0x81, "next");
            for (const std::size_t step : {0u, 1u, 3u, 9u, 13u, 14u, 15u, 4096u}) {
                if (size > 1000 && step && step < 9) continue;
                block_pool pool;
                ws::connection to(receiver, pool);
                CHECK(feed(to, wire, step) == "binary<>:" + payload + "\ntext<>:next\n");
            }
        }
    }
}

TEST_CASE("RFC 6455 5.4: pieces are views into the input, with what remains of the frame") {
    block_pool pool;
    ws::connection to(role::server, pool);
    std::string wire = frame(role::server, 0x01, "Hello World");
    const mutable_bytes bytes{reinterpret_cast<std::byte*>(wire.data()), wire.size()};
    mutable_bytes input = bytes.first(6);
    ws::event seen = to.receive(input);
    CHECK(seen.what == ws::event::kind::need_more); // the header alone is no event
    CHECK(to.frame_remaining() == 11);              // but known
    CHECK(to.fragments() == 1);
    CHECK(to.message_bits() == 0);
    input = bytes.subspan(6, 4);
    seen = to.receive(input);
    CHECK(seen.what == ws::event::kind::data);
    CHECK(seen.first);
    CHECK(!seen.last);
    CHECK(seen.frame_remaining == 7);
    CHECK(seen.payload.data() == bytes.data() + 6);
    CHECK(as_text(seen.payload) == "Hell");
    input = bytes.subspan(10);
    seen = to.receive(input);
    CHECK(!seen.first);
    CHECK(!seen.last);
    CHECK(seen.frame_remaining == 0);
    CHECK(as_text(seen.payload) == "o World");
    CHECK(input.empty());
    CHECK(to.frame_remaining() == 0);
    CHECK(to.fragments() == 1); // the message goes on

    std::string end = frame(role::server, 0x80, "");
    input = {reinterpret_cast<std::byte*>(end.data()), end.size()};
    seen = to.receive(input);
    CHECK(seen.last);
    CHECK(to.fragments() == 0);
}

TEST_CASE("RFC 6455 5.5: a whole control frame is seen in place, one in parts is gathered until the next receive") {
    block_pool pool;
    ws::connection to(role::server, pool);
    std::string wire = frame(role::server, 0x89, "Hello");
    const mutable_bytes bytes{reinterpret_cast<std::byte*>(wire.data()), wire.size()};
    mutable_bytes input = bytes;
    ws::event seen = to.receive(input);
    CHECK(seen.payload.data() == bytes.data() + 6);
    CHECK(as_text(seen.payload) == "Hello");

    wire = frame(role::server, 0x89, "Hello");
    input = bytes.first(8);
    CHECK(to.receive(input).what == ws::event::kind::need_more);
    input = bytes.subspan(8);
    seen = to.receive(input);
    CHECK(seen.what == ws::event::kind::ping);
    CHECK(as_text(seen.payload) == "Hello");
    CHECK(to.receive(input).what == ws::event::kind::need_more);

}

TEST_CASE("limits: frame size and number of fragments") {
    for (const role receiver : both) {
        for (const std::size_t step : steps) {
            block_pool pool;
            ws::connection small(receiver, pool, {.frame_bytes = 10});
            CHECK(feed(small, frame(receiver, 0x82, std::string(10, 'x')), step) == "binary<>:xxxxxxxxxx\n");
            CHECK(feed(small, frame(receiver, 0x82, std::string(11, 'x')), step) == "failed 1009\n");
            CHECK(small.failure() == errc::frame_too_large);
            CHECK(small.failure_reason() == "frame of 11 bytes over the limit of 10");

            ws::connection few(receiver, pool, {.message_fragments = 3});
            const std::string three = frame(receiver, 0x01, "a") + frame(receiver, 0, "") + frame(receiver, 0x80, "c");
            CHECK(feed(few, three + three, step) == "text<:a\ntext>:c\ntext<:a\ntext>:c\n");
            const std::string four = frame(receiver, 0x01, "a") + frame(receiver, 0, "b") + frame(receiver, 0, "c");
            CHECK(feed(few, four + frame(receiver, 0x80, "d"), step) == "text<:a\ntext:b\ntext:c\nfailed 1009\n");
            CHECK(few.failure() == errc::too_many_fragments);
            CHECK(few.failure_reason() == "message of more frames than the limit of 3");
        }
    }
}

TEST_CASE("RFC 6455 5.8: reserved bits that an extension has claimed") {
    for (const role receiver : both) {
        block_pool pool;
        ws::connection to(receiver, pool);
        to.allow_reserved_bits(4);
        const std::string good = frame(receiver, 0xC1, "\xFF") + frame(receiver, 0x41, "\xC0") +
                                 frame(receiver, 0x80, "\x80") + frame(receiver, 0x81, "plain");
        CHECK(feed(to, good, 1) == "text<> rsv4:\xFF\ntext< rsv4:\xC0\ntext> rsv4:\x80\ntext<>:plain\n");
        CHECK(feed(to, frame(receiver, 0xE1, "a"), 0) == "failed 1002\n");
        CHECK(to.failure() == errc::reserved_bits);
        CHECK(to.failure_reason() == "reserved bits 110 set without an extension (RFC 6455 5.2)");
        for (const unsigned first : {0xC9u, 0xC8u, 0xC0u}) { // only the first frame of a message may have them
            ws::connection strict(receiver, pool);
            strict.allow_reserved_bits(4);
            CHECK(feed(strict, frame(receiver, 0x01, "a") + frame(receiver, first, ""), 0) == "text<:a\nfailed 1002\n");
        }
    }
}

TEST_CASE("RFC 6455 5.3 and 5.4: what is sent is what the other role receives") {
    for (const role sender : both) {
        const role receiver = sender == role::client ? role::server : role::client;
        for (const std::size_t step : steps) {
            block_pool pool;
            ws::connection from(sender, pool);
            ws::connection to(receiver, pool);
            buffer out(pool);
            CHECK(from.encode_frame(out, opcode::text, as_bytes("one"), true, key) == errc{});
            CHECK(!from.sending_message());
            CHECK(from.encode_frame(out, opcode::binary, as_bytes("two"), false, key) == errc{});
            CHECK(from.sending_message());
            CHECK(from.encode_control(out, opcode::ping, as_bytes("p"), key) == errc{});
            const std::size_t held = out.size();
            CHECK(from.encode_frame(out, opcode::text, as_bytes("no"), true, key) == errc::send_out_of_order);
            CHECK(out.size() == held);
            CHECK(from.encode_frame(out, opcode::binary, {}, false, key) == errc{});
            CHECK(from.encode_frame(out, opcode::binary, as_bytes("three"), true, key) == errc{});
            CHECK(!from.sending_message());
            CHECK(from.encode_control(out, opcode::pong, {}, key) == errc{});
            CHECK(from.encode_frame(out, opcode::text, as_bytes(long_text), true, key) == errc{});
            CHECK(from.encode_frame(out, opcode::binary, as_bytes("z"), false, key, 4) == errc{});
            CHECK(from.encode_frame(out, opcode::binary, as_bytes("z"), true, key, 4) == errc{}); // not on this one
            CHECK(from.encode_close(out, close_code::going_away, "bye", key) == errc{});
            to.allow_reserved_bits(4);
            CHECK(feed(to, std::string(as_text(out.view())), step) ==
                  "text<>:one\nbinary<:two\nping:p\nbinary>:three\npong:\ntext<>:" + long_text +
                      "\nbinary< rsv4:z\nbinary> rsv4:z\nclose 1001:bye\n");
        }
    }
}

TEST_CASE("RFC 6455 5.2: a header alone, for a payload that is sent from elsewhere") {
    for (const role sender : both) {
        for (const std::size_t size : {0u, 125u, 126u, 65535u, 65536u}) {
            block_pool pool;
            ws::connection whole(sender, pool);
            ws::connection split(sender, pool);
            const std::string payload(size, 'p');
            buffer out(pool);
            std::string wire;
            for (const bool last : {false, true}) {
                CHECK(whole.encode_frame(out, opcode::text, as_bytes(payload), last, key) == errc{});
                std::byte header[ws::frame_header::max_bytes];
                const std::size_t header_size = split.encode_frame_header(header, opcode::text, size, last, key);
                CHECK(split.sending_message() == !last);
                wire += as_text({header, header_size});
                std::string body = payload;
                if (sender == role::client)
                    ws::apply_mask({reinterpret_cast<std::byte*>(body.data()), body.size()}, key);
                wire += body;
            }
            CHECK(wire == as_text(out.view()));
        }
    }
}

TEST_CASE("RFC 6455 5.5.1: close is sent once, and nothing after it") {
    for (const role sender : both) {
        block_pool pool;
        ws::connection from(sender, pool);
        buffer out(pool);
        CHECK(from.encode_frame(out, opcode::text, as_bytes("a"), false, key) == errc{});
        CHECK(from.encode_close(out, close_code::normal, "", key) == errc{});
        CHECK(from.close_sent());
        const std::size_t held = out.size();
        CHECK(from.encode_close(out, close_code::normal, "", key) == errc::closed);
        CHECK(from.encode_control(out, opcode::ping, {}, key) == errc::closed);
        CHECK(from.encode_frame(out, opcode::text, as_bytes("b"), true, key) == errc::closed);
        CHECK(out.size() == held);
        CHECK(!from.close_received());
    }
}

TEST_CASE("RFC 6455 5.5.1: what a close frame carries") {
    struct {
        close_code code;
        std::string reason;
        std::string expected;
    } const cases[] = {
        {close_code::no_status, "", "close 1005:\n"},
        {close_code::no_status, "left out", "close 1005:\n"},
        {close_code::normal, "", "close 1000:\n"},
        {static_cast<close_code>(4999), euro, "close 4999:" + euro + "\n"},
        {close_code::normal, std::string(123, 'r'), "close 1000:" + std::string(123, 'r') + "\n"},
        {close_code::normal, std::string(200, 'r'), "close 1000:" + std::string(123, 'r') + "\n"},
        {close_code::normal, std::string(122, 'r') + euro, "close 1000:" + std::string(122, 'r') + "\n"},
        {close_code::normal, std::string(120, 'r') + euro + "s", "close 1000:" + std::string(120, 'r') + euro + "\n"},
        {close_code::normal, "\xFF", "close 1000:\n"},
        {close_code::normal, std::string(200, '\x80'), "close 1000:\n"},
    };
    for (const auto& each : cases) {
        block_pool pool;
        ws::connection from(role::client, pool);
        ws::connection to(role::server, pool);
        buffer out(pool);
        CHECK(from.encode_close(out, each.code, each.reason, key) == errc{});
        CHECK(feed(to, std::string(as_text(out.view())), 0) == each.expected);
    }
}

TEST_CASE("a full buffer takes nothing of a frame and changes no state") {
    for (const role sender : both) {
        const std::size_t overhead = sender == role::client ? 6 : 2;
        block_pool pool;
        ws::connection from(sender, pool);
        buffer out(pool, overhead + 3);
        CHECK(from.encode_frame(out, opcode::text, as_bytes("four"), false, key) == errc::buffer_full);
        CHECK(!from.sending_message());
        CHECK(from.encode_control(out, opcode::ping, as_bytes("four"), key) == errc::buffer_full);
        CHECK(from.encode_close(out, close_code::normal, "no", key) == errc::buffer_full);
        CHECK(!from.close_sent());
        CHECK(out.empty());
        CHECK(from.encode_close(out, close_code::normal, "y", key) == errc{});
        CHECK(out.size() == overhead + 3);
    }
}
