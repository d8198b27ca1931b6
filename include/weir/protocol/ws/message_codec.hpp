// What compresses the messages of a connection, and how that is agreed upon: the seam between the connection and
// whatever library does it. The one there is: protocol/ws/deflate.hpp.
//
// One thread at a time. Nothing that a peer sends makes it throw, or allocate without bound.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/protocol/http/fields.hpp>
#include <weir/protocol/ws/compression_options.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::inline v0::ws {

// The compression of one connection, both directions. Holds state only while a message is under way, or if it was agreed
// that messages refer to earlier ones.
class message_codec {
public:
    virtual ~message_codec() = default;

    // The bits that mark the first frame of a compressed message.
    static constexpr std::uint8_t reserved_bits = 4; // RSV1

    // What was agreed upon, as the server wrote it.
    virtual std::string_view agreed() const noexcept = 0;

    // --- sending ---

    // Appends a whole message, compressed, to `out`. False, and nothing appended, when it is better sent as it is: it
    // would not become smaller, or a message by pieces is under way to which it may not refer.
    [[nodiscard]] virtual bool compress(bytes_view payload, buffer& out) noexcept = 0;

    // Appends the next piece of a message, such that the peer can decompress all of it at once.
    virtual void compress_piece(bytes_view payload, bool last, buffer& out) noexcept = 0;

    // --- receiving ---

    enum class progress : unsigned char {
        more_input, // all input was used, and everything that can be made of it was given out
        more_room,  // there may be more output
        complete,   // the message has ended
        corrupt,    // the input is not what the method makes; nothing can be decompressed any more
    };
    struct decompressed {
        std::size_t size; // bytes that were written
        progress state;
    };

    // Decompresses from the front of `input`, which it advances, to `out`, which is not empty. `last`: with `input` the
    // message ends.
    [[nodiscard]] virtual decompressed decompress(bytes_view& input, bool last, mutable_bytes out) noexcept = 0;
};

// A way to compress. The options outlive nothing: what is needed of them is copied.
class compression_method {
public:
    // Server: the codec for what the client offers in its request; null when none of it can be taken.
    virtual owned<message_codec> accept(const http::fields& request,
                                                  const compression_options& how) const = 0;

    // Client: the field to send.
    virtual std::string offer(const compression_options& how) const = 0;

    // Client: the codec for what the server took of that; null for nothing. `bad_extension` or
    // `bad_extension_parameters` for an answer that does not fit, as the context tells.
    virtual result<owned<message_codec>> confirm(const http::fields& response,
                                                           const compression_options& how) const = 0;

protected:
    ~compression_method() = default;
};

} // namespace weir::inline v0::ws
