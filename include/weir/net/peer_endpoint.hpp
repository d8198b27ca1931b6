// The address at the other end of a connection.
#pragma once

#include <weir/io/stream.hpp>
#include <weir/net/endpoint.hpp>

namespace weir::inline v0::net {

namespace detail {

// Asks the system (::getpeername, ::getsockname) about a descriptor.
inline endpoint ask_address(int descriptor, int (*ask)(int, sockaddr*, socklen_t*)) noexcept {
    sockaddr_storage found{};
    socklen_t size = sizeof found;
    if (descriptor < 0 || ask(descriptor, reinterpret_cast<sockaddr*>(&found), &size) != 0) return {};
    const result<endpoint> made = endpoint::from_bytes({reinterpret_cast<const std::byte*>(&found), std::size_t(size)});
    return made ? *made : endpoint();
}

inline int ask_peer(int descriptor, sockaddr* into, socklen_t* size) noexcept {
    return ::getpeername(descriptor, into, size);
}
inline int ask_local(int descriptor, sockaddr* into, socklen_t* size) noexcept {
    return ::getsockname(descriptor, into, size);
}

} // namespace detail

// Who is at the other end; an IPv4 client of an IPv6 socket has its IPv4 address. No address where the stream has no
// descriptor, or the peer is gone already. A Unix client that bound no name is "unix:".
[[gnu::cold]] inline endpoint peer_endpoint(const io::stream& of) noexcept {
    return detail::ask_address(of.descriptor(), detail::ask_peer).unmapped();
}

// The same in words, for logs; empty where there is no address.
[[gnu::cold]] inline std::string peer_name(const io::stream& of) {
    const endpoint peer = peer_endpoint(of);
    return peer ? peer.to_string() : std::string();
}

} // namespace weir::inline v0::net
