// UTF-8 by whole vectors: the fast part of the validator (core/utf8.hpp), which does the edges.
//
// Every function takes text that starts at a character's beginning and says how far it is certain that the text is
// valid; that place is again a character's beginning. It may stop early for any reason: the caller's scalar code decides
// what comes next. Nothing outside the text is read. Three ways, each for what the one before does not take:
//
//  1. ASCII: no byte has its high bit.
//  2. Characters of one and three bytes, which most texts of East Asia have only. Whether a byte must continue a
//     character is told by the larger of the two bytes before it; surrogates need one more test. Anything that begins
//     with C0 to E0 or F0 to FF is left to the third.
//  3. All of UTF-8 by three tables (J. Keiser, D. Lemire, "Validating UTF-8 in less than one instruction per byte",
//     2021): what can be wrong with two neighbouring bytes is a bit, a table gives the bits that half a byte allows, and
//     a bit that all three allow is an error. Only on 32 bytes.
//
// The bytes before are loaded from memory again, so no state goes from vector to vector, and the last vector may overlap
// the one before it.
#pragma once

#include <weir/core/vector.hpp>

#include <cstddef>
#include <cstdint>

namespace weir::inline v0::detail {

using namespace simd;

// The text must have so many bytes.
inline constexpr std::ptrdiff_t least_block_text = 64;

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

// Of valid text that was cut at `end`, where its last whole character ends. Three bytes before `end` may be read.
inline const unsigned char* whole_characters(const unsigned char* end) noexcept {
    if (end[-1] < 0x80) return end;
    if (end[-1] >= 0xC0) return end - 1;
    if (end[-2] >= 0xE0) return end - 2;
    return end[-3] >= 0xF0 ? end - 3 : end;
}

// At least three bytes of whole characters from `at` on, or null if they are broken. Reads six bytes at the most.
inline const unsigned char* skip_three_bytes(const unsigned char* at) noexcept {
    const unsigned char* const begin = at;
    while (at && at - begin < 3) at = *at < 0x80 ? at + 1 : skip_long_character(at);
    return at;
}

// The second way, a vector at a time. Continuation bytes plus 0x40, as signed numbers that do not wrap, are the only ones
// below zero, and lead bytes those from 0 to 0x3F.
struct three_byte_check_16 {
    lanes_16 structure = {};      // high bit: a byte continues a character and must not, or must and does not
    lanes_16 surrogate = {};      // bit 5: above ED
    lanes_16 lowest = all_16(255); // of the shifted bytes
    lanes_16 highest = {};        // of the bytes before

    void add(const unsigned char* at) noexcept {
        const lanes_16 before = load_16(at - 1);
        const lanes_16 second_before = load_16(at - 2);
        const lanes_16 text = load_16(at);
        const lanes_16 lead = reinterpret_cast<lanes_16>(before > second_before);
        const lanes_16 larger = (before & lead) | (second_before & ~lead);
        const lanes_16 continuing = reinterpret_cast<lanes_16>((text & 0xC0) == 0x80);
        const lanes_16 shifted = (text + 0x40) | reinterpret_cast<lanes_16>(text < 0x80);
        structure |= reinterpret_cast<lanes_16>(larger >= 0xE0) ^ continuing;
        surrogate |= reinterpret_cast<lanes_16>(before == 0xED) & text;
        const lanes_16 lower = reinterpret_cast<lanes_16>(shifted < lowest);
        lowest = (shifted & lower) | (lowest & ~lower);
        const lanes_16 higher = reinterpret_cast<lanes_16>(larger > highest);
        highest = (larger & higher) | (highest & ~higher);
    }

    bool good() const noexcept {
        return !any_high(structure | surrogate << 2 | reinterpret_cast<lanes_16>(lowest < 0x21) |
                         reinterpret_cast<lanes_16>(highest >= 0xF0));
    }
};

inline const unsigned char* skip_valid_16(const unsigned char* at, const unsigned char* end) noexcept {
    const unsigned char* const begin = at;
    while (at != end) {
        while (end - at >= 64 &&
               !any_high(load_16(at) | load_16(at + 16) | load_16(at + 32) | load_16(at + 48)))
            at += 64;
        if (at - begin < 3) {
            const unsigned char* const next = skip_three_bytes(at);
            if (!next) break;
            at = next;
        }
        three_byte_check_16 check;
        const unsigned char* const stop = end - at >= 64 ? at + 64 : end;
        const unsigned char* next = at;
        for (; stop - next >= 16; next += 16) check.add(next);
        if (next != stop) check.add(stop - 16);
        if (!check.good()) break;
        at = whole_characters(stop);
        if (stop == end) break;
    }
    return at;
}

#if defined(__x86_64__)

struct three_byte_check_32 {
    lanes_32 structure;
    lanes_32 surrogate;
    lanes_32 lowest;
    lanes_32 highest;

    [[gnu::target("avx2")]] three_byte_check_32() noexcept
        : structure(all_32(0)), surrogate(all_32(0)), lowest(all_32(255)), highest(all_32(0)) {}

    [[gnu::target("avx2"), gnu::always_inline]] inline void add(const unsigned char* at) noexcept {
        const lanes_32 before = load_32(at - 1);
        const lanes_32 larger_before = larger(before, load_32(at - 2));
        const lanes_32 shifted = add_clamped(load_32(at), all_32(0x40));
        structure |= mean(larger_before, all_32(0x1F)) ^ shifted; // from E0 on the mean has the high bit
        surrogate |= reinterpret_cast<lanes_32>(before == all_32(0xED)) & shifted;
        lowest = smaller(lowest, shifted);
        highest = larger(highest, larger_before);
    }

    [[gnu::target("avx2")]] bool good() const noexcept {
        return !any_high(structure | surrogate << 2 | reinterpret_cast<lanes_32>(lowest < 0x21) |
                         reinterpret_cast<lanes_32>(highest >= 0xF0));
    }
};

// What can be wrong with a byte and the one before it: which halves they have then, a bit for each of the sixteen.
struct pair_error {
    unsigned high, low; // of the first
    unsigned next_high; // of the second
};
inline constexpr pair_error pair_errors[8] = {
    {0xF000, 0xFFFF, 0xF0FF}, // a lead byte, and nothing that continues it
    {0x00FF, 0xFFFF, 0x0F00}, // ASCII continued
    {0x1000, 0x0003, 0x0F00}, // C0, C1: overlong
    {0x4000, 0x0001, 0x0300}, // E0 80 to E0 9F: overlong
    {0x4000, 0x2000, 0x0C00}, // ED A0 to ED BF: a surrogate
    {0x8000, 0xFFF0, 0x0E00}, // F4 90 and up: too large
    {0x8000, 0xFFE1, 0x0100}, // F0 80 to F0 8F: overlong; F5 80 and up: too large
    {0x0F00, 0xFFFF, 0x0F00}, // two that continue: right when a longer character began before them; last for its high bit
};

struct pair_tables {
    unsigned char high[32] = {}, low[32] = {}, next_high[32] = {};

    constexpr pair_tables() {
        for (unsigned i = 0; i < 32; ++i) {
            for (unsigned error = 0; error < 8; ++error) {
                const unsigned half = i & 15;
                high[i] |= static_cast<unsigned char>((pair_errors[error].high >> half & 1) << error);
                low[i] |= static_cast<unsigned char>((pair_errors[error].low >> half & 1) << error);
                next_high[i] |= static_cast<unsigned char>((pair_errors[error].next_high >> half & 1) << error);
            }
        }
    }
};
inline constexpr pair_tables pair_table;

struct table_check_32 {
    lanes_32 error;

    [[gnu::target("avx2")]] table_check_32() noexcept : error(all_32(0)) {}

    [[gnu::target("avx2"), gnu::always_inline]] inline void add(const unsigned char* at) noexcept {
        const lanes_32 before = load_32(at - 1);
        const lanes_32 pair = looked_up(load_32(pair_table.high), high_halves(before)) &
                              looked_up(load_32(pair_table.low), before & 0x0F) &
                              looked_up(load_32(pair_table.next_high), high_halves(load_32(at)));
        // E0 or more two bytes before, F0 or more three bytes before: then the pair continues, and not else.
        const lanes_32 longer = mean(load_32(at - 2), all_32(0x1F)) | mean(load_32(at - 3), all_32(0x0F));
        error |= pair ^ (longer & 0x80);
        __asm__("" : "+x"(error)); // keeps g++ from gathering all ors at the end, with what they join in memory
    }

    [[gnu::target("avx2")]] bool good() const noexcept {
        return !any_high(reinterpret_cast<lanes_32>(error != all_32(0)));
    }
};

// Whether [at, stop) passes; at least 32 bytes end at `stop`, and three more are before each vector.
template <class Check>
[[gnu::target("avx2")]] bool passes(const unsigned char* at, const unsigned char* stop) noexcept {
    Check check;
    for (; stop - at >= 256; at += 256) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) check.add(at + 32 * i);
    }
    while (at != stop) {
        if (stop - at < 32) at = stop - 32;
        check.add(at);
        at += 32;
    }
    return check.good();
}

[[gnu::target("avx2"), gnu::noinline]] inline const unsigned char* skip_valid_32(const unsigned char* at,
                                                                               const unsigned char* end) noexcept {
    const unsigned char* const begin = at;
    std::ptrdiff_t step = 256; // grows while nothing is ASCII only
    bool three_bytes_only = true;
    while (at != end) {
        for (; end - at >= 128; at += 128) {
            if (any_high(load_32(at) | load_32(at + 32) | load_32(at + 64) | load_32(at + 96))) break;
            step = 256;
        }
        if (at - begin < 3) {
            const unsigned char* const next = skip_three_bytes(at);
            if (!next) break;
            at = next;
        }
        const unsigned char* const stop = end - at > step ? at + step : end;
        if (!three_bytes_only || !passes<three_byte_check_32>(at, stop)) {
            if (!passes<table_check_32>(at, stop)) break;
            three_bytes_only = false;
        }
        at = whole_characters(stop);
        if (stop == end) break;
        if (step < 16384) step *= 4;
    }
    return at;
}
#endif

// How far [at, end) is certain to be valid. The level is not `scalar`, and there are `least_block_text` bytes.
inline const unsigned char* skip_valid(const unsigned char* at, const unsigned char* end, vector_level level) noexcept {
#if defined(__x86_64__)
    if (settled(level) == vector_level::thirty_two) return skip_valid_32(at, end);
#endif
    static_cast<void>(level);
    return skip_valid_16(at, end);
}

} // namespace weir::inline v0::detail
