// Views of bytes, and integers in network byte order.
//
// weir passes bytes as spans of `std::byte` and text as `std::string_view`; neither owns anything. The functions
// here turn one into the other without a copy and read or write big-endian integers at any alignment.
#pragma once

#include <weir/core/version.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace weir::inline v0 {

// Bytes that may be read. Owns nothing: valid as long as what it was made from.
using bytes_view = std::span<const std::byte>;

// Bytes that may be read and written in place. Owns nothing.
using mutable_bytes = std::span<std::byte>;

// The bytes of a text, without a copy; valid as long as the text.
inline bytes_view as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Bytes seen as text, without a copy or a check; valid as long as the bytes.
inline std::string_view as_text(bytes_view bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Whether `which` begins in `all`.
inline bool lies_in(bytes_view which, bytes_view all) noexcept { // in front of it that is a huge number
    return reinterpret_cast<std::uintptr_t>(which.data()) - reinterpret_cast<std::uintptr_t>(all.data()) < all.size();
}

// Reads an unsigned integer in network byte order from `from`, which need not be aligned.
template <class Unsigned>
Unsigned load_big_endian(const std::byte* from) noexcept {
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
        value = static_cast<Unsigned>((static_cast<std::uint64_t>(value) << 8) | std::to_integer<std::uint64_t>(from[i]));
    return value;
}

// Writes an unsigned integer in network byte order to `to`, which need not be aligned.
template <class Unsigned>
void store_big_endian(std::byte* to, Unsigned value) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
        if constexpr (sizeof value == 2) value = __builtin_bswap16(value);
        if constexpr (sizeof value == 4) value = __builtin_bswap32(value);
        if constexpr (sizeof value == 8) value = __builtin_bswap64(value);
    }
    std::memcpy(to, &value, sizeof value);
}

} // namespace weir::inline v0
