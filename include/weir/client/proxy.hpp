// Reaching a server through a proxy: HTTP (CONNECT) or SOCKS5.
//
//     auto ws = co_await weir::connect(url, {.proxy = weir::proxy("socks5://user:password@localhost:1080")});
//     auto ws = co_await weir::connect(url, {.proxy = weir::proxy_of_environment()});
//
// A leaf: programs that use no proxies do not compile it. Of the URL is taken the scheme, "http", "https" or "socks5", the host, the
// port (80, 443 or 1080 unless given), and a user and a password, percent-encoded, for "Basic" authentication or that of RFC
// 1929; but for "https" the password goes out unencrypted. With "https" the proxy is spoken to over TLS, by the options' `tls` as
// servers are, and TLS with the server goes on top of that. The server's name goes to the proxy, which looks it up. A proxy
// that does not answer is left at the deadline of `connect`. Errors name the proxy, without its password: `bad_proxy` for a URL
// that is none, `proxy_refused` with the proxy's reason, `proxy_unauthorized`, `bad_proxy_answer`, those of HTTP's heads, and
// those of connecting and of TLS. Not there: other authentication than that.
#pragma once

#include <weir/client/proxy_environment.hpp>
#include <weir/client/tunnel.hpp>
#include <weir/net/secure.hpp>

namespace weir::inline v0 {

namespace detail {

template <class = void>
task<result<owned<io::stream>>> go_by_proxy(route& along, std::string url) {
    const result<proxy_server> proxy = parse_proxy(url);
    if (!proxy) co_return proxy.error();
    const std::string reaching = concat({"reaching the proxy ", proxy->name});
    result<owned<io::stream>> plain = co_await go_straight(along, proxy->host, proxy->port, reaching + ": ");
    if (plain && proxy->kind == proxy_kind::https) {
        along.doing = concat({reaching, ": TLS with ", proxy->host});
        plain = co_await net::secure(std::move(*plain), proxy->host, proxy->port, along.tls);
    }
    if (!plain && plain.error().context().empty()) co_return plain;
    if (!plain) co_return explained(plain.error(), reaching, plain.error().context());
    co_return co_await open_tunnel(std::move(*plain), *proxy, along);
}

template <class = void>
task<result<owned<io::stream>>> go_by_environment(route& along, std::string) {
    const proxy_variable chosen = proxy_for(along.secure, along.host, along.port);
    if (!chosen.name) co_return co_await go_straight(along, along.host, along.port, std::string());
    result<owned<io::stream>> made = co_await go_by_proxy(along, chosen.url);
    if (made || made.error() != errc::bad_proxy) co_return made;
    co_return explained(made.error(), chosen.name, made.error().context());
}

} // namespace detail

// Through the proxy at `url`, which is copied by the call that is given the options.
inline proxy_choice proxy(std::string_view url) noexcept { return {detail::go_by_proxy<>, url}; }

// As the environment says when the connection is opened, and for each server that a redirect leads to: `http_proxy` for ws://,
// `https_proxy` for wss://, `all_proxy` where that is not set, and none for what `no_proxy` names. Names in lower case come first;
// HTTP_PROXY is not heeded.
inline proxy_choice proxy_of_environment() noexcept { return {detail::go_by_environment<>, {}}; }

} // namespace weir::inline v0
