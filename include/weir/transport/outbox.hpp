// What a WebSocket connection has to send: frames in lanes.
//
// The data lane holds the frames of messages, in order. The control lane holds pings and pongs, which pass between two
// frames of the data lane. The deferred lane holds whole messages that wait for the end of a message that is being
// sent by pieces. Everything is encoded when it is queued; flushing hands the stream what it takes, in one call. Memory
// is held only while something is queued. The frames of a lane are whole, but for the first bytes of the one that the stream
// has taken a part of. The lanes themselves are in transport/outbox_lanes.hpp.
//
// Frames may also be borrowed: their payloads stay where somebody promises to keep them until the next flush, which writes
// them in front of the data lane. The data lane itself may refer to frames that are shared with other connections, or lie
// where they were received; a flush copies what the stream does not take of them.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/copy_short.hpp>
#include <weir/core/entropy.hpp>
#include <weir/io/stream.hpp>
#include <weir/protocol/ws/append_frame.hpp>
#include <weir/transport/outbox_lanes.hpp>

#include <bit>
#include <cassert>
#include <utility>

namespace weir::inline v0 {

class outbox : public detail::outbox_lanes {
public:
    using outbox_lanes::outbox_lanes;

    // Hands the stream as much as it takes, and says how many bytes that were.
    std::size_t flush(io::stream& to) noexcept {
        if (x_rest) return borrows() ? flush_borrowed(to) : flush_lanes(to);
        return x_data.empty() ? 0 : flush_data(to);
    }

    // The same of the data lane alone, which must not be empty, where there is nothing else.
    [[gnu::always_inline]] inline std::size_t flush_data(io::stream& to) noexcept {
        const bytes_view data = std::as_const(x_data).view();
        const std::size_t written = to.write_piece(data);
        if (written != data.size()) [[unlikely]]
            consume_data(written), x_data.own();
        else
            x_data.clear_mostly<first_block_bytes>();
        return written;
    }

    // The stream has taken so many bytes of the data lane.
    void consume_data(std::size_t size) noexcept {
        if (size == x_data.size()) {
            set_boundary(0);
        } else {
            std::size_t boundary = to_boundary();
            while (boundary < size) {
                ws::frame_header header;
                const bytes_view from = std::as_const(x_data).view().subspan(boundary);
                [[maybe_unused]] const ws::header_decoding decoded = ws::decode(from, header);
                assert(decoded.size);
                boundary += ws::encoded_bytes(header) + static_cast<std::size_t>(header.payload_bytes);
            }
            set_boundary(boundary - size);
        }
        x_data.consume(size);
    }

    // What a lane had better begin with: more than is needed, so that what is sent in one turn is seldom moved.
    static constexpr std::size_t first_block_bytes = 4 * 1024;

    // Begins with what is no frame, and behind which everything stands: the answer to a handshake.
    void begin_with(bytes_view head) noexcept {
        assert(empty());
        append(head);
        set_boundary(x_data.size());
    }

    // Borrows a message for the next flush: its frames are at most `frame_bytes` large and unmasked. The data lane must be
    // empty. False, and nothing borrowed, if there are too many frames.
    bool borrow(ws::opcode type, bytes_view payload, std::size_t frame_bytes) noexcept {
        assert(x_data.empty());
        const std::size_t had = x_rest ? x_rest->borrowed.count : 0;
        if (payload.size() > (frames_a_call - had) * static_cast<std::uint64_t>(frame_bytes)) return false;
        rest().borrowed.add(type, payload, frame_bytes);
        return true;
    }

    // Takes over a block of the pool, the first, that what is borrowed lies in, until the next flush.
    void hold(block which) noexcept {
        assert(borrows() && !holds_block());
        x_rest->borrowed.held = which;
    }

    // Sends a message whose frames are at most `frame_bytes` large, unmasked, straight from the caller's memory behind
    // what is queued. What the stream does not take is queued. Returns the bytes that were written.
    [[gnu::cold, gnu::noinline]] std::size_t write_through(io::stream& to, ws::opcode type, bytes_view payload,
                                                           std::size_t frame_bytes) noexcept {
        std::size_t total = 0;
        for (bool more = true; more;) {
            segments all;
            gather(all);
            const std::size_t lanes = all.count;
            std::byte headers[frames_a_call][ws::frame_header::max_bytes];
            frame_part parts[frames_a_call];
            std::size_t frames = 0;
            while (more && frames < frames_a_call) {
                frame_part& part = parts[frames];
                const std::size_t size = payload.size() < frame_bytes ? payload.size() : frame_bytes;
                more = size < payload.size();
                part.header = {size, type, 0, !more, false, {}};
                part.payload = payload.first(size);
                payload = payload.subspan(size);
                type = ws::opcode::continuation;
                const std::size_t header_size = ws::encode(part.header, headers[frames]);
                all.add({headers[frames], header_size}, lane::caller);
                all.add(part.payload, lane::caller);
                ++frames;
            }
            std::size_t written = to.write(all.view());
            total += written;
            written = account(all, written);
            if (queue_rest(all, lanes, parts, frames, written, payload.size() + frames_of(payload, frame_bytes) * header_bytes)) {
                if (more) append_message(x_data, type, payload, frame_bytes, nullptr);
                return total;
            }
        }
        return total;
    }

    // The same with one frame, whose header is encoded already.
    [[gnu::cold, gnu::noinline]] std::size_t write_frame_through(io::stream& to, bytes_view header, bytes_view payload) noexcept {
        assert(x_data.empty());
        segments all;
        gather(all);
        all.add(header, lane::caller);
        all.add(payload, lane::caller);
        const std::size_t total = to.write(all.view());
        const std::size_t written = account(all, total);
        const std::size_t of_header = written < header.size() ? written : header.size();
        append(header.subspan(of_header));
        append(payload.subspan(written - of_header));
        if (written) set_boundary(x_data.size());
        return total;
    }

    // Appends a whole message to `into` (the data or the deferred lane) in frames of at most `frame_bytes`, the first
    // of them with `reserved_bits`. `keys` gives a fresh masking key for each frame of a client; null for a server.
    static void append_message(buffer& into, ws::opcode type, bytes_view payload, std::size_t frame_bytes, entropy* keys,
                               std::uint8_t reserved_bits = 0) noexcept {
        for (bool more = true; more; type = ws::opcode::continuation, reserved_bits = 0) {
            const std::size_t size = payload.size() < frame_bytes ? payload.size() : frame_bytes;
            more = size < payload.size();
            ws::frame_header header{size, type, reserved_bits, !more, keys != nullptr, {}};
            if (keys) header.key = std::bit_cast<ws::masking_key>(keys->next_32());
            [[maybe_unused]] const bool fits = ws::append_frame(into, header, payload.first(size));
            assert(fits && "the lanes have no bound of their own");
            payload = payload.subspan(size);
        }
    }

    // What the header of a message takes at the most that is no larger than 65,535 bytes and not masked.
    static constexpr std::size_t short_header_bytes = 4;

    // Appends such a message in one frame to `into`, which has room for it. Always errc{}.
    [[gnu::always_inline]] static inline errc append_short(buffer& into, ws::opcode type, bytes_view payload) noexcept {
        std::byte* const to = into.end();
        const std::size_t header = ws::encode_short(type, payload.size(), to);
        into.extend(header + payload.size());
        return copied_short(to + header, payload);
    }

private:
    using borrowed_frames = detail::borrowed_frames;
    static constexpr std::size_t frames_a_call = borrowed_frames::most;

    enum class lane : unsigned char { data, control, caller };

    // What one write is made of.
    struct segments {
        bytes_view pieces[3 + 2 * frames_a_call];
        lane from[3 + 2 * frames_a_call];
        std::size_t count = 0;

        void add(bytes_view piece, lane of) noexcept {
            if (piece.empty()) return;
            pieces[count] = piece;
            from[count++] = of;
        }

        std::span<const bytes_view> view() const noexcept { return {pieces, count}; }
    };

    struct frame_part {
        ws::frame_header header;
        bytes_view payload;
    };

    [[gnu::cold, gnu::noinline]] std::size_t flush_lanes(io::stream& to) noexcept {
        segments all;
        gather(all);
        const std::size_t total = to.write(all.view());
        account(all, total);
        x_data.own();
        return total;
    }

    // Control frames, what is borrowed, and the data lane: no frame of that has been begun.
    [[gnu::noinline]] std::size_t flush_borrowed(io::stream& to) noexcept {
        assert(!to_boundary());
        const borrowed_frames& borrowed = x_rest->borrowed;
        const borrowed_frames::frame* const frames = borrowed.frames;
        if (borrowed.count == 1 && control_empty() && x_data.empty()) { // the most frequent
            const bytes_view both[] = {frames->head(), frames->payload()};
            const std::size_t written = to.write(both);
            if (written < borrowed.bytes) queue_borrowed(written);
            forget_borrowed();
            return written;
        }
        segments all;
        all.add(control_view(), lane::control);
        for (std::size_t i = 0; i < borrowed.count; ++i) {
            all.add(frames[i].head(), lane::caller);
            all.add(frames[i].payload(), lane::caller);
        }
        all.add(std::as_const(x_data).view(), lane::data);
        const std::size_t total = to.write(all.view());
        const std::size_t written = account(all, total);
        if (written < borrowed.bytes)
            queue_borrowed(written);
        else if (written > borrowed.bytes)
            consume_data(written - borrowed.bytes);
        forget_borrowed();
        return total;
    }

    // Puts what was borrowed, but for the first `written` bytes, in front of the data lane.
    [[gnu::cold, gnu::noinline]] void queue_borrowed(std::size_t written) noexcept {
        const borrowed_frames& borrowed = x_rest->borrowed;
        buffer behind = exchanged(x_data, buffer(x_data.pool()));
        x_data.begin(borrowed.bytes - written + behind.size());
        for (std::size_t i = 0; i < borrowed.count; ++i) {
            const borrowed_frames::frame& one = borrowed.frames[i];
            const std::size_t size = one.header_bytes + one.size, of_this = written < size ? written : size;
            const std::size_t of_header = of_this < one.header_bytes ? of_this : one.header_bytes;
            append(one.head().subspan(of_header));
            append(one.payload().subspan(of_this - of_header));
            if (of_this > 0) set_boundary(x_data.size());
            written -= of_this;
        }
        append(behind.view());
    }

    // A frame that was begun is finished first; control frames pass at the next boundary.
    void gather(segments& into) noexcept {
        const bytes_view data = std::as_const(x_data).view();
        const bool control_cut = x_rest && x_rest->control_cut;
        if (control_cut) into.add(control_view(), lane::control);
        into.add(data.first(to_boundary()), lane::data);
        if (!control_cut) into.add(control_view(), lane::control);
        into.add(data.subspan(to_boundary()), lane::data);
    }

    // Removes `written` bytes from the front of the lanes they came from; what is left over was the caller's.
    std::size_t account(const segments& all, std::size_t written) noexcept {
        for (std::size_t i = 0; i < all.count && all.from[i] != lane::caller && written; ++i) {
            const std::size_t size = all.pieces[i].size() < written ? all.pieces[i].size() : written;
            written -= size;
            if (all.from[i] == lane::data) {
                consume_data(size);
            } else {
                x_rest->control_cut = size < x_rest->control.size();
                x_rest->control.consume(size);
            }
        }
        return written;
    }

    static constexpr std::size_t header_bytes = ws::frame_header::max_bytes;
    static std::size_t frames_of(bytes_view payload, std::size_t frame_bytes) noexcept { return payload.size() / frame_bytes + 1; }

    // Queues what is left of the caller's frames after `written` bytes of them. False when nothing is. `more` bytes will follow.
    [[gnu::cold, gnu::noinline]] bool queue_rest(const segments& all, std::size_t lanes, const frame_part* parts, std::size_t frames,
                    std::size_t written, std::size_t more) noexcept {
        std::size_t at = lanes;
        std::size_t frame = 0;
        for (; frame < frames; ++frame) {
            const std::size_t pieces = parts[frame].payload.empty() ? 1 : 2;
            const std::size_t size = all.pieces[at].size() + parts[frame].payload.size();
            if (written < size) break;
            written -= size;
            at += pieces;
        }
        if (frame == frames) return false;
        for (std::size_t i = frame; i < frames; ++i) more += header_bytes + parts[i].payload.size();
        if (!x_data.has_block()) x_data.begin(more);
        if (written) { // this frame is cut: its rest is where the boundary is
            assert(x_data.empty());
            const bytes_view header = all.pieces[at];
            const std::size_t of_header = written < header.size() ? written : header.size();
            append(header.subspan(of_header));
            append(parts[frame].payload.subspan(written - of_header));
            set_boundary(x_data.size());
            ++frame;
        }
        for (; frame < frames; ++frame) {
            [[maybe_unused]] const bool fits = ws::append_frame(x_data, parts[frame].header, parts[frame].payload);
            assert(fits);
        }
        return true;
    }
};

} // namespace weir::inline v0
