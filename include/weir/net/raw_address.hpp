// The bytes of an IP address, as protocols have them. Part of client/proxy.hpp.
#pragma once

#include <weir/net/endpoint.hpp>

namespace weir::inline v0::net {

// The 4 or 16 bytes of an address without its port, in the order in which they are sent; empty where it is neither IPv4 nor
// IPv6. A view into `of`.
[[gnu::cold]] inline bytes_view raw_address(const endpoint& of) noexcept {
    switch (of.family()) {
    case family::ipv4: return of.bytes().subspan(offsetof(sockaddr_in, sin_addr), sizeof(in_addr));
    case family::ipv6: return of.bytes().subspan(offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr));
    default: return {};
    }
}

} // namespace weir::inline v0::net
