// The opening handshake of the bare servers.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <arpa/inet.h>

namespace bare {

// RFC 3174, for texts of at most 119 bytes.
inline std::array<unsigned char, 20> sha1(std::string_view text) {
    unsigned char block[128] = {};
    std::memcpy(block, text.data(), text.size());
    block[text.size()] = 0x80;
    const std::size_t bytes = text.size() < 56 ? 64 : 128;
    block[bytes - 2] = static_cast<unsigned char>(text.size() * 8 >> 8);
    block[bytes - 1] = static_cast<unsigned char>(text.size() * 8);
    const auto turned = [](std::uint32_t word, int by) { return word << by | word >> (32 - by); };
    std::uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (std::size_t at = 0; at < bytes; at += 64) {
        std::uint32_t words[80];
        for (std::size_t i = 0; i < 16; ++i) {
            std::memcpy(&words[i], block + at + 4 * i, 4);
            words[i] = ntohl(words[i]);
        }
        for (std::size_t i = 16; i < 80; ++i) words[i] = turned(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
        for (std::size_t i = 0; i < 80; ++i) {
            const std::uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                                        : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                                        : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                                                 : (b ^ c ^ d) + 0xCA62C1D6;
            const std::uint32_t next = turned(a, 5) + mixed + e + words[i];
            e = d, d = c, c = turned(b, 30), b = a, a = next;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
    }
    std::array<unsigned char, 20> digest;
    for (std::size_t i = 0; i < 5; ++i) {
        const std::uint32_t word = htonl(state[i]);
        std::memcpy(&digest[4 * i], &word, 4);
    }
    return digest;
}

inline std::string base64(const std::array<unsigned char, 20>& digest) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < 21; i += 3) {
        const unsigned three = unsigned{digest[i]} << 16 | unsigned{digest[i + 1]} << 8 | (i + 2 < 20 ? digest[i + 2] : 0U);
        for (int shift = 18; shift >= 0; shift -= 6) text += alphabet[three >> shift & 63];
    }
    text.back() = '=';
    return text;
}

// The answer to a request; empty without a key in it.
inline std::string answer_to(std::string_view request) {
    constexpr std::string_view field = "Sec-WebSocket-Key: ";
    const std::size_t at = request.find(field);
    if (at == std::string_view::npos) return "";
    const std::string key(request.substr(at + field.size(), 24));
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
           base64(sha1(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) + "\r\n\r\n";
}

} // namespace bare
