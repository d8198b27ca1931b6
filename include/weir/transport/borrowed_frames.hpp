// Frames whose payloads lie in memory that somebody promises to keep until they are written.
//
// In a block of the pool, and only as long as there are any.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>
#include <weir/protocol/ws/frame_header.hpp>

namespace weir::inline v0::detail {

struct borrowed_frames {
    static constexpr std::size_t most = 16;

    struct frame {
        const std::byte* data; // of the payload
        std::size_t size;
        std::size_t header_bytes;
        std::byte header[ws::frame_header::max_bytes];

        bytes_view payload() const noexcept { return {data, size}; }
        bytes_view head() const noexcept { return {header, header_bytes}; }
    };

    // Adds a message in frames of at most `frame_bytes`, not masked, for which there must be room.
    void add(ws::opcode type, bytes_view payload, std::size_t frame_bytes) noexcept {
        for (bool more = true; more; type = ws::opcode::continuation) {
            frame& one = frames[count++];
            one.data = payload.data();
            one.size = payload.size() < frame_bytes ? payload.size() : frame_bytes;
            payload = payload.subspan(one.size);
            more = !payload.empty();
            one.header_bytes = ws::encode({one.size, type, 0, !more, false, {}}, one.header);
            bytes += one.header_bytes + one.size;
        }
    }

    block held;            // that some of them lie in, or none
    std::size_t bytes = 0; // of all frames
    std::size_t count = 0;
    frame frames[most]; // as many as `count`
};
static_assert(sizeof(borrowed_frames) <= block_pool::smallest_bytes);

} // namespace weir::inline v0::detail
