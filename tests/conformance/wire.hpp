// The suite's own view of the wire: frames in and out, UTF-8, and the hash of the opening handshake.
//
// It is the oracle, so it uses nothing of weir, and prefers the obvious way to the fast one. What it writes may be wrong
// on purpose; what it reads is held to every rule of RFC 6455 that a frame can break by itself.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conformance {

enum opcode : unsigned { continuation_code = 0, text_code = 1, binary_code = 2, close_code = 8, ping_code = 9, pong_code = 10 };

using mask_key = std::array<unsigned char, 4>;

// A frame to send. Everything about it can be made wrong.
struct frame {
    unsigned opcode = text_code;
    std::string payload = {};
    bool fin = true;
    unsigned bits = 0;                             // reserved ones: RSV1 is 4, RSV2 2, RSV3 1
    bool mask_wrong = false;                       // masked by a server, not masked by a client
    unsigned length_bytes = 0;                     // 2 or 8: the length in that form; 0: in its shortest
    std::optional<std::uint64_t> claims = {};      // a length other than the payload's
    std::optional<mask_key> key = {};              // this key and no random one
    bool is_raw = false;                           // the payload is all there is of it
    bool compressed = false;                       // to be sent compressed (RFC 7692)
    unsigned index = 0, pieces = 1;                // of a compressed message: this of so many fragments

    // The same frame, changed.
    frame fragment() const { return with([](frame& it) { it.fin = false; }); } // more follow
    frame rsv(unsigned set) const { return with([=](frame& it) { it.bits = set; }); }
    frame wrongly_masked() const { return with([](frame& it) { it.mask_wrong = true; }); }
    frame length_in(unsigned bytes) const { return with([=](frame& it) { it.length_bytes = bytes; }); }
    frame claiming(std::uint64_t length) const { return with([=](frame& it) { it.claims = length; }); }
    frame with_key(mask_key chosen) const { return with([=](frame& it) { it.key = chosen; }); }

    frame deflated() const { return with([](frame& it) { it.compressed = true; }); }
    std::vector<frame> deflated_in(unsigned fragments) const {
        std::vector<frame> all;
        for (unsigned i = 0; i < fragments; ++i)
            all.push_back(with([=](frame& it) { it.compressed = true, it.index = i, it.pieces = fragments; }));
        return all;
    }

    template <class Change>
    frame with(Change change) const {
        frame changed = *this;
        change(changed);
        return changed;
    }
};

// Appends the frame's bytes; masked with its own key or else with `key`, if the sender masks.
void append_frame(std::string& to, frame what, bool sender_masks, mask_key key);
inline std::string encode(const frame& what, bool sender_masks, mask_key key) {
    std::string made;
    append_frame(made, what, sender_masks, key);
    return made;
}

// How many bytes stand before the payload.
std::size_t header_size(const frame& what, bool sender_masks);

std::string masked(std::string payload, mask_key key, std::size_t turned = 0);

// A frame that was received.
struct received_frame {
    unsigned opcode = 0;
    bool fin = false;
    unsigned bits = 0;
    bool is_masked = false;
    mask_key key{};
    std::string payload; // unmasked
};

// Takes bytes in and gives frames out.
class frame_reader {
public:
    void push(std::string_view bytes) { x_bytes.append(bytes); }

    // The next frame that is there whole.
    std::optional<received_frame> next();

    // What was wrong with the way in which a length was written; empty: nothing.
    const std::string& problem() const { return x_problem; }

    // Bytes of a frame that is not there whole.
    std::size_t rest() const { return x_bytes.size() - x_used; }

private:
    std::string x_bytes;
    std::size_t x_used = 0;
    std::string x_problem;
};

// RFC 3629. `complete`: nothing may be missing at the end.
bool is_utf8(std::string_view text, bool complete = true);

std::string base64(std::string_view bytes);
std::optional<std::string> unbase64(std::string_view text);
std::string sha1(std::string_view bytes);

// RFC 6455, section 4.2.2: what answers a Sec-WebSocket-Key.
std::string accept_for(std::string_view key);

// Of the text of a head: in lower case, and without the blanks around it.
std::string lower(std::string_view text);
std::string_view trimmed(std::string_view text);

// "48 65 6C" as bytes; anything but hexadecimal digits is skipped.
std::string from_hex(std::string_view digits);

// Printable, cut, for reports.
std::string shown(std::string_view bytes, std::size_t most = 40);

} // namespace conformance
