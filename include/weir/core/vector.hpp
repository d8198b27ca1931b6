// Vectors of 16 and 32 bytes, and the few operations on them that weir's loops over payloads need.
//
// Without <immintrin.h> and <arm_neon.h>: declaring all intrinsics takes more of g++'s memory than any header of weir.
// The types are the compilers' own vectors, the named functions here hide which builtin does what; where there is none,
// plain vector expressions do it (16 bytes on any processor). Functions on 32 bytes need AVX2: they and whatever calls
// them carry the target attribute (a lambda in such a function would not have it), and only code that asked has_avx2()
// may call the outermost of them. Loads and stores take any alignment.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>
#include <cstring>

namespace weir::inline v0::simd {

// Which code works on a payload. All give the same results; tests compare them.
enum class vector_level : unsigned char { scalar, sixteen, thirty_two, best };

using lanes_16 = unsigned char __attribute__((vector_size(16)));

#if defined(__x86_64__) && !defined(__AVX2__)
// Asks the processor whether it has AVX2, and the operating system (XCR0) whether it saves these registers. By hand:
// __builtin_cpu_supports links a table of all processors into each program.
[[gnu::cold]] inline bool find_avx2() noexcept {
    const auto asked = [](std::uint32_t leaf, std::uint32_t (&a_to_d)[4]) noexcept {
        asm volatile("cpuid"
                     : "=a"(a_to_d[0]), "=b"(a_to_d[1]), "=c"(a_to_d[2]), "=d"(a_to_d[3])
                     : "a"(leaf), "c"(0));
    };
    constexpr std::uint32_t xsave_and_avx = 3u << 27;
    std::uint32_t found[4];
    asked(0, found);
    if (found[0] < 7) return false;
    asked(1, found);
    if ((found[2] & xsave_and_avx) != xsave_and_avx) return false;
    std::uint32_t saved, upper;
    asm volatile("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
    asked(7, found);
    return (saved & 6) == 6 && (found[1] & (1u << 5)) != 0;
}

inline const bool avx2_found = find_avx2(); // false for what runs before it is set: slower, and right
#endif

// Whether functions for 32 bytes may be called: settled when compiling, or by a load and a test.
inline bool has_avx2() noexcept {
#if defined(__AVX2__)
    return true;
#elif defined(__x86_64__)
    return avx2_found;
#else
    return false;
#endif
}

// The best level that runs here, for `best`; otherwise what was asked for.
inline vector_level settled(vector_level wanted) noexcept {
    if (wanted != vector_level::best) return wanted;
    return has_avx2() ? vector_level::thirty_two : vector_level::sixteen;
}

inline lanes_16 load_16(const void* from) noexcept {
    lanes_16 loaded;
    std::memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

inline void store_16(void* to, lanes_16 lanes) noexcept { std::memcpy(to, &lanes, sizeof lanes); }

// The same byte sixteen times.
inline lanes_16 all_16(unsigned char byte) noexcept { return lanes_16{} + byte; }

// Whether any byte has its highest bit.
inline bool any_high(lanes_16 of) noexcept {
#if defined(__SSE2__)
    using chars = char __attribute__((vector_size(16)));
    return __builtin_ia32_pmovmskb128(reinterpret_cast<chars>(of)) != 0;
#else
    using words = std::uint64_t __attribute__((vector_size(16)));
    const auto halves = reinterpret_cast<words>(of);
    return ((halves[0] | halves[1]) & 0x8080808080808080u) != 0;
#endif
}

#if defined(__x86_64__)
using lanes_32 = unsigned char __attribute__((vector_size(32)));
using chars_32 = char __attribute__((vector_size(32)));

[[gnu::target("avx2")]] inline lanes_32 load_32(const void* from) noexcept {
    lanes_32 loaded;
    std::memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

[[gnu::target("avx2")]] inline void store_32(void* to, lanes_32 lanes) noexcept {
    std::memcpy(to, &lanes, sizeof lanes);
}

[[gnu::target("avx2")]] inline lanes_32 all_32(unsigned char byte) noexcept { return lanes_32{} + byte; }

[[gnu::target("avx2")]] inline bool any_high(lanes_32 of) noexcept {
    return __builtin_ia32_pmovmskb256(reinterpret_cast<chars_32>(of)) != 0;
}

// The larger of each two bytes.
[[gnu::target("avx2")]] inline lanes_32 larger(lanes_32 a, lanes_32 b) noexcept {
#if defined(__clang__)
    return __builtin_elementwise_max(a, b);
#else
    return reinterpret_cast<lanes_32>(
        __builtin_ia32_pmaxub256(reinterpret_cast<chars_32>(a), reinterpret_cast<chars_32>(b)));
#endif
}

// The smaller of each two bytes.
[[gnu::target("avx2")]] inline lanes_32 smaller(lanes_32 a, lanes_32 b) noexcept {
#if defined(__clang__)
    return __builtin_elementwise_min(a, b);
#else
    return reinterpret_cast<lanes_32>(
        __builtin_ia32_pminub256(reinterpret_cast<chars_32>(a), reinterpret_cast<chars_32>(b)));
#endif
}

// The sum of each two bytes as signed numbers, at most 127 and at least -128.
[[gnu::target("avx2")]] inline lanes_32 add_clamped(lanes_32 a, lanes_32 b) noexcept {
#if defined(__has_builtin) && __has_builtin(__builtin_elementwise_add_sat)
    using signed_32 = signed char __attribute__((vector_size(32)));
    return reinterpret_cast<lanes_32>(
        __builtin_elementwise_add_sat(reinterpret_cast<signed_32>(a), reinterpret_cast<signed_32>(b)));
#else
    return reinterpret_cast<lanes_32>(
        __builtin_ia32_paddsb256(reinterpret_cast<chars_32>(a), reinterpret_cast<chars_32>(b)));
#endif
}

// The mean of each two bytes, rounded up: its high bit says whether their sum is 255 or more.
[[gnu::target("avx2")]] inline lanes_32 mean(lanes_32 a, lanes_32 b) noexcept {
    return reinterpret_cast<lanes_32>(
        __builtin_ia32_pavgb256(reinterpret_cast<chars_32>(a), reinterpret_cast<chars_32>(b)));
}

// For each byte of `at`, which is below 128, the one of the same half of `table` that its low four bits number.
[[gnu::target("avx2")]] inline lanes_32 looked_up(lanes_32 table, lanes_32 at) noexcept {
    return reinterpret_cast<lanes_32>(
        __builtin_ia32_pshufb256(reinterpret_cast<chars_32>(table), reinterpret_cast<chars_32>(at)));
}

[[gnu::target("avx2")]] inline lanes_32 high_halves(lanes_32 of) noexcept {
    using words = std::uint16_t __attribute__((vector_size(32)));
    return reinterpret_cast<lanes_32>(reinterpret_cast<words>(of) >> 4) & 0x0F;
}
#endif

} // namespace weir::inline v0::simd
