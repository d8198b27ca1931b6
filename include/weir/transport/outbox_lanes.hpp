// The lanes of an outbox (transport/outbox.hpp): what is queued, and who waits for it to leave.
//
// The data lane is here, and of all the rest no more than a pointer: that is in a block of the pool, while there is any of it.
// Loop thread only; the pool must outlive it.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/transport/outbox_rest.hpp>

#include <cassert>
#include <new>
#include <utility>

namespace weir::inline v0::detail {

class outbox_lanes {
public:
    explicit outbox_lanes(block_pool& pool) noexcept : x_data(pool) {}
    outbox_lanes(const outbox_lanes&) = delete;
    outbox_lanes& operator=(const outbox_lanes&) = delete;
    ~outbox_lanes() {
        forget_borrowed();
        if (x_rest) give_rest();
    }

    buffer& data() noexcept { return x_data; }
    buffer& control() noexcept { return rest().control; }
    buffer& deferred() noexcept { return rest().deferred; }

    // What there is besides the data lane: null for nothing, and made when it is needed. Somebody tidies up once it may be empty.
    const outbox_rest* rest_if_any() const noexcept { return x_rest; }
    outbox_rest& rest() noexcept {
        return x_rest ? *x_rest : make_rest();
    }
    [[gnu::noinline]] void tidy() noexcept {
        if (x_rest && x_rest->is_empty()) give_rest();
    }

    bool empty() const noexcept { return x_data.empty() && (!x_rest || (control_empty() && !borrows())); }
    bool control_empty() const noexcept { return !x_rest || x_rest->control.empty(); }
    std::size_t control_bytes() const noexcept { return x_rest ? x_rest->control.size() : 0; }
    std::size_t data_bytes() const noexcept { return x_data.size(); }

    // The bytes of messages that wait, and how many of them are deferred.
    std::size_t queued_bytes() const noexcept {
        return x_data.size() + (x_rest ? x_rest->deferred.size() + x_rest->borrowed.bytes : 0);
    }
    std::size_t deferred_bytes() const noexcept { return x_rest ? x_rest->deferred.size() : 0; }

    // Whether something is borrowed, and a block that holds some of that.
    bool borrows() const noexcept { return x_rest && x_rest->borrowed.count; }
    bool holds_block() const noexcept { return x_rest && x_rest->borrowed.held.data; }

    // Puts what was deferred behind the message that has just ended.
    void end_deferral() noexcept {
        if (!deferred_bytes()) return;
        append(x_rest->deferred.view());
        x_rest->deferred.clear();
    }

    // Forgets what was deferred: the message before it will not end any more.
    void drop_deferred() noexcept {
        if (x_rest) x_rest->deferred.clear();
    }

    // Forgets everything of which the stream has not taken a part yet, but for the control lane.
    void drop_messages() noexcept {
        drop_deferred();
        forget_borrowed();
        if (x_data.size() > to_boundary()) x_data.retract(x_data.size() - to_boundary());
    }

    // Forgets everything: nothing can be sent any more.
    void clear() noexcept {
        drop_deferred();
        forget_borrowed();
        x_data.clear();
        if (!x_rest) return;
        x_rest->control.clear();
        x_rest->to_boundary = 0;
        x_rest->control_cut = false;
    }

protected:
    void append(bytes_view bytes) noexcept {
        [[maybe_unused]] const bool fits = x_data.append(bytes);
        assert(fits);
    }
    bytes_view control_view() const noexcept { return x_rest ? x_rest->control.view() : bytes_view(); }

    // The bytes of the data lane that end the frame that was begun.
    std::size_t to_boundary() const noexcept { return x_rest ? x_rest->to_boundary : 0; }
    void set_boundary(std::size_t bytes) noexcept {
        if (bytes || x_rest) rest().to_boundary = bytes;
    }

    void forget_borrowed() noexcept {
        if (!x_rest) return;
        borrowed_frames& borrowed = x_rest->borrowed;
        if (borrowed.count == 0) return;
        borrowed.bytes = borrowed.count = 0;
        x_data.pool().give(exchanged(borrowed.held, {}));
    }

    buffer x_data;
    outbox_rest* x_rest = nullptr;

private:
    [[gnu::noinline]] outbox_rest& make_rest() noexcept {
        x_rest = ::new (x_data.pool().take(sizeof *x_rest).data) outbox_rest(x_data.pool());
        return *x_rest;
    }
    void give_rest() noexcept {
        x_rest->~outbox_rest();
        x_data.pool().give({reinterpret_cast<std::byte*>(exchanged(x_rest, nullptr)), block_pool::smallest_bytes});
    }
};

} // namespace weir::inline v0::detail
