// How TLS is spoken: the settings of `tls_client` and `tls_server`, see net/tls.hpp.
//
// Files and texts are in PEM. Whoever is given them reads them at once, and copies what it keeps.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace weir::inline v0 {

// A certificate of one's own, and its key. Of what comes as file or as text one is enough.
struct tls_certificate {
    // The certificate, and behind it those of the authorities between it and one that the other side knows.
    std::string_view chain_file = {};
    std::string_view chain_text = {};

    // Its private key; neither: it stands with the chain.
    std::string_view key_file = {};
    std::string_view key_text = {};

    // What the key is encrypted with. Nobody is ever asked for it.
    std::string_view password = {};
};

// Who is believed about the other side.
struct tls_authorities {
    // Their certificates. For a client, neither: the authorities of this system, as OpenSSL finds them (the environment
    // variables SSL_CERT_FILE and SSL_CERT_DIR change that).
    std::string_view file = {};
    std::string_view text = {};

    // Lists of certificates that they have revoked. Those of authorities without a list are not looked for.
    std::string_view revoked_file = {};
    std::string_view revoked_text = {};
};

enum class tls_version : unsigned char { tls_1_2, tls_1_3 };

// What a client asks of a server's certificate.
enum class tls_trust : unsigned char {
    authorities, // a chain to an authority, dates, and the host's name or address; and a pinned key, where keys are pinned
    pins,        // a pinned key, and nothing else: for a device whose certificate nobody has signed
    anybody,     // nothing. Whoever sits in between can read and change everything. For tests
};

struct tls_client_options {
    tls_authorities authorities = {};
    tls_trust trust = tls_trust::authorities;

    // The SHA-256 of the public keys (SubjectPublicKeyInfo) that the server may have, in base64, with or without "sha256/"
    // before it. Some: no other key will do.
    std::span<const std::string_view> pins = {};

    // A certificate of one's own, for servers that ask for one.
    tls_certificate certificate = {};

    // What is offered as the protocol inside (ALPN, RFC 7301), the best first. Empty: nothing.
    std::span<const std::string_view> protocols = http_1_1;

    tls_version at_least = tls_version::tls_1_2;

    // How many bytes are encrypted with one key of TLS 1.3 (RFC 8446, section 5.5) before there is a new one.
    std::uint64_t key_bytes = std::uint64_t{1} << 36;

    static constexpr std::string_view http_1_1[] = {"http/1.1"};
};

// What a server asks of its clients' certificates.
enum class tls_clients : unsigned char {
    not_asked,
    asked,    // who has one shows it, and it has to be right
    required, // who has none is refused
};

struct tls_server_options {
    // What clients get that ask for no name, or for one that no certificate has.
    tls_certificate certificate = {};

    // Those of other names, chosen by the name that the client asks for (SNI, RFC 6066) and the names in them.
    std::span<const tls_certificate> more = {};

    // Whose certificates clients may have. Nobody's unless told so.
    tls_clients clients = tls_clients::not_asked;
    tls_authorities authorities = {};

    // What may be spoken inside, the best first. A client that offers only others is refused (RFC 7301, section 3.2).
    std::span<const std::string_view> protocols = tls_client_options::http_1_1;

    tls_version at_least = tls_version::tls_1_2;

    // As that of a client.
    std::uint64_t key_bytes = std::uint64_t{1} << 36;
};

static_assert(__is_trivially_copyable(tls_client_options));
static_assert(__is_trivially_copyable(tls_server_options));

} // namespace weir::inline v0
