// What secures streams: the seam between weir and a TLS library.
//
// Whoever connects or serves asks one of these for a stream over the one that it has; nothing else of weir knows of TLS.
// <weir/net/tls.hpp> has both over OpenSSL, `weir::tls_client` and `weir::tls_server`, and makes the first of them the
// default of the whole program. They outlive what they begin, unless they say otherwise.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/io/stream.hpp>

#include <cstdint>
#include <string>

namespace weir::inline v0::net {

class client_security {
public:
    // Begins a handshake over `plain`, which is connected already, to a server that has to be `host`: a name, or an address in
    // textual form. The stream that it gives belongs to the loop of this thread; its `connected()` says when the handshake
    // has come to an end. `port` only tells one server of that name from others.
    virtual result<owned<io::stream>> begin(owned<io::stream> plain, const std::string& host, std::uint16_t port) = 0;

protected:
    ~client_security() = default;
};

class server_security {
public:
    // Whether it has what it needs, asked before the server listens.
    virtual result<> check() const = 0;

    // A stream over `plain`, which somebody has connected to us. It belongs to the loop of this thread and shakes hands when
    // it is first filled or written to. Null when there is no memory for it.
    virtual owned<io::stream> begin(owned<io::stream> plain) noexcept = 0;

protected:
    ~server_security() = default;
};

namespace detail {

// What clients use that name nothing else: set, before main, by the units that include a library's header.
using client_security_function = client_security& (*)();
inline client_security_function default_client_security = nullptr;

} // namespace detail

// The security that a client uses who was given `chosen`; null where there is none.
inline client_security* security_of(client_security* chosen) noexcept {
    if (chosen || !detail::default_client_security) return chosen;
    return &detail::default_client_security();
}

} // namespace weir::inline v0::net
