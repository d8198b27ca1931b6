// The head of an HTTP/1.x request: its first line and its fields (RFC 9112 section 3).
#pragma once

#include <weir/protocol/http/fields.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

// Owns its text. What the parser gives is valid; what the application fills in is checked when it is written.
struct request_head {
    std::string method = "GET";
    std::string target = "/";   // as it was or will be sent, percent-encoded
    unsigned version_minor = 1; // of HTTP/1.x: 0 or 1
    http::fields fields;

    // The target's path, still percent-encoded; a proxy's absolute target is cut to its path as well. A view into
    // `target`. "*" and what CONNECT names come out as they are.
    std::string_view path() const noexcept {
        const std::string_view text = origin_form();
        return text.empty() || text[0] == '?' ? std::string_view("/") : text.substr(0, text.find('?'));
    }

    // What follows the first '?' of the target, still percent-encoded; empty if nothing does. A view into `target`.
    std::string_view query() const noexcept {
        const std::string_view text = origin_form();
        const std::size_t mark = text.find('?');
        return mark == text.npos ? std::string_view() : text.substr(mark + 1);
    }

    // Whether the client would like to use the connection again (RFC 9112 section 9.3).
    bool keep_alive() const noexcept {
        if (fields.has_token("Connection", "close")) return false;
        return version_minor >= 1 || fields.has_token("Connection", "keep-alive");
    }

private:
    std::string_view origin_form() const noexcept {
        const std::string_view text = target;
        const std::size_t authority = text.starts_with('/') ? text.npos : text.find("://");
        if (authority == text.npos) return text;
        const std::size_t begin = text.find_first_of("/?", authority + 3);
        return begin == text.npos ? std::string_view() : text.substr(begin);
    }
};

} // namespace weir::inline v0::http
