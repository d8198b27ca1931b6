// What a server does with the sessions of a channel: the settings of `server::channel`.
//
// A route is made by the server and lives as long, and with it the handler. Everything runs on the server's loop. Settings are
// made before the server runs.
#pragma once

#include <weir/core/list.hpp>
#include <weir/server/websocket_route.hpp>
#include <weir/transport/session_options.hpp>
#include <weir/transport/transport_kind.hpp>

#include <span>
#include <string>

namespace weir::inline v0 {

// Each setter returns the route.
class channel_route {
public:
    channel_route(std::string path, websocket_route& handshakes) : x_path(std::move(path)), x_handshakes(handshakes) {}
    channel_route(const channel_route&) = delete;
    channel_route& operator=(const channel_route&) = delete;

    // How long sessions are kept, and what they hold: see there.
    channel_route& options(const session_options& settings) noexcept {
        x_options = settings;
        return *this;
    }

    // How many sessions there may be at once, those included whose clients are away and those that have closed and are kept
    // for their clients to be told. More are answered 503.
    channel_route& sessions(std::size_t most) noexcept {
        x_most = most;
        return *this;
    }

    // How many bytes the messages of all its sessions may take together, sent ones that are kept for clients and received ones
    // that handlers have not read, but not what waits in the ports of handles; 256 MiB by default. What a room sends counts once,
    // for the route whose session took it first. When a message does not fit, other sessions are given up that hold some and
    // whose clients are away, the one that has been away for longest first: their handlers are told (`errc::buffer_full`) in
    // place of what they have not read, and their clients get 404. Where that would not help, nobody is given up: `overflow` of
    // the options decides about the session that the message is for, clients that send have to wait until there is room, and
    // while what cannot be given up takes seven eighths, new sessions are answered 503.
    channel_route& bytes(std::size_t most) noexcept {
        x_most_bytes = most;
        return *this;
    }

    // The transports that are offered; all by default.
    channel_route& transports(std::span<const transport_kind> offered) noexcept {
        x_offered = 0;
        for (const transport_kind each : offered) x_offered |= bit(each);
        return *this;
    }

    // Pages of which other origins may use the channel, or that all may: as of a WebSocket route. Over HTTP these are told
    // so (CORS); by default only pages of the same host may, and others are refused even where they know a session.
    channel_route& origins(std::span<const std::string_view> allowed) {
        x_handshakes.origins(allowed);
        return *this;
    }
    channel_route& any_origin() {
        x_handshakes.any_origin();
        x_any_origin = true;
        return *this;
    }

    // Asks `judge` about each request, whatever its transport, the handshakes of WebSockets among them: as of a WebSocket route.
    template <class Function>
        requires std::is_invocable_v<Function&, const http::request_head&>
    channel_route& admit(Function judge) {
        x_handshakes.admit(std::move(judge));
        return *this;
    }

    std::string_view path() const noexcept { return x_path; }

    // --- for the server ---

    const session_options& options() const noexcept { return x_options; }
    std::size_t most_sessions() const noexcept { return x_most; }
    std::size_t most_bytes() const noexcept { return x_most_bytes; }
    bool offers(transport_kind kind) const noexcept { return (x_offered & bit(kind)) != 0; }
    detail::request_handler* check() const noexcept { return x_handshakes.check(); }
    bool takes_any_origin() const noexcept { return x_any_origin; }

    // Whether a page may send this request. Browsers send no Origin with some requests of other hosts' pages: they say so
    // in Sec-Fetch-Site.
    [[gnu::cold]] bool welcomes(const http::request_head& request) const noexcept {
        if (!x_handshakes.welcomes(request)) return false;
        const std::string_view site = request.fields.get("Sec-Fetch-Site").value_or("none");
        return x_any_origin || request.fields.get("Origin") || site == "none" || site == "same-origin";
    }

private:
    static constexpr unsigned bit(transport_kind of) noexcept { return 1u << static_cast<unsigned>(of); }

    std::string x_path;
    websocket_route& x_handshakes; // whose origins and check hold for plain requests too
    session_options x_options;
    std::size_t x_most = 65536;
    std::size_t x_most_bytes = 256 * 1024 * 1024;
    unsigned x_offered = 15;
    bool x_any_origin = false;
};

} // namespace weir::inline v0
