// What a WebSocket connection receives: bytes in, messages or pieces of them out.
//
// Holds the lease that is being parsed, in place. While somebody reads, messages are handed out as views of the lease, or
// of an assembly when they came in parts. While nobody does, pieces are kept ahead, so that what stands behind
// them is seen. What was found stays until it is taken, so a reader that goes away loses nothing. Control frames are
// given to the caller as they come. The caller does the I/O and sees to bounds.
//
// Compressed pieces are kept as they came. They are decompressed when somebody reads: to the assembly, step by step, so
// that the message limit, or the size of a piece, bounds what one read makes of them.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/owned.hpp>
#include <weir/io/stream.hpp>
#include <weir/protocol/ws/connection.hpp>
#include <weir/transport/kept_parts.hpp>

#include <bit>
#include <cassert>
#include <utility>

namespace weir::inline v0::detail {

// How a reader wants its messages.
enum class reading : unsigned char { whole, by_pieces };

class inbox {
public:
    enum class step : unsigned char {
        found,     // there is something to hand out
        control,   // a control frame, or a failure of the peer
        too_large, // a message over the limit: frame_remaining of the event is its size, as far as it is known
        too_many,  // a message of more frames than the limit
        exhausted, // more bytes are needed
        corrupt,   // a compressed message is not what it should be: `corruption` says what
    };

    // `rest`, a part of the lease `first`, is to be parsed. `message_bytes` is what `advance` will be given.
    inbox(ws::role side, block_pool& pool, const ws::limits& bounds, std::size_t message_bytes, io::lease&& first,
          mutable_bytes rest) noexcept
        : x_protocol(side, pool, bounds), x_lease{rest, exchanged(first, {}).backing},
          x_short_bytes(ws::connection::short_bytes(message_bytes < bounds.frame_bytes ? message_bytes : bounds.frame_bytes)) {}

    ws::connection& protocol() noexcept { return x_protocol; }
    const ws::connection& protocol() const noexcept { return x_protocol; }

    // From now on messages may come compressed. Throws where there is no memory for that.
    [[gnu::cold]] void compress(owned<ws::message_codec> by) {
        if (!x_kept) x_kept = make_owned<kept_parts>(x_protocol.pool());
        x_kept->codec = std::move(by);
        x_protocol.allow_reserved_bits(ws::message_codec::reserved_bits);
    }
    ws::message_codec* codec() const noexcept { return x_kept ? x_kept->codec.get() : nullptr; }
    errc corruption() const noexcept { return x_kept->corruption; } // after `corrupt`

    // The short way of `advance` for whole messages: true when one stands whole where nothing was parsed yet. False says
    // nothing; ask `advance`. There must be a rest.
    [[gnu::noinline]] bool find_whole() noexcept {
        ws::connection::whole next;
        if (!may_go_short() || !x_protocol.find_whole(x_lease.bytes, x_short_bytes, next)) return false;
        note_whole(next);
        if (next.type == ws::opcode::text) return take_text();
        return x_protocol.take_whole(x_lease.bytes, next);
    }

    // What was received is one whole message and nothing else, and all that came before `is_used_up`: its view, to be taken by
    // one of the two that follow. False: ask `find_whole`.
    [[gnu::always_inline]] inline bool find_lone() noexcept {
        ws::connection::whole next;
        if (!x_protocol.find_whole<true>(x_lease.bytes, x_short_bytes, next)) return false;
        note_whole(next);
        return true;
    }
    [[gnu::always_inline]] inline void take_lone_binary() noexcept {
        x_lease.bytes = x_lease.bytes.first(0);
        x_protocol.unmask(x_view);
    }
    bool take_lone_text() noexcept { return take_text(); }

    // Whether `advance` would find out that more bytes are needed and nothing else: the view of the last message ends then.
    bool is_used_up() noexcept {
        if (!may_go_short() || has_rest()) return false;
        x_view = {};
        return true;
    }

    // Goes on until there is something for a reader, or the caller has to do something.
    step advance(reading how, std::size_t message_bytes, std::uint32_t message_fragments, ws::event& next) noexcept {
        const step outcome = go_on(how, message_bytes, message_fragments, next);
        x_look.plain = !x_gathering && !x_view_assembled && !x_discards && !is_decompressing() && (!ahead() || ahead()->idle()) &&
                       x_protocol.between_messages();
        return outcome;
    }

    // Parses `input` for nobody: keeps pieces of messages. True with a control frame, which the caller has to handle
    // before it goes on; false when the input is used up.
    bool look_ahead(mutable_bytes& input, ws::event& control) noexcept {
        bool seen = false;
        while (!seen && !input.empty()) {
            control = x_protocol.receive(input);
            seen = control.what != ws::event::kind::data && control.what != ws::event::kind::need_more;
            if (control.what == ws::event::kind::data && !x_discards) keep(control);
        }
        if (!x_protocol.between_messages()) take_long_way();
        return seen;
    }
    bool look_ahead(ws::event& control) noexcept { return look_ahead(x_lease.bytes, control); }

    // Where new bytes go when the old ones are used up and no view of them is valid any more: they are parsed from there.
    io::lease& lease_to_fill() noexcept { return x_lease; }

    // Whether much of a frame is still to come.
    bool is_in_long_frame() const noexcept { return x_protocol.frame_remaining() >= kept_parts::much; }

    // Where the next bytes of a long frame will stand, so that they can be received there, in front of the lease: none of what
    // comes behind the frame. Empty where they go to the lease. They are to be filled and then parsed at once, by `advance`.
    [[gnu::noinline]] mutable_bytes room_in_message() noexcept {
        assert(is_in_long_frame());
        if (!x_gathering || x_discards || x_protocol.message_bits()) return {};
        const std::uint64_t remaining = x_protocol.frame_remaining();
        const std::size_t most = kept_parts::growth(assembled()), room = remaining < most ? static_cast<std::size_t>(remaining) : most;
        return {kept().assembly.prepare(room), room < io::lease::large_bytes ? room : io::lease::large_bytes};
    }
    void filled(mutable_bytes room) noexcept {
        if (!room.empty()) x_kept->behind = exchanged(x_lease.bytes, room);
    }

    // Gives the lease back, which no view may point into any more.
    void give_lease_to(io::stream& lender) noexcept {
        assert(!has_rest());
        lender.release(std::move(x_lease)); // which leaves it empty
    }
    // The same where nothing but a lone message was there, if that is done in no time; false, and nothing done, if not.
    [[gnu::always_inline]] inline bool give_lone_lease_to(const io::stream& lender) noexcept {
        if (!lender.lends_blocks() || !x_protocol.pool().give_kept<io::lease::usual_bytes>(x_lease.backing)) return false;
        x_lease.backing = {};
        return true;
    }
    bool has_lease() const noexcept { return x_lease.backing.data; }
    bool lease_is_unused() const noexcept {
        return x_lease.backing.data && !has_rest() && (!x_view.data() || x_view_assembled) && !is_decompressing();
    }

    // Whether these bytes stay where they are until the lease is given back or, what is in `take_assembled`, until then.
    bool keeps(bytes_view which) const noexcept {
        if (lies_in(which, {x_lease.backing.data, x_lease.backing.size})) return true;
        return x_view_assembled && lies_in(which, x_kept->assembly.view());
    }
    bool view_is_assembled() const noexcept { return x_view_assembled; }
    block take_assembled() noexcept {
        x_view = {};
        x_view_assembled = false;
        return x_kept->assembly.take_block();
    }

    // From now on, until `advance`, no short way is taken.
    void take_long_way() noexcept { x_look.plain = false; }

    // What was found, once.
    bool found() const noexcept { return x_look.found; }
    void take() noexcept { x_look.found = false; }
    mutable_bytes view() const noexcept { return x_view; }
    bool view_is_text() const noexcept { return x_view_type == ws::opcode::text; }
    bool view_is_first() const noexcept { return x_view_first; }
    bool view_is_last() const noexcept { return x_view_last; }

    // Bytes that nobody has looked at.
    bool has_rest() const noexcept { return !x_lease.bytes.empty(); }

    // Whether a piece of a compressed message waits to be decompressed for a reader.
    bool is_decompressing() const noexcept { return x_kept && x_kept->codec && x_kept->codec->pending(); }

    // What waits for a reader to come.
    bool has_ahead() const noexcept { return ahead() && !ahead()->empty(); }
    std::size_t ahead_bytes() const noexcept { return ahead() ? ahead()->size() : 0; }
    bool has_unread() const noexcept { return x_look.found || has_ahead() || has_rest() || is_decompressing(); }

    // From now on, pieces of messages are dropped as they are parsed. Those that were kept stay.
    void discard_from_now() noexcept {
        x_look.plain = false;
        x_discards = true;
    }

    // From now on, nothing is parsed any more; what follows is no sensible input.
    void stop_parsing() noexcept {
        x_lease.bytes = {};
        discard_from_now();
    }

    // Nobody will read what was kept.
    [[gnu::cold]] void forget_unread() noexcept {
        x_look.found = false;
        if (codec()) codec()->forget();
        release_view();
        x_gathering = false;
        if (x_kept) {
            x_kept->assembly.clear();
            if (x_kept->ahead) x_kept->ahead->clear();
        }
        discard_from_now();
    }

private:
    static constexpr std::size_t decompressed_piece_bytes = 16 * 1024;

    // Whether the next message may go the short way, as far as that is known without a look at it.
    bool may_go_short() const noexcept { return std::bit_cast<std::uint16_t>(x_look) == std::bit_cast<std::uint16_t>(look{true, false}); }
    [[gnu::always_inline]] inline void note_whole(const ws::connection::whole& next) noexcept {
        x_view = next.payload;
        x_view_type = next.type;
        x_look.plain = x_look.found = x_view_first = x_view_last = true; // in one store
    }
    [[gnu::noinline]] bool take_text() noexcept { return x_look.plain = x_look.found = x_protocol.take_text(x_lease.bytes, x_view); }

    // `advance`, without what that notes.
    [[gnu::noinline]] step go_on(reading how, std::size_t message_bytes, std::uint32_t message_fragments,
                                 ws::event& next) noexcept {
        if (x_look.found) {
            if (how == reading::by_pieces || x_view_last) return step::found;
            put_back();
        }
        release_view();
        if (how == reading::by_pieces && x_gathering && assembled()) return hand_out_gathered();
        for (;;) {
            if (is_decompressing()) [[unlikely]] {
                const step outcome = decompress(how, message_bytes, next);
                if (outcome != step::exhausted) return outcome;
            }
            std::uint32_t fragment;
            if (has_ahead()) {
                next = ahead()->next();
                fragment = ahead()->fragment();
            } else {
                if (!has_rest() || (next = x_protocol.receive(x_lease.bytes)).what == ws::event::kind::need_more) {
                    if (how != reading::whole) return step::exhausted;
                    if (too_many(x_protocol.fragments(), message_fragments)) return step::too_many;
                    return promises_over(message_bytes, next) ? step::too_large : step::exhausted;
                }
                if (next.what != ws::event::kind::data) return step::control;
                if (x_discards) continue;
                fragment = x_protocol.fragment();
            }
            if (next.reserved_bits) [[unlikely]] {
                if (!x_gathering) x_gathered_from = fragment;
                if (how == reading::whole && too_many(fragment, message_fragments)) return step::too_many;
                codec()->feed(next);
                continue;
            }
            if (how == reading::by_pieces) {
                if (exchanged(x_gathering, false)) next.first = x_gathered_first;
                x_gathered_from = fragment;
                hand_out(next.payload, next);
                return step::found;
            }
            const std::uint64_t total = assembled() + next.payload.size() + next.frame_remaining;
            if (total > message_bytes) {
                next.frame_remaining = total;
                return step::too_large;
            }
            if (next.last && !x_gathering) {
                hand_out(next.payload, next);
                return step::found;
            }
            if (!x_gathering) x_gathered_from = fragment;
            if (too_many(fragment, message_fragments)) return step::too_many;
            gather(next);
            if (!next.last) continue;
            hand_out_gathered();
            x_view_last = true;
            return step::found;
        }
    }

    void hand_out(mutable_bytes payload, const ws::event& from) noexcept {
        x_view = payload;
        x_view_type = from.type;
        x_view_first = from.first;
        x_view_last = from.last;
        x_look.found = true;
    }

    step hand_out_gathered() noexcept {
        x_view = kept().assembly.view();
        x_view_first = x_gathered_first;
        x_view_last = false;
        x_view_assembled = true;
        x_gathering = false;
        x_look.found = true;
        if (codec()) codec()->handed_out();
        return step::found;
    }

    void gather(const ws::event& next) noexcept {
        begin_gathering(next.first);
        x_view_type = next.type;
        if (next.payload.empty()) return;
        const std::size_t size = next.payload.size();
        buffer& assembly = kept().assembly;
        if (next.payload.data() == assembly.end() && assembly.has_room(size, buffer::no_bound)) { // `room_in_message`
            assembly.commit(size);
            x_lease.bytes = x_kept->behind;
            return;
        }
        const std::size_t most = size + kept_parts::growth(assembly.size() + size);
        const std::uint64_t wanted = size + next.frame_remaining;
        std::byte* to = assembly.prepare(wanted < most ? static_cast<std::size_t>(wanted) : most);
        assert(to && "this buffer has no bound of its own");
        std::memcpy(to, next.payload.data(), size);
        assembly.commit(size);
    }
    void begin_gathering(bool first) noexcept {
        if (!exchanged(x_gathering, true)) x_gathered_first = first;
    }

    // Whether a frame of this number is one too many for a message, or the rest of one, that is read as a whole.
    bool too_many(std::uint32_t fragment, std::uint32_t most) const noexcept {
        return fragment >= x_gathered_from && fragment - x_gathered_from >= most;
    }

    // Whether the header of the frame under way says that the message will be too large.
    bool promises_over(std::size_t message_bytes, ws::event& next) const noexcept {
        if (x_discards || x_protocol.message_bits()) return false; // what an extension makes of it is not known yet
        next.frame_remaining = assembled() + x_protocol.frame_remaining();
        return next.frame_remaining > message_bytes;
    }

    // Decompresses what is pending. `exhausted`: a further piece is needed.
    [[gnu::cold, gnu::noinline]] step decompress(reading how, std::size_t message_bytes, ws::event& next) noexcept {
        const bool whole = how == reading::whole;
        if (!x_gathering) x_gathered_first = codec()->untouched();
        x_gathering = whole;
        // One byte over the limit is as far as it goes.
        const std::size_t most = whole ? message_bytes + (message_bytes + 1 != 0) : decompressed_piece_bytes;
        const ws::message_codec::decompressed got = codec()->decompress(kept().assembly, most);
        x_view_type = codec()->type();
        if (got.failure != errc{}) {
            x_kept->corruption = got.failure;
            return step::corrupt;
        }
        if (whole && assembled() > message_bytes) {
            next.frame_remaining = assembled();
            return step::too_large;
        }
        if (!got.last && (whole || !assembled())) return step::exhausted;
        hand_out_gathered();
        x_view_last = got.last;
        return step::found;
    }

    // A piece was found for a reader that went away, and now a whole message is wanted.
    void put_back() noexcept {
        x_look.found = false;
        begin_gathering(x_view_first);
        if (exchanged(x_view_assembled, false)) return;
        [[maybe_unused]] const bool fits = kept().assembly.append(x_view);
        assert(fits && "this buffer has no bound of its own");
    }

    void keep(const ws::event& piece) noexcept {
        x_look.plain = false;
        if (!kept().ahead) x_kept->ahead = make_owned<read_ahead>(x_protocol.pool());
        ahead()->keep(piece, x_protocol.fragment());
    }

    void release_view() noexcept {
        x_view = {};
        if (exchanged(x_view_assembled, false)) x_kept->assembly.clear();
        if (ahead() && !is_decompressing()) ahead()->release();
    }

    kept_parts& kept() noexcept {
        if (!x_kept) x_kept = make_owned<kept_parts>(x_protocol.pool());
        return *x_kept;
    }
    read_ahead* ahead() const noexcept { return x_kept ? x_kept->ahead.get() : nullptr; }
    std::size_t assembled() const noexcept { return x_kept ? x_kept->assembly.size() : 0; }

    [[no_unique_address]] ws::connection x_protocol;
    struct look {
        bool plain = true;  // nothing stands between the rest and a reader, but for what was found; the rest begins with a message
        bool found = false; // x_view is to be handed out
    } x_look;
    bool x_view_first = false;
    bool x_view_last = false;
    bool x_view_assembled = false; // x_view lies in the assembly
    bool x_gathering = false;      // the assembly is the beginning of a message that goes on, perhaps an empty one
    bool x_gathered_first = false; // and nothing of that message was handed out before
    bool x_discards = false;
    ws::opcode x_view_type = ws::opcode::text;
    std::uint32_t x_gathered_from = 1; // the frame in which began what is gathered, or was handed out last
    io::lease x_lease;                   // its bytes: what has not been parsed
    owned<kept_parts> x_kept;
    mutable_bytes x_view;                 // what was handed out last, or is to be
    std::uint16_t x_short_bytes;          // larger messages do not go the short way
};

} // namespace weir::inline v0::detail
