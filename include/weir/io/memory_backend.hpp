// What the in-memory backend's streams and acceptors share: a virtual clock, what is due on it, and planned failures.
//
// Part of the test kit; see io/memory.hpp. Everything but `wake` is for the loop's thread.
//
// The clock stands still while anything is due (but see `busy_turn`, for tests of what never waits), and otherwise jumps
// to what comes first: something under way in a pipe, or the loop's next deadline. It stands still as well while
// functions that were given to `offload` run. It would jump past the answer of any other thread, so whoever waits for
// one holds the clock meanwhile (`hold`): the loop then really waits, until it is woken.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/list.hpp>
#include <weir/core/pseudo_random.hpp>
#include <weir/coro/helper_threads.hpp>
#include <weir/io/backend.hpp>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include <errno.h>
#include <semaphore.h>
#include <time.h>

namespace weir::inline v0::io {

struct memory_options {
    std::size_t pipe_bytes = 64 * 1024;         // what a pipe holds in one direction before its writer is blocked
    std::size_t fill_bytes = 64 * 1024;         // the most that one fill gives, 1 to 64 KiB
    std::size_t write_bytes = 1024 * 1024;      // the most that one write takes, at least 1
    bool fragment = false;                      // fills and writes are cut at pseudo-random sizes up to those two
    bool shuffle = false;                       // what is due at the same time is told in a pseudo-random order
    std::uint64_t seed = 1;                     // where the pseudo-random sizes, orders and failures begin
    std::uint64_t cut_at = ~std::uint64_t{0};   // what is sent in a direction from this byte on comes a millisecond later
    std::chrono::nanoseconds latency{0};        // how long bytes, ends and resets are under way
    std::chrono::nanoseconds busy_turn{0};      // how long a turn takes that finds something ready
    std::chrono::milliseconds stall_after{1000};  // real time without an event that counts as a stall
    std::chrono::milliseconds held_after{60'000}; // the same while the clock is held for other threads
};
static_assert(__is_trivially_copyable(memory_options));

// What can be made to fail.
enum class memory_operation : unsigned char { connect, listen, accept, fill, write, shutdown_write };
inline constexpr std::size_t memory_operations = 6;

// Something that happens at a point in virtual time.
class memory_event : public list_node<memory_event> {
public:
    virtual void on_due() noexcept = 0;

protected:
    ~memory_event() = default;

private:
    friend class memory_backend;
    std::chrono::nanoseconds x_at{0};
};

// Who is told that the loop would wait for ever: nothing is due, no deadline is set, nobody woke it.
class stall_observer {
public:
    virtual void on_stall() noexcept = 0;

protected:
    ~stall_observer() = default;
};

class memory_backend : public backend {
public:
    // A point in time that does not come by itself: what is held back until somebody lets it go on.
    static constexpr std::chrono::nanoseconds held = forever - std::chrono::nanoseconds(1);

    explicit memory_backend(const memory_options& chosen) noexcept : x_options(chosen), x_random(chosen.seed) {
        ::sem_init(&x_wakes, 0, 0);
    }
    ~memory_backend() { ::sem_destroy(&x_wakes); }

    const memory_options& options() const noexcept { return x_options; }

    // Has the operation with this number fail with `errc::injected`. Operations are connect, listen, accept, fill,
    // write and shutdown_write of everything that belongs to this backend, counted from 0. A stream is broken by it:
    // its later operations fail as well, and the peer sees a reset.
    void fail_at(std::uint64_t number) noexcept { x_fail_at = number; }

    // Has an operation of this kind fail likewise: the next one, or one `after` so many more.
    void fail_next(memory_operation kind, std::uint64_t after = 0) noexcept { plan_of(kind).after = after; }

    // Has each operation of this kind fail with a probability, 0 at first.
    void fail_sometimes(memory_operation kind, double probability) noexcept { plan_of(kind).probability = probability; }

    // How many operations there have been so far.
    std::uint64_t operations() const noexcept { return x_operations; }

    // Whether the failure asked for has happened: a test counts up from 0 until it has not.
    bool injected() const noexcept { return x_injected; }

    // Whether `cut_at` has cut a stream: a test counts up from 1 until it has not.
    bool was_cut() const noexcept { return x_cut; }
    void note_cut() noexcept { x_cut = true; }

    // Has the next accept fail with this errno; who wanted to be accepted keeps waiting.
    void fail_next_accept(int number) noexcept { x_accept_fails = number; }

    // Lets virtual time pass.
    void advance(std::chrono::nanoseconds by) noexcept { x_now += by; }

    // Keeps the clock from jumping for as long as it lives: another thread is going to wake the loop. For the loop's
    // thread.
    class [[nodiscard]] clock_hold {
    public:
        explicit clock_hold(memory_backend& of) noexcept : x_of(of) { ++x_of.x_holds; }
        clock_hold(const clock_hold&) = delete;
        clock_hold& operator=(const clock_hold&) = delete;
        ~clock_hold() { --x_of.x_holds; }

    private:
        memory_backend& x_of;
    };
    clock_hold hold() noexcept { return clock_hold(*this); }

    // Who is told of a stall, from `dispatch`. Null, as at first: a stall ends the program with a message.
    void observe_stall(stall_observer* observer) noexcept { x_stall_observer = observer; }

    // For whoever moves the clocks of several: when something is due; `forever` when nothing is.
    std::chrono::nanoseconds next_due() const noexcept {
        if (!x_due.empty()) return x_now;
        std::chrono::nanoseconds first = forever;
        for (const memory_event* each = x_later.front(); each; each = x_later.after(*each))
            if (each->x_at < first) first = each->x_at;
        return first;
    }

    // For the same: lets the functions that were given to `offload` come to their end, in real time.
    void await_helpers() noexcept {
        for (auto left = x_options.held_after; left.count() > 0 && detail::helper_threads::instance().busy(); --left)
            (void)wait_for_wake(std::chrono::milliseconds(1));
    }

    // For streams and acceptors: has `event` told at `at`, or earlier if it is to be told earlier anyhow.
    void schedule(memory_event& event, std::chrono::nanoseconds at) noexcept {
        if (at >= held || (event.linked() && event.x_at <= at)) return;
        event.unlink();
        event.x_at = at;
        (at <= x_now ? x_due : x_later).push_back(event);
    }

    // For streams and acceptors: counts an operation; true if it is the one that fails.
    bool fails(memory_operation kind) noexcept {
        plan& of = plan_of(kind);
        const bool counted_out = x_operations++ == x_fail_at, planned = of.after != never && of.after-- == 0;
        if (!counted_out && !planned && !(of.probability > 0 && x_random.chance(of.probability))) return false;
        x_injected = true;
        return true;
    }

    // For acceptors: the errno that this accept fails with; 0 for none.
    int accept_failure() noexcept { return exchanged(x_accept_fails, 0); }

    // For streams: how many bytes an operation may move that could move `most`.
    std::size_t portion(std::size_t most) noexcept {
        if (!x_options.fragment || most <= 1) return most;
        // Small sizes as often as large ones: first the number of bits, then the bits.
        const auto bits = x_random.next() % static_cast<std::uint64_t>(std::bit_width(most));
        const std::size_t size = 1 + static_cast<std::size_t>(x_random.next() & ((std::uint64_t{2} << bits) - 1));
        return size < most ? size : most;
    }

    bool is_simulated() const noexcept override { return true; }

    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        const bool found = look(timeout);
        x_found_one = !x_due.empty() && x_due.has_one();
        return found;
    }

    bool dispatch() noexcept override {
        if (exchanged(x_stalled, false) && x_stall_observer) x_stall_observer->on_stall();
        list<memory_event> round;
        if (x_options.shuffle)
            while (memory_event* each = x_due.pop_front())
                x_random.next() & 1 ? round.push_front(*each) : round.push_back(*each);
        round.take_all(x_due);
        while (memory_event* each = round.pop_front()) each->on_due();
        return false;
    }

    void wake() noexcept override { ::sem_post(&x_wakes); }

    std::chrono::nanoseconds now() noexcept override { return x_now; }

private:
    bool look(std::chrono::nanoseconds timeout) noexcept {
        collect();
        const bool news = woken() || !x_due.empty();
        if (news || timeout <= std::chrono::nanoseconds(0)) {
            x_now += x_options.busy_turn;
            return news;
        }
        if (x_holds > 0) {
            if (!wait_for_wake(x_options.held_after)) stalled();
            return true;
        }
        std::chrono::nanoseconds until = timeout == forever ? forever : x_now + timeout;
        if (const std::chrono::nanoseconds due = next_due(); due < until) until = due;
        if (helpers_answer()) return true;
        if (until == forever) {
            if (!wait_for_wake(x_options.stall_after)) stalled();
            return true;
        }
        x_now = until;
        collect();
        return !x_due.empty();
    }

    void collect() noexcept {
        for (memory_event *each = x_later.front(), *next; each; each = next) {
            next = x_later.after(*each);
            if (each->x_at > x_now) continue;
            each->unlink();
            x_due.push_back(*each);
        }
    }

    bool woken() noexcept {
        bool any = false;
        while (::sem_trywait(&x_wakes) == 0) any = true;
        return any;
    }

    // Lets the functions that were given to `offload` go on, in real time; true when we are woken.
    bool helpers_answer() noexcept {
        for (auto left = x_options.held_after; left.count() > 0 && detail::helper_threads::instance().busy(); --left)
            if (wait_for_wake(std::chrono::milliseconds(1))) return true;
        return woken(); // what they posted came before they were not busy any more
    }

    bool wait_for_wake(std::chrono::milliseconds most) noexcept {
        timespec until;
        ::clock_gettime(CLOCK_REALTIME, &until);
        const auto nanoseconds = until.tv_nsec + std::chrono::nanoseconds(most).count();
        until.tv_sec += static_cast<time_t>(nanoseconds / 1'000'000'000);
        until.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
        while (::sem_timedwait(&x_wakes, &until) != 0)
            if (errno != EINTR) return false;
        return true;
    }

    void stalled() noexcept {
        x_stalled = true;
        if (x_stall_observer) return;
        std::fputs("weir: io::memory: the loop would wait for ever: nothing is under way in a stream, no deadline is "
                   "set, and no other thread wakes it. Somebody waits for what nobody does.\n",
                   stderr);
        std::abort();
    }

    static constexpr std::uint64_t never = ~std::uint64_t{0};

    // Which operation of a kind is to fail.
    struct plan {
        std::uint64_t after = never;
        double probability = 0;
    };
    plan& plan_of(memory_operation kind) noexcept { return x_plans[static_cast<std::size_t>(kind)]; }

    const memory_options x_options;
    pseudo_random x_random;
    std::uint64_t x_operations = 0;
    std::uint64_t x_fail_at = never;
    plan x_plans[memory_operations];
    int x_accept_fails = 0;
    int x_holds = 0;
    bool x_injected = false;
    bool x_cut = false;
    bool x_stalled = false;
    stall_observer* x_stall_observer = nullptr;
    std::chrono::nanoseconds x_now = std::chrono::hours(1); // not 0, which nobody's clock shows
    list<memory_event> x_due;
    list<memory_event> x_later;
    sem_t x_wakes;
};

} // namespace weir::inline v0::io
