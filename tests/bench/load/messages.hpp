// What the load generator sends: masked frames that are made before anything is measured, and what must come back.
#pragma once

#include "deflate.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace load {

enum class kind { binary, ascii, korean, json };

// A fixed sequence of numbers that looks random: the same load each time.
class sequence {
public:
    explicit sequence(std::uint64_t seed) : x_state(seed * 0x9E37'79B9'7F4A'7C15U + 1) {}

    std::uint32_t operator()() {
        x_state ^= x_state << 13;
        x_state ^= x_state >> 7;
        x_state ^= x_state << 17;
        return static_cast<std::uint32_t>(x_state >> 32);
    }

private:
    std::uint64_t x_state;
};

struct message {
    std::string payload;
    unsigned char opcode = 2; // of the first frame of an answer
    bool compressed = false;  // the answer may be, since the message was
};

// Messages that are sent by one write, and their frames.
struct batch {
    std::string frames;
    std::vector<message> messages;
};

// Exactly `bytes` of words: two to five letters, or syllables of three bytes each, with blanks between.
inline std::string words(sequence& next, std::size_t bytes, bool korean) {
    std::string text;
    while (text.size() < bytes) {
        for (unsigned letters = 2 + next() % 4; letters > 0 && text.size() < bytes; --letters) {
            const std::uint32_t code = korean ? 0xAC00 + next() % (0xD7A4 - 0xAC00) : 'a' + next() % 26;
            if (!korean) {
                text += static_cast<char>(code);
            } else if (text.size() + 3 <= bytes) {
                text += static_cast<char>(0xE0 | code >> 12);
                text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
                text += static_cast<char>(0x80 | (code & 0x3F));
            } else {
                text += '.';
            }
        }
        if (text.size() < bytes) text += ' ';
    }
    return text;
}

// Exactly `bytes` of an array of objects, as programs send them.
inline std::string json(sequence& next, std::size_t bytes) {
    std::string text = "[";
    while (text.size() < bytes)
        text += "{\"id\":" + std::to_string(next() % 100'000) + ",\"name\":\"" + words(next, 12, false) + "\",\"active\":" +
                (next() % 2 ? "true" : "false") + ",\"score\":" + std::to_string(next() % 1000) + "},";
    text.resize(bytes - 1);
    return text + ']';
}

inline std::string payload(sequence& next, std::size_t bytes, kind of) {
    if (of == kind::json) return json(next, bytes);
    if (of != kind::binary) return words(next, bytes, of == kind::korean);
    std::string made(bytes, '\0');
    for (char& each : made) each = static_cast<char>(next());
    return made;
}

// A frame as a client sends it (RFC 6455, section 5.2), with a key of its own.
inline void append_frame(std::string& to, unsigned char first_byte, std::string_view payload, std::uint32_t key) {
    to += static_cast<char>(first_byte);
    const auto big_endian = [&to](std::uint64_t number, int bytes) {
        while (bytes-- > 0) to += static_cast<char>(number >> 8 * bytes);
    };
    if (payload.size() < 126) {
        big_endian(0x80 | payload.size(), 1);
    } else if (payload.size() < 65536) {
        big_endian(0x80 | 126, 1);
        big_endian(payload.size(), 2);
    } else {
        big_endian(0x80 | 127, 1);
        big_endian(payload.size(), 8);
    }
    char mask[4];
    std::memcpy(mask, &key, 4);
    to.append(mask, 4);
    for (std::size_t i = 0; i < payload.size(); ++i) to += static_cast<char>(payload[i] ^ mask[i % 4]);
}

// Batches of `depth` messages that all differ, about 1 MiB of them: more than one, and no more than the caches bear.
inline std::vector<batch> make_batches(std::size_t depth, std::size_t bytes, kind of, bool compressed) {
    std::size_t count = 1024 * 1024 / (depth * (bytes + 14));
    count = count < 2 ? 2 : count > 64 ? 64 : count;
    sequence next(bytes * 31 + depth);
    std::vector<batch> made(count);
    for (batch& each : made) {
        for (std::size_t i = 0; i < depth; ++i) {
            const unsigned char opcode = of == kind::binary ? 2 : 1;
            each.messages.push_back({payload(next, bytes, of), opcode, compressed});
            const std::string& plain = each.messages.back().payload;
            append_frame(each.frames, (compressed ? 0xC0 : 0x80) | opcode, compressed ? deflated(plain) : plain, next());
        }
    }
    return made;
}

} // namespace load
