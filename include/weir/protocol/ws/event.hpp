// What a connection saw in the bytes of its peer.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/protocol/ws/close_code.hpp>
#include <weir/protocol/ws/opcode.hpp>

#include <cstdint>

namespace weir::inline v0::ws {

// Owns nothing. `payload` lies in the input that was given to `receive`, unmasked in place, or for a control frame that
// came in parts inside the connection; there it is valid until the next `receive`.
struct event {
    enum class kind : std::uint8_t {
        need_more, // the input is used up
        data,      // a piece of a message
        ping,      // to be answered by a pong with the same payload
        pong,
        close,     // the last event: what follows a close frame is discarded
        failed,    // the peer broke a rule, reported once: what follows is discarded
    };

    kind what = kind::need_more;
    opcode type = opcode::continuation;      // data: text or binary, that of the whole message; else the frame's
    bool first = false;                      // data: the message begins here
    bool last = false;                       // data: the message ends here
    std::uint8_t reserved_bits = 0;          // data: those of the message's first frame; RSV1 is 4
    close_code code = close_code::no_status; // close: the peer's, 1005 when there was none; failed: what to answer
    std::uint64_t frame_remaining = 0;       // data: bytes of this frame that have not been seen yet
    mutable_bytes payload = {};              // data, ping, pong: the bytes; close: the reason, which is UTF-8
};

} // namespace weir::inline v0::ws
