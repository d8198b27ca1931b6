// The sending half of a connection: frames out (RFC 6455, sections 5 and 7). For both halves see
// protocol/ws/connection.hpp.
//
// Keeps nothing but what may be sent next: bytes go to the caller's buffer. Not synchronized.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/errc.hpp>
#include <weir/core/utf8.hpp>
#include <weir/protocol/ws/append_frame.hpp>
#include <weir/protocol/ws/close_code.hpp>
#include <weir/protocol/ws/frame_header.hpp>
#include <weir/protocol/ws/opcode.hpp>
#include <weir/protocol/ws/role.hpp>

#include <cassert>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::inline v0::ws {

// Each function appends one frame to `out`, whole or not at all, and returns errc{}, or `closed` after a close
// frame, or `buffer_full` when `out` would grow over its bound. A client masks with `key`, which must be a new
// unpredictable one each time; a server ignores it.
class sender {
public:
    explicit sender(ws::role side) noexcept : x_role(side) {}

    ws::role role() const noexcept { return x_role; }

    // Whether a frame of this type may be sent now: errc{}, or what `encode_frame` would say.
    [[nodiscard]] errc may_send(opcode type) const noexcept {
        if (x_close_sent) return errc::closed;
        return sending_message() && type != x_sending ? errc::send_out_of_order : errc{};
    }

    // A frame of a text or binary message. While a message is under way (the last frame was not `last`), it continues
    // that message, and a `type` other than the message's is `send_out_of_order`. Text must be UTF-8: it is not
    // checked. `reserved_bits` go with the first frame of a message, when an extension was agreed upon.
    [[nodiscard]] errc encode_frame(buffer& out, opcode type, bytes_view payload, bool last, masking_key key = {},
                                    std::uint8_t reserved_bits = 0) noexcept {
        assert(type == opcode::text || type == opcode::binary);
        if (const errc refused = may_send(type); refused != errc{}) return refused;
        const frame_header header = next_header(type, payload.size(), last, key, reserved_bits);
        if (!append_frame(out, header, payload)) return errc::buffer_full;
        x_sending = last ? opcode::continuation : type;
        return {};
    }

    // The same for a payload that is written from the caller's memory: only the header, to `to`, which has room for
    // `frame_header::max_bytes`. Returns its size. The caller masks the payload. What `encode_frame` refuses is misuse
    // here.
    std::size_t encode_frame_header(std::byte* to, opcode type, std::uint64_t payload_bytes, bool last,
                                    masking_key key = {}, std::uint8_t reserved_bits = 0) noexcept {
        assert(type == opcode::text || type == opcode::binary);
        assert(may_send(type) == errc{});
        const frame_header header = next_header(type, payload_bytes, last, key, reserved_bits);
        x_sending = last ? opcode::continuation : type;
        return encode(header, to);
    }

    // A ping or pong with at most 125 bytes of payload; may stand between the frames of a message.
    [[nodiscard]] errc encode_control(buffer& out, opcode type, bytes_view payload, masking_key key = {}) noexcept {
        assert(type == opcode::ping || type == opcode::pong);
        assert(payload.size() <= max_control_bytes);
        if (x_close_sent) return errc::closed;
        const frame_header header{payload.size(), type, 0, true, x_role == ws::role::client, key};
        return append_frame(out, header, payload) ? errc{} : errc::buffer_full;
    }

    // The close frame, once; nothing can be sent after it. 1005 (no_status) sends an empty payload, without `reason`. A
    // reason of more than 123 bytes is cut between two characters; one that is not UTF-8 is left out.
    [[gnu::cold]] [[nodiscard]] errc encode_close(buffer& out, close_code code, std::string_view reason,
                                    masking_key key = {}) noexcept {
        assert(code == close_code::no_status || may_be_sent(code));
        if (x_close_sent) return errc::closed;
        std::byte payload[max_control_bytes];
        std::size_t size = 0;
        if (code != close_code::no_status) {
            store_big_endian(payload, static_cast<std::uint16_t>(code));
            size = 2;
            const std::string_view text = truncate_utf8(reason, sizeof payload - size);
            if (!text.empty() && is_utf8(as_bytes(text))) {
                std::memcpy(payload + size, text.data(), text.size());
                size += text.size();
            }
        }
        const frame_header header{size, opcode::close, 0, true, x_role == ws::role::client, key};
        if (!append_frame(out, header, {payload, size})) return errc::buffer_full;
        x_close_sent = true;
        return {};
    }

    bool close_sent() const noexcept { return x_close_sent; }

    // Whether a fragmented message is under way outwards.
    bool sending_message() const noexcept { return x_sending != opcode::continuation; }

private:
    frame_header next_header(opcode type, std::uint64_t size, bool last, masking_key key,
                             std::uint8_t bits) const noexcept {
        const bool continues = sending_message();
        return {size, continues ? opcode::continuation : type, continues ? std::uint8_t{} : bits, last,
                x_role == ws::role::client, key};
    }

    ws::role x_role;
    bool x_close_sent = false;
    opcode x_sending = opcode::continuation; // the message under way; continuation: none
};

} // namespace weir::inline v0::ws
