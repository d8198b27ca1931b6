// TLS with OpenSSL 3, for clients and servers: a leaf header, which only programs include.
//
//     #include <weir/net/tls.hpp>                       // in one file of the program; link with -lssl -lcrypto
//     auto ws = co_await weir::connect("wss://example.com/feed");                     // checked against the system's authorities
//
//     weir::tls_client tls({.authorities = {.file = "ca.pem"}});                      // with settings of one's own
//     auto ws = co_await weir::connect("wss://localhost:9443/echo", {.tls = &tls});
//
//     weir::tls_server tls({.certificate = {.chain_file = "chain.pem", .key_file = "key.pem"}});
//     return server.run({.port = 443, .tls = &tls});                                  // wss:// and https://, the same routes
//
// TLS 1.2 and 1.3, by `tls_stream` (net/tls_stream.hpp) over any stream: a socket, a pipe in memory, a tunnel. The settings
// are in net/tls_options.hpp. Errors say which check failed and for whom; their codes are those of core/errc.hpp from
// `tls_failed` on, and a certificate that is not believed is `condition::untrusted`. Renegotiation ends the connection. Not
// there: OCSP, DTLS, early data, and asking anybody for a password.
#pragma once

#if !__has_include(<openssl/ssl.h>)
#error "weir/net/tls.hpp needs OpenSSL, whose openssl/ssl.h is not there (Debian: libssl-dev; link with -lssl -lcrypto)"
#endif

#include <weir/net/tls_client.hpp>
#include <weir/net/tls_server.hpp>

#include <openssl/opensslv.h>

static_assert(OPENSSL_VERSION_MAJOR >= 3, "weir/net/tls.hpp needs OpenSSL 3 or later");

namespace weir::inline v0::net::detail {

// Has clients of the whole program know of it, in whichever file this header is included.
inline const bool tls_is_there = (default_client_security = &tls_client::of_all, true);

} // namespace weir::inline v0::net::detail
