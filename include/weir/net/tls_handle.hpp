// An object of OpenSSL's and its owner. Part of net/tls.hpp.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/version.hpp>

#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace weir::inline v0::net::detail {

template <class T, auto Free>
class tls_handle {
public:
    tls_handle() noexcept = default;
    explicit tls_handle(T* object) noexcept : x_object(object) {}
    tls_handle(tls_handle&& other) noexcept : x_object(exchanged(other.x_object, nullptr)) {}
    tls_handle& operator=(tls_handle&& other) noexcept {
        T* const before = exchanged(x_object, exchanged(other.x_object, nullptr));
        if (before && before != x_object) Free(before);
        return *this;
    }
    ~tls_handle() {
        if (x_object) Free(x_object);
    }

    T* get() const noexcept { return x_object; }
    T* release() noexcept { return exchanged(x_object, nullptr); }
    explicit operator bool() const noexcept { return x_object != nullptr; }

private:
    T* x_object = nullptr;
};

inline void free_certificates(STACK_OF(X509)* all) noexcept { sk_X509_pop_free(all, ::X509_free); }
inline void free_bio(BIO* which) noexcept { ::BIO_free(which); }

using tls_bio = tls_handle<BIO, free_bio>;
using tls_x509 = tls_handle<X509, ::X509_free>;
using tls_x509_list = tls_handle<STACK_OF(X509), free_certificates>;
using tls_key = tls_handle<EVP_PKEY, ::EVP_PKEY_free>;
using tls_session = tls_handle<SSL_SESSION, ::SSL_SESSION_free>;

} // namespace weir::inline v0::net::detail
