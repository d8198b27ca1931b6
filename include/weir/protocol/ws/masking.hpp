// Mixes a payload with its masking key (RFC 6455, section 5.3); doing it twice gives the payload back.
//
// Any size and alignment; nothing outside the given bytes is read or written. `phase` is how many bytes of the payload
// came before, for payloads that are worked on in pieces.
//
// Sizes from 4 on have no loop over single bytes: the last word is loaded before the loop writes anything, and written
// last, over bytes that the loop may already have written the same way. So every load sees the original bytes, also in
// place.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/vector.hpp>
#include <weir/protocol/ws/masking_key.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weir::inline v0::ws {

namespace detail {

using namespace simd;

// The definition, a byte at a time: what the fast way is tested against.
inline void copy_masked_by_bytes(std::byte* to, bytes_view from, masking_key key, std::uint64_t phase) noexcept {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i] ^ key.bytes[(i + phase) & 3];
}

template <class Word>
Word load_word(const std::byte* from) noexcept {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

template <class Word>
void store_word(std::byte* to, Word word) noexcept {
    std::memcpy(to, &word, sizeof word);
}

// `size` bytes, at least one Word and at most two.
template <class Word>
void mask_ends(std::byte* to, const std::byte* from, std::size_t size, Word key, Word end_key) noexcept {
    const auto begin = load_word<Word>(from);
    const auto end = load_word<Word>(from + size - sizeof(Word));
    store_word<Word>(to, begin ^ key);
    store_word<Word>(to + size - sizeof(Word), end ^ end_key);
}

// The key as often as it fits; on 16 and 32 bytes.
inline lanes_16 repeated_16(masking_key key) noexcept {
    const auto word = std::bit_cast<std::uint32_t>(key);
    using words = std::uint32_t __attribute__((vector_size(16)));
    return reinterpret_cast<lanes_16>(words{} + word);
}

// From 16 bytes on. `to` is `from` or does not overlap it. Returns what was written, or-ed together.
inline lanes_16 mask_16(std::byte* to, const std::byte* from, std::size_t size, masking_key key) noexcept {
    const lanes_16 keys = repeated_16(key);
    const std::size_t last = size - 16;
    const lanes_16 end = load_16(from + last) ^ repeated_16(rotated(key, last));
    std::size_t i = 0;
    lanes_16 all = end;
    for (; i < last; i += 16) {
        const lanes_16 next = load_16(from + i) ^ keys;
        store_16(to + i, next);
        all |= next;
    }
    store_16(to + last, end);
    return all;
}

// From 16 bytes to 32, where it is: a vector from the front and one from the end, which may overlap.
inline void unmask_up_to_32(std::byte* payload, std::size_t size, masking_key key) noexcept {
    std::byte* const end = payload + size - 16;
    const lanes_16 first = load_16(payload) ^ repeated_16(key), last = load_16(end) ^ repeated_16(rotated(key, size));
    store_16(payload, first);
    store_16(end, last);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] inline lanes_32 repeated_32(masking_key key) noexcept {
    const auto word = std::bit_cast<std::uint32_t>(key);
    using words = std::uint32_t __attribute__((vector_size(32)));
    return reinterpret_cast<lanes_32>(words{} + word);
}

// Eight vectors. Returns what was written, or-ed together.
[[gnu::target("avx2"), gnu::always_inline]] inline lanes_32 mask_eight(std::byte* to, const std::byte* from,
                                                                     lanes_32 keys) noexcept {
    lanes_32 all = all_32(0);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        const lanes_32 next = load_32(from + 32 * i) ^ keys;
        store_32(to + 32 * i, next);
        all |= next;
    }
    return all;
}

// From 32 bytes on, as mask_16.
[[gnu::target("avx2"), gnu::always_inline]] inline lanes_32 mask_each_32(std::byte* to, const std::byte* from,
                                                                       std::size_t size, masking_key key) noexcept {
    const lanes_32 keys = repeated_32(key);
    const std::size_t last = size - 32;
    const lanes_32 end = load_32(from + last) ^ repeated_32(rotated(key, last));
    std::size_t i = 0;
    lanes_32 all = end;
    for (; i + 256 <= last; i += 256) all |= mask_eight(to + i, from + i, keys);
    for (; i < last; i += 32) {
        const lanes_32 next = load_32(from + i) ^ keys;
        store_32(to + i, next);
        all |= next;
    }
    store_32(to + last, end);
    return all;
}

[[gnu::target("avx2"), gnu::noinline]] inline void mask_32(std::byte* to, const std::byte* from, std::size_t size,
                                                          masking_key key) noexcept {
    mask_each_32(to, from, size, key);
}

// From 32 bytes to 128, where it is, without a loop: vectors from the front and from the end, which may overlap.
[[gnu::target("avx2")]] inline void unmask_up_to_128(std::byte* payload, std::size_t size, masking_key key) noexcept {
    const lanes_32 keys = repeated_32(key), end_keys = repeated_32(rotated(key, size));
    std::byte* const end = payload + size;
    const lanes_32 first = load_32(payload) ^ keys, last = load_32(end - 32) ^ end_keys;
    if (size > 64) [[likely]] {
        const lanes_32 second = load_32(payload + 32) ^ keys, before = load_32(end - 64) ^ end_keys;
        store_32(payload + 32, second);
        store_32(end - 64, before);
    }
    store_32(payload, first);
    store_32(end - 32, last);
}

// How much was unmasked, and how much of that, from the front, is certain to be ASCII.
struct unmasked_ascii {
    std::size_t done, ascii;
};

// Unmasks until something is not ASCII, or too little is left.
[[gnu::target("avx2"), gnu::noinline]] inline unmasked_ascii unmask_ascii_32(std::byte* text, std::size_t size,
                                                                           masking_key key) noexcept {
    const lanes_32 keys = repeated_32(key);
    std::size_t i = 0;
    for (; size - i >= 256; i += 256)
        if (any_high(mask_eight(text + i, text + i, keys))) return {i + 256, i};
    return {i, i};
}
#endif

// Below, the level is not worth asking for.
#if defined(__AVX2__)
inline constexpr std::size_t least_dispatched_mask = 32;
#else
inline constexpr std::size_t least_dispatched_mask = 128;
#endif

// `to` is `from` or does not overlap it.
inline void mask(std::byte* to, const std::byte* from, std::size_t size, masking_key key,
                 vector_level level = vector_level::best) noexcept {
    if (level == vector_level::scalar) return copy_masked_by_bytes(to, {from, size}, key, 0);
    if (size >= 16) {
#if defined(__x86_64__)
        if (size >= least_dispatched_mask && settled(level) == vector_level::thirty_two)
            return mask_32(to, from, size, key);
#endif
        mask_16(to, from, size, key);
        return;
    }
    const auto key_4 = std::bit_cast<std::uint32_t>(key);
    const auto end_4 = std::bit_cast<std::uint32_t>(rotated(key, size)); // for a word that ends with the payload
    if (size >= 8) {
        constexpr std::uint64_t twice = 0x1'0000'0001;
        mask_ends<std::uint64_t>(to, from, size, key_4 * twice, end_4 * twice);
    } else if (size >= 4) {
        mask_ends<std::uint32_t>(to, from, size, key_4, end_4);
    } else {
        for (std::size_t i = 0; i < size; ++i) to[i] = from[i] ^ key.bytes[i];
    }
}

// Unmasks a payload where it is, with the key that stands in front of it, and says so: for callers who have nothing else to do.
[[gnu::noinline]] inline bool unmask_behind_key(std::byte* payload, std::size_t size) noexcept {
    const auto key = load_word<masking_key>(payload - sizeof(masking_key));
#if defined(__AVX2__)
    if (size >= 32 && size <= 128) [[likely]] return unmask_up_to_128(payload, size, key), true;
#endif
    if (size >= 16 && size <= 32) return unmask_up_to_32(payload, size, key), true;
    mask(payload, payload, size, key);
    return true;
}

} // namespace detail

// Masks or unmasks `payload` where it is.
inline void apply_mask(mutable_bytes payload, masking_key key, std::uint64_t phase = 0) noexcept {
    detail::mask(payload.data(), payload.data(), payload.size(), rotated(key, phase));
}

// Writes the masked `from` to `to`, which has room for as many bytes and does not overlap it.
inline void copy_masked(std::byte* to, bytes_view from, masking_key key, std::uint64_t phase = 0) noexcept {
    detail::mask(to, from.data(), from.size(), rotated(key, phase));
}

} // namespace weir::inline v0::ws
