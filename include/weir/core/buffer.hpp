// A queue of bytes in one contiguous block, with a hard bound.
//
// Bytes are appended at the end and consumed from the front. Holds no memory while it is empty: the block comes from a
// `block_pool` and goes back when the last byte is consumed. Views of its content are valid until the next call that
// appends, consumes or clears. It may also refer to bytes of somebody else's, which are copied where something is appended.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/exchanged.hpp>

#include <cassert>
#include <cstring>

namespace weir::inline v0 {

class buffer {
public:
    static constexpr std::size_t no_bound = static_cast<std::size_t>(-1) / 4;

    // Never holds more than `bound_bytes`. The pool must outlive the buffer.
    explicit buffer(block_pool& pool, std::size_t bound_bytes = no_bound) noexcept
        : x_pool(&pool), x_bound(bound_bytes) {}
    buffer(buffer&& other) noexcept
        : x_pool(other.x_pool), x_block(exchanged(other.x_block, {})), x_begin(exchanged(other.x_begin, 0)),
          x_end(exchanged(other.x_end, 0)), x_bound(other.x_bound) {}
    buffer& operator=(buffer&& other) noexcept {
        if (this != &other) {
            clear();
            x_pool = other.x_pool;
            x_block = exchanged(other.x_block, {});
            x_begin = exchanged(other.x_begin, 0);
            x_end = exchanged(other.x_end, 0);
            x_bound = other.x_bound;
        }
        return *this;
    }
    ~buffer() { x_pool->give(x_block); }

    std::size_t size() const noexcept { return x_end - x_begin; }
    bool empty() const noexcept { return x_end == x_begin; }
    std::size_t bound() const noexcept { return x_bound; }
    block_pool& pool() const noexcept { return *x_pool; }
    std::byte* data() noexcept { return x_block.data + x_begin; }
    const std::byte* data() const noexcept { return x_block.data + x_begin; }
    bytes_view view() const noexcept { return {data(), size()}; }
    mutable_bytes view() noexcept { return {data(), size()}; }

    // Appends a copy of `more`, which must not lie in this buffer. False, and nothing appended, over the bound.
    [[nodiscard]] bool append(bytes_view more) noexcept {
        if (more.empty()) return true;
        std::byte* to = prepare(more.size());
        if (!to) return false;
        std::memcpy(to, more.data(), more.size());
        commit(more.size());
        return true;
    }

    // Room for `count` (not 0) more bytes after the content, to be filled and then committed; null over the bound.
    [[nodiscard]] std::byte* prepare(std::size_t count) noexcept {
        if (count > x_bound - size()) return nullptr;
        if (x_end + count > x_block.size) make_room(count);
        return x_block.data + x_end;
    }

    // The end of the content.
    std::byte* end() noexcept { return x_block.data + x_end; }

    // Whether `count` bytes may be written at `end`, such that this ends at most `most` bytes from where the block begins.
    bool has_room(std::size_t count, std::size_t most) const noexcept {
        const std::size_t end = x_end + count;
        if (end > x_block.size) [[unlikely]] return false;
        return end <= most;
    }

    // Adds `count` bytes written at `end`, where there is room for them.
    void extend(std::size_t count) noexcept { x_end += count; }

    // Takes `bytes`, at least one, for its content without a copy: they must stay where they are until they are consumed, or
    // `own` is called. It must be empty and have no block.
    void refer(mutable_bytes bytes) noexcept {
        x_block.data = bytes.data(); // of no size: there is no room in it, and it is nothing to give back
        x_end = bytes.size();
    }
    bool refers() const noexcept { return x_end > x_block.size; }

    // Whether it refers to bytes that end at `at`, of which nothing has been consumed; such that are there may be added by `extend`.
    bool refers_up_to(const std::byte* at) const noexcept { return refers() && x_block.data + x_end == at; }

    // What it refers to, as long as nothing of that has been consumed; and drops that.
    bytes_view referred() const noexcept { return {x_block.data, x_end}; }
    void forget_referred() noexcept {
        x_block.data = nullptr;
        x_end = 0;
    }

    // Copies what it refers to.
    void own() noexcept {
        if (refers()) [[unlikely]] make_room(0);
    }

    // Whether it has a block, and for one that has none: room for `count` bytes, within the bound, to begin with.
    bool has_block() const noexcept { return x_block.data; }
    [[gnu::always_inline]] inline void begin(std::size_t count) noexcept {
        assert(!x_block.data);
        x_block = x_pool->take_here(count);
    }

    // The same for a block that is nearly always of `Size` bytes.
    template <std::size_t Size>
    [[gnu::always_inline]] inline void begin_mostly() noexcept {
        assert(!x_block.data);
        if (std::byte* const kept = x_pool->take_kept<Size>()) [[likely]]
            x_block = {kept, Size};
        else
            begin(Size);
    }

    // Adds `count` bytes written where `prepare` pointed; at most as many as were prepared.
    void commit(std::size_t count) noexcept {
        assert(count <= x_block.size - x_end);
        x_end += count;
    }

    // Removes `count` bytes from the front.
    void consume(std::size_t count) noexcept {
        assert(count <= size());
        x_begin += count;
        if (x_begin == x_end) clear();
    }

    // Removes `count` bytes from the end.
    void retract(std::size_t count) noexcept {
        assert(count <= size());
        x_end -= count;
        if (x_begin == x_end) clear();
    }

    // Removes everything and gives the memory back.
    void clear() noexcept {
        const block unused = x_block;
        x_block = {};
        x_begin = x_end = 0;
        x_pool->give(unused);
    }

    // The same where the block is nearly always of `Size` bytes.
    template <std::size_t Size>
    [[gnu::always_inline]] inline void clear_mostly() noexcept {
        const block unused = x_block;
        x_block = {};
        x_begin = x_end = 0;
        if (unused.size) x_pool->give_mostly<Size>(unused); // none, and nothing to give, where it refers
    }

    // Removes everything, and gives the memory to the caller, who owes it to the pool.
    block take_block() noexcept {
        x_begin = x_end = 0;
        return std::exchange(x_block, {});
    }

private:
    [[gnu::noinline]] void make_room(std::size_t count) noexcept {
        const std::size_t held = size();
        if (!x_block.data) return begin(count);
        if (held + count <= x_block.size && x_begin >= held) {
            std::memcpy(x_block.data, data(), held); // the two do not overlap: the gap is as long as the content
        } else {
            const std::size_t wanted = held + count;
            const block larger = x_pool->take(wanted);
            if (held) std::memcpy(larger.data, data(), held);
            x_pool->give(x_block);
            x_block = larger;
        }
        x_begin = 0;
        x_end = held;
    }

    block_pool* x_pool;
    block x_block;
    std::size_t x_begin = 0;
    std::size_t x_end = 0;
    std::size_t x_bound;
};

} // namespace weir::inline v0
