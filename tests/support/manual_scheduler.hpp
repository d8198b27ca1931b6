// A scheduler for tests: time passes only when it is told to.
//
// It is current on its thread, with a frame pool, as long as it lives; frames must end before it does. Remote posts may
// come from any thread, the rest is for the thread that made it.
#pragma once

#include <weir/coro/frame_pool.hpp>
#include <weir/coro/scheduler.hpp>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace tests {

class manual_scheduler final : public weir::scheduler {
public:
    manual_scheduler() noexcept
        : x_previous(std::exchange(current(), this)),
          x_previous_pool(std::exchange(weir::frame_pool::current(), &x_pool)) {}
    ~manual_scheduler() {
        current() = x_previous;
        weir::frame_pool::current() = x_previous_pool;
    }

    // One turn of the loop: remote posts, deadlines that have passed, what is ready by then, what waits for the end of
    // the turn. What becomes ready meanwhile is for the next turn. False when there was nothing to do.
    bool turn() {
        bool any = false;
        while (run_remote()) any = true;
        weir::list<weir::timer> due; // taken out first: what is armed meanwhile is for the next turn
        for (; armed() && x_deadlines.begin()->first <= x_now; x_deadlines.erase(x_deadlines.begin()))
            due.take_all(x_deadlines.begin()->second);
        while (weir::timer* first = due.pop_front()) {
            first->expire();
            any = true;
        }
        weir::list<weir::ready_item> now;
        now.take_all(x_ready);
        while (weir::ready_item* item = now.pop_front()) {
            item->run();
            any = true;
        }
        now.take_all(x_turn_end);
        while (weir::ready_item* item = now.pop_front()) {
            item->run();
            any = true;
        }
        return any;
    }

    // The smallest thing that a loop does: runs one item that is ready; when there is none, one remote post, or else lets
    // time pass to the next deadline. False when there was nothing to do.
    bool step() {
        if (weir::ready_item* item = x_ready.empty() ? x_turn_end.pop_front() : x_ready.pop_front()) {
            item->run();
            return true;
        }
        if (run_remote()) return true;
        if (!armed()) return false;
        x_now = std::max(x_now, x_deadlines.begin()->first);
        x_deadlines.begin()->second.pop_front()->expire();
        return true;
    }

    // Turns until nothing is left to do now. Gives how many there were.
    int run() {
        int turns = 0;
        while (turn()) ++turns;
        return turns;
    }

    // Moves the clock, and nothing else.
    void pass(std::chrono::nanoseconds time) noexcept { x_now += time; }

    // Lets time pass from deadline to deadline and runs what is due at each.
    void advance(std::chrono::nanoseconds time) {
        const std::chrono::nanoseconds until = x_now + time;
        for (run(); armed() && x_deadlines.begin()->first <= until; run())
            x_now = std::max(x_now, x_deadlines.begin()->first);
        x_now = until;
        run();
    }

    // Whether a deadline is armed.
    bool armed() {
        while (!x_deadlines.empty() && x_deadlines.begin()->second.empty()) x_deadlines.erase(x_deadlines.begin());
        return !x_deadlines.empty();
    }

    // Blocks until another thread has posted something.
    void wait_remote() {
        std::unique_lock lock(x_mutex);
        x_arrived.wait(lock, [this] { return !x_remote.empty(); });
    }

    void arm(weir::timer& which, std::chrono::nanoseconds after) noexcept override {
        which.disarm();
        x_deadlines[x_now + std::max(after, std::chrono::nanoseconds(0))].push_back(which);
    }
    void post_remote(weir::remote_item& item) noexcept override {
        const std::lock_guard guard(x_mutex);
        item.unlink();
        x_remote.push_back(item);
        x_arrived.notify_one();
    }
    void revoke(weir::remote_item& item) noexcept override {
        const std::lock_guard guard(x_mutex);
        item.unlink();
    }

private:
    bool run_remote() {
        weir::remote_item* item = nullptr;
        {
            const std::lock_guard guard(x_mutex);
            item = x_remote.pop_front();
        }
        if (item) item->run();
        return item != nullptr;
    }

    weir::frame_pool x_pool;
    weir::scheduler* x_previous;
    weir::frame_pool* x_previous_pool;
    std::map<std::chrono::nanoseconds, weir::list<weir::timer>> x_deadlines;
    std::mutex x_mutex;
    std::condition_variable x_arrived;
    weir::list<weir::remote_item> x_remote;
};

} // namespace tests
