// A weak, copyable handle to a connection, for other threads.
#pragma once

#include <weir/core/shared.hpp>
#include <weir/transport/remote_port.hpp>

namespace weir::inline v0 {

// Made by `websocket::handle()` on the loop's thread; copied and used on any. Keeps nothing open.
class websocket_handle {
public:
    websocket_handle() noexcept = default;
    explicit websocket_handle(shared<detail::remote_port> port) noexcept : x_port(std::move(port)) {}

    // Has the loop send a copy of the message, in the order of the posts. True when it is queued; false when the
    // connection is closing or gone, or when more than its `queue_bytes` wait to be taken over by the loop. That a message was
    // queued does not promise that it arrives.
    bool post(std::string_view text) const { return x_port && x_port->post(text, true); }
    bool post(bytes_view binary) const { return x_port && x_port->post(as_text(binary), false); }
    bool post(const message& any) const { return x_port && x_port->post(any.text(), any.is_text()); }

    // Whether the connection was still open just now.
    bool connected() const { return x_port && x_port->connected(); }

private:
    shared<detail::remote_port> x_port;
};

} // namespace weir::inline v0
