// Where a redirect leads (RFC 9110, sections 10.2.2 and 15.4).
//
// Pure functions. A redirect never leads from a URL with TLS to one without, and never brings a user along; what else a client
// takes with it to another origin is the client's affair.
#pragma once

#include <weir/protocol/http/status.hpp>
#include <weir/protocol/http/url.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::http {

// Whether an answer of that status, with a Location, says where to ask instead, by the same method where that was GET.
constexpr bool is_redirect(status code) noexcept {
    return code == status::moved_permanently || code == status::found || code == status::see_other ||
           code == status::temporary_redirect || code == status::permanent_redirect;
}

// Whether both have the same host and port, and both TLS or neither: http://a and ws://a are of one origin.
inline bool same_origin(const url& a, const url& b) noexcept {
    return a.secure() == b.secure() && a.host() == b.host() && a.port() == b.port();
}

namespace detail {

// RFC 3986, section 5.2.4: a path without its "." and "..".
template <class = void>
std::string without_dots(std::string_view path) {
    std::string made;
    while (!path.empty()) { // a segment with the slash before it at a time
        const std::size_t end = path.find('/', 1);
        const std::string_view segment = path.substr(0, end);
        const bool last = end == path.npos;
        path = last ? std::string_view() : path.substr(end);
        const bool up = segment == "/..";
        if (up) made.resize(made.rfind('/') == made.npos ? 0 : made.rfind('/'));
        if (!up && segment != "/.")
            made += segment;
        else if (last)
            made += '/';
    }
    return made;
}

// RFC 3986, section 5.2.2: the text of the URL that `location`, which has no scheme, means at `from`.
template <class = void>
std::string resolved(const url& from, std::string_view location) {
    std::string made(to_text(from.scheme()));
    if (location.starts_with("//")) return made.append(":").append(location);
    made.append("://").append(from.host_field());
    if (location.empty()) return made.append(from.target());
    if (location[0] == '?') return made.append(from.path()).append(location);
    const std::size_t query = location.find('?');
    std::string path(location[0] == '/' ? std::string_view() : from.path().substr(0, from.path().rfind('/') + 1));
    made.append(without_dots(path.append(location.substr(0, query))));
    return query == location.npos ? made : made.append(location.substr(query));
}

} // namespace detail

// The URL that the Location of an answer means to whoever has asked `from`. For a WebSocket URL "http" and "https" mean "ws"
// and "wss". `errc::bad_redirect` for what is no URL, has a user, or would leave TLS; the context quotes it.
template <class = void>
[[gnu::cold]] result<url> redirected(const url& from, std::string_view location) {
    constexpr std::size_t most_quoted = 80;
    const auto refused = [&](std::string_view why) {
        std::string context = "Location: \"";
        return error(errc::bad_redirect, context.append(detail::printable(location, most_quoted)).append("\", ").append(why));
    };
    std::string_view to = location.substr(0, location.find('#')); // a fragment is not for the server
    std::string text;
    const std::size_t colon = to.find(':');
    if (colon == to.npos || colon > to.find_first_of("/?")) {
        text = detail::resolved(from, to);
    } else if (from.scheme() == url_scheme::ws || from.scheme() == url_scheme::wss) {
        const std::string_view scheme = to.substr(0, colon);
        text = equal_ignoring_case(scheme, "http") ? "ws" : equal_ignoring_case(scheme, "https") ? "wss" : scheme;
        text.append(to.substr(colon));
    } else {
        text = to;
    }
    result<url> made = parse_url(text);
    if (!made) return refused(made.error().code().message());
    if (text.find('@') < text.find_first_of("/?", text.find("://") + 3)) return refused("with a user in it");
    if (from.secure() && !made->secure()) return refused("which leaves TLS");
    return made;
}

} // namespace weir::inline v0::http
