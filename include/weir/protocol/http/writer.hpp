// Writes HTTP/1.1 messages: heads, chunks and complete small responses (RFC 9112).
//
// Each function appends to a `std::string` or to a `buffer`, all or nothing: false, and nothing appended, where a
// text could not stand where it should (a line break in a reason phrase) or a buffer would grow over its bound.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/concat.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

namespace detail {

[[gnu::cold]] inline bool append_texts(std::string& to, std::initializer_list<std::string_view> texts) {
    std::size_t size = to.size();
    for (const std::string_view text : texts) size += text.size();
    if (size > to.capacity()) to.reserve(size > 2 * to.capacity() ? size : 2 * to.capacity());
    for (const std::string_view text : texts) to.append(text);
    return true;
}

inline bool append_texts(buffer& to, std::initializer_list<std::string_view> texts) noexcept {
    std::size_t size = 0;
    for (const std::string_view text : texts) size += text.size();
    std::byte* at = to.prepare(size);
    if (!at) return false;
    for (const std::string_view text : texts) {
        if (!text.empty()) std::memcpy(at, text.data(), text.size());
        at += text.size();
    }
    to.commit(size);
    return true;
}

inline std::string_view version_text(unsigned minor) noexcept { return minor == 0 ? "HTTP/1.0" : "HTTP/1.1"; }

inline bool may_have_body(status code) noexcept {
    return to_number(code) >= 200 && code != status::no_content && code != status::not_modified;
}

} // namespace detail

// Appends a request's head with its blank line.
template <class Output>
[[nodiscard, gnu::cold]] bool append_head(Output& to, const request_head& head) {
    if (!is_token(head.method) || !is_target(head.target)) return false;
    return detail::append_texts(to, {head.method, " ", head.target, " ", detail::version_text(head.version_minor),
                                     "\r\n", head.fields.lines(), "\r\n"});
}

// Appends a response's head with its blank line.
template <class Output>
[[nodiscard, gnu::cold]] bool append_head(Output& to, const response_head& head) {
    const unsigned code = to_number(head.status);
    if (code < 100 || code > 999 || !is_field_text(head.reason)) return false;
    const std::string_view reason = head.reason.empty() ? reason_phrase(head.status) : std::string_view(head.reason);
    return detail::append_texts(to, {detail::version_text(head.version_minor), " ", number_text(code, 10), " ",
                                     reason, "\r\n", head.fields.lines(), "\r\n"});
}

// What goes before a chunk's data, for those who send the data from where it lies; `chunk_end` goes behind it.
class chunk_begin {
public:
    explicit chunk_begin(std::uint64_t data_bytes) noexcept {
        const number_text number(data_bytes, 16);
        const std::string_view digits = number;
        std::memcpy(x_text, digits.data(), digits.size());
        std::memcpy(x_text + digits.size(), "\r\n", 2);
        x_size = digits.size() + 2;
    }
    std::string_view text() const noexcept { return {x_text, x_size}; }

private:
    char x_text[18];
    std::size_t x_size;
};

inline constexpr std::string_view chunk_end = "\r\n";        // after each chunk's data
inline constexpr std::string_view last_chunk = "0\r\n\r\n"; // after the last chunk: the body is complete

// Appends `data` as one chunk; nothing if it is empty, because an empty chunk would end the body.
template <class Output>
[[nodiscard]] bool append_chunk(Output& to, bytes_view data) {
    if (data.empty()) return true;
    return detail::append_texts(to, {chunk_begin(data.size()).text(), as_text(data), chunk_end});
}

// What goes with a complete response. Nothing here is kept.
struct response_options {
    std::string_view content_type = "text/plain; charset=utf-8"; // empty: the field is left out
    const fields* extra = nullptr; // more fields, none of those written here; null: none
    bool keep_alive = false;       // whether the connection stays open. Default: "Connection: close" is written
    bool head_only = false;        // answer a HEAD request: everything but the body
};

// Appends a complete response: status line, Content-Type, Content-Length, Connection, the extra fields, the body. A
// status that has no body (1xx, 204, 304) gets neither a body nor the two fields that describe one. Writes no Date: no
// clock is known here.
template <class Output>
[[nodiscard, gnu::cold]] bool append_response(Output& to, status code, std::string_view body,
                                   const response_options& options = {}) {
    const unsigned number = to_number(code);
    if (number < 100 || number > 999 || !is_field_value(options.content_type)) return false;
    const bool described = detail::may_have_body(code);
    const bool typed = described && !options.content_type.empty();
    const std::string_view none;
    return detail::append_texts(
        to, {"HTTP/1.1 ", number_text(number, 10), " ", reason_phrase(code), "\r\n",
             typed ? "Content-Type: " : none, typed ? options.content_type : none, typed ? "\r\n" : none,
             described ? "Content-Length: " : none,
             described ? std::string_view(number_text(body.size(), 10)) : none, described ? "\r\n" : none,
             options.keep_alive ? none : "Connection: close\r\n", options.extra ? options.extra->lines() : none, "\r\n",
             described && !options.head_only ? body : none});
}

} // namespace weir::inline v0::http
