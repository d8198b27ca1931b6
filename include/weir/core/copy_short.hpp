// Copies bytes that are most often few, without a call where they are: as many as four vectors hold, from one on.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/errc.hpp>
#include <weir/core/vector.hpp>

#include <cstring>

namespace weir::inline v0 {

// Copies `from` to `to`, which has room for it and does not overlap it.
[[gnu::always_inline]] inline void copy_short(std::byte* to, bytes_view from) noexcept {
    const std::byte* const begin = from.data();
    const std::size_t size = from.size();
#if defined(__AVX2__) // the level is not worth asking for
    constexpr std::size_t width = sizeof(simd::lanes_32);
    constexpr auto copy = [](std::byte* into, const std::byte* what) { simd::store_32(into, simd::load_32(what)); };
#else
    constexpr std::size_t width = sizeof(simd::lanes_16);
    constexpr auto copy = [](std::byte* into, const std::byte* what) { simd::store_16(into, simd::load_16(what)); };
#endif
    if (size - width <= 3 * width) { // from the front and from the end: two that overlap copy the same
        if (size > 2 * width) [[likely]] {
            copy(to + width, begin + width);
            copy(to + size - 2 * width, begin + size - 2 * width);
        }
        copy(to, begin);
        copy(to + size - width, begin + size - width);
    } else if (size > 0) {
        std::memcpy(to, begin, size);
    }
}

// The same, for who has nothing else to do and gives back that all went well: a function of its own, so that the caller's way
// needs no frame for the vectors.
[[gnu::noinline]] inline errc copied_short(std::byte* to, bytes_view from) noexcept {
    copy_short(to, from);
    return {};
}

} // namespace weir::inline v0
