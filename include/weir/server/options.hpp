// The settings of a server.
#pragma once

#include <weir/core/log.hpp>
#include <weir/io/backend.hpp>
#include <weir/io/run.hpp>
#include <weir/io/stream_layer.hpp>
#include <weir/net/security.hpp>
#include <weir/protocol/http/limits.hpp>
#include <weir/transport/websocket_options.hpp>

#include <optional>
#include <string_view>

namespace weir::inline v0 {

// Nothing here is kept by reference but what `log.self` points at.
struct server_options {
    // Where to listen: an address, "localhost", or "unix:/path". Empty: all addresses of this machine, IPv4 and IPv6.
    std::string_view host = {};

    // The TCP port, up to 65535; 0 has the system pick a free one, which `local_endpoint()` tells.
    int port = 0;

    // A socket that listens already, of a supervisor for instance, in place of host and port. It is taken over.
    std::optional<int> descriptor = {};

    // What makes it `wss://` and `https://`: a `weir::tls_server` of <weir/net/tls.hpp>, which must outlive the server. Null:
    // nothing is encrypted.
    net::server_security* tls = nullptr;

    // What is put over each stream, and over TLS; see io/stream_layer.hpp. It must outlive the server. Null for nothing.
    io::stream_layer* layer = nullptr;

    // How many connections there may be at once, HTTP ones included. More are answered 503 with a Retry-After, without
    // a look at their request. Without a value: the soft limit of descriptors (`ulimit -n`) at the start, less 128 (a
    // quarter of a small one) for files, connections that handlers make, and those that are refused. With fewer
    // descriptors than connections, new clients would wait until somebody leaves.
    std::optional<std::size_t> connections = {};

    // How many of them may come from one address, likewise; for IPv6 from one /64 network, which is what a customer has.
    // Unix sockets are not counted. None by default: behind a reverse proxy all come from its address, and whole offices
    // and phone networks share one. Set it where clients connect directly, with room for those.
    std::optional<std::size_t> connections_per_address = {};

    // How long a client may take to send the head of its first request, TLS's own handshake included, and to take in each 64
    // KiB of an answer. One that is slower to send gets 408, one that is slower to read is broken off.
    std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);

    // How long an HTTP connection is kept for another request.
    std::chrono::nanoseconds keep_alive_timeout = std::chrono::seconds(20);

    // How long connections have to end after a signal, before they are broken off and their handlers cancelled.
    std::chrono::nanoseconds stop_grace = std::chrono::seconds(5);

    // How long handlers have to end once they are cancelled, before they are given up: destroyed where they wait, without
    // running to their end. When the server stops that goes for all; while it runs, for those that keep on waiting in
    // vain. Longer for those that save something then, behind a shield; but a container is mostly killed 10 s after
    // SIGTERM, `stop_grace` included.
    std::chrono::nanoseconds cancel_grace = std::chrono::seconds(3);

    // Whether `run` ends the server on SIGINT and SIGTERM. A second signal cancels the handlers at once; a third gives
    // those up that have not ended by then.
    bool handle_signals = true;

    // Where `run` has events from: io/backend_choice.hpp. Automatic by default.
    backend_choice backend = {};

    // How the loop of `run` waits while it has nothing to do: sleeping by default. See io/wait_policy.hpp.
    wait_policy waiting = {};

    // Bounds for request heads.
    http::head_limits head = {};

    // The socket's own settings.
    io::listen_options listening = {};

    // The settings of WebSocket connections. Without a log hook of their own they use `log`.
    websocket_options websocket = {};

    // Who hears of what happens; nobody by default. `weir::print_log` prints.
    log_hook log = {};
};

static_assert(__is_trivially_copyable(server_options));

} // namespace weir::inline v0
