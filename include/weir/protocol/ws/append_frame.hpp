// A whole frame, header and payload, appended to a buffer (RFC 6455, section 5.2).
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/bytes.hpp>
#include <weir/protocol/ws/frame_header.hpp>
#include <weir/protocol/ws/masking.hpp>

#include <cstring>

namespace weir::inline v0::ws {

// Appends the frame, its payload masked if the header says so, of which `header.payload_bytes` is the size. False, and
// nothing appended, when `out` would grow over its bound.
[[nodiscard]] inline bool append_frame(buffer& out, const frame_header& header, bytes_view payload) noexcept {
    const std::size_t size = encoded_bytes(header) + payload.size();
    std::byte* to = out.prepare(size);
    if (!to) return false;
    to += encode(header, to);
    if (header.masked)
        copy_masked(to, payload, header.key);
    else if (!payload.empty())
        std::memcpy(to, payload.data(), payload.size());
    out.commit(size);
    return true;
}

} // namespace weir::inline v0::ws
