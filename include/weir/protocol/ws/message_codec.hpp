// What compresses the messages of a connection, and how that is agreed upon: the seam between the connection and
// whatever library does it. The one there is: protocol/ws/deflate.hpp.
//
// One thread at a time. Nothing that a peer sends makes it throw, or allocate without bound.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/protocol/http/fields.hpp>
#include <weir/protocol/ws/compression_choice.hpp>
#include <weir/protocol/ws/event.hpp>

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

    // Takes the next piece of a message. Nothing may be pending; as long as something is, the piece has to stay where it
    // is.
    void feed(const event& piece) noexcept {
        x_input = piece.payload;
        x_input_last = piece.last;
        x_pending = true;
        if (!piece.first) return;
        x_type = piece.type;
        x_untouched = true;
    }

    // Whether there may be more without a further piece.
    bool pending() const noexcept { return x_pending; }
    void forget() noexcept { x_pending = false; }

    struct decompressed {
        bool last = false;   // the message ends with what was appended
        errc failure = {};   // bad_compression or bad_utf8, and then nothing can be decompressed any more
    };

    // Decompresses what is pending to the end of `out`, until that holds `most` bytes or nothing is pending. Text
    // is checked to be UTF-8.
    [[nodiscard]] virtual decompressed decompress(buffer& out, std::size_t most) noexcept = 0;

    // Of the message that was fed last: its type, and whether nothing of it has been handed out.
    opcode type() const noexcept { return x_type; }
    bool untouched() const noexcept { return x_untouched; }
    void handed_out() noexcept { x_untouched = false; }

protected:
    bytes_view x_input; // of the piece: what is not yet decompressed
    opcode x_type = opcode::text;
    bool x_input_last = false;
    bool x_pending = false;
    bool x_untouched = false;
};

// A way to compress. The options outlive nothing: what is needed of them is copied.
class compression_method {
public:
    // Server: the codec for what the client offers in its request; null when none of it can be taken.
    virtual owned<message_codec> accept(const http::fields& request, const compression_options& how) const = 0;

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
