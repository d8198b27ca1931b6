// What coroutines need of a loop: a list of what may go on, deadlines, and a way in from other threads.
//
// `io/loop.hpp` implements it. Everything here but `post_remote` is for the loop's own thread. Nothing is ever resumed
// inside `post`: what is posted runs later in the same turn of the loop, or in the next one.
#pragma once

#include <weir/core/list.hpp>
#include <weir/coro/duration.hpp>
#include <weir/coro/lingering.hpp>

#include <cstddef>
#include <cstdint>

namespace weir::inline v0 {

// Something that can be posted to run on the loop's thread. It is a list node: destroying it takes the post back.
class ready_item : public list_node<ready_item> {
public:
    // Called by the loop, once for each post.
    virtual void run() noexcept = 0;

protected:
    ~ready_item() = default;
};

// A deadline. Destroying it, or `unlink()`, disarms it.
class timer : public list_node<timer> {
public:
    // Called by the loop when the deadline has passed; the timer is disarmed by then and may be armed anew.
    virtual void expire() noexcept = 0;

    bool armed() const noexcept { return linked(); }
    void disarm() noexcept { unlink(); }

protected:
    ~timer() = default;

private:
    friend class timer_wheel;
    std::uint64_t x_tick = 0; // when it is due, in ticks of the wheel
};

// Something that another thread can hand to the loop. Taken back by `scheduler::revoke`.
class remote_item : public list_node<remote_item> {
public:
    // Called on the loop's thread, once for each `post_remote`.
    virtual void run() noexcept = 0;

protected:
    ~remote_item() = default;
};

class scheduler {
public:
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    // The scheduler that runs this thread now; null where none does.
    static scheduler*& current() noexcept {
        static constinit thread_local scheduler* running = nullptr;
        return running;
    }

    // Runs `item` later in this turn, or in the next one. An item that is posted already moves to the end.
    void post(ready_item& item) noexcept {
        item.unlink();
        x_posted = true;
        x_ready.push_back(item);
    }

    // Runs `item` at the end of this turn, when everything that was ready has run: output is gathered this way.
    void post_at_turn_end(ready_item& item) noexcept {
        item.unlink();
        x_posted = true;
        x_turn_end.push_back(item);
    }

    // Runs `item` in the next turn, after new events were taken in.
    void post_next_turn(ready_item& item) noexcept {
        item.unlink();
        x_posted = true;
        x_next_turn.push_back(item);
    }

    // Calls `which.expire()` once `after` has passed; at once in the next turn when it is not positive. An armed timer
    // is armed anew. The resolution is a millisecond, rounded up.
    virtual void arm(timer& which, std::chrono::nanoseconds after) noexcept = 0;

    // Hands `item` to the loop from any thread. The item must live until it has run or was revoked.
    virtual void post_remote(remote_item& item) noexcept = 0;

    // Takes an item back if it has not run yet. From the loop's thread only.
    virtual void revoke(remote_item& item) noexcept = 0;

    // Takes care of something that outlives its owner; it leaves by destroying itself.
    void keep(lingering& which) noexcept { x_lingering.push_back(which); }

    // Counts those who use this scheduler to their end, such as connections: it must not end before them.
    void used_by_one_more() noexcept { ++x_users; }
    void used_by_one_less() noexcept { --x_users; }

    // The loop's clock, read once a turn: time since an arbitrary start, never going back.
    std::chrono::nanoseconds now() const noexcept { return x_now; }

    // How many turns the loop has begun: tells whether two moments lie in the same one.
    std::uint64_t turn_number() const noexcept { return x_turn_number; }

    // Whether the event that is being told is all that this turn has to do, as far as was known when it began: what would wait
    // for the end of the turn may be done as soon as that has been told.
    bool tells_lone_event() const noexcept { return x_lone_event; }

protected:
    scheduler() noexcept = default;
    ~scheduler() = default;

    list<ready_item> x_ready;
    list<ready_item> x_turn_end;
    list<ready_item> x_next_turn;
    list<lingering> x_lingering;
    std::chrono::nanoseconds x_now{0};
    std::uint64_t x_turn_number = 0;
    bool x_lone_event = false;
    bool x_posted = false; // something has been, since that was set to false
    std::size_t x_users = 0;
};

} // namespace weir::inline v0
