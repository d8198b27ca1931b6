// The protocol as RFC 6455 and RFC 3629 have it, written once more: slow, a byte at a time, on whole inputs, and with
// nothing from the library but the names of what went wrong. What the library gives is compared with this.
#pragma once

#include <weir/core/errc.hpp>
#include <weir/protocol/ws/limits.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fuzz {

// UTF-8 by arithmetic: the bytes so far of a character leave a range of code points open, in which there must be one
// that is neither overlong, nor a surrogate, nor above U+10FFFF.
class reference_utf8 {
public:
    // False when no valid text goes on like this; then it stays so.
    bool add(std::uint8_t byte) noexcept {
        if (x_bad) return false;
        if (x_left == 0) {
            if (byte < 0x80) return true;
            const int length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            if (byte < 0xC0 || byte >= 0xF8) return !(x_bad = true);
            x_left = length - 1;
            x_point = byte & (0x7Fu >> length);
            x_least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
        } else {
            if (byte / 64 != 2) return !(x_bad = true);
            x_point = x_point * 64 + byte % 64;
            --x_left;
        }
        std::uint32_t low = x_point, high = x_point;
        for (int i = 0; i < x_left; ++i) {
            low = low * 64;
            high = high * 64 + 63;
        }
        x_bad = high < x_least || low > 0x10FFFF || (low >= 0xD800 && high <= 0xDFFF);
        return !x_bad;
    }
    bool complete() const noexcept { return !x_bad && x_left == 0; }

    static bool valid(std::string_view text) noexcept {
        reference_utf8 all;
        for (const char each : text)
            if (!all.add(static_cast<std::uint8_t>(each))) return false;
        return all.complete();
    }

private:
    bool x_bad = false;
    int x_left = 0;
    std::uint32_t x_point = 0;
    std::uint32_t x_least = 0;
};

// What came of one direction of a connection. Pieces of one message that follow each other are one entry.
struct entry {
    enum kind : std::uint8_t { data, ping, pong, close };
    kind what = data;
    std::uint8_t opcode = 0; // data: of the message
    bool first = false;
    bool last = false;
    std::uint8_t bits = 0;
    std::uint16_t code = 0; // close
    std::string bytes = {};

    bool operator==(const entry&) const = default;
};

class trace {
public:
    std::vector<entry> entries;
    weir::errc failure = {};
    std::size_t failed_at = 0; // how many bytes it took to know
    std::size_t whole = 0;     // reference only: how many bytes complete frames take

    void add(entry next) {
        if (next.what == entry::data && !next.first && !entries.empty()) {
            entry& before = entries.back();
            if (before.what == entry::data && !before.last) {
                before.bytes += next.bytes;
                before.last = next.last;
                return;
            }
        }
        entries.push_back(std::move(next));
    }

    // How much of a message was handed out before its text turned out to be broken depends on how it was cut.
    void forget_broken_text() {
        if (failure != weir::errc::bad_utf8 || entries.empty()) return;
        if (entries.back().what == entry::data && !entries.back().last) entries.pop_back();
    }

    bool operator==(const trace& other) const {
        return entries == other.entries && failure == other.failure && failed_at == other.failed_at;
    }
};

// Reads frames as the side `is_server` does, up to the first error or close frame.
inline trace reference_receive(std::string_view from, bool is_server, const weir::ws::limits& limits,
                               std::uint8_t allowed_bits) {
    using weir::errc;
    trace all;
    std::size_t at = 0;
    const auto fail = [&](errc what, std::size_t taken) {
        all.failure = what;
        all.failed_at = taken;
        return all;
    };
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(from[i]); };
    bool inside = false; // a message
    entry message;
    std::uint64_t frames = 0;
    reference_utf8 text;

    while (at < from.size()) {
        // 5.2, first byte
        const bool fin = byte(at) & 0x80;
        const std::uint8_t bits = byte(at) >> 4 & 7;
        const std::uint8_t opcode = byte(at) & 15;
        const bool starts = opcode == 1 || opcode == 2;
        if (bits && (!starts || (bits & ~allowed_bits))) return fail(errc::reserved_bits, at + 1);
        if (starts && inside) return fail(errc::expected_continuation, at + 1);
        if (opcode == 0 && !inside) return fail(errc::unexpected_continuation, at + 1);
        if ((opcode >= 3 && opcode <= 7) || opcode > 10) return fail(errc::reserved_opcode, at + 1);
        if (opcode >= 8 && !fin) return fail(errc::fragmented_control, at + 1);
        if (opcode < 8 && (starts ? 0 : frames) >= limits.message_fragments)
            return fail(errc::too_many_fragments, at + 1);
        if (++at == from.size()) break;
        // second byte, and the length
        const bool masked = byte(at) & 0x80;
        if (is_server && !masked) return fail(errc::mask_missing, at + 1);
        if (!is_server && masked) return fail(errc::mask_unexpected, at + 1);
        std::uint64_t length = byte(at) & 0x7F;
        if (opcode >= 8 && length > 125) return fail(errc::long_control, at + 1);
        ++at;
        if (length >= 126) {
            const std::size_t more = length == 126 ? 2 : 8;
            length = 0;
            for (std::size_t i = 0; i < more; ++i) {
                if (at == from.size()) return all;
                if (more == 8 && i == 0 && byte(at) > 127) return fail(errc::bad_length, at + 1);
                length = length * 256 + byte(at++);
                if (more == 8 && i == 5 && length == 0) return fail(errc::long_length_form, at);
            }
            if (more == 2 && length < 126) return fail(errc::long_length_form, at);
        }
        std::uint8_t key[4] = {};
        if (masked) {
            if (from.size() - at < 4) break;
            for (std::size_t i = 0; i < 4; ++i) key[i] = byte(at + i);
            at += 4;
        }
        if (length > limits.frame_bytes) return fail(errc::frame_too_large, at);

        // the payload
        if (starts) {
            message = {.opcode = opcode, .first = true, .bits = bits};
            text = {};
            frames = 0;
            inside = true;
        }
        if (opcode < 8) ++frames;
        const bool check = opcode < 8 && message.opcode == 1 && message.bits == 0;
        std::string payload;
        for (; payload.size() < length && at < from.size(); ++at) {
            payload += static_cast<char>(byte(at) ^ key[payload.size() % 4]);
            if (!check || text.add(static_cast<std::uint8_t>(payload.back()))) continue;
            payload.pop_back();
            message.bytes = payload; // which may have been handed out before
            if (!payload.empty()) all.add(message);
            return fail(errc::bad_utf8, at + 1);
        }
        const bool whole = payload.size() == length;
        if (opcode >= 8) {
            if (!whole) break;
            if (opcode != 8) {
                all.add({.what = opcode == 9 ? entry::ping : entry::pong, .bytes = payload});
                all.whole = at;
                continue;
            }
            std::uint16_t code = 1005;
            if (payload.size() == 1) return fail(errc::bad_close_payload, at);
            if (payload.size() > 1) {
                code = static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8 |
                                                  static_cast<std::uint8_t>(payload[1]));
                const bool known = code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
                if (!known && (code < 3000 || code > 4999)) return fail(errc::bad_close_code, at);
                payload.erase(0, 2);
                if (!reference_utf8::valid(payload)) return fail(errc::bad_utf8, at);
            }
            all.add({.what = entry::close, .code = code, .bytes = payload});
            all.whole = at;
            return all;
        }
        message.bytes = payload;
        message.last = whole && fin;
        if (message.last && check && !text.complete()) return fail(errc::bad_utf8, at);
        if (!payload.empty() || (whole && (message.first || message.last))) {
            all.add(message);
            message.first = false;
        }
        if (message.last) inside = false;
        if (whole) all.whole = at;
    }
    return all;
}

} // namespace fuzz
