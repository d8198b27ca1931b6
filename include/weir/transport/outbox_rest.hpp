// What an outbox has besides whole frames in order, which a stream takes at once: control frames, what is borrowed, what
// waits for the end of a message, whoever waits, and a frame of which the stream has taken a part.
//
// In a block of the pool, and only as long as there is any of it: an idle connection has none, and an echo seldom.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/coro/scheduler.hpp>
#include <weir/transport/borrowed_frames.hpp>

namespace weir::inline v0::detail {

struct outbox_rest {
    explicit outbox_rest(block_pool& pool) noexcept : control(pool), deferred(pool) {}

    bool is_empty() const noexcept {
        return !blocked && !to_boundary && control.empty() && deferred.empty() && !borrowed.count && senders.empty() &&
               streamers.empty();
    }

    buffer control;
    buffer deferred;
    list<ready_item> senders;   // that wait until less is queued
    list<ready_item> streamers; // the same of pieces of a message
    std::size_t to_boundary = 0; // bytes of the data lane that end the frame that was begun
    bool control_cut = false;    // the stream has taken a part of the first control frame
    bool blocked = false;        // the stream takes nothing until it says so
    borrowed_frames borrowed;    // `count` of them
};
static_assert(sizeof(outbox_rest) <= block_pool::smallest_bytes);

} // namespace weir::inline v0::detail
