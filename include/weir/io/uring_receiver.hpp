// What one socket has received in io_uring's completion mode and nobody has asked for yet.
//
// A buffer of the kernel's ring stays as it is, to be lent, if it can be spared and the socket has few of them; otherwise
// its bytes are copied together, and the buffer goes back to the kernel at once.
#pragma once

#include <weir/io/stream.hpp>
#include <weir/io/uring_buffers.hpp>

#include <cstring>

namespace weir::inline v0::io {

class uring_receiver {
public:
    uring_receiver() noexcept = default;
    uring_receiver(const uring_receiver&) = delete;
    uring_receiver& operator=(const uring_receiver&) = delete;

    bool empty() const noexcept { return !x_first; }

    // What it takes: the bytes in buffers of the ring, of which it never has many, and the memory of copies.
    std::size_t memory() const noexcept { return x_memory; }

    // The kernel has received `size` bytes into the buffer `index`.
    void take(uring_buffers& buffers, block_pool& blocks, unsigned index, std::uint32_t size) noexcept {
        if (x_kept < most_kept && buffers.may_keep()) {
            ++x_kept;
            return append(buffers.keep(index, size));
        }
        const std::byte* const from = buffers.at(index).data();
        if (x_last && x_last->copied && room_of(*x_last) >= size) {
            std::memcpy(x_last->data() + x_last->size, from, size);
            x_last->size += size;
        } else {
            const block room = blocks.take(sizeof(uring_chunk) + (size < least_copied ? least_copied : size));
            uring_chunk& made = *::new (room.data) uring_chunk{nullptr, room, size, true};
            std::memcpy(made.data(), from, size);
            append(made);
        }
        buffers.provide(index);
    }

    // Lends the oldest. There must be one.
    void lend(lease& into) noexcept {
        uring_chunk& first = *x_first;
        x_first = first.next;
        if (!x_first) x_last = nullptr;
        x_memory -= taken_by(first);
        if (!first.copied) --x_kept;
        into = {{first.data(), first.size}, first.backing};
    }

    static void give_back(uring_buffers& buffers, block_pool& blocks, const block& unused) noexcept {
        if (unused.size > 0 && !buffers.give(unused)) blocks.give(unused);
    }

private:
    static constexpr unsigned most_kept = 2;
    static constexpr std::size_t least_copied = 4000; // with what stands before them: 4 KiB

    static std::size_t taken_by(const uring_chunk& which) noexcept { return which.copied ? which.backing.size : which.size; }
    static std::size_t room_of(const uring_chunk& which) noexcept { return which.backing.size - sizeof(uring_chunk) - which.size; }

    void append(uring_chunk& last) noexcept {
        (x_last ? x_last->next : x_first) = &last;
        x_last = &last;
        x_memory += taken_by(last);
    }

    uring_chunk* x_first = nullptr;
    uring_chunk* x_last = nullptr;
    std::size_t x_memory = 0;
    unsigned x_kept = 0;
};

} // namespace weir::inline v0::io
