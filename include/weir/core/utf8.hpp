// UTF-8: an incremental validator, and cutting a text without cutting a character.
//
// The validator owns nothing, allocates nothing and takes text in pieces of any size, split anywhere. It follows
// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <weir/core/bytes.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::inline v0 {

namespace detail {

#if defined(__SSE2__)
// Without <emmintrin.h>: declaring all intrinsics takes more of g++'s memory than any header of weir.
using sixteen_chars = char __attribute__((vector_size(16)));

inline sixteen_chars load_sixteen(const unsigned char* from) noexcept {
    sixteen_chars loaded;
    std::memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

// The high bits of the sixteen, the first one's lowest.
inline unsigned high_bits(sixteen_chars of) noexcept {
    return static_cast<unsigned>(__builtin_ia32_pmovmskb128(of));
}
#endif

// The first byte of [at, end) that is not ASCII, or `end`.
inline const unsigned char* skip_ascii(const unsigned char* at, const unsigned char* end) noexcept {
#if defined(__SSE2__)
    while (end - at >= 64) {
        const sixteen_chars front = load_sixteen(at) | load_sixteen(at + 16);
        const sixteen_chars back = load_sixteen(at + 32) | load_sixteen(at + 48);
        if (high_bits(front | back) != 0) break;
        at += 64;
    }
    while (end - at >= 16) {
        const unsigned high = high_bits(load_sixteen(at));
        if (high != 0) return at + std::countr_zero(high);
        at += 16;
    }
#endif
    while (end - at >= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        if ((word & 0x8080808080808080u) != 0) break;
        at += 8;
    }
    if (end - at >= 4) {
        std::uint32_t word;
        std::memcpy(&word, at, sizeof word);
        if ((word & 0x80808080u) == 0) at += 4;
    }
    while (at != end && *at < 0x80) ++at;
    return at;
}

// The end of the character of several bytes that starts at `at`, where four bytes may be read; null if it is none.
inline const unsigned char* skip_long_character(const unsigned char* at) noexcept {
    const unsigned lead = at[0];
    const unsigned second = at[1] ^ 0x80u; // below 0x40 if it is a continuation byte
    if (lead < 0xE0) return lead >= 0xC2 && second < 0x40 ? at + 2 : nullptr;
    const unsigned third = at[2] ^ 0x80u;
    if (lead < 0xF0) {
        const unsigned top = (lead & 0x0F) << 1 | second >> 5; // the character's bits from 11 upwards
        return (second | third) < 0x40 && top != 0 && top != 0x1B ? at + 3 : nullptr; // overlong, surrogate
    }
    const unsigned fourth = at[3] ^ 0x80u;
    const unsigned plane = (lead & 0x0F) << 2 | second >> 4; // the character's bits from 16 upwards
    return (second | third | fourth) < 0x40 && plane >= 1 && plane <= 16 ? at + 4 : nullptr;
}

} // namespace detail

// Validates one text that arrives in pieces. Copyable; three bytes large.
class utf8_validator {
public:
    // Takes the next piece. False at the first byte that no valid text could have here, even inside an unfinished
    // character; from then on always false, until `reset`.
    [[nodiscard]] bool update(bytes_view more) noexcept {
        const auto* at = reinterpret_cast<const unsigned char*>(more.data());
        const auto* const end = at + more.size();
        while (x_missing != 0) { // the rest of a character that a piece before began
            if (at == end) return x_missing != failed;
            if (!step(*at++)) return false;
        }
        while (at != end) {
            if (*at < 0x80) {
                at = detail::skip_ascii(at, end);
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
        return true;
    }

    // Whether the text may end here: it was valid, and is not inside a character.
    [[nodiscard]] bool complete() const noexcept { return x_missing == 0; }

    // Starts a new text.
    void reset() noexcept { *this = utf8_validator(); }

private:
    static constexpr std::uint8_t failed = 0xFF; // as x_missing; x_low is then above x_high, so that no byte fits

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
