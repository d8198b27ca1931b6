// What a server does with the WebSocket handshakes for one path.
//
// A route is made by `server::websocket` and lives as long as the server, and with it the handler. Everything runs on
// the server's loop.
#pragma once

#include <weir/core/list.hpp>
#include <weir/core/sequence.hpp>
#include <weir/protocol/ws/origin.hpp>
#include <weir/server/handler.hpp>
#include <weir/server/response.hpp>

#include <optional>
#include <span>
#include <string>

namespace weir::inline v0 {

// The settings of a WebSocket route; each setter returns the route.
class websocket_route : public list_node<websocket_route> {
public:
    // `wants_request`: the handler is given the head of the handshake's request, which is kept for it.
    websocket_route(std::string path, owned<detail::websocket_handler> handler, bool wants_request)
        : x_path(std::move(path)), x_handler(std::move(handler)), x_wants_request(wants_request) {}

    // The subprotocols that the handler speaks, the preferred one first; tokens. The first that the client offers too
    // is agreed upon (RFC 6455, section 1.9). When there is no such the connection has none, `ws.subprotocol()` is
    // empty, and a handler that cannot do without closes it.
    websocket_route& subprotocols(std::span<const std::string_view> names) {
        x_subprotocols.clear();
        for (const std::string_view each : names) {
            assert(http::is_token(each) && "a subprotocol is a token");
            x_subprotocols.emplace_back(each);
        }
        return *this;
    }

    // Pages of which other origins may connect, besides those of the same host: "https://example.com". Compared without
    // regard to case, with the port unless it is the scheme's own. By default only pages of the same host may (RFC 6455,
    // section 10.2). Programs that send no Origin may always; pages without an origin of their own send "null", which
    // may be listed.
    websocket_route& origins(std::span<const std::string_view> allowed) {
        x_origins.clear();
        for (const std::string_view each : allowed) x_origins.emplace_back(each);
        return *this;
    }

    // Any page may connect. Right where a connection can do nothing that its user would mind.
    websocket_route& any_origin() {
        x_any_origin = true;
        return *this;
    }

    // Asks `judge` about each handshake that is otherwise in order. It is given the request and returns nothing to
    // let it in or a `response` to refuse it: `std::optional<weir::response>`, or a task of that. When it throws, the
    // client gets 500. A task may wait; while it does the peer is not watched.
    template <class Function>
        requires std::is_invocable_v<Function&, const http::request_head&>
    websocket_route& admit(Function judge) {
        x_check = make_owned<detail::request_handler_of<std::optional<response>, Function>>(std::move(judge));
        return *this;
    }

    std::string_view path() const noexcept { return x_path; }

    // --- for the server ---

    // Whether a page of the request's Origin may connect.
    bool welcomes(const http::request_head& request) const noexcept {
        return x_any_origin || ws::same_origin(request) || ws::origin_among(request, x_origins);
    }

    // What `admit` was given; null where it was not.
    detail::request_handler* check() const noexcept { return x_check.get(); }
    detail::websocket_handler& handler() const noexcept { return *x_handler; }
    bool wants_request() const noexcept { return x_wants_request; }
    const sequence<std::string>& supported() const noexcept { return x_subprotocols; }

private:
    std::string x_path;
    owned<detail::websocket_handler> x_handler;
    sequence<std::string> x_subprotocols;
    sequence<std::string> x_origins;
    owned<detail::request_handler> x_check;
    bool x_wants_request;
    bool x_any_origin = false;
};

} // namespace weir::inline v0
