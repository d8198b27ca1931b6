// Which rule a peer broke: the code to close with and a sentence for the close frame and the log.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/errc.hpp>
#include <weir/protocol/ws/close_code.hpp>

#include <cstdint>
#include <string>

namespace weir::inline v0::ws {

struct violation {
    errc rule = {};           // errc{}: none
    std::uint64_t number = 0; // the offending opcode, bits, code or size, where there is one
    std::uint64_t limit = 0;  // the limit that was passed, where it was one

    explicit operator bool() const noexcept { return rule != errc{}; }

    // The code that the connection is to be closed with (RFC 6455, section 7.4.1).
    close_code code() const noexcept {
        switch (rule) {
        case errc::bad_utf8:
        case errc::bad_compression: return close_code::invalid_payload;
        case errc::frame_too_large:
        case errc::too_many_fragments:
        case errc::message_too_large: return close_code::message_too_big;
        default: return close_code::protocol_error;
        }
    }

    // Names the rule and the offending number. Never longer than the 123 bytes that a close frame can carry.
    [[gnu::cold]] std::string reason() const {
        const number_text figure(number), most(limit);
        const auto with_figure = [&](std::string_view before, std::string_view after) {
            return concat({before, figure, after});
        };
        switch (rule) {
        case errc::reserved_bits: {
            const char bits[] = {number & 4 ? '1' : '0', number & 2 ? '1' : '0', number & 1 ? '1' : '0', 0};
            return concat({"reserved bits ", bits, " set without an extension (RFC 6455 5.2)"});
        }
        case errc::reserved_opcode: return with_figure("reserved opcode ", " (RFC 6455 5.2)");
        case errc::fragmented_control: return with_figure("fragmented control frame, opcode ", " (RFC 6455 5.5)");
        case errc::long_control: return with_figure("control frame over 125 bytes, opcode ", " (RFC 6455 5.5)");
        case errc::long_length_form: return "payload length not in its shortest form (RFC 6455 5.2)";
        case errc::bad_length: return "payload length over 63 bits (RFC 6455 5.2)";
        case errc::mask_missing: return "unmasked frame from a client (RFC 6455 5.1)";
        case errc::mask_unexpected: return "masked frame from a server (RFC 6455 5.1)";
        case errc::unexpected_continuation: return "continuation frame with no message to continue (RFC 6455 5.4)";
        case errc::expected_continuation:
            return with_figure("new message, opcode ", ", inside a fragmented one (RFC 6455 5.4)");
        case errc::bad_utf8:
            return number == 8 ? "close reason is not valid UTF-8 (RFC 6455 5.5.1)"
                               : "text is not valid UTF-8 (RFC 6455 8.1)";
        case errc::bad_compression: return "message cannot be decompressed (RFC 7692 7.2.2)";
        case errc::bad_close_payload: return "close payload of 1 byte (RFC 6455 5.5.1)";
        case errc::bad_close_code: return with_figure("close code ", " may not be sent (RFC 6455 7.4)");
        case errc::frame_too_large: return concat({"frame of ", figure, " bytes over the limit of ", most});
        case errc::too_many_fragments: return concat({"message of more frames than the limit of ", most});
        case errc::message_too_large: return concat({"message of ", figure, " bytes over the limit of ", most});
        default: return {};
        }
    }
};

} // namespace weir::inline v0::ws
