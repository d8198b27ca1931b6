// The output of one socket in io_uring's completion mode: what was taken and is not yet with the kernel's socket.
//
// Two blocks: the kernel sends from one while the other takes what is written meanwhile. Both belong to the pool of the
// backend and exist only while they hold something. The one that the kernel sends from is freed when the operation has
// completed, whatever became of the stream.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>

#include <cstring>

namespace weir::inline v0::io {

class uring_sender {
public:
    explicit uring_sender(block_pool& blocks) noexcept : x_blocks(blocks) {}
    uring_sender(const uring_sender&) = delete;
    uring_sender& operator=(const uring_sender&) = delete;
    ~uring_sender() { drop(); }

    // How many bytes are not known to be with the kernel.
    std::size_t size() const noexcept { return x_front_end - x_front_begin + x_back_bytes; }

    // Takes as much as keeps `size()` at `most`, but for the first `skipped` bytes.
    std::size_t take(std::span<const bytes_view> pieces, std::size_t skipped, std::size_t most) noexcept {
        const std::size_t before = size();
        std::size_t room = most > before ? most - before : 0, taken = 0;
        for (bytes_view piece : pieces) {
            const std::size_t gone = piece.size() < skipped ? piece.size() : skipped;
            skipped -= gone;
            piece = piece.subspan(gone);
            const std::size_t count = piece.size() < room ? piece.size() : room;
            if (count > 0) append(piece.first(count));
            taken += count;
            room -= count;
            if (count < piece.size()) break;
        }
        return taken;
    }

    // What is to be sent next; it stays there until `sent` or `drop`.
    bytes_view next() noexcept {
        if (x_front_begin == x_front_end && x_back_bytes > 0) {
            x_blocks.give(x_front);
            x_front = std::exchange(x_back, block());
            x_front_begin = 0;
            x_front_end = std::exchange(x_back_bytes, 0);
        }
        return {x_front.data + x_front_begin, x_front_end - x_front_begin};
    }

    // So much of `next()` is with the kernel.
    void sent(std::size_t count) noexcept {
        x_front_begin += count;
        if (x_front_begin < x_front_end) return;
        x_blocks.give(std::exchange(x_front, block()));
        x_front_begin = x_front_end = 0;
    }

    void drop() noexcept {
        x_blocks.give(std::exchange(x_front, block()));
        x_blocks.give(std::exchange(x_back, block()));
        x_front_begin = x_front_end = x_back_bytes = 0;
    }

private:
    void append(bytes_view piece) noexcept {
        if (x_back_bytes + piece.size() > x_back.size) {
            const block larger = x_blocks.take(x_back_bytes + piece.size());
            if (x_back_bytes > 0) std::memcpy(larger.data, x_back.data, x_back_bytes);
            x_blocks.give(std::exchange(x_back, larger));
        }
        std::memcpy(x_back.data + x_back_bytes, piece.data(), piece.size());
        x_back_bytes += piece.size();
    }

    block_pool& x_blocks;
    block x_front; // the kernel sends from here
    block x_back;
    std::size_t x_front_begin = 0;
    std::size_t x_front_end = 0;
    std::size_t x_back_bytes = 0;
};

} // namespace weir::inline v0::io
