// The settings of compression. They are given to `weir::permessage_deflate` of the leaf header protocol/ws/deflate.hpp, which
// makes of them what options take (protocol/ws/compression_choice.hpp).
#pragma once

#include <weir/core/version.hpp>

#include <cstddef>
#include <type_traits>

namespace weir::inline v0 {

// For a single message.
enum class compression : unsigned char {
    automatic, // as the options of the connection say
    off,       // the message goes out as it is: it is compressed already, or holds a secret beside what others choose
};

// "Own" is what this side sends, "peer" what the other side does, whichever of them is the server. A window is as far as
// compressed data may refer back. 15 bits are 32 KiB; a deflating state takes about 8 KiB + 2^(bits + 2) +
// 2^(memory_level + 9) bytes, an inflating one about 8 KiB + 2^bits.
struct compression_options {
    // Shorter messages go out as they are, in bytes. Lower saves little, and costs time for each message. Messages that are
    // sent by pieces have no size beforehand and are compressed whatever it is, unless the first piece is the last.
    std::size_t threshold_bytes = 256;

    // Time against size, 1 to 9. With 6 long texts take twice as long as with 3, and an eighth less room.
    int level = 3;

    // The memory for compressing, 1 to 9: see above. Lower is smaller, and also faster for short messages.
    int memory_level = 7;

    // The window of what this side sends, 8 to 15 bits. The peer may ask for a smaller one.
    int window_bits = 15;

    // The window that the peer is asked to keep to, 8 to 15 bits. A server can ask only clients that offer it.
    int peer_window_bits = 15;

    // Whether a message may refer to earlier ones, which makes similar short messages much smaller. Then each connection
    // keeps a state of its own for as long as it lives; otherwise the loop's connections share a few. With it, whoever
    // can have chosen text sent beside a secret can learn the secret from the sizes.
    bool context_takeover = false;
    bool peer_context_takeover = false;
};

static_assert(__is_trivially_copyable(compression_options));

} // namespace weir::inline v0
