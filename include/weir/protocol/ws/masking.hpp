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
#include <weir/protocol/ws/masking_key.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weir::inline v0::ws {

namespace detail {

// The definition, a byte at a time: what the fast way is tested against.
inline void copy_masked_by_bytes(std::byte* to, bytes_view from, masking_key key, std::uint64_t phase) noexcept {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i] ^ key.bytes[(i + phase) & 3];
}

// 16 bytes that the compiler keeps in one vector register where there are such (SSE2, NEON).
using vector_16 = std::uint64_t __attribute__((vector_size(16)));

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

// `to` is `from` or does not overlap it.
inline void mask(std::byte* to, const std::byte* from, std::size_t size, masking_key key) noexcept {
    const auto key_4 = std::bit_cast<std::uint32_t>(key);
    const auto end_4 = std::bit_cast<std::uint32_t>(rotated(key, size)); // for a word that ends with the payload
    constexpr std::uint64_t twice = 0x1'0000'0001;
    const std::uint64_t key_8 = key_4 * twice;
    const std::uint64_t end_8 = end_4 * twice;
    if (size >= 16) {
        const vector_16 key_16 = {key_8, key_8};
        const vector_16 end_16 = {end_8, end_8};
        const std::size_t last = size - 16;
        const auto end = load_word<vector_16>(from + last);
        std::size_t i = 0;
        for (; i + 64 <= last; i += 64) {
            const auto a = load_word<vector_16>(from + i);
            const auto b = load_word<vector_16>(from + i + 16);
            const auto c = load_word<vector_16>(from + i + 32);
            const auto d = load_word<vector_16>(from + i + 48);
            store_word<vector_16>(to + i, a ^ key_16);
            store_word<vector_16>(to + i + 16, b ^ key_16);
            store_word<vector_16>(to + i + 32, c ^ key_16);
            store_word<vector_16>(to + i + 48, d ^ key_16);
        }
        for (; i < last; i += 16) store_word<vector_16>(to + i, load_word<vector_16>(from + i) ^ key_16);
        store_word<vector_16>(to + last, end ^ end_16);
    } else if (size >= 8) {
        mask_ends<std::uint64_t>(to, from, size, key_8, end_8);
    } else if (size >= 4) {
        mask_ends<std::uint32_t>(to, from, size, key_4, end_4);
    } else {
        for (std::size_t i = 0; i < size; ++i) to[i] = from[i] ^ key.bytes[i];
    }
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
