// Recycles the memory of coroutine frames, and of what they need now and then.
//
// A loop owns one and makes it current on its thread while it runs; frames made meanwhile come from its free lists, one
// for each 16 bytes up to 2 KiB: coroutines are made again and again, so that frames of different ones need not share, and
// an idle connection's wait in memory that they fill. Frames made elsewhere, and larger ones, come from the heap. A frame
// may be freed on any thread and under any pool, or none: the memory itself always comes from the heap.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/exchanged.hpp>

#include <cstddef>
#include <new>

namespace weir::inline v0 {

class frame_pool {
public:
    static constexpr std::size_t step_bytes = 16;
    static constexpr std::size_t heap_bytes = 8; // that malloc keeps in front of a block, whose sizes are multiples of a step
    static constexpr std::size_t largest_bytes = 2048 - heap_bytes;
    static constexpr std::size_t keep_bytes = 64 * 1024; // unused memory kept in each class

    frame_pool() noexcept = default;
    frame_pool(const frame_pool&) = delete;
    frame_pool& operator=(const frame_pool&) = delete;
    ~frame_pool() {
        for (shelf& each : x_shelves)
            while (each.top) ::operator delete(exchanged(each.top, each.top->next));
    }

    // The pool that serves this thread now; null when none does. Set by the loop around each turn.
    static frame_pool*& current() noexcept {
        static constinit thread_local frame_pool* pool = nullptr;
        return pool;
    }

    static void* allocate(std::size_t bytes) {
        if (void* const kept = take_kept(bytes)) return kept;
        return ::operator new(size_of(index_of(bytes)));
    }

    // The same for what one can do without: null where there is no memory.
    static void* try_allocate(std::size_t bytes) noexcept {
        if (void* const kept = take_kept(bytes)) return kept;
        return ::operator new(size_of(index_of(bytes)), std::nothrow);
    }

    static void deallocate(void* frame, std::size_t bytes) noexcept {
#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER)
        const std::size_t index = index_of(bytes);
        if (frame_pool* pool = current(); pool && bytes <= largest_bytes) {
            shelf& to = pool->x_shelves[index];
            if (to.count * size_of(index) < keep_bytes) {
                to.top = ::new (frame) free_frame{to.top};
                ++to.count;
                return;
            }
        }
#else
        (void)bytes;
#endif
        ::operator delete(frame);
    }

private:
    struct free_frame {
        free_frame* next;
    };
    struct shelf {
        free_frame* top = nullptr;
        std::size_t count = 0;
    };

    // One that has been used; null where there is none.
    static void* take_kept([[maybe_unused]] std::size_t bytes) noexcept {
#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER) // under it, a frame that is used after its end must be noticed
        if (frame_pool* pool = current(); pool && bytes <= largest_bytes) {
            shelf& from = pool->x_shelves[index_of(bytes)];
            if (from.top) {
                --from.count;
                return exchanged(from.top, from.top->next);
            }
        }
#endif
        return nullptr;
    }

    // The shelf of a wish, and what its frames have: the heap gives that much in any case.
    static constexpr std::size_t index_of(std::size_t bytes) noexcept { return (bytes + heap_bytes - 1) / step_bytes; }
    static constexpr std::size_t size_of(std::size_t index) noexcept { return index * step_bytes + heap_bytes; }

    shelf x_shelves[(largest_bytes + heap_bytes) / step_bytes];
};

// A base class for promises: their frames come from the current pool.
struct pooled_frame {
    static void* operator new(std::size_t bytes) { return frame_pool::allocate(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept { frame_pool::deallocate(frame, bytes); }
};

} // namespace weir::inline v0
