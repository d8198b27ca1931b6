// A way into a loop that a signal handler may take.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/core/list.hpp>

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
    weir::detail::atomic<bool> x_raised{false};
};

} // namespace weir::inline v0::io
