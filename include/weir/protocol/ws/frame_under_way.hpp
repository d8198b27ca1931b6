// What a receiver knows of the frame under way, in sixteen bytes, since every connection has one: how much of it is still to come,
// and its masking key. While it is its header that the input has cut, the first bytes of that stand in the same place; and where the
// payload of a control frame comes in parts, the block that it is gathered in. Owns nothing: a block is owed to the pool.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>
#include <weir/protocol/ws/frame_header.hpp>
#include <weir/protocol/ws/opcode.hpp>

#include <cstdint>
#include <cstring>

namespace weir::inline v0::ws::detail {

class frame_under_way {
public:
    // --- the header ---

    // Whether there is nothing of a header, nor a block.
    bool empty() const noexcept { return x_held == 0; }

    // The header as far as it is there, where there is no block.
    bytes_view header() const noexcept { return {x_bytes, std::size_t(x_held)}; }
    void hold(bytes_view begun) noexcept {
        std::memcpy(x_bytes, begun.data(), begun.size());
        x_held = static_cast<std::uint8_t>(begun.size());
    }
    void add(std::byte next) noexcept { x_bytes[x_held++] = next; }
    void forget_header() noexcept { x_held = 0; }

    // --- a frame of data, or a number that stands there afterwards: there is nothing of a header, nor a block ---

    void begin(std::uint64_t payload_bytes, const masking_key& key) noexcept {
        put(0, payload_bytes);
        put(at_key, key);
    }
    std::uint64_t remaining() const noexcept { return get<std::uint64_t>(0); }
    void came(std::size_t bytes) noexcept { put(0, remaining() - bytes); }

    // Turned so that it fits the next byte; of a control frame, the first one.
    masking_key key() const noexcept { return get<masking_key>(at_key); }
    void set_key(const masking_key& key) noexcept { put(at_key, key); }

    // --- a control frame ---

    void begin_control(opcode type, std::uint64_t payload_bytes, const masking_key& key) noexcept {
        put(at_key, key);
        put(at_type, type);
        x_control_remaining = static_cast<std::uint8_t>(payload_bytes);
        x_bytes[at_gathered] = {};
    }
    opcode control_type() const noexcept { return get<opcode>(at_type); }
    std::size_t control_remaining() const noexcept { return x_control_remaining; }
    void control_came(std::size_t bytes) noexcept { x_control_remaining = static_cast<std::uint8_t>(x_control_remaining - bytes); }

    // The block, and what is in it.
    bool holds_control() const noexcept { return x_held == is_control; }
    void hold_control(block_pool& from) noexcept {
        put(0, from.take(max_control_bytes).data);
        x_held = is_control;
    }
    mutable_bytes gather(bytes_view more) noexcept {
        std::byte* const block = get<std::byte*>(0);
        const std::size_t had = std::to_integer<std::size_t>(x_bytes[at_gathered]);
        if (!more.empty()) std::memcpy(block + had, more.data(), more.size());
        x_bytes[at_gathered] = static_cast<std::byte>(had + more.size());
        return {block, had + more.size()};
    }
    void release_control(block_pool& to) noexcept {
        to.give({get<std::byte*>(0), block_pool::round_up(max_control_bytes)});
        x_held = 0;
        put(0, std::uint64_t{0});
    }

private:
    static constexpr std::uint8_t is_control = 255;
    static constexpr std::size_t at_key = 8, at_gathered = 12, at_type = 13; // behind what remains, or the block's address

    template <class T>
    T get(std::size_t at) const noexcept {
        T value;
        std::memcpy(&value, x_bytes + at, sizeof value);
        return value;
    }
    template <class T>
    void put(std::size_t at, const T& value) noexcept {
        std::memcpy(x_bytes + at, &value, sizeof value);
    }

    alignas(std::uint64_t) std::byte x_bytes[frame_header::max_bytes] = {};
    std::uint8_t x_held = 0; // bytes of a header, or `is_control`: a block's address is there instead
    std::uint8_t x_control_remaining = 0;
};

} // namespace weir::inline v0::ws::detail
