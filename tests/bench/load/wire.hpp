// The bytes of one connection of the load generator: a socket, with TLS over it if that is asked for. OpenSSL itself, and nothing
// of any server's.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(BENCH_WITH_OPENSSL)
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

namespace load {

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? std::strerror(errno) : "");
#if defined(BENCH_WITH_OPENSSL)
    ERR_print_errors_fp(stderr);
#endif
    std::exit(1);
}

#if defined(BENCH_WITH_OPENSSL)

// How all connections speak TLS: TLS 1.3, one cipher, so that every server does the same work.
class security {
public:
    static constexpr const char* cipher = "TLS_AES_128_GCM_SHA256";

    // Believes in `authority`, a file, and nobody else. `resumes`: a connection goes on with the session of the one before it.
    security(const std::string& authority, bool resumes) : x_context(::SSL_CTX_new(::TLS_client_method())), x_resumes(resumes) {
        ::SSL_CTX_set_min_proto_version(x_context, TLS1_3_VERSION);
        ::SSL_CTX_set_ciphersuites(x_context, cipher);
        ::SSL_CTX_set_mode(x_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        ::SSL_CTX_set_read_ahead(x_context, 1);
        ::SSL_CTX_set_verify(x_context, SSL_VERIFY_PEER, nullptr);
        if (::SSL_CTX_load_verify_locations(x_context, authority.c_str(), nullptr) != 1) fail("the authority's file");
        ::SSL_CTX_set_session_cache_mode(x_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        if (resumes) ::SSL_CTX_sess_set_new_cb(x_context, keep);
    }
    security(const security&) = delete;
    ~security() { ::SSL_CTX_free(x_context); }

    SSL* make(SSL_SESSION** session) const {
        SSL* const made = ::SSL_new(x_context);
        SSL_set_app_data(made, session);
        ::SSL_set1_host(made, "localhost");
        ::SSL_set_tlsext_host_name(made, "localhost");
        if (SSL_SESSION* const before = std::exchange(*session, nullptr)) {
            if (x_resumes) ::SSL_set_session(made, before);
            ::SSL_SESSION_free(before);
        }
        return made;
    }

private:
    static int keep(SSL* ssl, SSL_SESSION* session) {
        SSL_SESSION** const to = static_cast<SSL_SESSION**>(SSL_get_app_data(ssl));
        if (SSL_SESSION* const before = std::exchange(*to, session)) ::SSL_SESSION_free(before);
        return 1;
    }

    SSL_CTX* x_context;
    bool x_resumes;
};

#else

class security;

#endif

class wire {
public:
    wire() = default;
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;
    ~wire() {
        close();
#if defined(BENCH_WITH_OPENSSL)
        if (x_session) ::SSL_SESSION_free(x_session);
#endif
    }

    int socket() const { return x_socket; }
    bool is_open() const { return x_socket >= 0; }

    // Whether the handshake was the short one of a session that was resumed.
    bool is_resumed() const {
#if defined(BENCH_WITH_OPENSSL)
        return x_ssl && ::SSL_session_reused(x_ssl) == 1;
#else
        return false;
#endif
    }

    // Connects, and shakes hands if there is to be TLS. Waits.
    void open(int port, [[maybe_unused]] const security* by) {
        x_socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(x_socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connecting");
        const int on = 1;
        ::setsockopt(x_socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#if defined(BENCH_WITH_OPENSSL)
        if (!by) return;
        x_ssl = by->make(&x_session);
        ::SSL_set_fd(x_ssl, x_socket);
        if (::SSL_connect(x_ssl) != 1) fail("shaking hands");
#endif
    }

    // From now on nothing waits.
    void unblock() { ::fcntl(x_socket, F_SETFL, O_NONBLOCK); }

    // As ::recv and ::send do: how many bytes; 0 at the end; -1 and errno.
    ssize_t receive(char* into, std::size_t most) {
#if defined(BENCH_WITH_OPENSSL)
        if (x_ssl) return outcome(::SSL_read(x_ssl, into, static_cast<int>(most)));
#endif
        return ::recv(x_socket, into, most, 0);
    }
    ssize_t send(std::string_view bytes) {
#if defined(BENCH_WITH_OPENSSL)
        if (x_ssl) return outcome(::SSL_write(x_ssl, bytes.data(), static_cast<int>(bytes.size())));
#endif
        return ::send(x_socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }

    // Whether `receive` gives all that there is, unless it gives as much as was asked for.
    bool gives_all() const {
#if defined(BENCH_WITH_OPENSSL)
        return !x_ssl; // a record at a time
#else
        return true;
#endif
    }

    void close() {
        if (x_socket < 0) return;
#if defined(BENCH_WITH_OPENSSL)
        if (x_ssl) {
            ::SSL_shutdown(x_ssl); // says that we have gone, and does not wait for an answer
            ::SSL_free(std::exchange(x_ssl, nullptr));
            ::ERR_clear_error();
        }
#endif
        ::close(std::exchange(x_socket, -1));
    }

private:
#if defined(BENCH_WITH_OPENSSL)
    ssize_t outcome(int came) {
        if (came > 0) return came;
        const int why = ::SSL_get_error(x_ssl, came);
        if (why == SSL_ERROR_ZERO_RETURN) return 0;
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) errno = EAGAIN;
        if (why == SSL_ERROR_SSL) errno = EPROTO;
        return -1;
    }

    SSL* x_ssl = nullptr;
    SSL_SESSION* x_session = nullptr; // for the next connection
#endif
    int x_socket = -1;
};

} // namespace load
