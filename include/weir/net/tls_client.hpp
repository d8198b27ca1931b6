// A client's side of TLS. Part of net/tls.hpp.
#pragma once

#include <weir/net/endpoint.hpp>
#include <weir/net/security.hpp>
#include <weir/net/tls_stream.hpp>

namespace weir::inline v0 {

// Makes streams to servers that have proved who they are. It remembers sessions, so that later connections to the same server
// begin more quickly (RFC 8446, section 2.2); not those of other clients' settings. May be used by several loops in several
// threads at once. What was begun does not need it any more, but `connect` and `open` do until they have ended.
class tls_client final : public net::client_security {
public:
    // Reads the files that `options` names. What is wrong with them is the outcome of each `begin`, and of `check`.
    [[gnu::cold]] explicit tls_client(const tls_client_options& options = {})
        : x_setup(shared<net::detail::tls_setup>::make()), x_prepared(prepare(*x_setup, options)) {}

    // Whether everything that it needs was there.
    result<> check() const { return x_prepared; }

    // Begins a handshake over a stream that is connected; see net/security.hpp, and net/secure.hpp for one that waits for its end.
    result<owned<io::stream>> begin(owned<io::stream> plain, const std::string& host, std::uint16_t port) override {
        if (!x_prepared) return x_prepared.error();
        owned<net::tls_stream> made = net::tls_stream::make(std::move(plain), x_setup, false, host,
                                                            concat({host, " ", number_text(port)}));
        if (!made) return std::make_error_code(std::errc::not_enough_memory);
        return owned<io::stream>(std::move(made));
    }

    // What clients use that name no other: the system's authorities, and nothing of one's own.
    [[gnu::cold]] static net::client_security& of_all() {
        static tls_client made;
        return made;
    }

private:
    [[gnu::cold]] static result<> prepare(net::detail::tls_setup& all, const tls_client_options& how) {
        using namespace net::detail;
        constexpr tls_callbacks calls = tls_engine::callbacks();
        if (result<> done = net::detail::prepare(all, ::TLS_client_method(), how, calls); !done) return done;
        SSL_CTX* const made = all.context.get();
        all.trust = how.trust;
        if (result<> done = read_pins(all, how.pins); !done) return done;
        if (how.trust == tls_trust::pins && all.pins.empty()) return error(errc::bad_credentials, "no key is pinned, so nobody is trusted");
        const bool own_authorities = !how.authorities.file.empty() || !how.authorities.text.empty();
        if (result<> done = believe(all, how.authorities); !done) return done;
        if (!own_authorities) ::SSL_CTX_set_default_verify_paths(made);
        ::SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
        result<std::string> offered = protocol_list(how.protocols);
        if (!offered) return offered.error();
        all.protocols = std::move(*offered);
        ::SSL_CTX_set_alpn_protos(made, reinterpret_cast<const unsigned char*>(all.protocols.data()),
                                  static_cast<unsigned>(all.protocols.size()));
        ::SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        ::SSL_CTX_sess_set_new_cb(made, calls.keep_session);
        if (!how.certificate.chain_file.empty() || !how.certificate.chain_text.empty()) {
            const result<tls_identity> own = read_identity(how.certificate);
            if (!own) return own.error();
            if (!use_identity(made, *own)) return tls_complaint("the certificate of this client");
        }
        ::ERR_clear_error();
        return {};
    }

    shared<net::detail::tls_setup> x_setup;
    result<> x_prepared;
};

} // namespace weir::inline v0
