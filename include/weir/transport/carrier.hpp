// What carries a session's messages to its client at the moment: a held request, an event stream, a WebSocket.
//
// Attached to a session it may take what is to be sent, and is told when there is more. A session has one at the most;
// another one that is attached takes over. A carrier detaches itself before it goes. Loop thread only.
#pragma once

#include <weir/core/version.hpp>

namespace weir::inline v0::detail {

class carrier {
public:
    // There is something to send, or the session has closed. May take it at once.
    virtual void wake() noexcept = 0;

    // Another carrier has taken over: this one is detached already, and may say so to its client.
    virtual void superseded() noexcept = 0;

protected:
    ~carrier() = default;
};

} // namespace weir::inline v0::detail
