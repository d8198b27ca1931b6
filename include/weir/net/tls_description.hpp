// What is known of a connection over TLS and of who is at its other end. Part of net/tls.hpp.
#pragma once

#include <weir/core/connection_security.hpp>
#include <weir/net/tls_handle.hpp>

#include <string_view>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

namespace weir::inline v0::net::detail {

// The last common name, in UTF-8.
[[gnu::cold]] inline std::string common_name(const X509_NAME* name) {
    int last = -1;
    for (int at = -1; (at = ::X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;) last = at;
    unsigned char* utf8 = nullptr;
    const int size = last < 0 ? -1 : ::ASN1_STRING_to_UTF8(&utf8, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(name, last)));
    if (size < 0) return {};
    const std::string made(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return made;
}

// The alternative names, each with its kind in front. Those of other kinds are left out.
[[gnu::cold]] inline sequence<std::string> alternative_names(const X509* certificate) {
    sequence<std::string> made;
    GENERAL_NAMES* const all = static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
        const GENERAL_NAME& each = *sk_GENERAL_NAME_value(all, i);
        const bool is_text = each.type == GEN_DNS || each.type == GEN_EMAIL || each.type == GEN_URI;
        if (!is_text && each.type != GEN_IPADD) continue;
        const ASN1_STRING* const value = is_text ? each.d.ia5 : each.d.iPAddress;
        const std::string_view bytes(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(value)),
                                     static_cast<std::size_t>(::ASN1_STRING_length(value)));
        char address[INET6_ADDRSTRLEN];
        if (is_text) {
            std::string& name = made.emplace_back(each.type == GEN_DNS ? "DNS:" : each.type == GEN_EMAIL ? "email:" : "URI:");
            name += bytes;
        } else if ((bytes.size() == 4 || bytes.size() == 16) &&
                   ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), address, sizeof address)) {
            made.emplace_back("IP:") += address;
        }
    }
    ::GENERAL_NAMES_free(all);
    return made;
}

[[gnu::cold]] inline std::string fingerprint(const X509* certificate) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    std::string made;
    if (::X509_digest(certificate, ::EVP_sha256(), hash, &size) != 1) return made;
    for (unsigned i = 0; i < size; ++i)
        for (const int digit : {hash[i] >> 4, hash[i] & 15}) made += "0123456789abcdef"[digit];
    return made;
}

// The protocol that was agreed upon for what is inside; empty if none was.
[[gnu::cold]] inline std::string_view chosen_protocol(const SSL* of) noexcept {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(of, &chosen, &size);
    return {reinterpret_cast<const char*>(chosen), size};
}

// Once the handshake is done.
[[gnu::cold]] inline connection_security describe(SSL* of) {
    connection_security made;
    made.version = ::SSL_get_version(of);
    made.cipher = SSL_get_cipher_name(of);
    made.protocol = chosen_protocol(of);
    made.is_resumed = ::SSL_session_reused(of) == 1;
    if (const X509* const shown = ::SSL_get0_peer_certificate(of)) {
        made.subject = common_name(::X509_get_subject_name(shown));
        made.names = alternative_names(shown);
        made.fingerprint = fingerprint(shown);
    }
    return made;
}

} // namespace weir::inline v0::net::detail
