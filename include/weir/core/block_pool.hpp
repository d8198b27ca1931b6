// Recycles blocks of bytes by size class, so that buffers which come and go with the traffic cost no allocation.
//
// Owned by one loop and used on its thread only. Memory handed out stays valid until it is given back; the pool must
// outlive its blocks. Running out of memory ends the program (`std::bad_alloc` out of a noexcept function).
//
// How many unused blocks it keeps: a fixed amount of each size or, where somebody calls `age` from time to time, as many as
// have been out at once of late. So a thousand connections that answer in one turn get the same blocks every turn, and
// what a burst has taken goes back to the system when one or two periods have passed without another.
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
    static constexpr std::size_t largest_bytes = 16 * 1024 * 1024; // larger blocks are never kept
    static constexpr std::size_t slack_bytes = 64;             // may be touched after the end of a block
    static constexpr std::size_t default_keep_bytes = 256 * 1024;

    // Keeps at most `keep_bytes` of unused blocks of each size, and one of up to a mebibyte in any case; more than that goes
    // back to the system.
    explicit block_pool(std::size_t keep_bytes = default_keep_bytes) noexcept : x_keep_bytes(keep_bytes) {}
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;
    ~block_pool() { trim(); }

    // A block of at least `at_least` bytes, its content undefined. The most recently returned one of its class comes
    // first, because it is warm in the cache.
    [[gnu::noinline]] block take(std::size_t at_least) noexcept { return take_here(at_least); }

    // The same, inline: for what happens with every message, and a size that is constant.
    [[gnu::always_inline]] inline block take_here(std::size_t at_least) noexcept {
        const std::size_t size = round_up(at_least);
        ++x_lent;
        if (size <= largest_bytes) {
            shelf& from = x_shelves[index_of(size)];
            if (from.top) [[likely]] {
                free_block* found = exchanged(from.top, from.top->next);
                from.bytes -= size;
                if (from.bytes < from.idle) from.idle = from.bytes;
                return {reinterpret_cast<std::byte*>(found), size};
            }
            if (from.spare) return {exchanged(from.spare, nullptr), size};
        }
        return fresh(size);
    }

    // The same for a block of exactly `Size` bytes, a size that `round_up` may give, if one is there; null if not.
    template <std::size_t Size>
    [[gnu::always_inline]] inline std::byte* take_kept() noexcept {
        shelf& from = x_shelves[index_of(Size)];
        if (!from.spare) [[unlikely]] return from.top ? take(Size).data : nullptr;
        ++x_lent;
        return exchanged(from.spare, nullptr);
    }

    // Gives a block back. Giving the empty block does nothing.
    [[gnu::noinline]] void give(block unused) noexcept { give_here(unused); }
    [[gnu::always_inline]] inline void give_here(block unused) noexcept {
        if (unused.size == 0) return;
        --x_lent;
#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER) // under it, a block that is still used after this must be noticed
        if (unused.size <= largest_bytes) {
            shelf& to = x_shelves[index_of(unused.size)];
            if (to.bytes + unused.size <= x_keep_bytes) [[likely]] return to.put(unused);
        }
#endif
        give_above(unused);
    }

    // The same for a block that is nearly always of `Size` bytes. Keeps one in any case, for `take_kept`.
    template <std::size_t Size>
    [[gnu::always_inline]] inline void give_mostly(block unused) noexcept {
        if (!give_kept<Size>(unused)) [[unlikely]] give(unused);
    }
    // Only that: false, and nothing done, where one is kept already, or it is of another size.
    template <std::size_t Size>
    [[gnu::always_inline]] inline bool give_kept([[maybe_unused]] block unused) noexcept {
#if defined(WEIR_DETAIL_ADDRESS_SANITIZER)
        return false;
#else
        shelf& to = x_shelves[index_of(Size)];
        if (unused.size != Size || to.spare) return false;
        --x_lent;
        to.spare = unused.data;
        return true;
#endif
    }

    // How many blocks are out.
    std::size_t lent() const noexcept { return x_lent; }

    // From now on everything is kept until `age` lets it go, which is owed once in a while as long as `is_full`.
    void keep_until_aged() noexcept { x_ages = true; }
    bool is_full() const noexcept { return x_full; }

    // Returns to the system, down to the `keep_bytes` of each size, what nobody has needed since the last call.
    void age() noexcept {
        x_full = false;
        for (std::size_t i = 0; i < shelves; ++i) {
            shelf& each = x_shelves[i];
            const std::size_t size = smallest_bytes << i, above = each.bytes > x_keep_bytes ? each.bytes - x_keep_bytes : 0;
            const std::size_t unneeded = (each.idle < above ? each.idle : above + size - 1) / size * size;
            free_block** last = &each.top; // behind the warm ones
            for (std::size_t stays = each.bytes - unneeded; stays > 0 && unneeded > 0; stays -= size) last = &(*last)->next;
            if (unneeded > 0) release_all(*last, size);
            each.idle = each.bytes -= unneeded;
            x_full = x_full || each.bytes > x_keep_bytes;
        }
    }

    // Returns every unused block to the system.
    void trim() noexcept {
        for (std::size_t i = 0; i < shelves; ++i) {
            shelf& each = x_shelves[i];
            release_all(each.top, smallest_bytes << i);
            release(exchanged(each.spare, nullptr), smallest_bytes << i);
            each.bytes = each.idle = 0;
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
        std::byte* spare = nullptr; // the one that came back last; none of the others
        free_block* top = nullptr;
        std::size_t bytes = 0;
        std::size_t idle = 0; // the least that `bytes` has been since the last `age`

        void put(block unused) noexcept {
            top = ::new (unused.data) free_block{top};
            bytes += unused.size;
        }
    };

    static constexpr std::size_t shelves = 15; // 1 KiB, 2 KiB, ... 16 MiB
    static constexpr std::size_t one_kept_bytes = 1024 * 1024;

    // A cache line. What is large begins in the middle of a page: some processors copy by `rep movsb`, as kernels do, at a
    // fifteenth of the speed where the target is 1 to 31 bytes further behind the begin of a page than the source. What a kernel keeps
    // of a long message begins with a page, or a few headers of frames behind it, and large pieces of the heap 16 bytes behind one.
    static constexpr std::size_t alignment = 64, page_bytes = 4096, large_bytes = 64 * 1024;

    static constexpr std::size_t gap_before(std::size_t size) noexcept { return size < large_bytes ? 0 : page_bytes / 2; }
    static constexpr std::align_val_t aligned_to(std::size_t size) noexcept {
        return std::align_val_t(size < large_bytes ? alignment : page_bytes);
    }

    [[gnu::noinline]] static block fresh(std::size_t size) noexcept {
        const std::size_t gap = gap_before(size);
        return {static_cast<std::byte*>(::operator new(gap + size + slack_bytes, aligned_to(size))) + gap, size};
    }
    [[gnu::noinline]] static void release(void* data, std::size_t size) noexcept {
        if (data) ::operator delete(static_cast<std::byte*>(data) - gap_before(size), aligned_to(size));
    }
    static void release_all(free_block*& of, std::size_t size) noexcept {
        while (of) release(exchanged(of, of->next), size);
    }

    // Keeps the block, or not, beyond `x_keep_bytes`.
    [[gnu::noinline]] void give_above(block unused) noexcept {
#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER)
        if (unused.size <= largest_bytes) {
            shelf& to = x_shelves[index_of(unused.size)];
            x_full = x_ages;
            if (x_ages || (!to.top && unused.size <= one_kept_bytes)) return to.put(unused);
        }
#endif
        release(unused.data, unused.size);
    }

    static constexpr std::size_t index_of(std::size_t size) noexcept {
        return static_cast<std::size_t>(std::countr_zero(size) - std::countr_zero(smallest_bytes));
    }

    std::size_t x_lent = 0;
    shelf x_shelves[shelves];
    std::size_t x_keep_bytes;
    bool x_ages = false;
    bool x_full = false; // more is kept than `x_keep_bytes` of a size
};

} // namespace weir::inline v0
