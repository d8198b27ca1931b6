// Something of a server's that has tasks of its own beside the connections, and is told when the server stops: a channel's
// sessions. Owned by the server, told on its loop's thread.
#pragma once

#include <weir/core/list.hpp>

namespace weir::inline v0 {

class scope;

namespace detail {

class companion : public list_node<companion> {
public:
    virtual ~companion() = default;

    // The server serves now. What is spawned in `tasks` is cancelled, waited for and given up like the handlers of connections.
    virtual void begin(scope& tasks) noexcept = 0;

    // It begins to stop, and has not told anybody else.
    virtual void stop() noexcept = 0;

    // It serves no longer: `tasks` is about to go.
    virtual void end() noexcept = 0;
};

} // namespace detail

} // namespace weir::inline v0
