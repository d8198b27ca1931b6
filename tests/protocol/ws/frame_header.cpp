#include <doctest/doctest.h>

#include <weir/protocol/ws/frame_header.hpp>

#include <cstring>
#include <string>
#include <vector>

using namespace weir;
using ws::frame_header;
using ws::opcode;

namespace {

constexpr ws::masking_key key{{std::byte{0x11}, std::byte{0x22}, std::byte{0x33}, std::byte{0x44}}};

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
    std::vector<std::byte> all;
    for (const unsigned value : values) all.push_back(static_cast<std::byte>(value));
    return all;
}

struct known_header {
    frame_header value;
    std::vector<std::byte> wire;
};

// Values and bytes, for both directions: each length boundary, with and without a mask; each bit.
const std::vector<known_header> headers = {
    {{0, opcode::text, 0, true, false, {}}, bytes({0x81, 0})},
    {{0, opcode::binary, 0, false, false, {}}, bytes({0x02, 0})},
    {{0, opcode::continuation, 0, true, false, {}}, bytes({0x80, 0})},
    {{0, opcode::close, 0, true, false, {}}, bytes({0x88, 0})},
    {{1, opcode::ping, 0, true, false, {}}, bytes({0x89, 1})},
    {{5, opcode::pong, 0, true, true, key}, bytes({0x8A, 0x85, 0x11, 0x22, 0x33, 0x44})},
    {{3, opcode::text, 4, true, false, {}}, bytes({0xC1, 3})},
    {{3, opcode::text, 2, true, false, {}}, bytes({0xA1, 3})},
    {{3, opcode::text, 1, true, false, {}}, bytes({0x91, 3})},
    {{3, static_cast<opcode>(15), 7, true, false, {}}, bytes({0xFF, 3})},
    {{125, opcode::binary, 0, true, false, {}}, bytes({0x82, 125})},
    {{126, opcode::binary, 0, true, false, {}}, bytes({0x82, 126, 0, 126})},
    {{127, opcode::binary, 0, true, false, {}}, bytes({0x82, 126, 0, 127})},
    {{65535, opcode::binary, 0, true, false, {}}, bytes({0x82, 126, 0xFF, 0xFF})},
    {{65536, opcode::binary, 0, true, false, {}}, bytes({0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0})},
    {{0x0102'0304'0506'0708, opcode::binary, 0, true, false, {}}, bytes({0x82, 127, 1, 2, 3, 4, 5, 6, 7, 8})},
    {{0x7FFF'FFFF'FFFF'FFFF, opcode::binary, 0, true, false, {}},
     bytes({0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})},
    {{125, opcode::binary, 0, true, true, key}, bytes({0x82, 0xFD, 0x11, 0x22, 0x33, 0x44})},
    {{126, opcode::binary, 0, true, true, key}, bytes({0x82, 0xFE, 0, 126, 0x11, 0x22, 0x33, 0x44})},
    {{65535, opcode::binary, 0, true, true, key}, bytes({0x82, 0xFE, 0xFF, 0xFF, 0x11, 0x22, 0x33, 0x44})},
    {{65536, opcode::binary, 0, true, true, key},
     bytes({0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 0x11, 0x22, 0x33, 0x44})},
};

struct broken_header {
    std::vector<std::byte> wire; // the last byte is the one that decides it
    errc failure;
};

const std::vector<broken_header> broken = {
    {bytes({0x82, 126, 0, 0}), errc::long_length_form},
    {bytes({0x82, 126, 0, 125}), errc::long_length_form},
    {bytes({0x82, 0xFE, 0, 125}), errc::long_length_form},
    {bytes({0x82, 127, 0, 0, 0, 0, 0, 0}), errc::long_length_form}, // what follows makes 65535 at most
    {bytes({0x82, 0xFF, 0, 0, 0, 0, 0, 0}), errc::long_length_form},
    {bytes({0x82, 127, 0x80}), errc::bad_length},
    {bytes({0x82, 0xFF, 0xFF}), errc::bad_length},
};

} // namespace

TEST_CASE("RFC 6455 5.2: frame headers, to bytes") {
    for (const known_header& each : headers) {
        CAPTURE(each.value.payload_bytes);
        std::vector<std::byte> wire(frame_header::max_bytes);
        CHECK(ws::encoded_bytes(each.value) == each.wire.size());
        wire.resize(ws::encode(each.value, wire.data()));
        CHECK(wire == each.wire);
    }
}

TEST_CASE("RFC 6455 5.2: the short way to encode a header gives what the long way gives") {
    for (const opcode type : {opcode::text, opcode::binary}) {
        for (std::size_t size = 0; size <= 65535; size = size < 130 ? size + 1 : size * 3 / 2 | 1) {
            std::byte longer[frame_header::max_bytes] = {}, shorter[frame_header::max_bytes] = {};
            const std::size_t count = ws::encode({size, type, 0, true, false, {}}, longer);
            CHECK(ws::encode_short(type, size, shorter) == count);
            CHECK(std::memcmp(longer, shorter, sizeof longer) == 0);
        }
    }
}

TEST_CASE("RFC 6455 5.2: frame headers, from bytes") {
    for (const known_header& each : headers) {
        CAPTURE(each.value.payload_bytes);
        frame_header value;
        for (std::size_t size = 0; size < each.wire.size(); ++size) { // in a block of its own, so that ASan sees more
            const std::vector<std::byte> part(each.wire.begin(), each.wire.begin() + static_cast<std::ptrdiff_t>(size));
            const auto found = ws::decode(part, value);
            CHECK(found.size == 0);
            CHECK(found.failure == errc{});
        }
        auto longer = each.wire;
        longer.push_back(std::byte{0xEE});
        for (const auto& wire : {each.wire, longer}) {
            value = {};
            const auto found = ws::decode(wire, value);
            CHECK(found.size == each.wire.size());
            CHECK(found.failure == errc{});
            CHECK(value == each.value);
        }
    }
}

TEST_CASE("RFC 6455 5.2: lengths that break a rule fail at the byte that decides it") {
    for (const broken_header& each : broken) {
        frame_header value;
        for (std::size_t size = 0; size < each.wire.size(); ++size)
            CHECK(ws::decode(bytes_view(each.wire).first(size), value).failure == errc{});
        auto longer = each.wire;
        for (int more = 0; more < 8; ++more) {
            const auto found = ws::decode(longer, value);
            CHECK(found.failure == each.failure);
            CHECK(found.size == 0);
            longer.push_back(std::byte{0});
        }
    }
}

TEST_CASE("RFC 6455 5.2: opcodes") {
    for (unsigned number = 0; number < 16; ++number) {
        CHECK(ws::is_control(static_cast<opcode>(number)) == (number >= 8));
        CHECK(ws::is_reserved(static_cast<opcode>(number)) == ((number > 2 && number < 8) || number > 10));
    }
}
