// Connecting to an address, to one of several, or to a name and a port.
//
// The stream belongs to the loop that runs this thread. Of several addresses one more is tried each time that one has failed,
// or that the last one has been silent for a moment, IPv6 and IPv4 taking turns; the first that answers is taken, and the
// others are closed (RFC 8305, "happy eyeballs"). The error names all that were tried, and why each failed:
// "connecting to localhost: [::1]:9: Network is unreachable; 127.0.0.1:9: Connection refused". All of it ends at once when it is
// cancelled, by `.within` for instance, and leaves nothing behind.
#pragma once

#include <weir/coro/event.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/net/resolve.hpp>

namespace weir::inline v0::net {

struct connect_options {
    // How long the address that was tried last may be silent before the next one is tried beside it (RFC 8305, section 5).
    // Shorter is quicker where one family does not work, and makes more connections that are thrown away.
    std::chrono::nanoseconds stagger = std::chrono::milliseconds(250);
    lookup_function lookup = nullptr; // how a name becomes addresses; null for `system_lookup`
};
static_assert(__is_trivially_copyable(connect_options));

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

// Attempts to connect to several addresses, of which the first to succeed wins. It must outlive its `run`.
template <class = void>
class contest {
public:
    contest(sequence<endpoint>&& to, std::string&& name) : x_to(std::move(to)), x_name(std::move(name)), x_failures(x_to.size()) {}

    task<result<owned<io::stream>>> run(std::chrono::nanoseconds stagger) {
        scope attempts; // the losers end with it
        for (std::size_t next = 0; !x_winner && (next < x_to.size() || x_under_way > 0);) {
            if (next < x_to.size()) {
                ++x_under_way;
                attempts.spawn(attempt(next++));
            }
            x_ended.reset();
            const result<> told = co_await x_ended.wait().within(next < x_to.size() ? stagger : io::loop::forever);
            if (!told && told.error() == errc::canceled) co_return told.error();
        }
        if (x_winner) co_return std::move(x_winner);
        co_await attempts.join(); // for exceptions
        co_return failure();
    }

private:
    static constexpr std::size_t most_named = 8;

    // Ends an attempt, however it does.
    struct last {
        contest& of;
        ~last() {
            --of.x_under_way;
            of.x_ended.set();
        }
    };

    task<> attempt(std::size_t which) {
        const last at_the_end{*this};
        result<owned<io::stream>> made = co_await connect_one(x_to[which], std::string());
        if (!made)
            x_failures[which] = std::move(made).error();
        else if (!x_winner)
            x_winner = std::move(*made);
    }

    // All failures, the one that says most at the end.
    error failure() const {
        std::size_t telling = 0;
        for (std::size_t i = 1; i < x_to.size(); ++i)
            if (!is_out_of_reach(x_failures[i])) telling = i;
        std::string text = concat({"connecting to ", x_name, x_name.empty() ? "" : ": "});
        for (std::size_t i = 0, named = 1; i < x_to.size() && named < most_named; ++i)
            if (i != telling && ++named)
                text.append(x_to[i].to_string()).append(": ").append(x_failures[i].code().message()).append("; ");
        if (x_to.size() > most_named) text.append(number_text(x_to.size() - most_named)).append(" more; ");
        return error(x_failures[telling].code(), text.append(x_to[telling].to_string()));
    }

    sequence<endpoint> x_to;
    std::string x_name;
    sequence<error> x_failures;
    owned<io::stream> x_winner;
    event x_ended;
    std::size_t x_under_way = 0;
};

template <class = void>
task<result<owned<io::stream>>> connect_any(sequence<endpoint> to, std::string name, std::chrono::nanoseconds stagger) {
    if (!io::loop::current()) co_return errc::no_loop;
    if (to.empty()) co_return error(errc::bad_address, "connecting to no address");
    if (to.size() == 1) co_return co_await connect_one(to[0], std::move(name));
    interleave_families(to);
    contest<> attempts(std::move(to), std::move(name));
    co_return co_await attempts.run(stagger);
}

} // namespace detail

// Connects to one address.
template <class = void>
task<result<owned<io::stream>>> connect(endpoint to) {
    return detail::connect_one(to, std::string());
}

// Connects to the first of several addresses that answers, trying them in this order but for the families.
template <class = void>
task<result<owned<io::stream>>> connect(sequence<endpoint> to, connect_options options = {}) {
    return detail::connect_any(std::move(to), std::string(), options.stagger);
}

// Connects to a port of a host, which is a name or an address in textual form.
template <class = void>
task<result<owned<io::stream>>> connect(std::string host, std::uint16_t port,
                                                         connect_options options = {}) {
    result<sequence<endpoint>> found = co_await resolve(host, port, options.lookup);
    if (!found) co_return found.error();
    if (endpoint::ip(host, port)) host.clear(); // nothing to add to the address
    co_return co_await detail::connect_any(std::move(*found), std::move(host), options.stagger);
}

} // namespace weir::inline v0::net
