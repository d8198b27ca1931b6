// A proxy, as a URL names it. Part of client/proxy.hpp.
//
// Owns its text. What is said about it never shows the password, nor the user.
#pragma once

#include <weir/protocol/http/credentials.hpp>
#include <weir/protocol/http/url.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0 {

enum class proxy_kind : unsigned char { http, https, socks5 };

struct proxy_server {
    proxy_kind kind = proxy_kind::http;
    std::string host;
    std::uint16_t port = 0;
    http::credentials login;
    std::string name; // "socks5://localhost:1080", for errors
};

// Reads "http://host:port", "https://..." or "socks5://user:password@host:port"; "socks5h" means the same, and without a scheme it
// is http. Ports are 80, 443 and 1080 unless given. `errc::bad_proxy` for anything else.
template <class = void>
[[gnu::cold]] result<proxy_server> parse_proxy(std::string_view text) {
    const std::size_t mark = text.find("://");
    const std::string_view scheme = mark == text.npos ? std::string_view("http") : text.substr(0, mark);
    const std::string_view rest = mark == text.npos ? text : text.substr(mark + 3);
    const bool is_socks = http::equal_ignoring_case(scheme, "socks5") || http::equal_ignoring_case(scheme, "socks5h");
    const bool is_https = http::equal_ignoring_case(scheme, "https");
    if (!is_socks && !is_https && !http::equal_ignoring_case(scheme, "http"))
        return error(errc::bad_proxy, "the proxy's URL should begin with http://, https:// or socks5://");
    const result<http::url> url = http::parse_url(std::string("http://").append(rest));
    if (!url) return error(errc::bad_proxy, concat({"the proxy's ", url.error().context(), ", ", url.error().code().message()}));
    if (url->target() != "/") return error(errc::bad_proxy, "the proxy's URL has a path");

    proxy_server made;
    made.kind = is_socks ? proxy_kind::socks5 : is_https ? proxy_kind::https : proxy_kind::http;
    made.host = url->host();
    made.port = url->port();
    const result<http::url> again = http::parse_url(std::string("https://").append(rest)); // another port, where none is given
    if (again && again->port() != made.port) made.port = is_socks ? 1080 : is_https ? 443 : 80;
    made.login = http::credentials::from_user_info(url->user_info());
    const bool is_ipv6 = url->host_is_ipv6();
    made.name = concat({is_socks ? "socks5" : is_https ? "https" : "http", is_ipv6 ? "://[" : "://", made.host, is_ipv6 ? "]:" : ":",
                        number_text(made.port)});
    return made;
}

} // namespace weir::inline v0
