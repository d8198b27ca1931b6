// A compressed message on its way in: what of its last piece is still to be decompressed, and how far it is valid.
//
// Part of the inbox of a connection that has agreed on compression; owns the codec, which the sending side uses too. The
// piece that it was fed stays where it is until it is no longer `pending`.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/core/utf8.hpp>
#include <weir/protocol/ws/event.hpp>
#include <weir/protocol/ws/message_codec.hpp>

#include <utility>

namespace weir::inline v0::detail {

class inflation {
public:
    explicit inflation(owned<ws::message_codec> codec) noexcept : x_codec(std::move(codec)) {}

    ws::message_codec& codec() noexcept { return *x_codec; }
    const ws::message_codec& codec() const noexcept { return *x_codec; }

    // Takes the next piece of a message; there must be none pending.
    void feed(const ws::event& piece) noexcept {
        x_input = piece.payload;
        x_input_last = piece.last;
        x_pending = true;
        if (!piece.first) return;
        x_type = piece.type;
        x_first = true;
        x_utf8.reset();
    }

    // Whether there may be output without a further piece.
    bool pending() const noexcept { return x_pending; }
    void forget() noexcept { x_pending = false; }

    ws::opcode type() const noexcept { return x_type; }

    // Whether nothing of the message has been handed out.
    bool first() const noexcept { return x_first; }
    void handed_out() noexcept { x_first = false; }

    struct output {
        std::size_t size; // bytes that were written
        bool last;        // the message ends with them
        errc failure;
    };

    // Decompresses into `room`, which is not empty. A failure is for good.
    output inflate(mutable_bytes room) noexcept {
        const ws::message_codec::decompressed got = x_codec->decompress(x_input, x_input_last, room);
        const bool last = got.state == ws::message_codec::progress::complete;
        errc failure{};
        if (got.state == ws::message_codec::progress::corrupt)
            failure = errc::bad_compression;
        else if (x_type == ws::opcode::text && (!x_utf8.update(room.first(got.size)) || (last && !x_utf8.complete())))
            failure = errc::bad_utf8;
        x_pending = got.state == ws::message_codec::progress::more_room && failure == errc{};
        return {got.size, last, failure};
    }

private:
    owned<ws::message_codec> x_codec;
    bytes_view x_input; // not yet decompressed
    utf8_validator x_utf8;
    ws::opcode x_type = ws::opcode::text;
    bool x_input_last = false;
    bool x_pending = false;
    bool x_first = false;
};

} // namespace weir::inline v0::detail
