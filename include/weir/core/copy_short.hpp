// Copies bytes that are most often few, without a call where they are: as many as four vectors hold, from one on.
#pragma once

#include <weir/core/bytes.hpp>

#include <cstring>

namespace weir::inline v0 {

namespace detail {

#if defined(__AVX2__) // the level is not worth asking for
using copied_lanes = unsigned char __attribute__((vector_size(32)));
#else
using copied_lanes = unsigned char __attribute__((vector_size(16)));
#endif
struct [[gnu::packed, gnu::may_alias]] unaligned_lanes {
    copied_lanes all;
};

} // namespace detail

// Copies `from` to `to`, which has room for it and does not overlap it.
[[gnu::always_inline]] inline void copy_short(std::byte* to, bytes_view from) noexcept {
    const std::byte* const begin = from.data();
    const std::size_t size = from.size();
    constexpr std::size_t width = sizeof(detail::unaligned_lanes);
    constexpr auto copy = [](std::byte* into, const std::byte* what) {
        reinterpret_cast<detail::unaligned_lanes*>(into)->all = reinterpret_cast<const detail::unaligned_lanes*>(what)->all;
    };
    if (size - width <= 3 * width) { // from the front and from the end: two that overlap copy the same
        if (size > 2 * width) {
            copy(to + width, begin + width);
            copy(to + size - 2 * width, begin + size - 2 * width);
        }
        copy(to, begin);
        copy(to + size - width, begin + size - width);
    } else if (size > 0) {
        std::memcpy(to, begin, size);
    }
}

} // namespace weir::inline v0
