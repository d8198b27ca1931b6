// A way into a loop that a signal handler may take.
#pragma once

#include <weir/core/list.hpp>

#include <atomic>

namespace weir::inline v0::io {

// Registered with a loop by `loop::add`; the object must live until it is destroyed on the loop's thread.
class interrupt : public list_node<interrupt> {
public:
    interrupt() noexcept = default;

protected:
    // Called on the loop's thread, once or more after each `loop::raise` of it.
    virtual void on_interrupt() noexcept = 0;
    ~interrupt() = default;

private:
    friend class loop;
    std::atomic<bool> x_raised{false};
    static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not take a lock");
};

} // namespace weir::inline v0::io
