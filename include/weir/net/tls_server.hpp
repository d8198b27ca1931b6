// A server's side of TLS. Part of net/tls.hpp.
#pragma once

#include <weir/net/security.hpp>
#include <weir/net/tls_stream.hpp>

namespace weir::inline v0 {

// Makes streams to clients, with certificates of one's own. May be used by several loops in several threads at once, and
// `reload` may be called by any of them. Sessions are resumed with tickets, whose keys only this object has, and only until
// it reloads. Streams do not need it any more once they are begun.
class tls_server final : public net::server_security {
    using setup = net::detail::tls_setup;

public:
    // Reads the files that `options` names. What is wrong with them is told by `check`, which a server asks before it listens.
    [[gnu::cold]] explicit tls_server(const tls_server_options& options) : x_texts(options) { x_prepared = reload(); }
    tls_server(const tls_server&) = delete;
    tls_server& operator=(const tls_server&) = delete;

    result<> check() const override {
        const std::lock_guard<std::mutex> lock(x_mutex);
        return x_prepared;
    }

    // Reads the files again. Who connects from then on gets what is in them; connections that there are, and those whose handshake
    // has begun, keep what they have. If anything is wrong with them it says so, and goes on with what it had.
    [[gnu::cold]] result<> reload() {
        shared<setup> fresh = shared<setup>::make();
        if (result<> done = prepare(*fresh, x_texts.options()); !done) return done;
        const std::lock_guard<std::mutex> lock(x_mutex);
        std::swap(x_setup, fresh);
        return x_prepared = {};
    }

    owned<io::stream> begin(owned<io::stream> plain) noexcept override {
        shared<setup> with = current();
        if (!with) return nullptr;
        return owned<io::stream>(net::tls_stream::make(std::move(plain), std::move(with), true, {}, {}));
    }

private:
    // Options that own what they name.
    class copied_options {
    public:
        explicit copied_options(const tls_server_options& of) : x_all(of) {
            keep(x_all.certificate);
            for (const tls_certificate& each : of.more) keep(x_more.emplace_back(each));
            x_all.more = {x_more.data(), x_more.size()};
            for (std::string_view* each : {&x_all.authorities.file, &x_all.authorities.text, &x_all.authorities.revoked_file,
                                           &x_all.authorities.revoked_text})
                keep(*each);
            for (const std::string_view each : of.protocols) keep(x_protocols.emplace_back(each));
            x_all.protocols = {x_protocols.data(), x_protocols.size()};
        }
        copied_options(const copied_options&) = delete;

        const tls_server_options& options() const noexcept { return x_all; }

    private:
        void keep(tls_certificate& own) {
            for (std::string_view* each : {&own.chain_file, &own.chain_text, &own.key_file, &own.key_text, &own.password}) keep(*each);
        }
        void keep(std::string_view& text) { text = *x_texts.emplace_back(make_owned<std::string>(text)); }

        tls_server_options x_all;
        sequence<tls_certificate> x_more;
        sequence<std::string_view> x_protocols;
        sequence<owned<std::string>> x_texts;
    };

    shared<setup> current() const {
        const std::lock_guard<std::mutex> lock(x_mutex);
        return x_setup;
    }

    [[gnu::cold]] static result<> prepare(setup& all, const tls_server_options& how) {
        using namespace net::detail;
        constexpr tls_callbacks calls = tls_engine::callbacks();
        if (result<> done = net::detail::prepare(all, ::TLS_server_method(), how, calls); !done) return done;
        SSL_CTX* const made = all.context.get();
        if (result<> done = add(all, how.certificate); !done) return done;
        for (const tls_certificate& each : how.more)
            if (result<> done = add(all, each); !done) return done;
        if (!use_identity(made, all.identities[0])) return tls_complaint("the certificate");
        if (all.identities.size() > 1) ::SSL_CTX_set_cert_cb(made, choose_identity, &all);
        result<std::string> spoken = protocol_list(how.protocols);
        if (!spoken) return spoken.error();
        all.protocols = std::move(*spoken);
        if (!all.protocols.empty()) ::SSL_CTX_set_alpn_select_cb(made, choose_protocol, &all);
        ::SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF); // tickets are all there is
        ::SSL_CTX_set_session_id_context(made, reinterpret_cast<const unsigned char*>("weir"), 4);
        return ask_clients(all, how);
    }

    [[gnu::cold]] static result<> add(setup& all, const tls_certificate& own) {
        result<net::detail::tls_identity> made = net::detail::read_identity(own);
        if (!made) return made.error();
        all.identities.push_back(std::move(*made));
        return {};
    }

    [[gnu::cold]] static result<> ask_clients(setup& all, const tls_server_options& how) {
        using namespace net::detail;
        SSL_CTX* const made = all.context.get();
        if (how.clients == tls_clients::not_asked) return {};
        const tls_source own{how.authorities.file, how.authorities.text};
        if (!own.is_given()) return error(errc::bad_credentials, "clients are asked for certificates, but of no authority");
        if (result<> done = believe(all, how.authorities); !done) return done;
        const result<tls_x509_list> those = read_certificates(own);
        if (!those) return those.error();
        for (int i = 0; i < sk_X509_num(those->get()); ++i) ::SSL_CTX_add_client_CA(made, sk_X509_value(those->get(), i));
        const int required = how.clients == tls_clients::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
        ::SSL_CTX_set_verify(made, SSL_VERIFY_PEER | required, nullptr);
        return {};
    }

    // The certificates of the name that the client asks for, of which there may be some of different kinds; else the first.
    [[gnu::cold]] static int choose_identity(SSL* ssl, void* self) noexcept {
        const setup& all = *static_cast<const setup*>(self);
        const char* const name = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (!name) return 1;
        bool any = false;
        for (const net::detail::tls_identity& each : all.identities) {
            if (!each.is_for(name)) continue;
            if (!exchanged(any, true)) ::SSL_certs_clear(ssl);
            if (!net::detail::use_identity(ssl, each)) return 0;
        }
        return 1;
    }

    [[gnu::cold]] static int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                                             unsigned offered_bytes, void* self) noexcept {
        const std::string& ours = static_cast<const setup*>(self)->protocols;
        unsigned char* found = nullptr;
        const int common = ::SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                                   static_cast<unsigned>(ours.size()), offered, offered_bytes);
        *chosen = found;
        return common == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    copied_options x_texts;
    result<> x_prepared;
    mutable std::mutex x_mutex;
    shared<setup> x_setup;
};

} // namespace weir::inline v0
