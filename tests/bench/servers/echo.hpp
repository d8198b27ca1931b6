// The least that an echo can be: frames are unmasked where they were received, their answers stand in front of them, and
// all that are complete leave by one call. Nothing is checked: no opcode but close, no length, no text, no masking bit.
//
// A frame of more than 16 KiB is put together in memory of its connection, since a message API has to show it whole; it
// is received to where it will stand, unmasked part by part, and sent from there. A connection with something unsent is
// not read from. Paths that begin with /room: what comes on one connection is sent to all of them.
#pragma once

#include "handshake.hpp"
#include "listening.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace bare {

inline constexpr std::size_t long_frame = 16 * 1024 + 14; // from here on it is put together
inline constexpr std::size_t cache_line = 64;
inline constexpr std::size_t received_at_once = 64 * 1024, part_of_long = 256 * 1024;

struct connection {
    int socket = -1;
    bool upgraded = false, in_room = false, over = false;
    char* kept = nullptr; // a frame of which a part has come
    std::size_t kept_bytes = 0, kept_capacity = 0;
    std::size_t long_bytes = 0, unmasked = 0; // of a long frame: all of it, and what is done of its payload
    char* unsent = nullptr;                   // a copy that is ours, or null
    const char* at = nullptr;                 // what has to be sent yet
    std::size_t left = 0;

    ~connection() {
        std::free(kept);
        std::free(unsent);
    }
};

inline std::vector<connection*> room; // its members

typedef unsigned char vector_of_16 __attribute__((vector_size(16), aligned(1), may_alias));

// `to` is `from` or before it. The key is that of the first byte.
inline void unmask(char* to, const char* from, std::size_t bytes, std::uint32_t key) {
    const std::uint64_t two = std::uint64_t{key} << 32 | key;
    typedef std::uint64_t pair __attribute__((vector_size(16)));
    const auto keys = reinterpret_cast<vector_of_16>(pair{two, two});
    const std::ptrdiff_t vectors = static_cast<std::ptrdiff_t>(bytes & ~std::size_t{15});
    to += vectors, from += vectors, bytes &= 15;
    for (std::ptrdiff_t i = -vectors; i != 0; i += 16) // up to zero: four instructions
        *reinterpret_cast<vector_of_16*>(to + i) = *reinterpret_cast<const vector_of_16*>(from + i) ^ keys;
    if (bytes >= 8) {
        std::uint64_t word;
        std::memcpy(&word, from, 8);
        word ^= two;
        std::memcpy(to, &word, 8);
        bytes -= 8, to += 8, from += 8;
    }
    if (bytes >= 4) {
        std::uint32_t word;
        std::memcpy(&word, from, 4);
        word ^= key;
        std::memcpy(to, &word, 4);
        bytes -= 4, to += 4, from += 4;
    }
    for (; bytes > 0; --bytes, key >>= 8) *to++ = static_cast<char>(*from++ ^ static_cast<char>(key));
}

struct header {
    std::size_t bytes = 0, payload = 0; // its own, the key included; zero: it is not complete
};

inline header parse(const char* at, std::size_t have) {
    if (have < 6) return {};
    const std::size_t length = at[1] & 0x7F;
    if (length < 126) return {6, length};
    if (length == 126) {
        std::uint16_t two;
        std::memcpy(&two, at + 2, 2);
        return have < 8 ? header{} : header{8, ntohs(two)};
    }
    std::uint64_t eight;
    if (have < 14) return {};
    std::memcpy(&eight, at + 2, 8);
    return {14, __builtin_bswap64(eight)};
}

// Turns the frame at `from` into its answer, four bytes shorter, at `to`; gives where that ends.
inline char* answer(char* to, const char* from, const header& of) {
    std::uint32_t key;
    std::memcpy(&key, from + of.bytes - 4, 4);
    const char first = from[0], length = static_cast<char>(from[1] & 0x7F);
    std::memmove(to + 2, from + 2, of.bytes - 6);
    to[0] = first;
    to[1] = length;
    unmask(to + of.bytes - 4, from + of.bytes, of.payload, key);
    return to + of.bytes - 4 + of.payload;
}

inline void keep(connection& one, const char* at, std::size_t bytes, std::size_t room_for) {
    if (one.kept_capacity < room_for) {
        // Before the old one, which `at` may be in. From a cache line on: 16 bytes behind a page, where what is large begins otherwise,
        // the kernel's copies of it take several times as long on some processors.
        char* const larger = static_cast<char*>(std::aligned_alloc(cache_line, (room_for + cache_line - 1) & ~(cache_line - 1)));
        std::memcpy(larger, at, bytes);
        std::free(std::exchange(one.kept, larger));
        one.kept_capacity = room_for;
    } else {
        std::memmove(one.kept, at, bytes);
    }
    one.kept_bytes = bytes;
}

// Answers the frames that are complete by `transmit(from, bytes)`, and keeps what is left.
template <class Transmit>
void answer_frames(connection& one, char* at, std::size_t bytes, Transmit transmit) {
    char* const end = at + bytes;
    char* const begin = at + 4; // the first answer's payload stays where it is
    char* to = begin;
    one.kept_bytes = 0;
    while (at != end) {
        const header of = parse(at, static_cast<std::size_t>(end - at));
        if (of.bytes == 0 || of.bytes + of.payload > static_cast<std::size_t>(end - at)) {
            one.long_bytes = of.bytes + of.payload > long_frame ? of.bytes + of.payload : 0;
            one.unmasked = 0;
            keep(one, at, static_cast<std::size_t>(end - at), std::max(one.long_bytes, long_frame));
            break;
        }
        one.over = one.over || (at[0] & 0x0F) == 8;
        to = answer(to, at, of);
        at += of.bytes + of.payload;
    }
    if (to != begin) transmit(begin, static_cast<std::size_t>(to - begin));
}

// More of a long frame has come to where it stands: unmasks it, and transmits it when it is complete.
template <class Transmit>
void answer_long_frame(connection& one, std::size_t came, Transmit transmit) {
    one.kept_bytes += came;
    const header of = parse(one.kept, one.kept_bytes);
    const bool complete = one.kept_bytes == one.long_bytes;
    std::uint32_t key;
    std::memcpy(&key, one.kept + of.bytes - 4, 4);
    const std::size_t until = complete ? of.payload : (one.kept_bytes - of.bytes) & ~std::size_t{15};
    char* const from = one.kept + of.bytes + one.unmasked;
    unmask(from, from, until - one.unmasked, key);
    one.unmasked = until;
    if (!complete) return;
    std::memmove(one.kept + 6, one.kept + 2, of.bytes - 6);
    one.kept[4] = one.kept[0];
    one.kept[5] = static_cast<char>(one.kept[1] & 0x7F);
    one.long_bytes = one.kept_bytes = 0;
    transmit(one.kept + 4, of.bytes - 4 + of.payload);
}

} // namespace bare
