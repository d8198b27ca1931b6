// The opcodes of frames (RFC 6455, section 5.2 and 11.8). A frame from a peer may hold reserved values as well: 3-7 and
// 11-15.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>

namespace weir::inline v0::ws {

enum class opcode : std::uint8_t {
    continuation = 0, // goes on with the message under way
    text = 1,         // begins a message whose bytes are UTF-8
    binary = 2,       // begins a message of any bytes
    close = 8,
    ping = 9,
    pong = 10,
};

// Control frames may stand between the frames of a message; they are never fragmented and hold at most 125 bytes.
constexpr bool is_control(opcode type) noexcept { return (static_cast<std::uint8_t>(type) & 8) != 0; }

// Whether RFC 6455 leaves the opcode undefined; a frame with such an opcode fails the connection.
constexpr bool is_reserved(opcode type) noexcept {
    return (0x0707u >> (static_cast<std::uint8_t>(type) & 15) & 1) == 0;
}

// The longest payload of a control frame (RFC 6455, section 5.5).
inline constexpr unsigned max_control_bytes = 125;

} // namespace weir::inline v0::ws
