// What OpenSSL says of certificates and handshakes, in weir's words. Part of net/tls.hpp.
//
// A certificate, whoever sent it, is not to be believed even about how its name is printed: names are quoted, printable and
// bounded in length.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/error.hpp>
#include <weir/net/tls_handle.hpp>

#include <cstdio>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

namespace weir::inline v0::net::detail {

// Text from elsewhere, quoted.
[[gnu::cold]] inline std::string quoted(std::string_view text) {
    constexpr std::size_t most = 80;
    std::string made = "\"";
    for (const char each : text.substr(0, most)) made += each >= ' ' && each <= '~' && each != '"' && each != '\\' ? each : '?';
    return made += text.size() > most ? "...\"" : "\"";
}

// Whom a name means: by its common name, or else its organisation.
[[gnu::cold]] inline std::string text_of(const X509_NAME* name) {
    for (const int field : {NID_commonName, NID_organizationName, NID_organizationalUnitName}) {
        const int at = name ? ::X509_NAME_get_index_by_NID(name, field, -1) : -1;
        if (at < 0) continue;
        unsigned char* utf8 = nullptr;
        const int size = ::ASN1_STRING_to_UTF8(&utf8, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(name, at)));
        if (size < 0) continue;
        std::string made = quoted({reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)});
        OPENSSL_free(utf8);
        return made;
    }
    return "somebody without a name";
}

[[gnu::cold]] inline std::string text_of(const ASN1_TIME* time) {
    tm parts{};
    char text[64];
    if (!::ASN1_TIME_to_tm(time, &parts) || !::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)) return "an unknown time";
    return text;
}

// The hosts that a certificate is for.
[[gnu::cold]] inline std::string hosts_of(X509* certificate) {
    constexpr std::size_t most = 4;
    std::string made;
    std::size_t count = 0;
    GENERAL_NAMES* const names = static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME& each = *sk_GENERAL_NAME_value(names, i);
        if (each.type != GEN_DNS && each.type != GEN_IPADD) continue;
        const ASN1_STRING* const value = each.type == GEN_DNS ? each.d.dNSName : each.d.iPAddress;
        const unsigned char* const bytes = ::ASN1_STRING_get0_data(value);
        const int size = ::ASN1_STRING_length(value);
        if (++count > most) continue;
        if (count > 1) made += ", ";
        char address[INET6_ADDRSTRLEN];
        if (each.type == GEN_DNS)
            made += quoted({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
        else if ((size == 4 || size == 16) && ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address))
            made += address;
        else
            made += "an address of a strange length";
    }
    ::GENERAL_NAMES_free(names);
    if (count > most) made += concat({" and ", number_text(count - most), " more"});
    return count ? made : "no host at all";
}

// Why a certificate, or one between it and an authority, was not accepted. `whose`: localhost, the client "Ann".
[[gnu::cold]] inline error refused_certificate(X509_STORE_CTX* by, std::string_view whose) {
    const int why = ::X509_STORE_CTX_get_error(by);
    X509* which = ::X509_STORE_CTX_get_current_cert(by);
    if (!which) which = ::X509_STORE_CTX_get0_cert(by);
    const X509_NAME* const issuer = which ? ::X509_get_issuer_name(which) : nullptr;
    const std::string start = concat({"checking the certificate of ", whose, ": "});
    const bool above = which && ::X509_STORE_CTX_get_error_depth(by) > 0;
    const std::string it = above ? concat({"that of its issuer ", text_of(::X509_get_subject_name(which))}) : "it";
    switch (which ? why : X509_V_ERR_UNSPECIFIED) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return error(errc::certificate_expired, concat({start, it, " was valid until ", text_of(::X509_get0_notAfter(which))}));
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return error(errc::certificate_not_yet_valid, concat({start, it, " is valid from ", text_of(::X509_get0_notBefore(which))}));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return error(errc::certificate_self_signed, concat({start, text_of(issuer), " vouches for itself"}));
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return error(errc::certificate_untrusted, concat({start, "its authority ", text_of(issuer), " is not trusted here"}));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return error(errc::certificate_untrusted,
                     concat({start, it, " was issued by ", text_of(issuer), ", who is not trusted here and whose own did not come along"}));
    case X509_V_ERR_CERT_REVOKED:
        return error(errc::certificate_revoked, concat({start, it, " is on the list of those that ", text_of(issuer), " has revoked"}));
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return error(errc::certificate_rejected,
                     concat({start, "the list of those that ", text_of(issuer), " has revoked is out of date"}));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return error(errc::certificate_wrong_host, concat({start, "it is for ", hosts_of(which)}));
    default:
        return error(errc::certificate_rejected,
                     concat({start, above ? concat({it, ": "}) : std::string(), ::X509_verify_cert_error_string(why)}));
    }
}

// What the errors in OpenSSL's queue of this thread mean, which is emptied: the oldest that is TLS's own, since those that led
// to it say less. `with`: "TLS with localhost".
[[gnu::cold]] inline error handshake_failure(std::string_view with) {
    unsigned long first = ::ERR_get_error();
    while (first && ERR_GET_LIB(first) != ERR_LIB_SSL) {
        const unsigned long next = ::ERR_get_error();
        if (!next) break;
        first = next;
    }
    ::ERR_clear_error();
    const int reason = ERR_GET_REASON(first);
    const char* const words = ::ERR_reason_error_string(first);
    const std::string why = concat({with, ": ", words ? words : "an unknown failure"});
    if (ERR_GET_LIB(first) != ERR_LIB_SSL) return error(errc::tls_failed, why);
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_RECORD_LENGTH_MISMATCH: return error(errc::not_tls, why);
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK: return error(errc::tls_version, why);
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return error(errc::certificate_missing, std::string(with));
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_PACKET_LENGTH_TOO_LONG: return error(errc::tls_corrupt, why);
    default: break;
    }
    if (reason < SSL_AD_REASON_OFFSET) return error(errc::tls_failed, why);
    const int alert = reason - SSL_AD_REASON_OFFSET;
    const char* name = ::SSL_alert_desc_string_long(alert);
    if (alert == SSL_AD_CERTIFICATE_REQUIRED) name = "certificate required"; // OpenSSL 3.0 has no words for it
    std::string said = concat({with, ": the peer says \"", name, "\""});
    return error(alert == SSL_AD_PROTOCOL_VERSION ? errc::tls_version : errc::tls_refused, std::move(said));
}

} // namespace weir::inline v0::net::detail
