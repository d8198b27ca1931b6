// The WebSocket protocol after the handshake, for both roles: bytes in, events and bytes out (RFC 6455, 5 to 8).
//
// Does no I/O. The caller reads bytes from wherever they come, calls `receive` until it says need_more, and writes out
// what the encode functions appended. One thread at a time; the block pool must outlive the connection. What a peer
// sends is answered by events, never by an exception, an assert or an allocation of more than one small block.
//
// Rules for maintainers:
//  - Receiving is one machine of four stages: header -> data or control -> header, and done after a close or a failure;
//    bad_text is where the short cut leaves the failure of a text to it.
//  - It knows its role in two places: what the mask bit must be, and whether there is something to unmask.
//  - receive_whole is a short cut past the machine and must give what that would give; the tests compare the two.
//    x_between says that the machine stands where it applies, and is set where the machine is left.
//  - A header that the input cuts is gathered in x_frame byte by byte, and every byte is checked before the next one
//    is wanted: what is wrong fails at the byte that decides it. Cut and whole headers go through the same checks.
//  - Events do not depend on how the input was cut, but for the places where pieces begin and end (and so for how much
//    of a broken text was handed out before it turned out to be broken).
//  - Receiving and sending (protocol/ws/sender.hpp) share nothing but the role: the connection answers no ping and no
//    close by itself.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/errc.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/core/utf8.hpp>
#include <weir/protocol/ws/close_code.hpp>
#include <weir/protocol/ws/event.hpp>
#include <weir/protocol/ws/frame_header.hpp>
#include <weir/protocol/ws/frame_under_way.hpp>
#include <weir/protocol/ws/limits.hpp>
#include <weir/protocol/ws/masking.hpp>
#include <weir/protocol/ws/opcode.hpp>
#include <weir/protocol/ws/role.hpp>
#include <weir/protocol/ws/sender.hpp>
#include <weir/protocol/ws/unmask_text.hpp>
#include <weir/protocol/ws/violation.hpp>

#include <cstdint>
#include <cstring>
#include <string>

namespace weir::inline v0::ws {

class connection : public sender {
public:
    connection(ws::role side, block_pool& pool, const limits& bounds = {}) noexcept
        : sender(side), x_mask_bit(side == ws::role::server ? 0x80 : 0), x_between(bounds.message_fragments > 0), x_pool(&pool),
          x_frame_limit(bounds.frame_bytes), x_fragment_limit(bounds.message_fragments) {}
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() {
        if (x_frame.holds_control()) x_frame.release_control(*x_pool);
    }

    block_pool& pool() const noexcept { return *x_pool; }

    // Lets the first frame of a message carry these reserved bits (RSV1 is 4): an extension was agreed upon that
    // defines them. Text of such a message is not checked for UTF-8, since the extension has to decode it first.
    void allow_reserved_bits(std::uint8_t bits) noexcept { x_allowed_bits = bits; }

    // Parses from the front of `input`, which it advances past what it used, and returns the first thing found there.
    // need_more comes only when `input` is used up; an incomplete header is kept inside.
    //
    // Data comes in pieces: one for each contiguous part of a frame. An empty frame that begins or ends a message gives
    // an empty piece; other empty frames give nothing. Payloads are unmasked in place, so `input` must not be parsed
    // twice.
    [[nodiscard, gnu::noinline]] event receive(mutable_bytes& input) noexcept {
        event seen;
        if (!input.empty() && receive_whole(input, x_frame_limit, seen.payload, seen.type)) {
            seen.what = event::kind::data;
            seen.first = seen.last = true;
            return seen;
        }
        if (x_frame.holds_control() && x_stage != stage::control) x_frame.release_control(*x_pool); // what the last event pointed at
        seen = step(input);
        x_between = x_stage == stage::header && x_frame.empty() && x_message == opcode::continuation && x_fragment_limit;
        return seen;
    }

    // The short way for the most frequent case: takes a message of one frame, of at most `most_bytes` (and no more than
    // the limit for frames), that stands whole at the front of `input` and is right in everything. False: `receive` will
    // judge. There must be some input.
    [[nodiscard, gnu::always_inline]] inline bool receive_whole(mutable_bytes& input, std::uint64_t most_bytes,
                                                                mutable_bytes& payload, opcode& type) noexcept {
        if (!x_between) [[unlikely]] return false;
        whole found;
        if (!find_whole(input, short_bytes(most_bytes), found)) return false;
        payload = found.payload;
        type = found.type;
        return take_whole(input, found);
    }

    // Its two steps, where `between_messages` is known: what to take, where nothing has been taken; and taking it, which fails
    // for bad text alone. `Alone`: only what is nothing else but such a message. They are at most 65,535 bytes large.
    struct whole {
        mutable_bytes payload;
        opcode type;
        std::size_t end; // of the frame, counted from the front of the input
    };
    static constexpr std::uint16_t short_bytes(std::uint64_t most) noexcept { return most < 0xFFFF ? std::uint16_t(most) : 0xFFFF; }
    template <bool Alone = false>
    [[nodiscard, gnu::always_inline]] inline bool find_whole(mutable_bytes input, std::uint16_t most_bytes,
                                                             whole& found) const noexcept {
        found = locate(input);
        return (Alone ? found.end == input.size() : found.end <= input.size()) &&
               static_cast<std::uint16_t>(found.payload.size()) <= most_bytes;
    }
    [[nodiscard, gnu::always_inline]] inline bool take_whole(mutable_bytes& input, const whole& found) noexcept {
        if (found.type == opcode::text) return take_text(input, found.payload);
        input = {input.data() + found.end, input.size() - found.end};
        return unmask(found.payload); // last of all: nothing need be kept over it
    }
    [[nodiscard, gnu::noinline]] bool take_text(mutable_bytes& input, mutable_bytes payload) noexcept {
        const bool masked = role() == ws::role::server;
        if (!(masked ? unmask_text(payload, key_before(payload)) : is_utf8(payload))) [[unlikely]] {
            x_stage = stage::bad_text;
            return x_between = false;
        }
        input = input.subspan(static_cast<std::size_t>(payload.data() + payload.size() - input.data()));
        return true;
    }
    // Of one that is not text.
    [[gnu::always_inline]] inline bool unmask(mutable_bytes payload) const noexcept {
        if (role() == ws::role::client) [[unlikely]] return true;
        return detail::unmask_behind_key(payload.data(), payload.size());
    }

    // Whether no message is under way, nor any frame.
    bool between_messages() const noexcept { return x_between; }

    // How much of the data frame under way has not come yet. Known as soon as its header is there, whether or not
    // anything of its payload is.
    std::uint64_t frame_remaining() const noexcept { return x_stage == stage::data ? x_frame.remaining() : 0; }

    // How many frames of the message under way have begun; 0 where there is none.
    std::uint32_t fragments() const noexcept { return x_message == opcode::continuation ? 0 : x_fragments; }

    // Which frame of its message the last piece came from, counted from 1, where that message has several frames.
    std::uint32_t fragment() const noexcept { return x_fragments; }

    // The reserved bits of the message under way, or of the last one.
    std::uint8_t message_bits() const noexcept { return x_message_bits; }

    // Whether the peer's close frame has been seen.
    bool close_received() const noexcept { return x_close_received; }

    // Whether the peer broke a rule. Closing with `failure_close_code` and `failure_reason` is up to the caller.
    bool failed() const noexcept { return x_failure != errc{}; }
    errc failure() const noexcept { return x_failure; }
    close_code failure_close_code() const noexcept { return broken_rule().code(); }
    std::string failure_reason() const { return broken_rule().reason(); }

private:
    enum class stage : std::uint8_t { header, data, control, bad_text, done };

    // The frame at the front of `input` if it is a whole message, of up to 65,535 bytes, and right in everything. It need not
    // be there as a whole; its end is beyond every other where there is none.
    [[gnu::always_inline]] inline whole locate(mutable_bytes input) const noexcept {
        const whole none{input.first(0), opcode::continuation, SIZE_MAX};
        if (input.size() < 2 + sizeof(masking_key)) [[unlikely]] return none;
        std::byte* const from = input.data();
        const unsigned kind = std::to_integer<unsigned>(from[0]) - 0x80, mask_bit = x_mask_bit;
        if (kind - 1 > 1) return none;
        std::size_t size = std::to_integer<unsigned>(from[1]) ^ mask_bit, start = 2 + (mask_bit >> 5); // the key has four bytes
        if (size > 125) {
            if (size != 126) return none;
            size = load_big_endian<std::uint16_t>(from + 2);
            if (size <= 125) return none;
            start += 2;
        }
        return {{from + start, size}, static_cast<opcode>(kind), start + size};
    }

    static masking_key key_before(mutable_bytes payload) noexcept {
        masking_key key;
        std::memcpy(key.bytes, payload.data() - sizeof key, sizeof key);
        return key;
    }

    // The machine itself.
    [[gnu::noinline]] event step(mutable_bytes& input) noexcept {
        for (;;) {
            switch (x_stage) {
            case stage::header: {
                if (input.empty()) return {};
                frame_header header;
                const header_decoding found = x_frame.empty() ? take(header, input) : gather(header, input);
                if (found.failure != errc{}) return fail(found.failure, header.payload_bytes, input);
                if (!found.size) return {};
                if (header.payload_bytes > x_frame_limit)
                    return fail(errc::frame_too_large, header.payload_bytes, input);
                if (enter(header)) return data_piece(input);
                break;
            }
            case stage::data:
                if (input.empty()) return {};
                return data_piece(input);
            case stage::control:
                if (input.empty() && x_frame.control_remaining()) return {};
                if (const mutable_bytes payload = control_payload(input); !x_frame.control_remaining())
                    return finish_control(payload, input);
                break;
            case stage::bad_text: return fail(errc::bad_utf8, 1, input);
            case stage::done: input = input.last(0); return {};
            }
        }
    }

    // --- headers ---

    // The first two bytes against the rules that need to know where the conversation is. Bytes beyond `size` are not
    // there yet.
    errc check_start(const std::byte* header, std::size_t size, std::uint64_t& number) const noexcept {
        const auto first = std::to_integer<unsigned>(header[0]);
        const auto type = static_cast<opcode>(first & 15);
        const bool begins = type == opcode::text || type == opcode::binary;
        const unsigned bits = first >> 4 & 7;
        if (bits) [[unlikely]] {
            number = bits;
            if (!begins || (bits & ~static_cast<unsigned>(x_allowed_bits))) return errc::reserved_bits;
        }
        number = first & 15;
        if (begins) {
            if (x_message != opcode::continuation) return errc::expected_continuation;
        } else if (type == opcode::continuation) {
            if (x_message == opcode::continuation) return errc::unexpected_continuation;
        } else {
            if (is_reserved(type)) return errc::reserved_opcode;
            if (!(first & 0x80)) return errc::fragmented_control;
        }
        if (!is_control(type) && (begins ? 0 : x_fragments) >= x_fragment_limit)
            return errc::too_many_fragments;
        if (size < 2) return {};
        const auto second = std::to_integer<unsigned>(header[1]);
        if ((second >> 7 != 0) != (role() == ws::role::server))
            return role() == ws::role::server ? errc::mask_missing : errc::mask_unexpected;
        if (is_control(type) && (second & 0x7F) > max_control_bytes) return errc::long_control;
        return {};
    }

    // The rules for as much of a header as there is.
    header_decoding check(frame_header& into, bytes_view from) const noexcept {
        const errc broken = check_start(from.data(), from.size(), into.payload_bytes);
        return broken == errc{} ? decode(from, into) : header_decoding{0, broken};
    }

    // A header at the front of `input`; what there is of an incomplete one is kept.
    header_decoding take(frame_header& into, mutable_bytes& input) noexcept {
        const header_decoding found = check(into, input);
        if (found.size) {
            input = input.subspan(found.size);
        } else if (found.failure == errc{}) {
            x_frame.hold(input);
            input = input.last(0);
        }
        return found;
    }

    // A header whose first bytes came before.
    [[gnu::noinline]] header_decoding gather(frame_header& into, mutable_bytes& input) noexcept {
        header_decoding found;
        while (!input.empty() && !found.size && found.failure == errc{}) {
            x_frame.add(input[0]);
            input = input.subspan(1);
            found = check(into, x_frame.header());
        }
        if (found.size) x_frame.forget_header();
        return found;
    }

    // Begins the frame. True when it is one of data whose (possibly empty) piece is to be handed out at once.
    bool enter(const frame_header& header) noexcept {
        if (is_control(header.type)) {
            x_frame.begin_control(header.type, header.payload_bytes, header.key);
            x_stage = stage::control;
            return false;
        }
        x_frame.begin(header.payload_bytes, header.key);
        if (header.type != opcode::continuation) {
            x_message = header.type;
            x_message_bits = header.reserved_bits;
            x_first = true;
            x_fragments = 0;
            x_utf8.reset();
        }
        if (x_fragments < UINT32_MAX - 1) ++x_fragments; // so that the largest limit is never reached
        x_fin = header.fin;
        x_stage = header.payload_bytes ? stage::data : stage::header;
        return !header.payload_bytes && (x_first || x_fin);
    }

    // --- data ---

    event data_piece(mutable_bytes& input) noexcept {
        std::uint64_t remaining = x_frame.remaining();
        const std::size_t size = input.size() < remaining ? input.size() : static_cast<std::size_t>(remaining);
        const mutable_bytes payload = input.first(size);
        input = input.subspan(size);
        x_frame.came(size);
        remaining -= size;
        const masking_key key = x_frame.key();
        const bool masked = role() == ws::role::server;
        const bool last = x_fin && !remaining;
        if (x_message == opcode::text && !x_message_bits) {
            const bool good = masked ? unmask_text(payload, key, x_utf8) : x_utf8.update(payload);
            if (!good || (last && !x_utf8.complete())) return fail(errc::bad_utf8, 1, input);
        } else if (masked) {
            apply_mask(payload, key);
        }
        if (masked) x_frame.set_key(rotated(key, size));
        if (!remaining) x_stage = stage::header;
        const opcode type = x_message;
        if (last) x_message = opcode::continuation;
        return {.what = event::kind::data, .type = type, .first = exchanged(x_first, false), .last = last,
                .reserved_bits = x_message_bits, .frame_remaining = remaining, .payload = payload};
    }

    // --- control ---

    // The payload of a control frame, unmasked: where it is when it is there whole, else gathered in a block. Complete
    // when nothing remains.
    [[gnu::cold, gnu::noinline]] mutable_bytes control_payload(mutable_bytes& input) noexcept {
        const std::size_t most = x_frame.control_remaining(), size = input.size() < most ? input.size() : most;
        mutable_bytes payload = input.first(size);
        input = input.subspan(size);
        x_frame.control_came(size);
        if (x_frame.holds_control() || size < most) {
            if (!x_frame.holds_control()) x_frame.hold_control(*x_pool);
            payload = x_frame.gather(payload);
        }
        if (size == most && role() == ws::role::server) apply_mask(payload, x_frame.key());
        return payload;
    }

    [[gnu::cold, gnu::noinline]] event finish_control(mutable_bytes payload, mutable_bytes& input) noexcept {
        x_stage = stage::header;
        const opcode type = x_frame.control_type();
        if (type == opcode::close) return finish_close(payload, input);
        const auto what = type == opcode::ping ? event::kind::ping : event::kind::pong;
        return {.what = what, .type = type, .last = true, .payload = payload};
    }

    event finish_close(mutable_bytes payload, mutable_bytes& input) noexcept {
        close_code code = close_code::no_status;
        if (!payload.empty()) {
            if (payload.size() == 1) return fail(errc::bad_close_payload, 1, input);
            code = static_cast<close_code>(load_big_endian<std::uint16_t>(payload.data()));
            if (!may_be_sent(code)) return fail(errc::bad_close_code, static_cast<std::uint64_t>(code), input);
            payload = payload.subspan(2);
            if (!is_utf8(payload)) return fail(errc::bad_utf8, 8, input);
        }
        x_close_received = true;
        x_stage = stage::done;
        input = input.last(0);
        return {.what = event::kind::close, .type = opcode::close, .last = true, .code = code, .payload = payload};
    }

    // --- failure ---

    [[gnu::cold, gnu::noinline]] event fail(errc rule, std::uint64_t number, mutable_bytes& input) noexcept {
        x_stage = stage::done;
        x_failure = rule;
        if (x_frame.holds_control()) x_frame.release_control(*x_pool);
        x_frame.forget_header();
        x_frame.begin(number, {}); // no frame is under way any more
        input = input.last(0);
        return {.what = event::kind::failed, .code = failure_close_code()};
    }

    violation broken_rule() const noexcept {
        return {x_failure, x_frame.remaining(),
                x_failure == errc::too_many_fragments ? x_fragment_limit : x_frame_limit};
    }

    // In the room that a sender leaves, to begin with.
    stage x_stage = stage::header;
    std::uint8_t x_mask_bit;        // of a header that is right, in its second byte
    bool x_between;                 // at the first byte of a frame that begins a message
    bool x_fin = false;
    bool x_first = false;           // the message's first piece has not been handed out
    block_pool* x_pool;
    std::uint64_t x_frame_limit;    // the two of `limits`
    detail::frame_under_way x_frame; // after a failure the violation's number remains of it
    std::uint32_t x_fragment_limit;
    errc x_failure = {};
    std::uint32_t x_fragments = 0;  // frames of the message under way
    utf8_validator x_utf8;          // of the message under way
    opcode x_message = opcode::continuation; // the message being received; continuation: none
    std::uint8_t x_message_bits = 0;
    std::uint8_t x_allowed_bits = 0;
    bool x_close_received = false;
};

} // namespace weir::inline v0::ws
