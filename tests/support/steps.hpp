// Lets what runs in a scope go on for some steps, to be disturbed then.
#pragma once

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/sleep.hpp>

#include <chrono>

namespace tests {

// A step is a turn for all that is ready; each fourth one takes `pause` where that is not zero, since time has to pass as well.
// True when all of it was over by then.
inline weir::task<bool> take_steps(weir::scope& work, int steps, std::chrono::nanoseconds pause) {
    for (int i = 0; i < steps && work.size() > 0; ++i) {
        if (pause > std::chrono::nanoseconds(0) && i % 4 == 3)
            (void)co_await weir::sleep(pause);
        else
            (void)co_await weir::yield();
    }
    co_return work.size() == 0;
}

} // namespace tests
