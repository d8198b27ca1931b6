// Unmasks a piece of a text and checks it for UTF-8 (RFC 6455, sections 5.3 and 8.1).
//
// The same as apply_mask and then utf8_validator::update, which it is made of, but goes over the payload while it is in
// the nearest cache: ASCII is unmasked and looked at in one pass, other text is unmasked and then checked a part at a
// time. The whole payload is unmasked in any case where the result is true; after false its bytes are unspecified.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/utf8.hpp>
#include <weir/core/vector.hpp>
#include <weir/protocol/ws/masking.hpp>
#include <weir/protocol/ws/masking_key.hpp>

#include <cstddef>

namespace weir::inline v0::ws {

namespace detail {

// Unmasks at least 16 bytes, and says whether they are ASCII.
inline bool unmask_short(std::byte* text, std::size_t size, masking_key key) noexcept {
#if defined(__AVX2__)
    if (size >= 32) return !any_high(mask_each_32(text, text, size, key));
#endif
    return !any_high(mask_16(text, text, size, key));
}

[[gnu::noinline]] inline bool unmask_long_text(mutable_bytes piece, masking_key key, utf8_validator& text,
                                               vector_level level) noexcept {
    constexpr std::size_t part = 16384; // half of the nearest cache, where that is small
    std::size_t done = 0;
    std::size_t checked = 0;
#if defined(__x86_64__)
    if (text.complete() && settled(level) == vector_level::thirty_two) {
        const unmasked_ascii front = unmask_ascii_32(piece.data(), piece.size(), key); // whole keys
        done = front.done;
        checked = front.ascii;
    }
#endif
    while (checked != piece.size()) {
        const std::size_t left = piece.size() - done;
        const std::size_t size = left < part + part / 2 ? left : part;
        mask(piece.data() + done, piece.data() + done, size, key, level);
        done += size;
        if (!text.update(piece.subspan(checked, done - checked), level)) return false;
        checked = done;
    }
    return true;
}

} // namespace detail

// Takes the next piece of a text, masked with `key` from its first byte on, and unmasks it where it is. False as
// utf8_validator::update is: at the first byte that no valid text could have here.
[[nodiscard]] inline bool unmask_text(mutable_bytes piece, masking_key key, utf8_validator& text,
                                      simd::vector_level level = simd::vector_level::best) noexcept {
    if (piece.size() >= 256) return detail::unmask_long_text(piece, key, text, level);
    if (piece.size() >= 16 && level != simd::vector_level::scalar) {
        if (detail::unmask_short(piece.data(), piece.size(), key) && text.complete()) return true;
        return text.update(piece, level);
    }
    detail::mask(piece.data(), piece.data(), piece.size(), key, level);
    return text.update(piece, level);
}

// Unmasks a text that is there whole. Whether it is valid from beginning to end.
[[nodiscard]] inline bool unmask_text(mutable_bytes whole, masking_key key) noexcept {
    utf8_validator text;
    return unmask_text(whole, key, text) && text.complete();
}

} // namespace weir::inline v0::ws
