// UTF-8: an incremental validator, and cutting a text without cutting a character.
//
// The validator owns nothing, allocates nothing and takes text in pieces of any size, split anywhere. It follows
// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/utf8_blocks.hpp>
#include <weir/core/vector.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::inline v0 {

namespace detail {

// Whether none of `size` bytes has its high bit. For short texts: gives up at the first 64 that do.
inline bool is_ascii(const unsigned char* at, std::size_t size) noexcept {
    const auto word = [](const unsigned char* from) {
        std::uint64_t loaded;
        std::memcpy(&loaded, from, sizeof loaded);
        return loaded;
    };
    const auto half_word = [](const unsigned char* from) {
        std::uint32_t loaded;
        std::memcpy(&loaded, from, sizeof loaded);
        return loaded;
    };
    if (size >= 16) {
        const unsigned char* const last = at + size - 16;
        for (; last - at >= 64; at += 64)
            if (any_high(load_16(at) | load_16(at + 16) | load_16(at + 32) | load_16(at + 48))) return false;
        lanes_16 all = load_16(last);
        for (; at < last; at += 16) all |= load_16(at);
        return !any_high(all);
    }
    if (size >= 8) return ((word(at) | word(at + size - 8)) & 0x8080808080808080u) == 0;
    if (size >= 4) return ((half_word(at) | half_word(at + size - 4)) & 0x80808080u) == 0;
    return size == 0 || (at[0] | at[size / 2] | at[size - 1]) < 0x80;
}

// The first byte of [at, end) that is not ASCII, or `end`.
inline const unsigned char* skip_ascii(const unsigned char* at, const unsigned char* end) noexcept {
    while (end - at >= 16 && !any_high(load_16(at))) at += 16;
    while (at != end && *at < 0x80) ++at;
    return at;
}

} // namespace detail

// Validates one text that arrives in pieces. Copyable; three bytes large. Long pieces are worked on in vectors
// (core/utf8_blocks.hpp), with the same result at every byte.
class utf8_validator {
public:
    // Takes the next piece. False at the first byte that no valid text could have here, even inside an unfinished
    // character; from then on always false, until `reset`.
    [[nodiscard]] bool update(bytes_view more) noexcept { return update(more, simd::vector_level::best); }

    // The same, with a given kind of code: for tests.
    [[nodiscard, gnu::noinline]] bool update(bytes_view more, simd::vector_level level) noexcept {
        const auto* const at = reinterpret_cast<const unsigned char*>(more.data());
        if (more.size() <= 256 && x_missing == 0 && level != simd::vector_level::scalar &&
            detail::is_ascii(at, more.size()))
            return true;
        return update_any(at, at + more.size(), level);
    }

    // Whether the text may end here: it was valid, and is not inside a character.
    [[nodiscard]] bool complete() const noexcept { return x_missing == 0; }

    // Starts a new text.
    void reset() noexcept { *this = utf8_validator(); }

private:
    static constexpr std::uint8_t failed = 0xFF; // as x_missing; x_low is then above x_high, so that no byte fits

    [[gnu::noinline]] bool update_any(const unsigned char* at, const unsigned char* end,
                                      simd::vector_level level) noexcept {
        while (x_missing != 0) { // the rest of a character that a piece before began
            if (at == end) return x_missing != failed;
            if (!step(*at++)) return false;
        }
        while (at != end) {
            const unsigned char* stop = end;
            if (level != simd::vector_level::scalar && end - at >= detail::least_block_text) {
                at = detail::skip_valid(at, end, level);
                if (end - at > 256) stop = at + 256; // what the vectors do not take, or the byte that is wrong
            }
            while (at < stop) {
                if (*at < 0x80) {
                    at = detail::skip_ascii(at, stop);
                } else if (end - at >= 4) {
                    at = detail::skip_long_character(at);
                    if (!at) return fail();
                } else if (!step(*at++)) {
                    return false;
                } else {
                    while (x_missing != 0 && at != end)
                        if (!step(*at++)) return false;
                }
            }
        }
        return true;
    }

    bool fail() noexcept {
        x_missing = failed;
        x_low = 1;
        x_high = 0;
        return false;
    }

    // Takes one byte that is not ASCII, or any byte inside a character.
    bool step(unsigned char byte) noexcept {
        if (x_missing != 0) {
            if (byte < x_low || byte > x_high) return fail();
            --x_missing;
            x_low = 0x80;
            x_high = 0xBF;
            return true;
        }
        // RFC 3629 section 4: the lead byte says how many bytes follow and narrows the range of the first of them.
        if (byte < 0xC2 || byte > 0xF4) return fail();
        x_missing = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
        x_low = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
        x_high = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
        return true;
    }

    std::uint8_t x_missing = 0; // bytes that the current character still lacks
    std::uint8_t x_low = 0x80;  // the range that the next of them must be in
    std::uint8_t x_high = 0xBF;
};

// Whether `text` is valid UTF-8 from beginning to end.
[[nodiscard]] inline bool is_utf8(bytes_view text) noexcept {
    utf8_validator validator;
    return validator.update(text) && validator.complete();
}

// The longest beginning of `text`, which is valid UTF-8, that has at most `most_bytes` bytes and ends between two
// characters. A view into `text`. Text that is not valid may come out shorter than necessary.
[[nodiscard]] inline std::string_view truncate_utf8(std::string_view text, std::size_t most_bytes) noexcept {
    if (text.size() <= most_bytes) return text;
    while (most_bytes > 0 && (static_cast<unsigned char>(text[most_bytes]) & 0xC0) == 0x80) --most_bytes;
    return text.substr(0, most_bytes);
}

} // namespace weir::inline v0
