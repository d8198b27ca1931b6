// Names to addresses.
//
// Addresses in textual form and localhost take no thread and no network; every other name is looked up by the system's
// resolver on a helper thread, unless the loop's backend knows names of its own, as that of a simulation. A wait that is
// cancelled, by a deadline for instance, leaves at once, however long the resolver goes on. Not there: a cache, which is
// the system's.
//
// Its coroutine, and those of net/connect.hpp and client/connect.hpp, are templates for one reason only: a program that
// never connects does not compile them.
#pragma once

#include <weir/core/sequence.hpp>
#include <weir/coro/offload.hpp>
#include <weir/coro/task.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/unique_descriptor.hpp>
#include <weir/net/endpoint.hpp>

#include <netdb.h>

namespace weir::inline v0::net {

// Looks a name up, blocking, on a helper thread. Gives at least one address, or an error. Null stands for the system's.
using lookup_function = result<sequence<endpoint>> (*)(const std::string& name, std::uint16_t port);

// What the system's resolver says: addresses of both families, whether or not this machine has any such address itself,
// in the order of RFC 6724. `errc::name_not_found`: there is no such name, or it has no address.
// `errc::name_unavailable`: it could not be found out now.
template <class = void>
[[gnu::cold]] result<sequence<endpoint>> system_lookup(const std::string& name, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM; // else each address comes once for each type of socket
    addrinfo* all = nullptr;
    const int failed = ::getaddrinfo(name.c_str(), nullptr, &hints, &all);
    switch (failed) {
    case 0: break;
    case EAI_NONAME:
#if defined(EAI_NODATA)
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
#endif
        return error(errc::name_not_found, "resolving " + name);
    case EAI_AGAIN: return error(errc::name_unavailable, "resolving " + name);
    case EAI_SYSTEM:
        return error(errc::name_unavailable, "resolving " + name + " (" + io::last_error().message() + ')');
    default: return error(errc::name_unavailable, "resolving " + name + " (" + ::gai_strerror(failed) + ')');
    }
    sequence<endpoint> found;
    for (const addrinfo* each = all; each; each = each->ai_next) {
        const result<endpoint> made =
            endpoint::from_bytes({reinterpret_cast<const std::byte*>(each->ai_addr), std::size_t(each->ai_addrlen)});
        if (made) found.push_back(made->with_port(port));
    }
    ::freeaddrinfo(all);
    if (found.empty()) return error(errc::name_not_found, "resolving " + name);
    return found;
}

namespace detail {

// RFC 6761 6.3: "localhost" and names below it are this machine, whatever a resolver says.
inline bool is_localhost(std::string_view name) noexcept {
    static constexpr std::string_view local = "localhost";
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.size() < local.size()) return false;
    const std::string_view last = name.substr(name.size() - local.size());
    for (std::size_t i = 0; i < local.size(); ++i)
        if ((last[i] >= 'A' && last[i] <= 'Z' ? last[i] + ('a' - 'A') : last[i]) != local[i]) return false;
    return name.size() == local.size() || name[name.size() - local.size() - 1] == '.';
}

} // namespace detail

// The addresses of `host`, which is a name or an address in textual form, in the order in which to try them. Errors say
// "resolving NAME".
template <class Lookup = lookup_function>
task<result<sequence<endpoint>>> resolve(std::string host, std::uint16_t port, Lookup lookup = nullptr) {
    static constexpr std::size_t longest_name = 254; // RFC 1035 2.3.4, with the final dot
    sequence<endpoint> found;
    if (result<endpoint> literal = endpoint::ip(host, port)) {
        found.push_back(*literal);
        co_return found;
    }
    if (detail::is_localhost(host)) {
        found.push_back(endpoint::loopback_ipv6(port));
        found.push_back(endpoint::loopback_ipv4(port));
        co_return found;
    }
    if (host.empty() || host.size() > longest_name || host.find_first_of(std::string_view("\0[]%: /", 7)) != host.npos)
        co_return error(errc::bad_address, "resolving " + host.substr(0, longest_name));
    bytes_view known;
    if (io::loop* const on = io::loop::current(); !lookup && on && on->events().look_up(host, known)) {
        const result<endpoint> address = endpoint::from_bytes(known);
        if (!address) co_return error(errc::name_not_found, "resolving " + host);
        found.push_back(address->with_port(port));
        co_return found;
    }
    result<sequence<endpoint>> answer = co_await offload(lookup ? lookup : Lookup(system_lookup), host, port);
    if (!answer && answer.error().context().empty())
        co_return error(answer.error().code(), "resolving " + host);
    co_return answer;
}

} // namespace weir::inline v0::net
