// How a connection is secured, and who has proved to be at its other end: what `security()` of a websocket, an exchange, a
// channel or a stream gives, where there is TLS.
//
//     if (const auto* by = ws.security(); by && by->subject == "ann") ...
//
// A certificate is there if the other side has shown one, and then it was accepted by the settings that there are (net/tls_options.hpp):
// its chain and dates were checked, unless those ask for less. A session that is resumed has that of its first handshake, which is
// not checked again; a server that reloads resumes none. Names are as they stand in the certificate, whatever they contain: they are
// for comparing, and to be quoted before they are printed.
#pragma once

#include <weir/core/sequence.hpp>

#include <string>

namespace weir::inline v0 {

struct connection_security {
    std::string version;      // "TLSv1.3"
    std::string cipher;       // "TLS_AES_256_GCM_SHA384"
    std::string protocol;     // that was agreed upon for what is inside (ALPN); empty: none
    bool is_resumed = false;  // the handshake was the short one of a session that had been before

    // Of the other side's certificate; empty if it has shown none.
    std::string subject;         // the common name, the last if there are several
    sequence<std::string> names; // the other names: "DNS:a.example", "IP:192.0.2.1", "email:ann@example.com", "URI:spiffe://a/b"
    std::string fingerprint;     // the SHA-256 of all of it, 64 hexadecimal digits in lower case
};

} // namespace weir::inline v0
