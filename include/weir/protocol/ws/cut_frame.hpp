// What a receiver keeps of a frame that its input has cut: the first bytes of a header or, since no header is cut while a control
// frame is, the block that the payload of that is gathered in. Every connection has one. Owns nothing: a block is owed to the pool.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>
#include <weir/protocol/ws/frame_header.hpp>

#include <cstdint>
#include <cstring>

namespace weir::inline v0::ws::detail {

class cut_frame {
public:
    bool empty() const noexcept { return x_held == 0; }

    // The header as far as it is there, where there is no block.
    bytes_view header() const noexcept { return {x_bytes, std::size_t(x_held)}; }
    void hold(bytes_view begun) noexcept {
        std::memcpy(x_bytes, begun.data(), begun.size());
        x_held = static_cast<std::uint8_t>(begun.size());
    }
    void add(std::byte next) noexcept { x_bytes[x_held++] = next; }
    void forget_header() noexcept { x_held = 0; }

    // The block, which takes the place of a header.
    bool holds_control() const noexcept { return x_held == is_control; }
    std::byte* control() const noexcept {
        std::byte* block;
        std::memcpy(&block, x_bytes, sizeof block);
        return block;
    }
    void hold_control(block_pool& from) noexcept {
        std::byte* const block = from.take(max_control_bytes).data;
        std::memcpy(x_bytes, &block, sizeof block);
        x_held = is_control;
    }
    void release_control(block_pool& to) noexcept {
        to.give({control(), block_pool::round_up(max_control_bytes)});
        x_held = 0;
    }

private:
    static constexpr std::uint8_t is_control = 255;

    std::byte x_bytes[frame_header::max_bytes];
    std::uint8_t x_held = 0; // bytes of a header, or `is_control`: an address is there instead
};

} // namespace weir::inline v0::ws::detail
