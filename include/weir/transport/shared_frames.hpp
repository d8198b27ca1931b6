// Frames that go to many connections: encoded once, and in memory once for all that can write them in that turn. They are copied
// for a connection that must wait, since its socket is blocked or takes a part, and for one that has something else to send.
//
// Who encodes appends, as long as what is there is about to be written; each connection has a share, and a range of the
// bytes. One loop, its thread only.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/shared.hpp>

namespace weir::inline v0::detail {

class frames_for_all {
public:
    buffer& frames() noexcept { return x_frames; }
    bytes_view view() const noexcept { return x_frames.view(); }
    std::size_t size() const noexcept { return x_frames.size(); }

private:
    block_pool x_pool{0};
    buffer x_frames{x_pool};
};

using shared_frames = shared<frames_for_all>;

// Those of them that one connection has to write.
class frames_range {
public:
    bool empty() const noexcept { return !x_of; }
    std::size_t size() const noexcept { return x_end - x_begin; }
    bytes_view view() const noexcept { return x_of->view().subspan(x_begin, size()); }

    // Adds what stands in `more` from `begin` on. False where that does not follow what there is.
    bool extend(const shared_frames& more, std::size_t begin) noexcept {
        if (!x_of) {
            x_of = more;
            x_begin = begin;
        } else if (x_of.get() != more.get() || x_end != begin) {
            return false;
        }
        x_end = more->size();
        return true;
    }

    void clear() noexcept {
        x_of = nullptr;
        x_begin = x_end = 0;
    }

private:
    shared_frames x_of;
    std::size_t x_begin = 0;
    std::size_t x_end = 0;
};

} // namespace weir::inline v0::detail
