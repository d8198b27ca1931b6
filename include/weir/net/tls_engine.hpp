// TLS without I/O: bytes as they are on the wire in and out, and those that are meant. Part of net/tls.hpp.
//
// OpenSSL reads from `input()`, which somebody else owns and which it takes as it goes, and writes to `output()`, which takes
// everything: so it never waits for anything but input. What it says is turned into weir's errors at once, and the
// queue where OpenSSL leaves them is empty afterwards. One thread at a time.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/net/tls_description.hpp>
#include <weir/net/tls_setup.hpp>
#include <weir/net/tls_verdict.hpp>

#include <cstdint>

namespace weir::inline v0::net::detail {

class tls_engine {
public:
    enum class outcome : unsigned char {
        done,
        starved, // more input is needed
        ended,   // the other side has said that it will send no more
        failed,  // see `failure`; there may be some output that says so to the other side
    };

    static constexpr std::size_t record_bytes = 16 * 1024; // what a record can carry
    static constexpr std::size_t overhead_bytes = 64;      // more than what it takes besides

    // For a client, `host` is whom the other side has to be, and `server` what its sessions are kept by. The pool must
    // outlive it.
    [[gnu::cold]] tls_engine(shared<tls_setup> by, block_pool& pool, bool serves, std::string host, std::string server)
        : x_setup(std::move(by)), x_ssl(::SSL_new(x_setup->context.get())), x_output(pool), x_host(std::move(host)),
          x_server(std::move(server)), x_serves(serves) {
        if (!x_ssl) return;
        BIO* const between = ::BIO_new(method());
        if (!between) {
            x_ssl = {};
            return;
        }
        ::BIO_set_data(between, this);
        ::BIO_set_init(between, 1);
        ::SSL_set_bio(x_ssl.get(), between, between);
        SSL_set_app_data(x_ssl.get(), this);
        serves ? ::SSL_set_accept_state(x_ssl.get()) : begin_client();
    }
    tls_engine(const tls_engine&) = delete;
    tls_engine& operator=(const tls_engine&) = delete;
    [[gnu::cold]] ~tls_engine() {
        // Otherwise OpenSSL would take a connection that was broken off for a reason never to resume its session.
        if (x_ssl) ::SSL_set_shutdown(x_ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }

    // False when there was no memory for it; nothing else may be called then.
    explicit operator bool() const noexcept { return static_cast<bool>(x_ssl); }

    // What has come and was not taken. It must stay where it is while it is not empty.
    bytes_view& input() noexcept { return x_input; }

    // What is to be sent.
    buffer& output() noexcept { return x_output; }
    const buffer& output() const noexcept { return x_output; }

    // Goes on with the handshake, until it is done.
    [[gnu::cold]] outcome shake_hands() noexcept {
        ::ERR_clear_error();
        if (const int done = ::SSL_do_handshake(x_ssl.get()); done != 1) return not_done(done);
        x_unread = 0;
        x_is_open = true;
        return check_protocol() ? outcome::done : outcome::failed;
    }

    // Room for what a `read` until it is starved can give, at the most; 0 if it cannot give anything.
    std::size_t readable_bytes() const noexcept { return x_input.empty() ? 0 : x_unread + x_input.size(); }

    // The next bytes that are meant, of one record at the most.
    outcome read(mutable_bytes into, std::size_t& count) noexcept {
        if (::SSL_read_ex(x_ssl.get(), into.data(), into.size(), &count) == 1) {
            x_unread = 0;
            return x_renegotiates ? refuse_renegotiation() : outcome::done;
        }
        count = 0;
        if (x_renegotiates) return refuse_renegotiation();
        return not_done(0);
    }

    // Makes records of bytes, all of them; as large as they can be. The handshake must be done.
    bool write(bytes_view meant) noexcept {
        x_with_key += meant.size() + overhead_bytes;
        if (x_with_key >= x_setup->key_bytes) [[unlikely]] change_key();
        std::size_t taken;
        if (::SSL_write_ex(x_ssl.get(), meant.data(), meant.size(), &taken) == 1) return true;
        return fail(), false;
    }

    // Says that this side will send no more. The handshake must be done.
    [[gnu::cold]] void end() noexcept {
        if (::SSL_shutdown(x_ssl.get()) < 0) ::ERR_clear_error();
    }

    // Forgets what others on this thread have left in OpenSSL's queue of errors. Owed before `read` and `write`.
    static void forget_errors() noexcept {
        if (::ERR_peek_error()) ::ERR_clear_error();
    }

    const error& failure() const noexcept { return x_failure; }

    // Whether the handshake was a short one.
    bool is_resumed() const noexcept { return ::SSL_session_reused(x_ssl.get()) == 1; }
    SSL* get() const noexcept { return x_ssl.get(); }

    // "TLS with localhost", for errors.
    [[gnu::cold]] std::string with() const { return concat({"TLS with ", whose()}); }

    static constexpr tls_callbacks callbacks() noexcept { return {judge, tell, keep_session}; }

private:
    // Whose certificate it is that comes.
    std::string_view whose() const noexcept { return x_serves ? std::string_view("the client") : std::string_view(x_host); }

    // The next thing that OpenSSL writes is that the key changes. There is no such thing in TLS 1.2.
    [[gnu::cold]] void change_key() noexcept {
        x_with_key = 0;
        if (::SSL_version(x_ssl.get()) >= TLS1_3_VERSION) ::SSL_key_update(x_ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    }

    [[gnu::cold]] void begin_client() noexcept {
        SSL* const ssl = x_ssl.get();
        X509_VERIFY_PARAM* const checks = ::SSL_get0_param(ssl);
        ::X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        std::string name = x_host;
        if (name.ends_with('.')) name.pop_back(); // RFC 6066, section 3
        if (::X509_VERIFY_PARAM_set1_ip_asc(checks, name.c_str()) != 1) {
            ::SSL_set1_host(ssl, name.c_str());
            SSL_set_tlsext_host_name(ssl, name.c_str());
        }
        ::SSL_set_connect_state(ssl);
        if (const tls_session before = x_setup->sessions.take(x_server)) ::SSL_set_session(ssl, before.get());
        ::ERR_clear_error();
    }

    // RFC 7301, section 3.2: what was chosen has to be something that was offered.
    [[gnu::cold]] bool check_protocol() noexcept {
        const std::string_view name = chosen_protocol(x_ssl.get());
        if (x_serves || name.empty()) return true;
        for (std::string_view left = x_setup->protocols; !left.empty();) {
            const auto length = static_cast<unsigned char>(left.front());
            if (left.substr(1, length) == name) return true;
            left.remove_prefix(1u + length);
        }
        x_failure = error(errc::tls_failed, concat({with(), ": it chose the protocol ", quoted(name), ", which was not offered"}));
        return false;
    }

    outcome not_done(int came) noexcept {
        const int why = ::SSL_get_error(x_ssl.get(), came);
        if (why == SSL_ERROR_WANT_READ) return outcome::starved;
        return why == SSL_ERROR_ZERO_RETURN ? outcome::ended : fail();
    }
    [[gnu::cold]] outcome fail() noexcept {
        error other = handshake_failure(with());
        if (x_is_open && other == errc::not_tls) other = error(errc::tls_corrupt, std::string(other.context())); // it did so far
        if (!x_failure) x_failure = std::move(other);
        return outcome::failed;
    }
    [[gnu::cold]] outcome refuse_renegotiation() noexcept {
        x_failure = error(errc::tls_renegotiation, with());
        return outcome::failed;
    }

    // --- what OpenSSL calls ---

    static tls_engine& of(const SSL* ssl) noexcept { return *static_cast<tls_engine*>(SSL_get_app_data(ssl)); }

    // Judges a certificate in OpenSSL's place.
    [[gnu::cold]] static int judge(X509_STORE_CTX* with, void*) noexcept {
        const void* const ssl = ::X509_STORE_CTX_get_ex_data(with, ::SSL_get_ex_data_X509_STORE_CTX_idx());
        tls_engine& self = of(static_cast<const SSL*>(ssl));
        const tls_setup& by = *self.x_setup;
        const bool chain = by.trust == tls_trust::authorities;
        if (chain) {
            ::X509_STORE_CTX_set_verify_cb(with, [](int right, X509_STORE_CTX* which) { // no list, nothing revoked
                return right || ::X509_STORE_CTX_get_error(which) == X509_V_ERR_UNABLE_TO_GET_CRL ? 1 : 0;
            });
            if (::X509_verify_cert(with) != 1) {
                const X509_NAME* const name = ::X509_get_subject_name(::X509_STORE_CTX_get0_cert(with));
                self.x_failure = refused_certificate(with, self.x_serves ? concat({"the client ", text_of(name)}) : self.x_host);
                return 0;
            }
        }
        ::X509_STORE_CTX_set_error(with, X509_V_OK);
        if (by.trust == tls_trust::anybody && by.pins.empty()) return 1;
        if ((chain && by.pins.empty()) || is_pinned(by, ::X509_STORE_CTX_get0_cert(with))) return 1;
        ::X509_STORE_CTX_set_error(with, X509_V_ERR_APPLICATION_VERIFICATION);
        self.x_failure = error(errc::certificate_not_pinned, concat({"checking the certificate of ", self.whose()}));
        return 0;
    }

    // OpenSSL refuses to renegotiate by an alert, and would do so for ever.
    static void tell(const SSL* ssl, int where, int what) noexcept {
        if (where == SSL_CB_WRITE_ALERT && (what & 0xFF) == SSL_AD_NO_RENEGOTIATION) of(ssl).x_renegotiates = true;
    }

    [[gnu::cold]] static int keep_session(SSL* ssl, SSL_SESSION* session) noexcept {
        const tls_engine& self = of(ssl);
        self.x_setup->sessions.keep(self.x_server, tls_session(session));
        return 1;
    }

    static int bio_read(BIO* of, char* into, std::size_t most, std::size_t* count) noexcept {
        tls_engine& self = *static_cast<tls_engine*>(::BIO_get_data(of));
        BIO_clear_retry_flags(of);
        const std::size_t size = most < self.x_input.size() ? most : self.x_input.size();
        *count = size;
        if (size == 0) return BIO_set_retry_read(of), -1;
        std::memcpy(into, self.x_input.data(), size);
        self.x_input = self.x_input.subspan(size);
        self.x_unread += size;
        return 1;
    }

    static int bio_write(BIO* of, const char* from, std::size_t size, std::size_t* count) noexcept {
        tls_engine& self = *static_cast<tls_engine*>(::BIO_get_data(of));
        [[maybe_unused]] const bool fits = self.x_output.append(as_bytes({from, size}));
        assert(fits && "the output has no bound");
        *count = size;
        return 1;
    }

    static long bio_control(BIO*, int what, long, void*) noexcept { return what == BIO_CTRL_FLUSH ? 1 : 0; }

    [[gnu::cold]] static const BIO_METHOD* method() noexcept {
        struct kind {
            BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir");
            kind() noexcept {
                ::BIO_meth_set_read_ex(made, bio_read);
                ::BIO_meth_set_write_ex(made, bio_write);
                ::BIO_meth_set_ctrl(made, bio_control);
            }
            ~kind() { ::BIO_meth_free(made); }
        };
        static const kind only;
        return only.made;
    }

    shared<tls_setup> x_setup;
    tls_handle<SSL, ::SSL_free> x_ssl;
    bytes_view x_input;
    std::uint64_t x_with_key = 0; // bytes that were encrypted with the key that there is
    std::size_t x_unread = 0; // of the input, taken and not given: the beginning of a record
    buffer x_output;
    std::string x_host;
    std::string x_server;
    error x_failure;
    bool x_serves;
    bool x_is_open = false;      // hands are shaken
    bool x_renegotiates = false; // the other side wants to
};

} // namespace weir::inline v0::net::detail
