// The sending side of a WebSocket connection: what may be queued, and who waits for it to leave.
//
// Encodes into the outbox, under the hard cap. Large payloads are not copied: they go to the stream straight from the caller's
// memory or, where they stay for a while, with what else is sent until then. Those who wait for back-pressure to end are
// woken when half of the high-water mark is left: senders of messages by all that is queued, and whoever sends a message
// by pieces by what stands before the next piece, since what is deferred waits for the end of that very message. Whether
// anything may be sent, and when to flush, is the caller's business.
//
// A message is compressed when it is queued, and only once it is certain that it will be, so that the peer's state
// follows ours. One that is deferred may not refer to the message before it, which is not complete.
#pragma once

#include <weir/core/entropy.hpp>
#include <weir/core/shared.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/protocol/ws/message_codec.hpp>
#include <weir/protocol/ws/sender.hpp>
#include <weir/transport/outbox.hpp>
#include <weir/transport/websocket_options.hpp>

#include <bit>

namespace weir::inline v0::detail {

class outgoing {
public:
    outgoing(const ws::sender& from, block_pool& pool, entropy& random, shared<const websocket_options> options) noexcept
        : x_outbox(pool), x_random(random), x_options(std::move(options)),
          x_short_queue(short_queue(*x_options)) {
        choose_way(from, nullptr);
    }

    // From now on `send` and `send_frame` are given a codec, by which messages are compressed.
    void compress() noexcept { x_short_below = 0; }

    // The short way of `send`, for what needs no more than a header: a small message of a server, while nothing is in
    // its way and no sender need wait. There is such a way where `has_room`, perhaps after `make_room` has said so; where
    // not, `send` will judge.
    [[gnu::always_inline]] inline bool has_room(std::size_t payload_bytes) noexcept {
        if (payload_bytes >= x_short_below) [[unlikely]] return false;
        return x_outbox.data().has_room(payload_bytes + outbox::short_header_bytes, x_short_queue);
    }
    bool make_room(std::size_t payload_bytes) noexcept {
        buffer& data = x_outbox.data();
        const std::size_t most = payload_bytes + outbox::short_header_bytes;
        if (payload_bytes >= x_short_below || data.size() + most > x_short_queue) return false;
        if (!data.has_block() && most <= outbox::first_block_bytes)
            data.begin_mostly<outbox::first_block_bytes>();
        else if (!data.prepare(most))
            return false;
        return data.has_room(most, x_short_queue);
    }
    [[gnu::always_inline]] inline errc send_short(ws::opcode type, bytes_view payload) noexcept {
        return outbox::append_short(x_outbox.data(), type, payload);
    }

    // The shortest way: for a message of a server that stands alone in received memory, behind a header that is not needed any
    // more. Ours takes the place of the masking key that ends it, and the frame is sent from there. False, and nothing done,
    // where something is in its way. `own` is owed before that memory moves; a `flush` may have seen to it.
    [[gnu::always_inline]] inline bool send_in_place(ws::opcode type, std::byte* payload, std::size_t bytes) noexcept {
        if (bytes >= x_short_below &&
            (!x_short_below || bytes > UINT16_MAX || bytes > x_options->frame_bytes || bytes > x_short_queue))
            return false;
        if (x_outbox.data().has_block()) return false;
        const std::size_t header = ws::encode_short_before(type, bytes, payload);
        x_outbox.data().refer({payload - header, header + bytes});
        return true;
    }
    void own() noexcept { x_outbox.data().own(); }

    // Encodes a whole message. errc{}, or `buffer_full` over the cap. `stays`: the payload stays where it is until the
    // next `flush`, which is owed before that changes.
    errc send(ws::sender& from, io::stream& over, ws::message_codec* codec, ws::opcode type, bytes_view payload, compression how,
              bool stays) noexcept {
        if (!fits(queued_bytes(), payload.size())) return errc::buffer_full;
        if (codec && how == compression::automatic) [[unlikely]]
            return send_compressed(from, over, *codec, type, payload, stays);
        const bool large = payload.size() >= write_through_bytes && !keys(from) && !from.sending_message();
        if (large && may_write() && stays && x_outbox.borrow(type, payload, x_options->frame_bytes)) return {};
        if (large && may_write() && x_outbox.borrows()) flush(over);
        if (large && may_write()) {
            x_bytes_out += x_outbox.write_through(over, type, payload, x_options->frame_bytes);
            note_blocked();
        } else {
            outbox::append_message(lane(from), type, payload, x_options->frame_bytes, keys(from));
        }
        return {};
    }

    // Has the answer to a handshake leave before everything else; nothing may have been sent.
    void begin_with(bytes_view head) noexcept { x_outbox.begin_with(head); }

    // Sends a whole message that is encoded already, and stays where it is until the end of the turn if that sets `referred`.
    // `stays`: what this refers to will be flushed by then.
    errc send_shared(ws::sender& from, io::stream& over, mutable_bytes frames, bool stays, bool& referred) noexcept {
        if (!fits(queued_bytes(), frames.size())) return errc::buffer_full;
        buffer& data = x_outbox.data();
        if (from.sending_message() || is_blocked()) return append_shared(lane(from), frames);
        const bool large = frames.size() >= write_through_bytes;
        if (data.has_block() && (large || (stays && data.refers() && data.size() >= write_through_bytes))) flush(over);
        if (is_blocked() || data.has_block() || borrows() || !(stays || large)) return append_shared(data, frames);
        data.refer(frames);
        if (stays)
            referred = true;
        else
            flush(over);
        return {};
    }
    // The same where it follows what was sent just before, and what has no room of its own: false, and nothing done, where not.
    [[gnu::always_inline]] inline bool send_more_shared(bytes_view frames) noexcept {
        buffer& data = x_outbox.data();
        if (!data.refers_up_to(frames.data()) || data.size() + frames.size() > x_short_queue) return false;
        data.extend(frames.size());
        return true;
    }

    // Encodes one piece of a message as a frame. The whole message is compressed if its first piece is.
    [[gnu::cold, gnu::noinline]] errc send_frame(ws::sender& from, io::stream& over, ws::message_codec* codec, ws::opcode type,
                                                 bytes_view payload, bool last, compression how) noexcept {
        if (!fits(x_outbox.data().size(), payload.size())) return errc::buffer_full;
        if (codec && !from.sending_message())
            x_compresses = how == compression::automatic &&
                           (!last || payload.size() >= x_options->compression.options().threshold_bytes);
        errc refused = {};
        if (x_compresses)
            refused = compress_frame(from, *codec, type, payload, last);
        else if (payload.size() >= write_through_bytes && !keys(from) && may_write() && !x_outbox.borrows())
            refused = write_frame_through(from, over, type, payload, last);
        else
            refused = from.encode_frame(x_outbox.data(), type, payload, last, next_key(from));
        if (refused == errc{} && last) x_outbox.end_deferral();
        choose_way(from, codec);
        return refused;
    }

    // Queues a ping or pong; over the bound of the control lane they are not queued (RFC 6455, 5.5.3).
    [[gnu::cold]] errc send_control(ws::sender& from, ws::opcode type, bytes_view payload, bool always = false) noexcept {
        if (!always && x_outbox.control_bytes() > control_lane_bytes) return errc::buffer_full;
        return from.encode_control(x_outbox.control(), type, payload, next_key(from));
    }

    // Queues a close frame behind everything that can still be sent.
    [[gnu::cold]] void send_close(ws::sender& from, ws::close_code code, std::string_view reason) noexcept {
        x_short_below = 0;
        drop_deferred();
        encode_close(from, x_outbox.data(), code, reason);
    }

    // Queues a close frame in place of what was queued. One that was queued before stays, and what stands before it.
    [[gnu::cold]] void send_close_at_once(ws::sender& from, ws::close_code code, std::string_view reason) noexcept {
        if (from.close_sent()) return;
        x_short_below = 0;
        x_outbox.drop_messages();
        encode_close(from, x_outbox.control(), code, reason);
        wake_all();
    }

    // The short way of `flush`, while nothing but messages wait, and nobody for them: true when all has left, or there
    // was nothing. After false `flush` is owed.
    bool flush_short(io::stream& over) noexcept {
        if (x_outbox.rest_if_any()) return false;
        const std::size_t size = x_outbox.data_bytes();
        if (!size) return true;
        const std::size_t written = x_outbox.flush_data(over);
        x_bytes_out += written;
        return written == size;
    }

    // The shortest way of all: what `send_in_place` has left, where nothing else is to be sent. It is to be written by one call,
    // and what that has taken to be told.
    bool has_answer() noexcept { return !x_outbox.rest_if_any() && x_outbox.data().refers(); }
    bytes_view answer() noexcept { return x_outbox.data().referred(); }
    void answered() noexcept {
        x_bytes_out += answer().size();
        x_outbox.data().forget_referred();
    }
    void answered_partly(std::size_t written) noexcept {
        x_bytes_out += written;
        x_outbox.consume_data(written);
    }

    // Hands the stream what it takes, in one call.
    void flush(io::stream& over) noexcept {
        if (!needs_flush()) return;
        x_bytes_out += x_outbox.flush(over);
        note_blocked();
        if (x_outbox.rest_if_any()) wake_some();
    }
    void unblock() noexcept {
        if (is_blocked()) x_outbox.rest().blocked = false;
    }

    // Whether the next `flush` is owed before what was sent moves, and a block that it is in, to be kept until then.
    bool borrows() const noexcept { return x_outbox.borrows(); }
    bool holds_block() const noexcept { return x_outbox.holds_block(); }
    void hold(block which) noexcept { x_outbox.hold(which); }

    entropy& random() noexcept { return x_random; }
    const websocket_options& options() const noexcept { return *x_options; }

    // Nothing can be sent any more.
    [[gnu::cold]] void clear() noexcept {
        x_short_below = 0;
        x_outbox.clear();
        wake_all();
    }

    bool empty() const noexcept { return x_outbox.empty(); }
    bool control_empty() const noexcept { return x_outbox.control_empty(); }
    bool needs_flush() const noexcept { return !is_blocked() && !x_outbox.empty(); }
    std::size_t queued_bytes() const noexcept { return x_outbox.queued_bytes(); }
    std::uint64_t bytes_out() const noexcept { return x_bytes_out; }

    // Whether a send, or a send of a piece, need not wait now; and for those who wait.
    bool sendable() const noexcept {
        if (x_short_below && x_outbox.data_bytes() <= x_short_queue) return true; // nothing is deferred then
        return queued_bytes() <= x_options->high_water_bytes;
    }
    bool frame_sendable() const noexcept {
        return queued_bytes() - x_outbox.deferred_bytes() <= x_options->high_water_bytes;
    }
    void wait_sendable(waiter& sender) noexcept { x_outbox.rest().senders.push_back(sender); }
    void wait_frame_sendable(waiter& sender) noexcept { x_outbox.rest().streamers.push_back(sender); }
    bool awaited() const noexcept {
        const outbox_rest* const rest = x_outbox.rest_if_any();
        return rest && (!rest->senders.empty() || !rest->streamers.empty());
    }

    [[gnu::noinline]] static void wake(list<ready_item>& waiters, errc outcome) noexcept {
        while (ready_item* each = waiters.pop_front()) static_cast<waiter*>(each)->wake(outcome);
    }

private:
    static constexpr std::size_t write_through_bytes = 16 * 1024;
    static constexpr std::size_t control_lane_bytes = 16 * 1024;

    // Whether the stream may take something at once that is not in the data lane.
    bool may_write() noexcept { return !is_blocked() && !x_outbox.data_bytes(); }

    // Whether the stream takes nothing until it says so: it does not while there is something that it has not taken.
    bool is_blocked() const noexcept { return x_outbox.rest_if_any() && x_outbox.rest_if_any()->blocked; }
    void note_blocked() noexcept {
        if (x_outbox.empty()) return x_outbox.tidy();
        x_outbox.rest().blocked = true;
    }

    // What makes the masking keys; null for a server.
    entropy* keys(const ws::sender& from) const noexcept {
        return from.role() == ws::role::client ? &x_random : nullptr;
    }
    ws::masking_key next_key(const ws::sender& from) const noexcept {
        return std::bit_cast<ws::masking_key>(keys(from) ? x_random.next_32() : 0u);
    }

    // Where whole messages go: those that are sent inside another one, behind its end.
    buffer& lane(const ws::sender& from) noexcept {
        return from.sending_message() ? x_outbox.deferred() : x_outbox.data();
    }

    [[gnu::cold, gnu::noinline]] errc send_compressed(ws::sender& from, io::stream& over, ws::message_codec& codec, ws::opcode type,
                                                      bytes_view payload, bool stays) noexcept {
        buffer made(x_outbox.data().pool());
        if (payload.size() < x_options->compression.options().threshold_bytes || !codec.compress(payload, made))
            return send(from, over, nullptr, type, payload, compression::off, stays);
        outbox::append_message(lane(from), type, made.view(), x_options->frame_bytes, keys(from),
                               ws::message_codec::reserved_bits);
        return {};
    }

    [[gnu::cold, gnu::noinline]] errc compress_frame(ws::sender& from, ws::message_codec& codec, ws::opcode type, bytes_view payload,
                                                     bool last) noexcept {
        if (const errc refused = from.may_send(type); refused != errc{}) return refused;
        buffer made(x_outbox.data().pool());
        codec.compress_piece(payload, last, made);
        return from.encode_frame(x_outbox.data(), type, made.view(), last, next_key(from),
                                 ws::message_codec::reserved_bits);
    }

    [[gnu::cold, gnu::noinline]] errc write_frame_through(ws::sender& from, io::stream& over, ws::opcode type, bytes_view payload,
                                                          bool last) noexcept {
        if (const errc refused = from.may_send(type); refused != errc{}) return refused;
        std::byte header[ws::frame_header::max_bytes];
        const std::size_t size = from.encode_frame_header(header, type, payload.size(), last);
        x_bytes_out += x_outbox.write_frame_through(over, {header, size}, payload);
        note_blocked();
        return {};
    }

    void choose_way(const ws::sender& from, const ws::message_codec* codec) noexcept {
        x_short_below = codec || keys(from) || from.sending_message() || from.close_sent() ? 0 : short_bytes();
    }
    std::uint32_t short_bytes() const noexcept {
        const std::size_t most = x_options->frame_bytes < x_short_queue ? x_options->frame_bytes : x_short_queue;
        return static_cast<std::uint32_t>(most < write_through_bytes ? most + 1 : write_through_bytes);
    }
    static std::uint32_t short_queue(const websocket_options& all) noexcept {
        const std::size_t most = all.high_water_bytes < all.queue_bytes ? all.high_water_bytes : all.queue_bytes;
        return most < UINT32_MAX ? static_cast<std::uint32_t>(most) : UINT32_MAX;
    }

    static errc append_shared(buffer& to, bytes_view frames) noexcept { return to.append(frames) ? errc{} : errc::buffer_full; }

    // Wakes whom less than half is left for, and gives back what is not needed any more.
    [[gnu::noinline]] void wake_some() noexcept {
        outbox_rest& rest = x_outbox.rest();
        if (x_outbox.data_bytes() <= x_options->high_water_bytes / 2) wake(rest.streamers, errc{});
        if (queued_bytes() <= x_options->high_water_bytes / 2) wake(rest.senders, errc{});
        x_outbox.tidy();
    }
    [[gnu::cold]] void wake_all() noexcept {
        if (!awaited()) return;
        wake(x_outbox.rest().senders, errc::closed);
        wake(x_outbox.rest().streamers, errc::closed);
    }

    // One message is always taken when nothing is queued before it.
    bool fits(std::size_t queued, std::size_t more) const noexcept {
        return !queued || (queued <= x_options->queue_bytes && more <= x_options->queue_bytes - queued);
    }

    // The deferred lane will have no end to wait for.
    void drop_deferred() noexcept {
        x_outbox.drop_deferred();
        if (awaited() && queued_bytes() <= x_options->high_water_bytes / 2) wake(x_outbox.rest().senders, errc::closed);
    }

    [[gnu::cold]] void encode_close(ws::sender& from, buffer& lane, ws::close_code code, std::string_view reason) noexcept {
        [[maybe_unused]] const errc refused = from.encode_close(lane, code, reason, next_key(from));
        assert(refused == errc{});
    }

    outbox x_outbox;
    entropy& x_random;
    shared<const websocket_options> x_options; // of the connection
    std::uint64_t x_bytes_out = 0;
    std::uint32_t x_short_below = 0; // smaller messages go the short way; such as are not larger than what follows
    std::uint32_t x_short_queue;     // as long as this much is queued with them at the most
    bool x_compresses = false; // the message that is sent by pieces is compressed
};

} // namespace weir::inline v0::detail
