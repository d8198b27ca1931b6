// Connecting to an address, to one of several, or to a name and a port.
//
// The stream belongs to the loop that runs this thread. Addresses are tried one after the other, families taking turns;
// the error is that of the last one which this machine has a way to, and says "connecting to 127.0.0.1:9 (name)". All of it
// ends at once when it is cancelled, by `.within` for instance, and leaves nothing behind.
#pragma once

#include <weir/io/loop.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/net/resolve.hpp>

namespace weir::inline v0::net {

struct connect_options {
    // How long an address may take while there is another one to try. A system gives up after minutes by itself.
    std::chrono::nanoseconds attempt = std::chrono::seconds(5);
    lookup_function lookup = nullptr; // how a name becomes addresses; null for `system_lookup`
};
static_assert(std::is_trivially_copyable_v<connect_options>);

namespace detail {

inline error connect_error(std::error_code why, const endpoint& to, const std::string& name) {
    if (name.empty()) return error(why, concat({"connecting to ", to.to_string()}));
    return error(why, concat({"connecting to ", to.to_string(), " (", name, ")"}));
}

// TCP lets a socket connect to itself where nobody listens on a port that the system also picks from for clients.
inline bool is_connected_to_itself(const io::stream& which, const endpoint& to) noexcept {
    return to.port() != 0 && ask_address(which.descriptor(), ask_local) == to;
}

template <class = void>
task<result<owned<io::stream>>> connect_one(endpoint to, std::string name) {
    io::loop* const on = io::loop::current();
    if (!on) co_return errc::no_loop;
    if (!to) co_return connect_error(errc::bad_address, to, name);
    result<owned<io::stream>> made = on->events().connect(to.bytes());
    if (!made) co_return connect_error(made.error(), to, name);
    io::stream& connecting = **made;
    {
        io::stream_signal signal(connecting);
        while (connecting.connected() == io::status::blocked)
            if (const result<> told = co_await signal.writable(); !told)
                co_return connect_error(told.error(), to, name);
    }
    if (connecting.failure()) co_return connect_error(connecting.failure(), to, name);
    if (is_connected_to_itself(connecting, to))
        co_return connect_error(std::make_error_code(std::errc::connection_refused), to, name);
    co_return made;
}

// RFC 8305 4: addresses of the family that comes first and of the others take turns, each in its order.
template <class = void>
void interleave_families(sequence<endpoint>& all) {
    for (std::size_t at = 1; at < all.size(); ++at) {
        std::size_t other = at;
        while (other < all.size() && all[other].family() == all[at - 1].family()) ++other;
        if (other == all.size()) return;
        const endpoint chosen = all[other];
        for (; other > at; --other) all[other] = all[other - 1];
        all[at] = chosen;
    }
}

// Whether this machine has no way to that address at all, so that another error says more.
inline bool is_out_of_reach(const error& why) noexcept {
    return why == std::errc::address_not_available || why == std::errc::network_unreachable ||
           why == std::errc::address_family_not_supported;
}

// One after the other. Trying several at once (RFC 8305 5) would go here.
template <class = void>
task<result<owned<io::stream>>> connect_any(sequence<endpoint> to, std::string name,
                                                             std::chrono::nanoseconds attempt) {
    interleave_families(to);
    error failure(errc::bad_address, "connecting to no address");
    for (std::size_t i = 0; i < to.size(); ++i) {
        const bool last = i + 1 == to.size();
        task<result<owned<io::stream>>> next = connect_one(to[i], name);
        const std::chrono::nanoseconds bound = last ? io::loop::forever : attempt;
        result<owned<io::stream>> made = co_await std::move(next).within(bound);
        if (made || made.error() == errc::canceled) co_return made;
        if (made.error().context().empty())
            failure = connect_error(made.error(), to[i], name);
        else if (i == 0 || !is_out_of_reach(made.error()))
            failure = made.error();
    }
    co_return failure;
}

} // namespace detail

// Connects to one address.
template <class = void>
task<result<owned<io::stream>>> connect(endpoint to) {
    return detail::connect_one(to, std::string());
}

// Connects to the first of several addresses that answers.
template <class = void>
task<result<owned<io::stream>>> connect(sequence<endpoint> to, connect_options options = {}) {
    return detail::connect_any(std::move(to), std::string(), options.attempt);
}

// Connects to a port of a host, which is a name or an address in textual form.
template <class = void>
task<result<owned<io::stream>>> connect(std::string host, std::uint16_t port,
                                                         connect_options options = {}) {
    result<sequence<endpoint>> found = co_await resolve(host, port, options.lookup);
    if (!found) co_return found.error();
    if (endpoint::ip(host, port)) host.clear(); // nothing to add to the address
    co_return co_await detail::connect_any(std::move(*found), std::move(host), options.attempt);
}

} // namespace weir::inline v0::net
