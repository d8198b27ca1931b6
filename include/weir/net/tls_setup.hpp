// What the streams of a `tls_client` or a `tls_server` share: OpenSSL's context, certificates, and who is believed. Part of
// net/tls.hpp.
//
// Made once and not changed after that, so that streams of several threads may share it; each owns it with the others.
// Never renegotiates, never compresses, and has no cipher without forward secrecy and authentication of what it carries.
#pragma once

#include <weir/core/base64.hpp>
#include <weir/core/sequence.hpp>
#include <weir/core/shared.hpp>
#include <weir/net/tls_files.hpp>
#include <weir/net/tls_options.hpp>
#include <weir/net/tls_sessions.hpp>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

namespace weir::inline v0::net::detail {

// A certificate with its key, and those of the authorities above it.
struct tls_identity {
    tls_x509 certificate;
    tls_x509_list above;
    tls_key key;

    bool is_for(const char* host) const noexcept { return ::X509_check_host(certificate.get(), host, 0, 0, nullptr) == 1; }
};

// The SHA-256 of a public key.
struct tls_pin {
    std::byte bytes[32];
};

// What of a context's work its streams have to do with; net/tls_engine.hpp.
struct tls_callbacks {
    int (*judge)(X509_STORE_CTX*, void*);
    void (*tell)(const SSL*, int where, int what);
    int (*keep_session)(SSL*, SSL_SESSION*);
};

struct tls_setup {
    tls_handle<SSL_CTX, ::SSL_CTX_free> context;
    tls_trust trust = tls_trust::authorities;
    sequence<tls_pin> pins;
    std::uint64_t key_bytes = 0;
    std::string protocols;             // as they are sent (RFC 7301, section 3.1)
    sequence<tls_identity> identities; // of a server; the first is for everybody else
    tls_sessions sessions;             // of a client
};

[[gnu::cold]] inline result<tls_identity> read_identity(const tls_certificate& own) {
    const tls_source chain{own.chain_file, own.chain_text};
    const tls_source key = own.key_file.empty() && own.key_text.empty() ? chain : tls_source{own.key_file, own.key_text};
    if (!chain.is_given()) return error(errc::bad_credentials, "no certificate was given");
    result<tls_x509_list> all = read_certificates(chain);
    if (!all) return all.error();
    result<tls_key> secret = read_key(key, own.password);
    if (!secret) return secret.error();
    tls_identity made;
    made.certificate = tls_x509(sk_X509_shift(all->get()));
    made.above = std::move(*all);
    made.key = std::move(*secret);
    if (::X509_check_private_key(made.certificate.get(), made.key.get()) == 1) return made;
    ::ERR_clear_error();
    return error(errc::bad_credentials, concat({"the key in ", key.name(), " is not that of the certificate in ", chain.name()}));
}

// A list of protocols as it is sent.
[[gnu::cold]] inline result<std::string> protocol_list(std::span<const std::string_view> of) {
    std::string made;
    for (const std::string_view each : of) {
        if (each.empty() || each.size() > 255) return error(errc::bad_credentials, "a protocol's name has 1 to 255 bytes");
        made += static_cast<char>(each.size());
        made += each;
    }
    return made;
}

// What both sides have in common.
template <class Options>
[[gnu::cold]] result<> prepare(tls_setup& all, const SSL_METHOD* side, const Options& how, const tls_callbacks& calls) {
    all.key_bytes = how.key_bytes;
    all.context = tls_handle<SSL_CTX, ::SSL_CTX_free>(::SSL_CTX_new(side));
    SSL_CTX* const made = all.context.get();
    if (!made) return tls_complaint("preparing OpenSSL");
    ::SSL_CTX_set_min_proto_version(made, how.at_least == tls_version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    ::SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    ::SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN); // an idle connection has no buffers
    ::SSL_CTX_set_cipher_list(made, "ECDHE+AESGCM:ECDHE+CHACHA20");
    ::SSL_CTX_set_cert_verify_callback(made, calls.judge, nullptr);
    ::SSL_CTX_set_info_callback(made, calls.tell);
    ::ERR_clear_error();
    return {};
}

[[gnu::cold]] inline result<> believe(tls_setup& all, const tls_authorities& those) {
    X509_STORE* const store = ::SSL_CTX_get_cert_store(all.context.get());
    const tls_source own{those.file, those.text}, revoked{those.revoked_file, those.revoked_text};
    if (own.is_given())
        if (result<> done = trust_authorities(store, own); !done) return done;
    if (revoked.is_given()) return heed_revoked(store, revoked);
    return {};
}

[[gnu::cold]] inline result<> read_pins(tls_setup& all, std::span<const std::string_view> texts) {
    for (std::string_view text : texts) {
        constexpr std::string_view before = "sha256/";
        if (text.starts_with(before)) text.remove_prefix(before.size());
        tls_pin made;
        if (text.size() != 44 || base64_decode(text, made.bytes) != sizeof made.bytes)
            return error(errc::bad_credentials,
                         concat({"a pin is the SHA-256 of a public key in base64, 44 characters, and not \"", text.substr(0, 64), "\""}));
        all.pins.push_back(made);
    }
    return {};
}

[[gnu::cold]] inline bool is_pinned(const tls_setup& all, X509* certificate) {
    unsigned char* encoded = nullptr;
    const int size = ::i2d_X509_PUBKEY(::X509_get_X509_PUBKEY(certificate), &encoded);
    if (size < 0) return false;
    tls_pin found;
    unsigned char* const hash = reinterpret_cast<unsigned char*>(found.bytes);
    const bool hashed = ::EVP_Digest(encoded, static_cast<std::size_t>(size), hash, nullptr, ::EVP_sha256(), nullptr) == 1;
    OPENSSL_free(encoded);
    for (const tls_pin& each : all.pins)
        if (hashed && std::memcmp(each.bytes, found.bytes, sizeof found.bytes) == 0) return true;
    return false;
}

// Gives a certificate to a context, or to a connection.
[[gnu::cold]] inline bool use_identity(SSL_CTX* by, const tls_identity& own) noexcept {
    return ::SSL_CTX_use_cert_and_key(by, own.certificate.get(), own.key.get(), own.above.get(), 1) == 1;
}
[[gnu::cold]] inline bool use_identity(SSL* by, const tls_identity& own) noexcept {
    return ::SSL_use_cert_and_key(by, own.certificate.get(), own.key.get(), own.above.get(), 1) == 1;
}

} // namespace weir::inline v0::net::detail
