// Certificates, keys and lists of authorities, out of PEM. Part of net/tls.hpp.
//
// Errors name the file, or say "the text", and what is wrong with it.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/result.hpp>
#include <weir/net/tls_handle.hpp>

#include <cstdio>
#include <cstring>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace weir::inline v0::net::detail {

// What PEM comes from: the text, or else the file, is not empty.
struct tls_source {
    std::string_view file;
    std::string_view text;

    bool is_given() const noexcept { return !file.empty() || !text.empty(); }
    std::string name() const { return text.empty() ? std::string(file) : std::string("the text"); }
};

// What OpenSSL complains about last, with `where` in front; its queue is emptied.
[[gnu::cold]] inline error tls_complaint(std::string where) {
    const char* const words = ::ERR_reason_error_string(::ERR_peek_last_error());
    if (words) where.append(": ").append(words);
    ::ERR_clear_error();
    return error(errc::bad_credentials, std::move(where));
}

[[gnu::cold]] inline result<std::string> read_pem(const tls_source& from) {
    if (!from.text.empty()) return std::string(from.text);
    const std::string name(from.file), where = "reading " + name;
    std::FILE* const file = std::fopen(name.c_str(), "rbe");
    if (!file) return error({errno, std::system_category()}, where);
    std::string text;
    char part[4096];
    for (std::size_t got; (got = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, got);
    const int failed = std::ferror(file) ? errno : 0;
    std::fclose(file);
    if (failed) return error({failed, std::system_category()}, where);
    return text;
}

inline tls_bio open_pem(const std::string& text) noexcept {
    return tls_bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Whether reading has ended because there is no more, and not because something is broken.
inline bool is_pem_end() noexcept {
    const unsigned long last = ::ERR_peek_last_error();
    const bool end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (end) ::ERR_clear_error();
    return end;
}

// All certificates, in their order; at least one.
[[gnu::cold]] inline result<tls_x509_list> read_certificates(const tls_source& from) {
    const result<std::string> text = read_pem(from);
    if (!text) return text.error();
    ::ERR_clear_error();
    const tls_bio source = open_pem(*text);
    tls_x509_list all(sk_X509_new_null());
    while (X509* const each = ::PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) sk_X509_push(all.get(), each);
    if (!is_pem_end()) return tls_complaint(concat({"a certificate in ", from.name()}));
    if (sk_X509_num(all.get()) == 0) return error(errc::bad_credentials, concat({"no certificate in ", from.name()}));
    return all;
}

// A private key. One that is encrypted with another password, or one where there should be none, is an error.
[[gnu::cold]] inline result<tls_key> read_key(const tls_source& from, std::string_view password) {
    const result<std::string> text = read_pem(from);
    if (!text) return text.error();
    ::ERR_clear_error();
    const tls_bio source = open_pem(*text);
    const auto answer = [](char* into, int most, int, void* self) {
        const std::string_view& known = *static_cast<const std::string_view*>(self);
        if (known.empty() || known.size() > static_cast<std::size_t>(most)) return -1;
        std::memcpy(into, known.data(), known.size());
        return static_cast<int>(known.size());
    };
    tls_key key(::PEM_read_bio_PrivateKey(source.get(), nullptr, answer, &password));
    if (key) return key;
    if (text->find("PRIVATE KEY-----") == text->npos) {
        ::ERR_clear_error();
        return error(errc::bad_credentials, concat({"no private key in ", from.name()}));
    }
    const bool locked = text->find("ENCRYPTED") != text->npos;
    const std::string_view why = !locked ? "" : password.empty() ? ", which is encrypted" : ", which that password does not open";
    return tls_complaint(concat({"the private key in ", from.name(), why}));
}

// Adds authorities, and lists of what they have revoked, to those that a context trusts.
[[gnu::cold]] inline result<> trust_authorities(X509_STORE* store, const tls_source& from) {
    const result<tls_x509_list> all = read_certificates(from);
    if (!all) return all.error();
    for (int i = 0; i < sk_X509_num(all->get()); ++i) ::X509_STORE_add_cert(store, sk_X509_value(all->get(), i));
    ::X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN); // one that is not at the root will do
    return {};
}
[[gnu::cold]] inline result<> heed_revoked(X509_STORE* store, const tls_source& from) {
    const result<std::string> text = read_pem(from);
    if (!text) return text.error();
    ::ERR_clear_error();
    const tls_bio source = open_pem(*text);
    int count = 0;
    for (; X509_CRL* const each = ::PEM_read_bio_X509_CRL(source.get(), nullptr, nullptr, nullptr); ++count) {
        ::X509_STORE_add_crl(store, each);
        ::X509_CRL_free(each);
    }
    if (!is_pem_end()) return tls_complaint(concat({"a list of revoked certificates in ", from.name()}));
    if (count == 0) return error(errc::bad_credentials, concat({"no list of revoked certificates in ", from.name()}));
    ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return {};
}

} // namespace weir::inline v0::net::detail
