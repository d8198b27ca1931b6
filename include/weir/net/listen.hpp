// Listening on an address.
//
// The listener belongs to the loop that runs this thread. Errors say "listening on [::]:9001: Address already in use".
#pragma once

#include <weir/io/loop.hpp>
#include <weir/io/unique_descriptor.hpp>
#include <weir/net/listener.hpp>

namespace weir::inline v0::net {

using io::listen_options;

// Listens on an address; port 0 has the system pick a free one, which `local_endpoint()` then tells.
[[gnu::cold]] inline result<listener> listen(const endpoint& at, const listen_options& options = {}) {
    io::loop* const on = io::loop::current();
    std::error_code why = errc::no_loop;
    if (!at) {
        why = errc::bad_address;
    } else if (on) {
        result<owned<io::acceptor>> made = on->events().listen(at.bytes(), options);
        if (made) return listener(std::move(*made));
        why = made.error();
    }
    return error(why, concat({"listening on ", at.to_string()}));
}

namespace detail {

// What is wrong with a host that nobody can listen on, for those who took it for something else.
[[gnu::cold]] inline std::string_view host_hint(std::string_view host) noexcept {
    if (host.starts_with("unix:")) return " (the path of a Unix socket has 1 to 107 bytes)";
    if (host.find('/') != host.npos) return " (the host is an address, no URL and no path; but \"unix:/path\")";
    const std::size_t colon = host.rfind(':');
    const bool port = colon != host.npos && (host.find(':') == colon || host[colon - 1] == ']');
    if (port) return " (the host is an address without a port, which is given by itself)";
    return " (the host is an address of this machine, \"localhost\", or empty for all; not a name)";
}

} // namespace detail

// Listens on a port. `host` is an address in textual form, "localhost" (127.0.0.1), or "unix:/path" and "unix:@name"
// where the port means nothing. "" and "*" are all addresses of this machine, of both families: [::], or 0.0.0.0 where
// there is no IPv6. Other names are `errc::bad_address`.
[[gnu::cold]] inline result<listener> listen(std::string_view host, std::uint16_t port, const listen_options& options = {}) {
    if (host.empty() || host == "*") {
        result<listener> both = listen(endpoint::any_ipv6(port), options);
        const bool no_ipv6 = !both && (both.error() == std::errc::address_family_not_supported ||
                                       both.error() == std::errc::address_not_available);
        if (!no_ipv6 || options.only_ipv6) return both;
        return listen(endpoint::any_ipv4(port), options);
    }
    if (host == "localhost") return listen(endpoint::loopback_ipv4(port), options);
    const result<endpoint> at = host.starts_with("unix:") ? endpoint::parse(host) : endpoint::ip(host, port);
    if (!at) return error(at.error(), concat({"listening on \"", host.substr(0, 128), "\"", detail::host_hint(host)}));
    return listen(*at, options);
}

// Takes over a socket that listens already: of a supervisor, or bound with privileges that were given up since. It
// is closed with the listener, and also when this fails.
[[gnu::cold]] inline result<listener> adopt_listener(int descriptor) {
    io::unique_descriptor socket(descriptor);
    io::loop* const on = io::loop::current();
    std::error_code why = errc::no_loop;
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
        why = io::last_error();
    } else if (!listens) {
        why = std::make_error_code(std::errc::invalid_argument);
    } else if (on) {
        result<owned<io::acceptor>> made = on->events().adopt_acceptor(socket.release());
        if (made) return listener(std::move(*made));
        why = made.error();
    }
    return error(why, "listening on a handed-in socket");
}

} // namespace weir::inline v0::net
