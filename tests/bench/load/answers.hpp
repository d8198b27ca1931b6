// Compares what a server sends with the messages that it ought to send: every header, every length, every byte.
#pragma once

#include "messages.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace load {

class answers {
public:
    // `asked_at` is given to whoever is told of the answer.
    void expect(const message& what, std::int64_t asked_at) { x_expected.push_back({&what, asked_at}); }

    std::size_t outstanding() const { return x_expected.size(); }

    // Takes in what came, and calls `told(asked_at)` for each message that is complete. What is wrong with it, if
    // something is. A server may cut a message into frames.
    template <class Told>
    const char* take(const char* at, std::size_t bytes, Told told) {
        const char* const end = at + bytes;
        while (at != end) {
            if (x_left == 0 && !x_in_frame) {
                x_header[x_header_bytes++] = static_cast<unsigned char>(*at++);
                if (const char* const wrong = parse_header()) return wrong;
                if (!x_in_frame) continue;
            }
            const std::size_t part = std::min<std::uint64_t>(x_left, static_cast<std::uint64_t>(end - at));
            const message& expected = *x_expected.front().what;
            if (x_deflated) {
                x_gathered.append(at, part);
            } else if (part > expected.payload.size() - x_offset) {
                return "an answer is too long";
            } else if (std::memcmp(expected.payload.data() + x_offset, at, part) != 0) {
                return "an answer has other contents";
            }
            at += part;
            x_left -= part;
            x_offset += part;
            if (x_left > 0) continue;
            x_in_frame = false;
            if (!x_last) continue;
            if (x_deflated ? !inflates_to(std::exchange(x_gathered, {}), expected.payload) : x_offset != expected.payload.size())
                return "an answer is too short, or has other contents";
            x_offset = 0;
            x_continued = false;
            const std::int64_t asked_at = x_expected.front().asked_at;
            x_expected.pop_front();
            told(asked_at);
        }
        return nullptr;
    }

private:
    struct expectation {
        const message* what;
        std::int64_t asked_at;
    };

    const char* parse_header() {
        if (x_header_bytes < 2) return nullptr;
        const unsigned short_length = x_header[1] & 0x7F;
        const std::size_t length_bytes = short_length < 126 ? 0 : short_length == 126 ? 2 : 8;
        if (x_header_bytes < 2 + length_bytes) return nullptr;
        x_header_bytes = 0;
        if (x_expected.empty()) return "more came than was asked for";
        if (x_header[1] & 0x80) return "a server masks";
        if (!x_continued) x_deflated = x_expected.front().what->compressed && x_header[0] & 0x40;
        if ((x_header[0] & 0x7F) != (x_continued ? 0 : x_expected.front().what->opcode | (x_deflated ? 0x40 : 0)))
            return "a frame has another opcode, or reserved bits";
        x_last = x_header[0] & 0x80;
        x_continued = true;
        x_left = short_length;
        if (length_bytes > 0) x_left = 0;
        for (std::size_t i = 0; i < length_bytes; ++i) x_left = x_left << 8 | x_header[2 + i];
        if (length_bytes == 2 ? x_left < 126 : length_bytes == 8 && x_left < 65536) return "a length is not the shortest";
        x_in_frame = true;
        return nullptr;
    }

    std::deque<expectation> x_expected;
    std::uint64_t x_left = 0;   // of the frame
    std::size_t x_offset = 0;   // in the message
    std::size_t x_header_bytes = 0;
    unsigned char x_header[10];
    std::string x_gathered; // of a compressed answer
    bool x_deflated = false;
    bool x_in_frame = false, x_last = false, x_continued = false;
};

} // namespace load
