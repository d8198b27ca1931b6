// Deadlines by the million: a hierarchical wheel of six rings with 64 slots each.
//
// Arming, disarming and moving a deadline take constant time, and nothing is touched while nothing is due. A tick is a
// millisecond; deadlines are rounded up to it, so no timer fires early, and those over a year away fire then. A timer
// stands in the ring of the highest group of six bits in which its tick differs from the current one, and moves inwards
// when the wheel reaches its slot. A timer may leave by itself at any time: a slot whose bit is set may be empty.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/duration.hpp>
#include <weir/coro/scheduler.hpp>

#include <bit>
#include <cstdint>

namespace weir::inline v0 {

class timer_wheel {
public:
    static constexpr std::chrono::nanoseconds tick = std::chrono::milliseconds(1);

    // Fires `which` once `due`, on the clock whose value `advance` is given, has passed. It must not be armed.
    void add(timer& which, std::chrono::nanoseconds due) noexcept {
        catch_up();
        const std::int64_t ticks = due.count() <= 0 ? 0 : (due.count() - 1) / tick.count() + 1;
        const auto latest = static_cast<std::int64_t>(x_tick + reach / 2);
        which.x_tick = static_cast<std::uint64_t>(ticks < latest ? ticks : latest);
        if (which.x_tick < x_tick) which.x_tick = x_tick;
        if (which.x_tick < x_next.tick) forget_next();
        insert(which);
    }

    // Fires everything that is due at `now`, in the order of the deadlines.
    void advance(std::chrono::nanoseconds now) noexcept {
        x_now = now;
        if (now >= x_due) fire();
    }

    // The time at which `advance` has something to do next; the maximum when nothing is armed.
    std::chrono::nanoseconds next() noexcept {
        if (x_next.at && !x_next.at->empty()) return x_due;
        return look_again();
    }

    // No later than `next`, without looking: 0 where that is not known. What it says may have been disarmed.
    std::chrono::nanoseconds not_before() const noexcept { return x_due; }

private:
    static constexpr unsigned bits = 6;
    static constexpr unsigned rings = 6;
    static constexpr std::uint64_t reach = std::uint64_t{1} << (bits * rings);
    static constexpr std::uint64_t nowhere = ~std::uint64_t{0};
    static constexpr std::uint64_t unknown = 0;

    struct ring {
        std::uint64_t used = 0; // one bit a slot; set where a timer was put
        list<timer> slots[1 << bits];
    };
    struct place {
        std::uint64_t tick;
        list<timer>* at;
        unsigned ring;
        unsigned slot;
    };

    // The current tick is moved when it is needed.
    std::uint64_t ticks_now() const noexcept { return static_cast<std::uint64_t>(x_now / tick); }
    void catch_up() noexcept {
        if (const std::uint64_t now = ticks_now(); x_tick < now) x_tick = now;
    }

    void forget_next() noexcept {
        x_next = {unknown, nullptr, 0, 0};
        x_due = std::chrono::nanoseconds(0);
    }

    [[gnu::noinline]] std::chrono::nanoseconds look_again() noexcept {
        if (x_next.tick == nowhere) return x_due;
        catch_up();
        x_next = earliest();
        x_due = x_next.tick == nowhere ? std::chrono::nanoseconds::max() : tick * static_cast<std::int64_t>(x_next.tick);
        return x_due;
    }

    [[gnu::noinline]] void fire() noexcept {
        const std::uint64_t until = ticks_now();
        const std::chrono::nanoseconds now = exchanged(x_now, {}); // the tick moves with what is fired meanwhile
        for (;;) {
            const place next = earliest();
            if (next.tick > until) break;
            x_tick = next.tick;
            x_rings[next.ring].used &= ~(std::uint64_t{1} << next.slot);
            list<timer> due;
            due.take_all(*next.at);
            while (timer* each = due.pop_front()) {
                if (each->x_tick <= x_tick)
                    each->expire();
                else
                    insert(*each);
            }
        }
        x_now = now;
        catch_up();
        forget_next();
    }

    void insert(timer& which) noexcept {
        const std::uint64_t differs = which.x_tick ^ x_tick;
        unsigned level = differs ? static_cast<unsigned>(std::bit_width(differs) - 1) / bits : 0;
        if (level >= rings) level = rings - 1;
        const unsigned slot = static_cast<unsigned>(which.x_tick >> (bits * level)) & ((1u << bits) - 1);
        x_rings[level].slots[slot].push_back(which);
        x_rings[level].used |= std::uint64_t{1} << slot;
    }

    // The first slot that holds a timer, inner rings before outer ones; what an inner ring holds is always due earlier.
    place earliest() noexcept {
        for (unsigned level = 0; level < rings; ++level) {
            ring& here = x_rings[level];
            const unsigned shift = bits * level;
            const unsigned at = static_cast<unsigned>(x_tick >> shift) & ((1u << bits) - 1);
            while (here.used) {
                // In the outermost ring slots before the current one belong to its next round.
                const std::uint64_t ahead = here.used >> at << at;
                const auto slot = static_cast<unsigned>(std::countr_zero(ahead ? ahead : here.used));
                if (here.slots[slot].empty()) {
                    here.used &= ~(std::uint64_t{1} << slot);
                    continue;
                }
                const std::uint64_t round = (x_tick >> shift >> bits) + (ahead ? 0 : 1);
                const std::uint64_t starts = ((round << bits) | slot) << shift;
                return {starts < x_tick ? x_tick : starts, &here.slots[slot], level, slot};
            }
        }
        return {nowhere, nullptr, 0, 0};
    }

    std::uint64_t x_tick = 0;
    std::chrono::nanoseconds x_now{0};
    std::chrono::nanoseconds x_due{0};    // of x_next
    place x_next{unknown, nullptr, 0, 0}; // what `earliest` would say, or a slot that is empty by now: nothing is before it
    ring x_rings[rings];
};

} // namespace weir::inline v0
