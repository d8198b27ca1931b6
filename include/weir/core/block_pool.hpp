// Recycles blocks of bytes by size class, so that buffers which come and go with the traffic cost no allocation.
//
// Owned by one loop and used on its thread only. Memory handed out stays valid until it is given back; the pool must
// outlive its blocks. Running out of memory ends the program (`std::bad_alloc` out of a noexcept function).
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/version.hpp>

#include <bit>
#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define WEIR_DETAIL_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_DETAIL_ADDRESS_SANITIZER 1
#endif
#endif

namespace weir::inline v0 {

// A run of bytes lent by a pool. `size` is what may be used; `block_pool::slack_bytes` more may be touched after it,
// which lets vector code finish the last few bytes without a scalar tail. Null and 0: no block.
struct block {
    std::byte* data = nullptr;
    std::size_t size = 0;
};

class block_pool {
public:
    static constexpr std::size_t smallest_bytes = 1024;        // smaller wishes get this much
    static constexpr std::size_t largest_bytes = 1024 * 1024;  // larger blocks are never kept
    static constexpr std::size_t slack_bytes = 64;             // may be touched after the end of a block
    static constexpr std::size_t default_keep_bytes = 256 * 1024;

    // Keeps at most `keep_bytes` of unused blocks in each size class; more than that goes back to the system.
    explicit block_pool(std::size_t keep_bytes = default_keep_bytes) noexcept : x_keep_bytes(keep_bytes) {}
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;
    ~block_pool() { trim(); }

    // A block of at least `at_least` bytes, its content undefined. The most recently returned one of its class comes
    // first, because it is warm in the cache.
    block take(std::size_t at_least) noexcept {
        const std::size_t size = round_up(at_least);
        ++x_lent;
        if (size <= largest_bytes) {
            shelf& from = x_shelves[index_of(size)];
            if (from.top) {
                free_block* found = exchanged(from.top, from.top->next);
                from.bytes -= size;
                return {reinterpret_cast<std::byte*>(found), size};
            }
        }
        return {static_cast<std::byte*>(::operator new(size + slack_bytes)), size};
    }

    // Gives a block back. Giving the empty block does nothing.
    void give(block unused) noexcept {
        if (unused.size == 0) return;
        --x_lent;
#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER) // under it, a block that is still used after this must be noticed
        if (unused.size <= largest_bytes) {
            shelf& to = x_shelves[index_of(unused.size)];
            if (to.bytes + unused.size <= x_keep_bytes || !to.top) {
                to.top = ::new (unused.data) free_block{to.top};
                to.bytes += unused.size;
                return;
            }
        }
#endif
        ::operator delete(unused.data);
    }

    // How many blocks are out.
    std::size_t lent() const noexcept { return x_lent; }

    // Returns every unused block to the system.
    void trim() noexcept {
        for (shelf& each : x_shelves) {
            while (each.top) ::operator delete(exchanged(each.top, each.top->next));
            each.bytes = 0;
        }
    }

    // The size that a wish for `at_least` bytes is served with: the next power of two.
    static constexpr std::size_t round_up(std::size_t at_least) noexcept {
        return at_least <= smallest_bytes ? smallest_bytes : std::bit_ceil(at_least);
    }

private:
    struct free_block {
        free_block* next;
    };
    struct shelf {
        free_block* top = nullptr;
        std::size_t bytes = 0;
    };

    static constexpr std::size_t index_of(std::size_t size) noexcept {
        return static_cast<std::size_t>(std::countr_zero(size) - std::countr_zero(smallest_bytes));
    }

    std::size_t x_lent = 0;
    shelf x_shelves[11]; // 1 KiB, 2 KiB, ... 1 MiB
    [[maybe_unused]] std::size_t x_keep_bytes; // not under the address sanitizer
};

} // namespace weir::inline v0
