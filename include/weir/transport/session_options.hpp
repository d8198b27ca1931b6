// The settings of a session: how long it is kept for an absent client, and what it may hold in memory meanwhile.
#pragma once

#include <weir/coro/duration.hpp>
#include <weir/transport/websocket_options.hpp>

#include <cstddef>

namespace weir::inline v0 {

struct session_options {
    // How long a session is kept for a client of whom nothing is heard. Longer survives longer tunnels; what is sent
    // meanwhile takes memory.
    std::chrono::nanoseconds keep = std::chrono::seconds(30);

    // How long a request is held, and an event stream or a WebSocket is silent, at the most. Shorter than what the
    // proxies on the way allow, which is often a minute.
    std::chrono::nanoseconds heartbeat = std::chrono::seconds(25);

    // A send that leaves more than this to be sent, or to be acknowledged by a client that acknowledges, waits until
    // it is half of that. It is also how much is kept of what was sent to a client that does not acknowledge.
    std::size_t high_water_bytes = 256 * 1024;

    // Above this `overflow` decides. One message is always taken when nothing is queued before it.
    std::size_t queue_bytes = 1024 * 1024;
    overflow_policy overflow = overflow_policy::close;

    // How much is received ahead while the handler does something else; the client has to wait then.
    std::size_t read_ahead_bytes = 256 * 1024;

    // How long a handler that does not read may go on when its client is gone and has left something unread, before it is
    // cancelled.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(5);
};

static_assert(__is_trivially_copyable(session_options));

} // namespace weir::inline v0
