// What the HTTP side of a connection shares with what answers plain requests, and how it asks for an answer.
//
// The latter is behind a virtual call: a server without plain routes has nothing of it in its program.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/coro/task.hpp>
#include <weir/io/stream.hpp>
#include <weir/protocol/http/request_head.hpp>

namespace weir::inline v0::detail {

struct server_setup;
class open_websockets;

// A request, and the connection that it came on. Lives as long as the HTTP side does.
struct http_connection {
    const server_setup& server;
    io::stream& stream;
    owned<io::stream>& owner; // empty once a WebSocket has taken the stream over
    open_websockets& sockets; // of the server
    context& waiting;         // of those who wait for a request: cancelled when the server stops
    http::request_head request;
    io::lease lease;
    mutable_bytes rest; // what of the lease, behind the request's head, has not been used
    std::string text;   // what is to be written
    bool again = false;    // another request may follow
    bool answered = false; // what is written is the end of an answer, which the client is to have
};

// All that a server answers beside the upgrade.
class plain_requests {
public:
    virtual ~plain_requests() = default;

    // Whether plain requests for a path that WebSockets have too are meant for this.
    virtual bool shares(std::string_view path) const noexcept = 0;

    // Whether all of it has what it needs, asked before the server listens.
    virtual result<> check() const = 0;

    // Answers the request; what is left to be written is in `on.text`. The stream is observed by the task meanwhile. Both
    // must live until it has ended.
    virtual task<> serve(http_connection& on) = 0;
};

} // namespace weir::inline v0::detail
