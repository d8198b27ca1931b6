// SHA-1 (RFC 3174) of bytes that are all there, for the WebSocket handshake.
//
// Allocates nothing. SHA-1 no longer resists collisions: use it where a protocol demands it, and nowhere else.
#pragma once

#include <weir/core/bytes.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weir::inline v0 {

namespace detail {

// Folds one block of 64 bytes into `hash` (RFC 3174 section 6.2, with the circular schedule of 16 words).
inline void sha1_block(std::uint32_t (&hash)[5], const std::byte* block) noexcept {
    std::uint32_t words[16];
    for (int i = 0; i < 16; ++i) words[i] = load_big_endian<std::uint32_t>(block + 4 * i);

    std::uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (int i = 0; i < 80; ++i) {
        std::uint32_t& word = words[i & 15];
        if (i >= 16) word = std::rotl(words[(i + 13) & 15] ^ words[(i + 8) & 15] ^ words[(i + 2) & 15] ^ word, 1);
        std::uint32_t mixed;
        if (i < 20)
            mixed = ((b & c) | (~b & d)) + 0x5A827999;
        else if (i < 40)
            mixed = (b ^ c ^ d) + 0x6ED9EBA1;
        else if (i < 60)
            mixed = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
        else
            mixed = (b ^ c ^ d) + 0xCA62C1D6;
        const std::uint32_t next = std::rotl(a, 5) + mixed + e + word;
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

} // namespace detail

// The SHA-1 digest of `message`, in network byte order.
[[nodiscard]] inline std::array<std::byte, 20> sha1(bytes_view message) noexcept {
    std::uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    bytes_view rest = message;
    for (; rest.size() >= 64; rest = rest.subspan(64)) detail::sha1_block(hash, rest.data());

    // What is left, a bit that is set, zeros, and the length in bits: one block, or two where one has no room.
    std::byte last[128] = {};
    if (!rest.empty()) std::memcpy(last, rest.data(), rest.size());
    last[rest.size()] = std::byte{0x80};
    const std::size_t size = rest.size() < 56 ? 64 : 128;
    store_big_endian(last + size - 8, static_cast<std::uint64_t>(message.size()) * 8);
    for (std::size_t i = 0; i < size; i += 64) detail::sha1_block(hash, last + i);

    std::array<std::byte, 20> digest;
    for (std::size_t i = 0; i < 5; ++i) store_big_endian(digest.data() + 4 * i, hash[i]);
    return digest;
}

} // namespace weir::inline v0
