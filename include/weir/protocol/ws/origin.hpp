// Whether a browser's request comes from a page of this very server (RFC 6455, section 10.2; RFC 6454).
//
// Browsers let any page open a WebSocket to any server and send the user's cookies along; the Origin field is what
// tells a page of ours from a stranger's.
#pragma once

#include <weir/protocol/http/request_head.hpp>

#include <cstddef>
#include <string_view>

namespace weir::inline v0::ws {

namespace detail {

// `authority` without the port, where that is the one that the scheme implies.
constexpr std::string_view without_default_port(std::string_view authority, bool secure) noexcept {
    const std::string_view port = secure ? ":443" : ":80";
    return authority.ends_with(port) ? authority.substr(0, authority.size() - port.size()) : authority;
}

} // namespace detail

// Whether the host and port of the Origin field equal the Host field. True without an Origin: then it is no browser
// that asks. False for "null" and for what is no origin at all.
[[gnu::cold]] inline bool same_origin(const http::request_head& request) noexcept {
    const auto origin = request.fields.get("Origin");
    if (!origin) return true;
    const auto host = request.fields.get("Host");
    const std::size_t scheme_end = origin->find("://");
    if (!host || host->empty() || scheme_end == origin->npos || request.fields.count("Origin") > 1) return false;
    const bool secure = http::equal_ignoring_case(origin->substr(0, scheme_end), "https");
    return http::equal_ignoring_case(detail::without_default_port(origin->substr(scheme_end + 3), secure),
                                     detail::without_default_port(*host, secure));
}

// Whether the request has one Origin, and that is one of `allowed`, a list of texts: "https://example.com". Without regard to
// case, and letter for letter otherwise.
template <class List>
[[gnu::cold]] bool origin_among(const http::request_head& request, const List& allowed) noexcept {
    if (request.fields.count("Origin") != 1) return false;
    const std::string_view origin = *request.fields.get("Origin");
    for (const std::string_view each : allowed)
        if (http::equal_ignoring_case(origin, each)) return true;
    return false;
}

} // namespace weir::inline v0::ws
