// How a loop waits while it has nothing to do: interrupts against polling.
//
//     server.run({.port = 9001, .waiting = weir::wait_policy::adaptive(50us)});
//
// A loop that sleeps costs nothing and pays for being woken with every event that comes alone: some microseconds here, tens
// on a machine whose cores go into deep sleep. One that spins sees the event at once and takes a whole core. In between,
// one that spins for a while after each event is as quick while events follow each other closely, and sleeps otherwise.
// examples/wait_policies.cpp measures the trade on the machine it runs on. With fewer cores than busy threads, spinning
// takes the time away from whoever was to send the next event: leave it at `block` then.
#pragma once

#include <weir/core/version.hpp>

#include <weir/coro/duration.hpp>
#include <type_traits>

namespace weir::inline v0 {

class wait_policy {
public:
    // Sleeps until there is something to do.
    constexpr wait_policy() noexcept = default;
    static constexpr wait_policy block() noexcept { return wait_policy(); }

    // Never sleeps: looks again and again.
    static constexpr wait_policy spin() noexcept { return adaptive(std::chrono::nanoseconds::max()); }

    // Looks again and again until nothing has come for so long, and then sleeps. What comes is an event of a stream, or
    // something from another thread; a deadline is known before and nobody spins for it.
    static constexpr wait_policy adaptive(std::chrono::nanoseconds after_last_event) noexcept {
        wait_policy made;
        made.x_spins_for = after_last_event;
        return made;
    }

    constexpr std::chrono::nanoseconds spins_for() const noexcept { return x_spins_for; }

private:
    std::chrono::nanoseconds x_spins_for{0};
};
static_assert(__is_trivially_copyable(wait_policy));

} // namespace weir::inline v0
