// The loop: one thread's worth of events, deadlines and coroutines.
//
// A turn waits for the backend, fires deadlines, takes in what other threads posted, runs what is ready, and last lets
// out what was written meanwhile. `run` turns until a task has ended. A program with a loop of its own asks `until_next()`
// before it waits, and calls `turn` when `descriptor()` is readable or that time has passed. A loop is used on one
// thread; only `post_remote` and `raise` may be called from others, and `raise` from a signal handler too. Several loops
// may follow each other, or be nested, on one thread.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/coro/task.hpp>
#include <weir/io/interrupt.hpp>
#include <weir/io/lone_turns.hpp>
#include <weir/io/os_entropy.hpp>
#include <weir/io/timer_wheel.hpp>
#include <weir/io/wait_policy.hpp>

#include <mutex>
#include <utility>

namespace weir::inline v0::io {

class loop final : public lone_turns {
public:
    static constexpr std::chrono::nanoseconds forever = backend::forever;

    // Takes its events from `events`, and random bytes from the kernel unless told otherwise; `random` must then
    // outlive the loop. `waiting`: how it waits while there is nothing to do; a simulated backend is not asked twice.
    explicit loop(owned<backend> events, entropy* random = nullptr, wait_policy waiting = {}) noexcept
        : x_backend(std::move(events)), x_random(random ? random : &x_os_entropy),
          x_spins_for(x_backend->is_simulated() ? std::chrono::nanoseconds(0) : waiting.spins_for()),
          x_simulated(x_backend->is_simulated()),
          x_takes_lone_turns(x_backend->takes_lone_turns() && x_spins_for == std::chrono::nanoseconds(0)) {
        x_now = x_last_event = x_backend->now();
        x_wheel.advance(x_now);
        blocks().keep_until_aged();
    }

    [[gnu::cold]] ~loop() {
        const activation active(*this);
        while (lingering* each = x_lingering.pop_front()) each->abandon();
        assert(x_users == 0 && "a websocket outlives its loop: keep it in a coroutine that the loop runs");
    }

    backend& events() noexcept { return *x_backend; }
    block_pool& blocks() noexcept { return x_backend->blocks(); }

    // Which backend it runs on, and why on that: "epoll", "asked for by WEIR_BACKEND".
    std::string_view backend_name() const noexcept { return x_backend->name(); }
    std::string_view backend_reason() const noexcept { return x_backend->reason(); }

    entropy& random() noexcept { return *x_random; }

    // The loop that runs this thread now; null where none does.
    static loop* current() noexcept { return static_cast<loop*>(scheduler::current()); }

    // Runs `main` to its end, and then until nothing lingers. What `main` threw is thrown.
    template <class T>
    [[gnu::cold]] T run(task<T> main) {
        const activation active(*this);
        x_now = x_backend->now(); // nothing has turned for a while
        context root(*this);
        const ending last(*this, main);
        if (main.suspend(std::noop_coroutine(), &root))
            take_turns(forever, main.handle());
        return main.await_resume();
    }

    // One turn; waits at most `at_most` for something to do.
    void turn(std::chrono::nanoseconds at_most = forever) noexcept {
        const activation active(*this);
        take_turns(at_most, nullptr);
    }

    // How long a turn would wait: zero when something is ready, `forever` when nothing is due. From this call on, until
    // the next turn, a post from another thread makes `descriptor()` readable.
    std::chrono::nanoseconds until_next() noexcept {
        x_quiet = true;
        return until_due();
    }

    // A descriptor that is readable when a turn has events to handle; -1 where the backend has none. Deadlines do not
    // show in it: see `until_next`.
    int descriptor() noexcept { return x_backend->descriptor(); }

    // Registers an interrupt.
    void add(interrupt& which) noexcept { x_interrupts.push_back(which); }

    // Has `which.on_interrupt()` called on the loop's thread. From any thread and from signal handlers.
    [[gnu::cold]] void raise(interrupt& which) noexcept {
        which.x_raised.store(true);
        x_called.store(true);
        x_backend->wake();
    }

    [[gnu::noinline]] void arm(timer& which, std::chrono::nanoseconds after) noexcept override {
        which.disarm();
        // Never due in the tick that is being fired: a timer that arms itself anew cannot hold up the loop.
        if (after < std::chrono::nanoseconds(1)) after = std::chrono::nanoseconds(1);
        x_wheel.add(which, after > longest ? x_now + longest : x_now + after);
        if (x_wheel.not_before() < x_lone_until) x_lone_until = {}; // it is due first: that is not known then, but is 0
    }

    void post_remote(remote_item& item) noexcept override {
        // Woken under the lock: once the item can be taken the loop may end, and nothing of it may be touched any more.
        const std::lock_guard<std::mutex> lock(x_remote_mutex);
        item.unlink();
        x_remote.push_back(item);
        x_called.store(true);
        if (x_sleeping.exchange(false)) x_backend->wake();
    }

    void revoke(remote_item& item) noexcept override {
        const std::lock_guard<std::mutex> lock(x_remote_mutex);
        item.unlink();
    }

private:
    static constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);
    static constexpr std::chrono::nanoseconds far = std::chrono::milliseconds(100);
    static constexpr int rounds_a_turn = 16;
    static constexpr int items_at_once = 4;
    static constexpr std::chrono::nanoseconds aging_period = std::chrono::seconds(1);

    // Gives memory back that a burst has left, while more is kept than is always worth keeping.
    class aging final : public timer {
    public:
        explicit aging(loop& of) noexcept : x_loop(of) {}
        // It is armed anew, if need be, at the end of this turn.
        [[gnu::cold]] void expire() noexcept override { x_loop.blocks().age(); }

    private:
        loop& x_loop;
    };

    // Makes a loop the current one on this thread, and the former one again afterwards.
    class activation {
    public:
        explicit activation(loop& active) noexcept
            : x_scheduler(exchanged(scheduler::current(), &active)),
              x_frames(exchanged(frame_pool::current(), &active.x_frames)) {}
        activation(const activation&) = delete;
        ~activation() {
            scheduler::current() = x_scheduler;
            frame_pool::current() = x_frames;
        }

    private:
        scheduler* x_scheduler;
        frame_pool* x_frames;
    };

    // Once the main task has given its outcome: destroys its frame, and turns until what it dropped is closed.
    template <class T>
    class ending {
    public:
        ending(loop& on, task<T>& main) noexcept : x_loop(on), x_main(main) {}
        ending(const ending&) = delete;
        [[gnu::cold]] ~ending() {
            x_main = {};
            while (!x_loop.x_lingering.empty()) x_loop.turn();
        }

    private:
        loop& x_loop;
        task<T>& x_main;
    };

    // Turns until the coroutine `last` has run to its end; once, where it is null.
    [[gnu::noinline]] void take_turns(std::chrono::nanoseconds at_most, std::coroutine_handle<> last) noexcept {
        if (!x_ending.empty()) end_turn(); // which something that it runs has nested us in
        do {
            const std::chrono::nanoseconds due = until_due(), most = due < at_most ? due : at_most;
            if (may_take_lone_turns(most, last))
                take_lone_turns(most, last);
            else
                begin_turn(most);
            x_wheel.advance(x_now);
            if (x_called.load(weir::detail::order::acquire)) [[unlikely]] take_remote();
            run_ready();
            if (blocks().is_full() && !x_aging.armed()) [[unlikely]] arm(x_aging, aging_period);
        } while (last && !last.done());
        x_posted = true; // whoever nests a loop in itself: the turn outside cannot go on as if nothing had been
    }
    [[gnu::always_inline]] inline void begin_turn(std::chrono::nanoseconds most) noexcept {
        wait(most);
        begin_with_found();
    }
    void begin_with_found() noexcept {
        x_sleeping.store(false, weir::detail::order::relaxed);
        begin(x_backend->now());
        if (!x_next_turn.empty()) go_on_where_left();
        x_lone_event = x_backend->found_one() && x_ready.empty() && x_turn_end.empty();
        while (x_backend->dispatch()) run_all(x_ready);
        x_lone_event = false;
    }

    // Turns that the backend takes by itself, while the next deadline is known to be far.
    bool may_take_lone_turns(std::chrono::nanoseconds most, std::coroutine_handle<> last) const noexcept {
        return last && x_takes_lone_turns && !x_quiet && most > std::chrono::nanoseconds(0) && x_wheel.not_before() - x_now > far;
    }
    [[gnu::always_inline]] inline void take_lone_turns(std::chrono::nanoseconds most, std::coroutine_handle<> last) noexcept {
        const std::chrono::nanoseconds half = (x_wheel.not_before() - x_now) / 2; // after so much a wait may be as long again
        if (most > half) most = half;
        x_last = last;
        x_lone_until = x_now + most;
        x_lone_event = true;
        x_posted = false;
        const lone_end how = x_backend->take_lone_turns(*this, most);
        x_lone_event = false;
        x_lone_until = {};
        x_quiet = how == lone_end::nothing;
        if (how != lone_end::told) return begin_with_found();
        x_sleeping.store(false, weir::detail::order::relaxed);
    }

    // Runs what was left for this turn: a few at a time, as with events, so that what one has received is used up while it is
    // warm, and its memory free again, before the next one receives.
    [[gnu::noinline]] void go_on_where_left() noexcept {
        list<ready_item> round;
        round.take_all(x_next_turn);
        for (int count = 1; ready_item* const each = round.pop_front(); ++count) {
            each->run();
            if (count % items_at_once == 0) run_all(x_ready);
        }
    }

    // How long a turn would wait. The clock is not read while turns have events and no deadline is near: half of the
    // time that was left when the last turn began is waited then. When that is over without an event, what is left is
    // known, since nothing has taken time; and if the last turn took more than that, deadlines are late by that turn anyway.
    std::chrono::nanoseconds until_due() noexcept {
        x_sleeping.store(true); // first: a post either sees it or is seen here
        if (x_called.load()) [[unlikely]] return std::chrono::nanoseconds(0);
        if (!x_ready.empty() || !x_turn_end.empty() || !x_next_turn.empty()) return std::chrono::nanoseconds(0);
        if (!x_quiet && x_wheel.not_before() - x_now > far) return (x_wheel.not_before() - x_now) / 2;
        const std::chrono::nanoseconds next = x_wheel.next();
        if (next == forever) return forever;
        const std::chrono::nanoseconds now = x_backend->now();
        return next > now ? next - now : std::chrono::nanoseconds(0);
    }

    void wait(std::chrono::nanoseconds most) noexcept {
        if (x_spins_for == std::chrono::nanoseconds(0) || most == std::chrono::nanoseconds(0)) {
            x_quiet = !x_backend->wait(most) || x_simulated;
        } else if (!spin(most)) {
            x_quiet = !x_backend->wait(most);
            if (!x_quiet) x_last_event = x_backend->now();
        }
    }

    // Looks for something to do again and again, for as long as the policy has it; true when the turn may begin.
    [[gnu::cold]] bool spin(std::chrono::nanoseconds& most) noexcept {
        x_sleeping.store(false, weir::detail::order::relaxed); // who posts need not wake us: we look
        const std::chrono::nanoseconds began = x_backend->now();
        std::chrono::nanoseconds now = began;
        while (now - x_last_event < x_spins_for) {
            if (x_backend->wait(std::chrono::nanoseconds(0)) || x_called.load()) {
                x_last_event = x_backend->now();
                return true;
            }
            now = x_backend->now();
            if (now - began >= most) return true;
        }
        if (most != forever) most -= now - began;
        x_sleeping.store(true); // as in `until_next`
        return x_called.load();
    }

    [[gnu::noinline]] void take_remote() noexcept {
        x_called.store(false); // first: what comes meanwhile has it set again, and waits for the next turn
        list<interrupt> raised;
        raised.take_all(x_interrupts);
        while (interrupt* each = raised.pop_front()) {
            x_interrupts.push_back(*each);
            if (each->x_raised.exchange(false)) each->on_interrupt();
        }
        list<remote_item> round;
        {
            const std::lock_guard<std::mutex> lock(x_remote_mutex);
            round.take_all(x_remote);
        }
        for (;;) { // one at a time: an item may revoke others, and another thread may post one anew
            remote_item* next;
            {
                const std::lock_guard<std::mutex> lock(x_remote_mutex);
                next = round.pop_front();
            }
            if (!next) return;
            next->run();
        }
    }

    void run_ready() noexcept {
        for (int round = 0; round < rounds_a_turn && !x_ready.empty(); ++round) run_all(x_ready);
        if (x_turn_end.empty()) return;
        x_ending.take_all(x_turn_end);
        end_turn();
    }

    // What is posted meanwhile waits for the next turn's end.
    [[gnu::noinline]] void end_turn() noexcept {
        while (ready_item* each = x_ending.pop_front()) each->run();
    }

    // Runs what is in the list now; what is posted meanwhile waits for the next round.
    static void run_all(list<ready_item>& items) noexcept {
        if (items.empty()) return;
        if (items.has_one()) return items.pop_front()->run();
        run_many(items);
    }
    [[gnu::noinline]] static void run_many(list<ready_item>& items) noexcept {
        list<ready_item> round;
        round.take_all(items);
        while (ready_item* each = round.pop_front()) each->run();
    }

    frame_pool x_frames;
    owned<backend> x_backend;
    os_entropy x_os_entropy;
    entropy* x_random;
    std::chrono::nanoseconds x_spins_for;
    std::chrono::nanoseconds x_last_event; // found by the backend or posted; only kept up by a policy that spins
    bool x_simulated;
    bool x_takes_lone_turns;
    bool x_quiet = true; // the last wait has found nothing
    timer_wheel x_wheel;
    aging x_aging{*this};
    list<ready_item> x_ending; // what is left to run at the end of this turn
    list<interrupt> x_interrupts;
    weir::detail::atomic<bool> x_sleeping{false};
    std::mutex x_remote_mutex;
    list<remote_item> x_remote;
};

} // namespace weir::inline v0::io
