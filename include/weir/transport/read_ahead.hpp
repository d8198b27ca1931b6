// Pieces of messages that arrived while nobody was reading.
//
// They are kept in the order of arrival, in one of two buffers: what is read comes from `x_reading`, whose bytes stay
// where they are until the next call of `next`; what arrives meanwhile goes to `x_arriving`. The two change places when
// the first is used up. Memory is held only while there is something to keep.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/protocol/ws/event.hpp>

#include <cassert>
#include <cstring>
#include <utility>

namespace weir::inline v0 {

class read_ahead {
public:
    explicit read_ahead(block_pool& pool) noexcept : x_reading(pool), x_arriving(pool) {}

    // How many bytes are kept that have not been read.
    std::size_t size() const noexcept { return x_reading.size() - x_used + x_arriving.size(); }
    bool empty() const noexcept { return size() == 0; }

    // Whether no memory is held: nothing is kept, and no piece is valid.
    bool idle() const noexcept { return x_reading.empty() && x_arriving.empty(); }

    // Keeps a copy of a piece of a message, from the frame `fragment` of that.
    void keep(const ws::event& piece, std::uint32_t fragment) noexcept {
        const std::uint64_t remaining = piece.frame_remaining < no_more ? piece.frame_remaining : no_more;
        const record head{static_cast<std::uint32_t>(piece.payload.size()), static_cast<std::uint32_t>(remaining),
                          fragment, piece.type, piece.reserved_bits, piece.first, piece.last};
        std::byte* to = x_arriving.prepare(sizeof head + piece.payload.size());
        assert(to && "these buffers have no bound of their own");
        std::memcpy(to, &head, sizeof head);
        if (!piece.payload.empty()) std::memcpy(to + sizeof head, piece.payload.data(), piece.payload.size());
        x_arriving.commit(sizeof head + piece.payload.size());
    }

    // The oldest piece, valid until the next call of `next` or `release`. There must be one.
    ws::event next() noexcept {
        release();
        if (x_reading.empty()) swap_contents(x_reading, x_arriving);
        record head;
        std::memcpy(&head, x_reading.data(), sizeof head);
        x_used = sizeof head + head.bytes;
        ws::event piece;
        piece.what = ws::event::kind::data;
        piece.type = head.type;
        piece.reserved_bits = head.reserved_bits;
        piece.first = head.first;
        piece.last = head.last;
        x_fragment = head.fragment;
        piece.frame_remaining = head.remaining;
        piece.payload = {x_reading.data() + sizeof head, std::size_t(head.bytes)};
        return piece;
    }

    // Which frame of its message that piece came from.
    std::uint32_t fragment() const noexcept { return x_fragment; }

    // Ends the validity of the piece that `next` gave last, and gives its memory back.
    void release() noexcept { x_reading.consume(exchanged(x_used, 0)); }

    // Forgets everything.
    void clear() noexcept {
        x_used = 0;
        x_reading.clear();
        x_arriving.clear();
    }

private:
    static constexpr std::uint32_t no_more = 0xFFFF'FFFF;

    struct record {
        std::uint32_t bytes;
        std::uint32_t remaining; // of the frame, 4 GiB at the most
        std::uint32_t fragment;
        ws::opcode type;
        std::uint8_t reserved_bits;
        bool first;
        bool last;
    };

    buffer x_reading;
    buffer x_arriving;
    std::uint32_t x_fragment = 1;
    std::size_t x_used = 0; // bytes at the front of x_reading that the last piece takes
};

} // namespace weir::inline v0
