// Frames that go to many connections: encoded once, and in memory once for all of them, which write them at the end of the turn.
//
// Nobody counts who still needs them. A connection that is sent some refers to them until the end of the turn, to which it is
// posted before they are: by then it has written them, or copied what its stream did not take. What was sent stays where it is
// until then; what does not fit behind it begins elsewhere. One loop, its thread only.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/coro/scheduler.hpp>

#include <cassert>

namespace weir::inline v0::detail {

// Some that lie one behind the other, on the heap. They free themselves once they have been left.
class shared_frames final : private ready_item, private lingering {
public:
    explicit shared_frames(std::size_t bytes) noexcept : x_bytes(block_pool::round_up(bytes)) {}
    shared_frames(const shared_frames&) = delete;
    shared_frames& operator=(const shared_frames&) = delete;

    std::size_t bytes() const noexcept { return x_bytes; }
    bool is_in_use() const noexcept { return x_users || ready_item::linked(); }

    // Room for `count` bytes, such that what is there stays where it is. False, and nothing done, where there is none.
    bool make_room(std::size_t count) noexcept {
        if (x_frames.has_block()) return x_frames.has_room(count, x_bytes);
        if (count > x_bytes) return false;
        x_frames.begin(x_bytes);
        return true;
    }

    // Somebody is about to add and to send; has done so, to connections of this loop.
    buffer& enter() noexcept {
        ++x_users;
        return x_frames;
    }
    void sent(scheduler& on) noexcept {
        --x_users;
        assert((!ready_item::linked() || x_on == &on) && "who is sent the same is served by one loop");
        x_on = &on;
        on.post_at_turn_end(*this); // behind them all
        if (!lingering::linked()) on.keep(*this);
    }

    // Or nobody refers to what was added from `begin` to `end`.
    [[gnu::cold]] void take_back(std::size_t begin, std::size_t end) noexcept {
        --x_users;
        if (x_frames.size() == end) x_frames.retract(end - begin);
        if (!is_in_use()) run();
    }

    // Nobody will add anything any more.
    [[gnu::cold]] void leave() noexcept {
        x_left = true;
        if (!is_in_use()) delete this;
    }

private:
    ~shared_frames() = default;

    void run() noexcept override {
        if (x_users) return; // who will have it posted again
        lingering::unlink();
        if (x_left) return delete this;
        x_frames.clear();
    }
    [[gnu::cold]] void abandon() noexcept override { // the loop ends, and nobody writes any more
        ready_item::unlink();
        run();
    }

    block_pool x_pool{0}; // keeps the block of `x_frames`
    buffer x_frames{x_pool};
    std::size_t x_bytes;
    scheduler* x_on = nullptr; // where it is posted, if it is
    int x_users = 0;
    bool x_left = false;
};

// What one who sends to many has: where the next frames go.
class frames_for_all {
public:
    frames_for_all() noexcept = default;
    frames_for_all(const frames_for_all&) = delete;
    frames_for_all& operator=(const frames_for_all&) = delete;
    ~frames_for_all() { leave(); }

    // One message being sent, to connections of one loop, from when it is encoded to the end of this object.
    class sending {
    public:
        explicit sending(frames_for_all& by) noexcept : x_by(by) {}
        sending(const sending&) = delete;
        sending& operator=(const sending&) = delete;
        ~sending() {
            if (!x_frames) return;
            if (x_referred)
                x_frames->sent(*x_on);
            else
                x_frames->take_back(x_begin, x_end);
            if (x_frames == x_by.x_now && x_frames->bytes() > keep_bytes) x_by.leave();
        }

        // Once: where to encode it, in at most `bytes`; and what was encoded.
        buffer& begin(std::size_t bytes, scheduler& on) {
            x_frames = &x_by.room_for(bytes);
            x_on = &on;
            buffer& into = x_frames->enter();
            x_begin = into.size();
            return into;
        }
        mutable_bytes end(buffer& into) noexcept {
            x_end = into.size();
            return into.view().subspan(x_begin);
        }

        // To be set once a connection refers to that: otherwise it is forgotten at the end.
        bool x_referred = false;

    private:
        frames_for_all& x_by;
        shared_frames* x_frames = nullptr;
        scheduler* x_on = nullptr;
        std::size_t x_begin = 0;
        std::size_t x_end = 0;
    };

private:
    static constexpr std::size_t keep_bytes = 64 * 1024; // memory for more is not kept

    shared_frames& room_for(std::size_t bytes) {
        if (x_now && x_now->make_room(bytes)) [[likely]] return *x_now;
        if (x_now && x_now->is_in_use() && x_bytes < keep_bytes) x_bytes *= 2; // so that a turn like this one fits the next time
        leave();
        x_now = new shared_frames(bytes < x_bytes ? x_bytes : bytes);
        [[maybe_unused]] const bool fits = x_now->make_room(bytes);
        assert(fits);
        return *x_now;
    }
    [[gnu::cold]] void leave() noexcept {
        if (x_now) exchanged(x_now, nullptr)->leave();
    }

    shared_frames* x_now = nullptr;
    std::size_t x_bytes = 1024; // to begin with
};

} // namespace weir::inline v0::detail
