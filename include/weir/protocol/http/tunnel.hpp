// Asking an HTTP proxy for a tunnel to a server: CONNECT (RFC 9110, section 9.3.6).
//
// No state and no I/O. What follows the head of an answer that grants it is the server's, whatever its fields say of a body.
#pragma once

#include <weir/core/result.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>
#include <weir/protocol/http/url.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::http {

// The request for a tunnel to `authority`, a host and a port: "example.com:443", "[::1]:80". `authorization`: the value of its
// Proxy-Authorization, or empty. `bad_host` for an authority that cannot be asked for, and `bad_field`.
template <class = void>
[[gnu::cold]] result<request_head> make_tunnel_request(std::string_view authority, std::string_view authorization) {
    request_head request;
    const bool named = authority.rfind(':') != authority.npos && authority[0] != ':' && authority.back() != ':';
    if (!named || !is_target(authority) || !is_host_text(authority)) return errc::bad_host;
    request.method = "CONNECT";
    request.target = authority;
    if (!request.fields.add("Host", authority)) return errc::bad_host;
    if (!authorization.empty() && !request.fields.add("Proxy-Authorization", authorization)) return errc::bad_field;
    return request;
}

// Whether the answer grants the tunnel. `proxy_unauthorized` for a 407, and for the 401 that some proxies answer to a wrong password;
// `proxy_refused` for whatever else does not. The context has the status, and what the proxy asks for.
template <class = void>
[[gnu::cold]] result<> check_tunnel_response(const response_head& response) {
    constexpr std::size_t most_quoted = 80;
    const unsigned code = to_number(response.status);
    if (code >= 200 && code <= 299) return {};
    const std::string_view reason = response.reason.empty() ? reason_phrase(response.status) : std::string_view(response.reason);
    std::string context = std::to_string(code);
    context.append(reason.empty() ? "" : " ").append(detail::printable(reason, most_quoted));
    if (response.status != status::proxy_authentication_required && response.status != status::unauthorized)
        return error(errc::proxy_refused, std::move(context));
    if (const auto asked = response.fields.get("Proxy-Authenticate")) {
        context += ", Proxy-Authenticate: ";
        for (const char each : asked->substr(0, most_quoted)) context += each >= ' ' && each <= '~' ? each : '?';
    }
    return error(errc::proxy_unauthorized, std::move(context));
}

} // namespace weir::inline v0::http
