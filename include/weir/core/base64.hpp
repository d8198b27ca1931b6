// Base64 with the standard alphabet and padding (RFC 4648 section 4).
//
// Works in the caller's memory; only the variant that returns a `std::string` allocates. Decoding is strict: exactly
// what the encoder writes is accepted, so that each text has one meaning and each meaning one text.
#pragma once

#include <weir/core/bytes.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0 {

// How many characters `count` bytes become.
[[nodiscard]] constexpr std::size_t base64_size(std::size_t count) noexcept { return (count + 2) / 3 * 4; }

// Writes `from` as base64 to the front of `to`, which must have room for `base64_size(from.size())` characters and
// may not overlap it. Gives the number of characters written; nothing is added at their end.
inline std::size_t base64_encode(bytes_view from, char* to) noexcept {
    static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < from.size(); i += 3) {
        const std::size_t left = from.size() - i;
        unsigned group = std::to_integer<unsigned>(from[i]) << 16;
        if (left > 1) group |= std::to_integer<unsigned>(from[i + 1]) << 8;
        if (left > 2) group |= std::to_integer<unsigned>(from[i + 2]);
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[group & 63] : '=';
    }
    return base64_size(from.size());
}

// `from` as base64, in a string of its own.
[[nodiscard]] inline std::string base64_encode(bytes_view from) {
    std::string text(base64_size(from.size()), '\0');
    base64_encode(from, text.data());
    return text;
}

namespace detail {

// The six bits that a character of the alphabet stands for; 64 for any other character.
constexpr unsigned base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return static_cast<unsigned>(c - 'A');
    if (c >= 'a' && c <= 'z') return static_cast<unsigned>(c - 'a') + 26;
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

} // namespace detail

// Decodes `from` into the front of `to` and gives the number of bytes written. Nothing if `from` is not canonical
// (a foreign character, missing or misplaced padding, bits set in what padding cuts off) or if `to` is too small;
// `to` may then have been written to.
[[nodiscard]] inline std::optional<std::size_t> base64_decode(std::string_view from, mutable_bytes to) noexcept {
    if (from.size() % 4 != 0) return std::nullopt;
    if (from.empty()) return 0;
    const std::size_t padding = from[from.size() - 1] != '=' ? 0 : from[from.size() - 2] != '=' ? 1 : 2;
    const std::size_t size = from.size() / 4 * 3 - padding;
    if (to.size() < size) return std::nullopt;

    const std::size_t digits = from.size() - padding;
    std::size_t written = 0;
    unsigned bits = 0; // what was read and not yet written, in the low bits
    for (std::size_t i = 0; i < digits; ++i) {
        const unsigned value = detail::base64_value(from[i]);
        if (value == 64) return std::nullopt;
        bits = bits << 6 | value;
        if (i % 4 != 0) to[written++] = static_cast<std::byte>(bits >> (6 - i % 4 * 2));
    }
    const unsigned cut_off = padding == 0 ? 0 : padding == 1 ? 3 : 15;
    if ((bits & cut_off) != 0) return std::nullopt;
    return size;
}

} // namespace weir::inline v0
