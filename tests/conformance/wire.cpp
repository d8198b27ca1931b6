#include "wire.hpp"

namespace conformance {

namespace {

void append_number(std::string& to, std::uint64_t number, unsigned bytes) {
    while (bytes-- > 0) to += static_cast<char>(number >> 8 * bytes & 0xFF);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, unsigned count) {
    std::uint64_t number = 0;
    while (count-- > 0) number = number << 8 | static_cast<unsigned char>(bytes[at++]);
    return number;
}

unsigned length_bytes_of(const frame& what) {
    if (what.length_bytes) return what.length_bytes;
    const std::uint64_t length = what.claims.value_or(what.payload.size());
    return length < 126 ? 0 : length < 65536 ? 2 : 8;
}

} // namespace

std::string masked(std::string payload, mask_key key, std::size_t turned) {
    for (std::size_t i = 0; i < payload.size(); ++i)
        payload[i] = static_cast<char>(static_cast<unsigned char>(payload[i]) ^ key[(i + turned) % 4]);
    return payload;
}

std::size_t header_size(const frame& what, bool sender_masks) {
    if (what.is_raw) return 0;
    return 2 + length_bytes_of(what) + (sender_masks != what.mask_wrong ? 4 : 0);
}

void append_frame(std::string& to, frame what, bool sender_masks, mask_key key) {
    if (what.is_raw) {
        to += what.payload;
        return;
    }
    const bool is_masked = sender_masks != what.mask_wrong;
    const std::uint64_t length = what.claims.value_or(what.payload.size());
    const unsigned more = length_bytes_of(what);
    to += static_cast<char>((what.fin ? 0x80 : 0) | what.bits << 4 | what.opcode);
    to += static_cast<char>((is_masked ? 0x80 : 0) | (more == 0 ? static_cast<unsigned>(length) : more == 2 ? 126 : 127));
    append_number(to, length, more);
    if (is_masked) {
        if (what.key) key = *what.key;
        to.append(key.begin(), key.end());
        what.payload = masked(std::move(what.payload), key);
    }
    to += what.payload;
}

std::optional<received_frame> frame_reader::next() {
    const std::string_view all = std::string_view(x_bytes).substr(x_used);
    if (!x_problem.empty() || all.size() < 2) return {};
    received_frame got;
    got.fin = number_at(all, 0, 1) & 0x80;
    got.bits = number_at(all, 0, 1) >> 4 & 7;
    got.opcode = number_at(all, 0, 1) & 15;
    got.is_masked = number_at(all, 1, 1) & 0x80;
    std::uint64_t length = number_at(all, 1, 1) & 0x7F;
    const unsigned more = length < 126 ? 0 : length == 126 ? 2 : 8;
    std::size_t at = 2 + more;
    if (all.size() < at + (got.is_masked ? 4 : 0)) return {};
    if (more) length = number_at(all, 2, more);
    if ((more == 2 && length < 126) || (more == 8 && length < 65536)) x_problem = "a length not in its shortest form";
    if (length >> 63) x_problem = "a length over 63 bits";
    if (!x_problem.empty()) return {};
    if (got.is_masked)
        for (unsigned char& each : got.key) each = static_cast<unsigned char>(all[at++]);
    if (all.size() - at < length) return {};
    got.payload = all.substr(at, static_cast<std::size_t>(length));
    if (got.is_masked) got.payload = masked(std::move(got.payload), got.key);
    x_used += at + static_cast<std::size_t>(length);
    if (x_used == x_bytes.size()) {
        x_bytes.clear();
        x_used = 0;
    }
    return got;
}

bool is_utf8(std::string_view text, bool complete) {
    for (std::size_t i = 0; i < text.size();) {
        const unsigned first = static_cast<unsigned char>(text[i++]);
        if (first < 0x80) continue;
        const unsigned more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4) return false;
        unsigned low = 0x80, high = 0xBF; // of the second byte, which excludes overlong forms, surrogates and too much
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
        for (unsigned k = 0; k < more; ++k, ++i, low = 0x80, high = 0xBF) {
            if (i == text.size()) return !complete;
            const unsigned next = static_cast<unsigned char>(text[i]);
            if (next < low || next > high) return false;
        }
    }
    return true;
}

static constexpr char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::string group(bytes.substr(i, 3));
        const std::size_t count = group.size();
        group.resize(3);
        const auto bits = static_cast<unsigned>(number_at(group, 0, 3));
        for (unsigned k = 0; k < 4; ++k) out += k > count ? '=' : digits64[bits >> (18 - 6 * k) & 63];
    }
    return out;
}

std::optional<std::string> unbase64(std::string_view text) {
    std::string out;
    unsigned bits = 0, have = 0;
    if (text.size() % 4) return {};
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
    for (const char each : text) {
        const std::size_t value = std::string_view(digits64).find(each);
        if (value > 63) return {};
        bits = bits << 6 | static_cast<unsigned>(value);
        if ((have += 6) >= 8) out += static_cast<char>(bits >> (have -= 8) & 0xFF);
    }
    return out;
}

std::string sha1(std::string_view bytes) {
    const auto turned = [](std::uint32_t value, int by) { return value << by | value >> (32 - by); };
    std::string text(bytes);
    text += '\x80';
    while (text.size() % 64 != 56) text += '\0';
    append_number(text, bytes.size() * 8, 8);
    std::array<std::uint32_t, 5> hash{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (std::size_t block = 0; block < text.size(); block += 64) {
        std::array<std::uint32_t, 80> w;
        for (std::size_t i = 0; i < 80; ++i)
            w[i] = i < 16 ? static_cast<std::uint32_t>(number_at(text, block + 4 * i, 4))
                          : turned(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = hash;
        for (std::size_t i = 0; i < 80; ++i) {
            const std::uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            const std::uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            const std::uint32_t next = turned(a, 5) + f + e + k + w[i];
            e = d, d = c, c = turned(b, 30), b = a, a = next;
        }
        hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e;
    }
    std::string out;
    for (const std::uint32_t each : hash) append_number(out, each, 4);
    return out;
}

std::string accept_for(std::string_view key) {
    return base64(sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

std::string from_hex(std::string_view digits) {
    std::string out;
    int half = -1;
    for (const char each : digits) {
        const std::size_t found = std::string_view("0123456789ABCDEFabcdef").find(each);
        if (found == std::string_view::npos) continue;
        const int value = static_cast<int>(found > 15 ? found - 6 : found);
        if (half < 0) {
            half = value;
        } else {
            out += static_cast<char>(half << 4 | value);
            half = -1;
        }
    }
    return out;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& each : out)
        if (each >= 'A' && each <= 'Z') each = static_cast<char>(each + 'a' - 'A');
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::string shown(std::string_view bytes, std::size_t most) {
    std::string out = "\"";
    for (const char each : bytes.substr(0, most)) {
        const unsigned value = static_cast<unsigned char>(each);
        if (value >= 0x20 && value < 0x7F && value != '"' && value != '\\') {
            out += each;
        } else {
            out += "\\x";
            out += "0123456789ABCDEF"[value >> 4];
            out += "0123456789ABCDEF"[value & 15];
        }
    }
    return out + (bytes.size() > most ? "\"..." : "\"");
}

} // namespace conformance
