// Certificates that are made while a test runs, so that none of them expires by itself, and streams of TLS in one loop.
//
//     tests::certificate authority({.name = "An authority", .authority = true});
//     tests::certificate server({.hosts = "DNS:localhost", .by = &authority});
//     weir::tls_server tls({.certificate = {.chain_text = server.text(), .key_text = server.key_text()}});
//
// Keys are of Ed25519, unless told so: quick, and signatures always have the same size.
#pragma once

#include "../support/memory_loop.hpp"
#include "../support/stream_fixtures.hpp"

#include <weir/net/tls.hpp>

#include <doctest/doctest.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

#include <stdlib.h>
#include <unistd.h>

namespace tests {

class certificate;

struct certificate_wish {
    std::string name = "localhost";
    std::string hosts = "DNS:localhost,IP:127.0.0.1"; // empty: none
    long from = -24 * 3600, to = 24 * 3600;           // seconds from now
    bool authority = false;
    const certificate* by = nullptr; // null: itself
    const char* uses = nullptr;      // extended key usage
    std::size_t rsa_bits = 0;        // 0: no such key
};

class certificate {
public:
    explicit certificate(const certificate_wish& wish = {})
        : x_key(wish.rsa_bits ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", wish.rsa_bits) : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")),
          x_x509(X509_new()) {
        static long serial = 0;
        X509* const made = x_x509.get();
        X509_set_version(made, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(made), wish.from);
        X509_gmtime_adj(X509_getm_notAfter(made), wish.to);
        X509_set_pubkey(made, x_key.get());
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
        const certificate& by = wish.by ? *wish.by : *this;
        X509_set_issuer_name(made, X509_get_subject_name(by.get()));
        add(by, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
        add(by, NID_subject_key_identifier, "hash");
        if (&by != this) add(by, NID_authority_key_identifier, "keyid");
        if (!wish.hosts.empty()) add(by, NID_subject_alt_name, wish.hosts.c_str());
        if (wish.uses) add(by, NID_ext_key_usage, wish.uses);
        REQUIRE(X509_sign(made, by.x_key.get(), EVP_PKEY_is_a(by.x_key.get(), "RSA") ? EVP_sha256() : nullptr) > 0);
    }

    X509* get() const { return x_x509.get(); }

    std::string text() const {
        return printed([this](BIO* to) { PEM_write_bio_X509(to, get()); });
    }
    std::string key_text(const char* password = nullptr) const {
        return printed([&](BIO* to) {
            PEM_write_bio_PKCS8PrivateKey(to, x_key.get(), password ? EVP_aes_128_cbc() : nullptr, nullptr, 0, nullptr,
                                          const_cast<char*>(password));
        });
    }

    // A list of what this one, an authority, has revoked; to be renewed by `until`, in seconds from now.
    std::string revoking(std::initializer_list<const certificate*> which, long until = 3600) const {
        X509_CRL* const made = X509_CRL_new();
        X509_CRL_set_version(made, X509_CRL_VERSION_2);
        X509_CRL_set_issuer_name(made, X509_get_subject_name(get()));
        ASN1_TIME* const now = X509_gmtime_adj(nullptr, -7200);
        ASN1_TIME* const next = X509_gmtime_adj(nullptr, until);
        X509_CRL_set1_lastUpdate(made, now);
        X509_CRL_set1_nextUpdate(made, next);
        for (const certificate* const each : which) {
            X509_REVOKED* const revoked = X509_REVOKED_new();
            X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(each->get()));
            X509_REVOKED_set_revocationDate(revoked, now);
            X509_CRL_add0_revoked(made, revoked);
        }
        REQUIRE(X509_CRL_sign(made, x_key.get(), nullptr) > 0);
        const std::string text = printed([&](BIO* to) { PEM_write_bio_X509_CRL(to, made); });
        ASN1_TIME_free(now);
        ASN1_TIME_free(next);
        X509_CRL_free(made);
        return text;
    }

    // The SHA-256 of all of it, in hexadecimal digits.
    std::string fingerprint() const {
        unsigned char hash[32];
        X509_digest(get(), EVP_sha256(), hash, nullptr);
        std::string made;
        for (const unsigned char each : hash) {
            char digits[3];
            std::snprintf(digits, sizeof digits, "%02x", each);
            made += digits;
        }
        return made;
    }

    // What pins its key.
    std::string pin() const {
        unsigned char* encoded = nullptr;
        const int size = i2d_PUBKEY(x_key.get(), &encoded);
        std::byte hash[32];
        EVP_Digest(encoded, static_cast<std::size_t>(size), reinterpret_cast<unsigned char*>(hash), nullptr, EVP_sha256(), nullptr);
        OPENSSL_free(encoded);
        return "sha256/" + weir::base64_encode(hash);
    }

private:
    template <class Write>
    static std::string printed(Write write) {
        BIO* const to = BIO_new(BIO_s_mem());
        write(to);
        char* data;
        const long size = BIO_get_mem_data(to, &data);
        std::string text(data, static_cast<std::size_t>(size));
        BIO_free(to);
        return text;
    }

    void add(const certificate& by, int what, const char* value) {
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, by.get(), get(), nullptr, nullptr, 0);
        X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, what, value);
        REQUIRE(made);
        X509_add_ext(get(), made, -1);
        X509_EXTENSION_free(made);
    }

    weir::net::detail::tls_key x_key;
    weir::net::detail::tls_x509 x_x509;
};

// An authority, and a server's certificate for localhost by it.
struct credentials {
    certificate authority{{.name = "An authority", .hosts = "", .authority = true}};
    certificate server{{.by = &authority}};
    std::string ca = authority.text(), chain = server.text(), key = server.key_text();

    weir::tls_server_options serving() const { return {.certificate = {.chain_text = chain, .key_text = key}}; }
    weir::tls_client_options trusting() const { return {.authorities = {.text = ca}}; }

    // The same for all tests, since it takes a millisecond.
    static const credentials& common() {
        static const credentials made;
        return made;
    }
};

// Whether TLS 1.3 is to be had: the tests run a second time with a configuration of OpenSSL's that has none of it
// (tests/net/tls_1_2.cnf).
inline bool speaks_1_3() {
    SSL_CTX* const made = SSL_CTX_new(TLS_method());
    const long most = SSL_CTX_get_max_proto_version(made);
    SSL_CTX_free(made);
    return most == 0 || most >= TLS1_3_VERSION;
}

// A file that is there as long as the object.
class temporary_file {
public:
    explicit temporary_file(const std::string& text) {
        char path[] = "/tmp/weir-test-XXXXXX";
        ::close(::mkstemp(path));
        x_path = path;
        write(text);
    }
    temporary_file(const temporary_file&) = delete;
    ~temporary_file() { std::remove(x_path.c_str()); }
    const std::string& path() const { return x_path; }
    void write(const std::string& text) const { std::ofstream(x_path) << text; }

private:
    std::string x_path;
};

// Both ends of TLS over a pair of streams.
struct tls_pair {
    weir::owned<weir::io::stream> client, server;

    const weir::net::tls_stream& client_tls() const { return static_cast<const weir::net::tls_stream&>(*client); }
    const weir::net::tls_stream& server_tls() const { return static_cast<const weir::net::tls_stream&>(*server); }
};

template <class Pair>
tls_pair begin_tls(Pair&& below, weir::tls_client& client, weir::tls_server& server, const std::string& host = "localhost",
              std::uint16_t port = 443) {
    auto begun = client.begin(std::move(below.first), host, port);
    REQUIRE_MESSAGE(begun, begun.error().message());
    return {std::move(*begun), server.begin(std::move(below.second))};
}

} // namespace tests
