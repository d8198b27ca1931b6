// The buffers that the kernel receives into in io_uring's completion mode: a ring of them, provided in advance, taken by
// the kernel when bytes are there, and given back after use.
//
// A buffer is a lease as it is, if it can be spared. Half of the buffers are always with the kernel: what arrives while
// the others are out is copied, and its buffer given back at once. So whoever keeps what he has received, or does not ask
// for it, cannot starve the others. Belongs to one backend and is used on its thread. The memory must outlive the ring.
#pragma once

#include <weir/core/block_pool.hpp>

#include <cstdint>
#include <cstdlib>

#include <liburing.h>

namespace weir::inline v0::io {

// Received bytes that wait to be asked for: stands before them, in a buffer or in a block of the pool.
struct uring_chunk {
    uring_chunk* next;
    block backing; // what the lease has to be given back with
    std::uint32_t size;
    bool copied;

    std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};

class uring_buffers {
public:
    static constexpr int group = 0;

    uring_buffers() noexcept = default;
    uring_buffers(const uring_buffers&) = delete;
    uring_buffers& operator=(const uring_buffers&) = delete;
    ~uring_buffers() {
        std::free(x_ring);
        ::operator delete(x_memory);
    }

    // 0 or an errno.
    [[gnu::cold]] int set_up(io_uring& with, unsigned count, std::size_t bytes) {
        x_count = count;
        x_bytes = bytes;
        x_stride = (sizeof(uring_chunk) + bytes + block_pool::slack_bytes + 63) / 64 * 64;
        x_ring = static_cast<io_uring_buf_ring*>(std::aligned_alloc(4096, (count * sizeof(io_uring_buf) + 4095) / 4096 * 4096));
        x_memory = static_cast<std::byte*>(::operator new(x_stride * count));
        if (!x_ring) return ENOMEM;
        ::io_uring_buf_ring_init(x_ring);
        io_uring_buf_reg wish{};
        wish.ring_addr = reinterpret_cast<std::uintptr_t>(x_ring);
        wish.ring_entries = count;
        wish.bgid = group;
        if (const int failed = -::io_uring_register_buf_ring(&with, &wish, 0)) return failed;
        for (unsigned i = 0; i < count; ++i) provide(i);
        return 0;
    }

    // The kernel may still write to them: they are never freed.
    [[gnu::cold]] void abandon() noexcept {
        x_ring = nullptr;
        x_memory = nullptr;
    }

    uring_chunk& at(unsigned index) noexcept { return *reinterpret_cast<uring_chunk*>(x_memory + index * x_stride); }

    // How many the kernel has, or has received into and not told us yet: one at least.
    unsigned spare() const noexcept { return x_count - x_kept; }

    // Whether another one may be kept from the kernel; `keep` keeps it.
    bool may_keep() const noexcept { return x_kept < x_count / 2; }

    uring_chunk& keep(unsigned index, std::uint32_t size) noexcept {
        ++x_kept;
        uring_chunk& made = at(index);
        return *::new (&made) uring_chunk{nullptr, {made.data(), x_bytes}, size, false};
    }

    // The kernel may use it again.
    void provide(unsigned index) noexcept {
        ::io_uring_buf_ring_add(x_ring, at(index).data(), static_cast<unsigned>(x_bytes), static_cast<unsigned short>(index),
            ::io_uring_buf_ring_mask(x_count), 0);
        ::io_uring_buf_ring_advance(x_ring, 1);
    }

    // Takes back what was kept; false if it is none of these buffers.
    bool give(const block& which) noexcept {
        // Below them it is a huge number.
        const std::uintptr_t distance = reinterpret_cast<std::uintptr_t>(which.data) - reinterpret_cast<std::uintptr_t>(x_memory);
        if (distance >= x_stride * x_count) return false;
        --x_kept;
        provide(static_cast<unsigned>(distance / x_stride));
        return true;
    }

private:
    io_uring_buf_ring* x_ring = nullptr;
    std::byte* x_memory = nullptr;
    unsigned x_count = 0;
    unsigned x_kept = 0;
    std::size_t x_bytes = 0;
    std::size_t x_stride = 0;
};

} // namespace weir::inline v0::io
