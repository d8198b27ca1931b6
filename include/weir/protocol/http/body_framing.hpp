// How long the body after a head is (RFC 9112 section 6.3), by the rules that keep requests from being smuggled.
//
// A head whose fields leave room for two opinions is an error here, in a response as in a request.
#pragma once

#include <weir/core/result.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::inline v0::http {

enum class body_kind : std::uint8_t {
    none,        // the next message follows at once, or a tunnel
    length,      // as many bytes as `length` says
    chunked,     // chunks, and then trailers
    until_close, // everything up to the end of the stream; responses only
};

struct body_framing {
    body_kind kind = body_kind::none;
    std::uint64_t length = 0; // of `body_kind::length`
};

namespace detail {

[[gnu::cold]] inline weir::error framing_error(errc code, const char* text) { return {make_error_code(code), text}; }

// RFC 9110 section 8.6: digits. A list of equal values counts as one.
[[gnu::cold]] inline bool parse_content_length(const fields& from, std::uint64_t& length) noexcept {
    constexpr std::uint64_t most = INT64_MAX;
    bool first = true;
    for (const field each : from) {
        if (!equal_ignoring_case(each.name, "Content-Length")) continue;
        std::size_t begin = 0;
        while (begin <= each.value.size()) {
            std::size_t end = each.value.find(',', begin);
            if (end == each.value.npos) end = each.value.size();
            const std::string_view digits = trim(each.value.substr(begin, end - begin));
            begin = end + 1;
            if (digits.empty()) return false;
            std::uint64_t value = 0;
            for (const char c : digits) {
                if (!is_digit(c) || value > (most - static_cast<unsigned>(c - '0')) / 10) return false;
                value = value * 10 + static_cast<unsigned>(c - '0');
            }
            if (!first && value != length) return false;
            length = value;
            first = false;
        }
    }
    return true;
}

// What Transfer-Encoding and Content-Length say together; `otherwise` is what their absence means.
[[gnu::cold]] inline result<body_framing> framing_of(const fields& from, unsigned version_minor, body_kind otherwise) {
    const bool has_length = from.count("Content-Length") > 0;
    if (from.count("Transfer-Encoding") > 0) {
        if (has_length) return framing_error(errc::bad_framing, "both Transfer-Encoding and Content-Length");
        if (version_minor == 0) return framing_error(errc::bad_framing, "Transfer-Encoding in HTTP/1.0");
        std::size_t codings = 0, chunked = 0;
        bool last_is_chunked = false;
        from.each_element("Transfer-Encoding", [&](std::string_view coding) {
            last_is_chunked = equal_ignoring_case(coding, "chunked");
            chunked += last_is_chunked;
            ++codings;
            return true;
        });
        if (codings == 0) return framing_error(errc::bad_framing, "an empty Transfer-Encoding");
        if (chunked > 1 || (chunked == 1 && !last_is_chunked))
            return framing_error(errc::bad_framing, "chunked is not the last transfer coding");
        if (codings != chunked) return framing_error(errc::unknown_coding, "Transfer-Encoding");
        return body_framing{body_kind::chunked, 0};
    }
    if (!has_length) return body_framing{otherwise, 0};
    body_framing framing{body_kind::length, 0};
    if (!parse_content_length(from, framing.length)) return framing_error(errc::bad_framing, "Content-Length");
    if (framing.length == 0) framing.kind = body_kind::none;
    return framing;
}

} // namespace detail

// The framing of a request's body, or errc::bad_framing or errc::unknown_coding.
inline result<body_framing> framing_of(const request_head& head) {
    return detail::framing_of(head.fields, head.version_minor, body_kind::none);
}

// The framing of the body of a response to a request of that method, or an error as above.
inline result<body_framing> framing_of(const response_head& head, std::string_view request_method) {
    const unsigned code = to_number(head.status);
    if (code < 200 || code == 204 || code == 304 || request_method == "HEAD" ||
        (request_method == "CONNECT" && code < 300))
        return body_framing();
    return detail::framing_of(head.fields, head.version_minor, body_kind::until_close);
}

} // namespace weir::inline v0::http
