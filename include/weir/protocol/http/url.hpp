// URLs of the schemes ws, wss, http and https (RFC 3986, RFC 6455 section 3).
//
// A `url` owns its text; the views that it gives are valid until it is assigned to, moved or destroyed. Errors quote
// what is wrong and say where, printable and bounded in length, and never show a password.
#pragma once

#include <weir/core/result.hpp>
#include <weir/protocol/http/syntax.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

enum class url_scheme : std::uint8_t { ws, wss, http, https };

constexpr std::string_view to_text(url_scheme scheme) noexcept {
    switch (scheme) {
    case url_scheme::ws: return "ws";
    case url_scheme::wss: return "wss";
    case url_scheme::http: return "http";
    default: return "https";
    }
}

namespace detail {
class url_parser;
}

// What `parse_url` gives: never empty, always valid.
class url {
public:
    url_scheme scheme() const noexcept { return x_scheme; }
    bool secure() const noexcept { return x_scheme == url_scheme::wss || x_scheme == url_scheme::https; }

    // "user:password", percent-encoded as it was given; empty if there is none.
    std::string_view user_info() const noexcept {
        const std::size_t begin = to_text(x_scheme).size() + 3;
        return x_authority == begin ? std::string_view() : text().substr(begin, x_authority - 1 - begin);
    }

    // The host in lower case, an IPv6 address without its brackets.
    std::string_view host() const noexcept { return text().substr(x_authority + x_host_is_ipv6, x_host_bytes); }
    bool host_is_ipv6() const noexcept { return x_host_is_ipv6; }

    // The port that was given, or the scheme's: 80 or 443.
    std::uint16_t port() const noexcept { return x_port; }
    bool port_is_default() const noexcept { return x_port == (secure() ? 443 : 80); }

    // What a request asks for: path and query, percent-encoded as they were given; it always begins with '/'.
    std::string_view target() const noexcept { return text().substr(x_target); }
    std::string_view path() const noexcept { return target().substr(0, target().find('?')); }
    std::string_view query() const noexcept {
        const std::size_t mark = target().find('?');
        return mark == std::string_view::npos ? std::string_view() : target().substr(mark + 1);
    }

    // What the Host field of a request says: an IPv6 address in brackets, the port only if it is not the default.
    std::string host_field() const { return x_text.substr(x_authority, x_target - x_authority); }

    // The whole URL in normal form: lower case scheme and host, no default port, a path, no fragment.
    std::string_view text() const noexcept { return x_text; }

private:
    friend class detail::url_parser;
    url() = default;

    std::string x_text;
    std::size_t x_authority = 0; // where the host begins, bracket included
    std::size_t x_host_bytes = 0;
    std::size_t x_target = 0;
    std::uint16_t x_port = 0;
    url_scheme x_scheme = url_scheme::ws;
    bool x_host_is_ipv6 = false;
};

namespace detail {

// RFC 3986 sections 2 and 3. Percent signs are checked apart.
inline constexpr character_set host_characters = join(letters_and_digits, "-._~!$&'()*+,;=");
inline constexpr character_set user_characters = join(letters_and_digits, "-._~!$&'()*+,;=:%");
inline constexpr character_set target_characters = join(letters_and_digits, "-._~!$&'()*+,;=:%@/?");

// Where in `text` a percent sign stands without two hexadecimal digits behind it; npos if nowhere.
constexpr std::size_t find_bad_percent(std::string_view text) noexcept {
    for (std::size_t i = text.find('%'); i != text.npos; i = text.find('%', i + 1))
        if (text.size() - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return i;
    return text.npos;
}

// Four numbers from 0 to 255 without leading zeros, with dots between.
constexpr bool is_ipv4(std::string_view text) noexcept {
    for (int part = 0;; ++part) {
        std::size_t digits = 0;
        int value = 0;
        for (; digits < text.size() && digits < 4 && is_digit(text[digits]); ++digits)
            value = value * 10 + (text[digits] - '0');
        if (digits == 0 || value > 255 || (digits > 1 && text[0] == '0')) return false;
        text.remove_prefix(digits);
        if (part == 3) return text.empty();
        if (text.empty() || text[0] != '.') return false;
        text.remove_prefix(1);
    }
}

// RFC 4291 section 2.2: eight groups, one run of which may be "::", and an IPv4 address in place of the last two.
constexpr bool is_ipv6(std::string_view text) noexcept {
    int groups = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        std::size_t digits = 0;
        while (digits < text.size() && hex_value(text[digits]) >= 0) ++digits;
        if (digits < text.size() && text[digits] == '.') {
            groups += 2;
            if (!is_ipv4(text)) return false;
            break;
        }
        if (digits == 0 || digits > 4) return false;
        ++groups;
        text.remove_prefix(digits);
        if (text.empty()) break;
        if (text[0] != ':' || text.size() == 1) return false;
        text.remove_prefix(1);
        if (text[0] == ':') {
            if (gap) return false;
            gap = true;
            text.remove_prefix(1);
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

// At most `most` bytes of `text`, printable: other bytes as \xNN, and "..." for what is cut off.
inline std::string printable(std::string_view text, std::size_t most) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i == most) return out + "...";
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\') {
            out += text[i];
        } else {
            out += "\\x";
            out += "0123456789abcdef"[byte >> 4];
            out += "0123456789abcdef"[byte & 15];
        }
    }
    return out;
}

// Reads one URL from left to right.
class url_parser {
public:
    explicit url_parser(std::string_view text) noexcept : x_text(text) {}

    result<url> parse() && {
        const std::size_t colon = x_text.find("://");
        if (x_text.size() > most_bytes) return failure(errc::bad_url, 0, 0, "longer than 65536 bytes");
        if (x_text.empty()) return failure(errc::bad_url, 0, 0, "empty");
        if (colon == x_text.npos || !parse_scheme(x_text.substr(0, colon)))
            return failure(errc::bad_scheme, 0, colon == x_text.npos ? 0 : colon,
                           "should begin with ws://, wss://, http:// or https://");
        const std::size_t begin = colon + 3;
        std::size_t end = x_text.find_first_of("/?#", begin);
        if (end == x_text.npos) end = x_text.size();
        if (auto failed = parse_authority(begin, end)) return failed;
        if (auto failed = parse_target(end)) return failed;
        return std::move(x_url);
    }

private:
    static constexpr std::size_t most_bytes = 65536;
    static constexpr std::size_t most_quoted = 80;

    bool parse_scheme(std::string_view text) {
        for (const url_scheme each : {url_scheme::ws, url_scheme::wss, url_scheme::http, url_scheme::https}) {
            if (!equal_ignoring_case(text, to_text(each))) continue;
            x_url.x_scheme = each;
            x_url.x_text.append(to_text(each)).append("://");
            return true;
        }
        return false;
    }

    // [ user info "@" ] host [ ":" port ], from `begin` to `end`
    weir::error parse_authority(std::size_t begin, std::size_t end) {
        const std::size_t at = x_text.substr(0, end).rfind('@');
        if (at != x_text.npos && at >= begin) {
            const std::string_view user = x_text.substr(begin, at - begin);
            if (!user_characters.has_all(user) || find_bad_percent(user) != user.npos)
                return failure(errc::bad_url, begin, 0, "a character that user info may not hold");
            x_url.x_text.append(user).append("@");
            begin = at + 1;
        }
        x_url.x_authority = x_url.x_text.size();

        const bool bracket = begin < end && x_text[begin] == '[';
        std::size_t host_end = x_text.find(bracket ? ']' : ':', begin);
        if (host_end == x_text.npos || host_end > end) {
            if (bracket) return failure(errc::bad_host, begin, end - begin, "no ] after the IPv6 address");
            host_end = end;
        }
        if (auto failed = bracket ? parse_ipv6(begin + 1, host_end) : parse_name(begin, host_end)) return failed;
        return parse_port(host_end + bracket, end);
    }

    weir::error parse_ipv6(std::size_t begin, std::size_t end) {
        const std::string_view host = x_text.substr(begin, end - begin);
        if (!is_ipv6(host)) return failure(errc::bad_host, begin, host.size(), "not an IPv6 address");
        x_url.x_host_is_ipv6 = true;
        x_url.x_text += '[';
        append_host(host);
        x_url.x_text += ']';
        return {};
    }

    weir::error parse_name(std::size_t begin, std::size_t end) {
        const std::string_view host = x_text.substr(begin, end - begin);
        if (host.empty()) return failure(errc::bad_host, begin, 0, "empty");
        bool numeric = true;
        for (std::size_t i = 0; i < host.size(); ++i) {
            numeric = numeric && (is_digit(host[i]) || host[i] == '.');
            if (host_characters.has(host[i])) continue;
            const bool ascii = static_cast<unsigned char>(host[i]) < 0x80;
            return failure(errc::bad_host, begin + i, 1,
                           ascii ? "a character that a host may not hold" : "not ASCII; use the form xn--...");
        }
        if (numeric && !is_ipv4(host)) return failure(errc::bad_host, begin, host.size(), "not an IPv4 address");
        append_host(host);
        return {};
    }

    // [ ":" [ digits ] ], where nothing after the colon means the default (RFC 3986 section 3.2.3)
    weir::error parse_port(std::size_t begin, std::size_t end) {
        x_url.x_port = x_url.secure() ? 443 : 80;
        if (begin == end) return {};
        if (x_text[begin] != ':') return failure(errc::bad_host, begin, end - begin, "something after the ]");
        const std::string_view digits = x_text.substr(begin + 1, end - begin - 1);
        if (digits.empty()) return {};
        std::uint32_t port = 0;
        for (const char c : digits) {
            port = is_digit(c) ? port * 10 + static_cast<std::uint32_t>(c - '0') : 65536;
            if (port > 65535) break;
        }
        if (port == 0 || port > 65535) return failure(errc::bad_port, begin + 1, digits.size(), "");
        x_url.x_port = static_cast<std::uint16_t>(port);
        if (!x_url.port_is_default()) x_url.x_text.append(":").append(std::to_string(port));
        return {};
    }

    weir::error parse_target(std::size_t begin) {
        std::string_view target = x_text.substr(begin);
        const std::size_t fragment = target.find('#');
        if (fragment != target.npos) {
            if (x_url.x_scheme == url_scheme::ws || x_url.x_scheme == url_scheme::wss)
                return failure(errc::url_has_fragment, begin + fragment, target.size() - fragment, "");
            target = target.substr(0, fragment); // it is not for the server
        }
        for (std::size_t i = 0; i < target.size(); ++i)
            if (!target_characters.has(target[i]))
                return failure(errc::bad_url, begin + i, 1, "a character that must be percent-encoded");
        const std::size_t percent = find_bad_percent(target);
        if (percent != target.npos)
            return failure(errc::bad_url, begin + percent, 3, "no two hexadecimal digits after %");
        x_url.x_target = x_url.x_text.size();
        if (!target.starts_with('/')) x_url.x_text += '/';
        x_url.x_text.append(target);
        return {};
    }

    void append_host(std::string_view host) {
        x_url.x_host_bytes = host.size();
        for (const char c : host) x_url.x_text += to_lower(c);
    }

    // An error that shows the URL and, unless `count` is 0, the `count` bytes from `at` on that are to blame. What may
    // be a password stays hidden, also where a delimiter in it has been taken for the end of the authority.
    weir::error failure(errc code, std::size_t at, std::size_t count, std::string_view what) const {
        const std::size_t slashes = x_text.find("://");
        const std::size_t begin = slashes == x_text.npos ? 0 : slashes + 3;
        const bool authority_known = code != errc::bad_host && code != errc::bad_port;
        const std::size_t last = authority_known ? x_text.find_first_of("/?#", begin) : x_text.npos;
        std::size_t shown = x_text.substr(0, last).rfind('@');
        if (shown == x_text.npos || shown < begin) shown = 0;

        std::string context = "URL \"";
        if (shown > 0) context += printable(x_text.substr(0, begin), most_quoted) + "***";
        context += printable(x_text.substr(shown), most_quoted) + "\", at byte " + std::to_string(at);
        if (count > 0 && at >= shown) context += " \"" + printable(x_text.substr(at, count), most_quoted) + '"';
        if (!what.empty()) context.append(", ").append(what);
        return {make_error_code(code), std::move(context)};
    }

    std::string_view x_text;
    url x_url;
};

} // namespace detail

// Reads `text` as an absolute URL: errc::bad_url, bad_scheme, bad_host, bad_port, or url_has_fragment where a WebSocket
// URL has one. The fragment of an http or https URL is dropped.
inline result<url> parse_url(std::string_view text) { return detail::url_parser(text).parse(); }

} // namespace weir::inline v0::http
