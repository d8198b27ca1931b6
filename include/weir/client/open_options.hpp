// How a client opens a channel, and keeps it.
#pragma once

#include <weir/client/connect_options.hpp>
#include <weir/transport/session_options.hpp>
#include <weir/transport/transport_kind.hpp>

#include <span>

namespace weir::inline v0 {

// The best first.
inline constexpr transport_kind every_transport[] = {transport_kind::websocket, transport_kind::event_stream,
                                                     transport_kind::long_polling, transport_kind::polling};

// What the spans and views name is copied by the call that is given them.
struct open_options {
    // The transports to be used, the preferred one first.
    std::span<const transport_kind> transports = every_transport;

    // Further fields of each request, such as Authorization, Cookie or Origin; none of those that a request of
    // a channel has anyway.
    std::span<const http::field> headers = {};

    // How long opening may take in all.
    std::chrono::nanoseconds timeout = std::chrono::seconds(20);

    // Whether opening goes on, in one round after the other, until `timeout`: for a server that is about to start, or to start
    // again. Otherwise it ends with an error when no transport has worked.
    bool insist = false;

    // How long one transport may take to begin, and a request that is not held to be answered. Twice as long after each round
    // through all transports that failed, up to eight times. Shorter falls back sooner where a proxy swallows WebSockets.
    std::chrono::nanoseconds attempt = std::chrono::seconds(4);

    // How long it waits after the first failure; each one doubles that, up to 32 times. It starts anew when a transport breaks
    // that has carried for 5 s or longer. Half of it is left to chance, so that the clients of a server that comes back do not
    // all come at once.
    std::chrono::nanoseconds retry = std::chrono::milliseconds(500);

    // How long it uses a transport before it tries a better one; each failure doubles that, up to 16 times.
    std::chrono::nanoseconds probe = std::chrono::seconds(15);

    // How often polling asks. Shorter is quicker, and each time is a request.
    std::chrono::nanoseconds interval = std::chrono::seconds(1);

    // How long it goes on trying when nothing works. Servers keep a session for 30 s, unless told otherwise; after that they
    // say that it is lost, if they say anything.
    std::chrono::nanoseconds give_up = std::chrono::minutes(5);

    // How long `close` may take to tell the server.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(5);

    // A send that leaves more than this to be acknowledged by the server waits until it is half of that.
    std::size_t high_water_bytes = 256 * 1024;

    // Above this `overflow` decides. One message is always taken when nothing is queued before it.
    std::size_t queue_bytes = 1024 * 1024;
    overflow_policy overflow = overflow_policy::close;

    // How much is received ahead while nobody reads; the server has to wait then.
    std::size_t read_ahead_bytes = 256 * 1024;

    // The largest message that is received; a larger one ends the channel with 1009.
    std::size_t message_bytes = 1024 * 1024;

    // Settings of the WebSocket, where it is one; `message_bytes` is the one above.
    websocket_options websocket = {};

    // The proxy that every connection goes through, as in `connect_options`. None by default, whatever the environment says.
    proxy_choice proxy = {};
    // How `https://` and `wss://` are spoken: a `weir::tls_client` of one's own, which must outlive the channel. Null for the
    // one of all that <weir/net/tls.hpp> brings.
    net::client_security* tls = nullptr;

    // How a name becomes addresses; called on a helper thread, and may block. Null for the system's resolver.
    net::lookup_function lookup = nullptr;
};

static_assert(__is_trivially_copyable(open_options));

} // namespace weir::inline v0
