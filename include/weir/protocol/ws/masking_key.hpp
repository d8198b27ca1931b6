// The four bytes that a client's payload is mixed with (RFC 6455, section 5.3).
//
// They must not be predictable by whoever chose the payload, so they come from the operating system's entropy; nothing
// in protocol/ makes any.
#pragma once

#include <weir/core/version.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace weir::inline v0::ws {

// In the order in which they stand on the wire.
struct masking_key {
    std::byte bytes[4] = {};

    friend constexpr bool operator==(const masking_key&, const masking_key&) noexcept = default;
};

// The key that fits the payload `phase` bytes further on.
constexpr masking_key rotated(masking_key key, std::uint64_t phase) noexcept {
    const auto word = std::bit_cast<std::uint32_t>(key);
    const int bits = static_cast<int>(phase & 3) * 8;
    return std::bit_cast<masking_key>(std::endian::native == std::endian::little ? std::rotr(word, bits)
                                                                                : std::rotl(word, bits));
}

} // namespace weir::inline v0::ws
