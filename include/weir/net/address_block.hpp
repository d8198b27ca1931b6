// Which addresses count as one client.
#pragma once

#include <weir/net/endpoint.hpp>

#include <optional>

namespace weir::inline v0::net {

// A number that addresses of one client have in common, whatever their ports: an IPv4 address by itself, also as IPv6
// shows it, and the 2^64 IPv6 addresses of one network (/64), since that is what one customer is given. None for a
// Unix socket, and where there is no address.
[[gnu::cold]] inline std::optional<std::uint64_t> address_block(const endpoint& of) noexcept {
    const endpoint plain = of.unmapped();
    const bytes_view bytes = plain.bytes();
    switch (plain.family()) {
    case family::ipv4: { // beside no IPv6 network: those that begin so are for multicasts
        std::uint32_t address;
        std::memcpy(&address, bytes.data() + offsetof(sockaddr_in, sin_addr), sizeof address);
        return 0xFFFF'FFFF'0000'0000u | ntohl(address);
    }
    case family::ipv6: {
        std::uint64_t network;
        std::memcpy(&network, bytes.data() + offsetof(sockaddr_in6, sin6_addr), sizeof network);
        return std::uint64_t{ntohl(static_cast<std::uint32_t>(network))} << 32 |
               ntohl(static_cast<std::uint32_t>(network >> 32));
    }
    default: return std::nullopt;
    }
}

} // namespace weir::inline v0::net
