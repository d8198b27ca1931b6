// Something that outlives its owner for a while, in the care of the loop: a connection that is being closed after the
// object it belonged to was dropped.
//
// Whoever lingers bounds its own time. The loop does not end before the last one has gone; a loop that is destroyed
// first calls `abandon`.
#pragma once

#include <weir/core/list.hpp>

namespace weir::inline v0 {

class lingering : public list_node<lingering> {
public:
    // Ends at once and frees itself.
    virtual void abandon() noexcept = 0;

protected:
    ~lingering() = default;
};

} // namespace weir::inline v0
