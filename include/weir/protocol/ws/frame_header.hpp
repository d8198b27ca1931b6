// The header of a frame, to bytes and back (RFC 6455, section 5.2).
//
// Knows the layout and the rules of the payload length only. Which bits, opcodes and masks are right at this point of
// the conversation is known to the connection (protocol/ws/connection.hpp).
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/errc.hpp>
#include <weir/protocol/ws/masking_key.hpp>
#include <weir/protocol/ws/opcode.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weir::inline v0::ws {

struct frame_header {
    static constexpr std::size_t max_bytes = 14;

    std::uint64_t payload_bytes = 0;      // at most 2^63 - 1
    opcode type = opcode::continuation;
    std::uint8_t reserved_bits = 0;       // RSV1 is 4, RSV2 is 2, RSV3 is 1
    bool fin = true;                      // the last frame of its message
    bool masked = false;
    masking_key key = {};                 // meaningful when masked

    friend constexpr bool operator==(const frame_header&, const frame_header&) noexcept = default;
};

// What came of decoding: `size` bytes of header; or a broken rule; or neither, when more bytes are needed.
struct header_decoding {
    std::size_t size = 0;
    errc failure = {};
};

// How many bytes the header takes.
constexpr std::size_t encoded_bytes(const frame_header& header) noexcept {
    return 2u + (header.payload_bytes > 125 ? 2u : 0u) + (header.payload_bytes > 65535 ? 6u : 0u) +
           (header.masked ? 4u : 0u);
}

// Writes the header to `to`, which has room for `frame_header::max_bytes`, and returns how many bytes it took.
[[gnu::noinline]] inline std::size_t encode(const frame_header& header, std::byte* to) noexcept {
    const auto mask_bit = static_cast<unsigned>(header.masked) << 7;
    const auto fin_bit = static_cast<unsigned>(header.fin) << 7;
    to[0] = static_cast<std::byte>(fin_bit | static_cast<unsigned>(header.reserved_bits) << 4 |
                                   static_cast<unsigned>(header.type));
    std::byte* next = to + 2;
    if (header.payload_bytes <= 125) {
        to[1] = static_cast<std::byte>(mask_bit | static_cast<unsigned>(header.payload_bytes));
    } else if (header.payload_bytes <= 65535) {
        to[1] = static_cast<std::byte>(mask_bit | 126);
        store_big_endian(next, static_cast<std::uint16_t>(header.payload_bytes));
        next += 2;
    } else {
        to[1] = static_cast<std::byte>(mask_bit | 127);
        store_big_endian(next, header.payload_bytes);
        next += 8;
    }
    if (header.masked) {
        std::memcpy(next, header.key.bytes, 4);
        next += 4;
    }
    return static_cast<std::size_t>(next - to);
}

// The same for a whole message of at most 65,535 bytes that is not masked: what `encode` gives for it.
inline std::size_t encode_short(opcode type, std::size_t payload_bytes, std::byte* to) noexcept {
    const unsigned first = 0x80 | static_cast<unsigned>(type);
    if (payload_bytes <= 125) {
        to[0] = static_cast<std::byte>(first);
        to[1] = static_cast<std::byte>(payload_bytes);
        return 2;
    }
    store_big_endian(to, static_cast<std::uint32_t>(first << 24 | 126 << 16 | payload_bytes)); // all four bytes at once
    return 4;
}

// The same in front of the payload, whose place is given.
inline std::size_t encode_short_before(opcode type, std::size_t payload_bytes, std::byte* payload) noexcept {
    return encode_short(type, payload_bytes, payload - (payload_bytes <= 125 ? 2 : 4));
}

// Reads the header that `from` begins with. `into` is complete when a size is returned and unspecified otherwise. A
// length that breaks a rule fails as soon as the byte that decides it is there.
inline header_decoding decode(bytes_view from, frame_header& into) noexcept {
    if (from.size() < 2) return {};
    const auto first = std::to_integer<unsigned>(from[0]);
    const auto second = std::to_integer<unsigned>(from[1]);
    into.fin = (first & 0x80) != 0;
    into.reserved_bits = static_cast<std::uint8_t>(first >> 4 & 7);
    into.type = static_cast<opcode>(first & 15);
    into.masked = (second & 0x80) != 0;
    into.payload_bytes = second & 0x7F;
    std::size_t size = 2;
    if (into.payload_bytes == 126) {
        size = 4;
        if (from.size() < size) return {};
        into.payload_bytes = load_big_endian<std::uint16_t>(from.data() + 2);
        if (into.payload_bytes <= 125) return {0, errc::long_length_form};
    } else if (into.payload_bytes == 127) {
        size = 10;
        if (from.size() > 2 && (from[2] & std::byte{0x80}) != std::byte{}) return {0, errc::bad_length};
        if (from.size() >= 8 && load_big_endian<std::uint64_t>(from.data()) << 16 == 0)
            return {0, errc::long_length_form};
        if (from.size() < size) return {};
        into.payload_bytes = load_big_endian<std::uint64_t>(from.data() + 2);
    }
    if (into.masked) {
        if (from.size() < size + 4) return {};
        std::memcpy(into.key.bytes, from.data() + size, 4);
        size += 4;
    }
    return {size, {}};
}

} // namespace weir::inline v0::ws
