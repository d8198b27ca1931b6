// Reads the head of an HTTP/1.x message, strictly, from pieces of any size (RFC 9112 sections 2 to 5).
//
// Strict means: lines end with CR LF, never with one of them; no folded lines, no blank before a colon, no control
// bytes, exactly HTTP/1.0 or HTTP/1.1, one Host in a request. Whoever reads leniently can be made to disagree with
// the proxy before it. No byte is searched twice. Memory: the head itself, and a line that arrived in pieces; both are
// bounded by the limits. Nothing in the input throws.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/error.hpp>
#include <weir/protocol/http/limits.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir::inline v0::http {

enum class parse_status {
    need_more, // the input is used up; call again when there is more
    done,      // the head is complete; what follows it was left in the input
    failed,    // `error()` says why; the connection cannot be used any further
};

namespace detail {

// What is wrong with a head: a code and static text. Without text: nothing.
struct head_problem {
    errc code = errc::bad_field;
    const char* text = nullptr;
    explicit operator bool() const noexcept { return text != nullptr; }
};

// Reads "HTTP/1.0" or "HTTP/1.1". Anything else that looks like a version is bad_version, the rest is `otherwise`.
inline head_problem parse_version(std::string_view text, errc otherwise, unsigned& minor) noexcept {
    if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return {otherwise, "no HTTP version where it should be"};
    if (text[5] != '1' || text[7] > '1') return {errc::bad_version, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    minor = static_cast<unsigned>(text[7] - '0');
    return {};
}

// RFC 9112 section 3.2: which forms of target go with which method.
inline bool fits_method(std::string_view target, std::string_view method) noexcept {
    if (method == "CONNECT") return target[0] != '/';
    if (target[0] == '/') return true;
    return target == "*" ? method == "OPTIONS" : target.find("://") != target.npos && target[0] != ':';
}

// RFC 9112 section 3: method SP target SP version.
[[gnu::cold]] inline head_problem parse_first_line(std::string_view line, request_head& head) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == last) return {errc::bad_request_line, "not a method, a target and a version with spaces between"};
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    if (!is_token(method)) return {errc::bad_request_line, "the method is not a token"};
    if (!is_target(target)) return {errc::bad_request_line, "the target is empty or holds a character it may not"};
    const std::string_view version = line.substr(last + 1);
    if (auto problem = parse_version(version, errc::bad_request_line, head.version_minor)) return problem;
    if (!fits_method(target, method)) return {errc::bad_request_line, "the target does not fit the method"};
    head.method = method;
    head.target = target;
    return {};
}

// RFC 9112 section 4: version SP three digits SP reason. The last space is missed by enough servers to be spared.
inline head_problem parse_first_line(std::string_view line, response_head& head) {
    if (auto problem = parse_version(line.substr(0, 8), errc::bad_status_line, head.version_minor)) return problem;
    if (line.size() < 12 || line[8] != ' ' || line[9] < '1' || !is_digit(line[9]) || !is_digit(line[10]) ||
        !is_digit(line[11]) || (line.size() > 12 && line[12] != ' '))
        return {errc::bad_status_line, "no status of three digits after the version"};
    const std::string_view reason = line.substr(line.size() > 12 ? 13 : 12);
    if (!is_field_text(reason)) return {errc::bad_status_line, "a control byte in the reason phrase"};
    head.status = static_cast<status>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    head.reason = reason;
    return {};
}

// RFC 9112 section 5: name ":" value, with blanks around the value only.
inline head_problem parse_field_line(std::string_view line, field& into) noexcept {
    if (is_blank(line[0])) return {errc::bad_field, "a field line that is folded or begins with a blank"};
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return {errc::bad_field, "a field line without a colon"};
    into.name = line.substr(0, colon);
    into.value = trim(line.substr(colon + 1));
    if (colon > 0 && is_blank(line[colon - 1])) return {errc::bad_field, "a blank between a field's name and the colon"};
    if (!is_token(into.name)) return {errc::bad_field, "a field name that is not a token"};
    if (!is_field_text(into.value)) return {errc::bad_field, "a control byte in a field's value"};
    return {};
}

// RFC 9112 section 3.2: a request of HTTP/1.1 has one Host; none may have several, or one that is no authority.
inline head_problem check_fields(const request_head& head) noexcept {
    const std::size_t hosts = head.fields.count("Host");
    if (hosts > 1) return {errc::bad_field, "more than one Host field"};
    if (hosts == 0) {
        if (head.version_minor == 0) return {};
        return {errc::bad_field, "no Host field in an HTTP/1.1 request"};
    }
    if (!is_host_text(*head.fields.get("Host")))
        return {errc::bad_field, "a Host field that is not a host and a port"};
    return {};
}
inline head_problem check_fields(const response_head&) noexcept { return {}; }

// What the first byte of a message gives away, long before a line is complete.
inline head_problem check_first_byte(char first, const request_head&) noexcept {
    if (first == '\x16') return {errc::bad_request_line, "a TLS handshake on a connection without TLS"};
    if (is_token_character(first) || first == '\r' || first == '\n') return {};
    return {errc::bad_request_line, "not HTTP"};
}
inline head_problem check_first_byte(char first, const response_head&) noexcept {
    if (first == '\x15') return {errc::bad_status_line, "a TLS alert on a connection without TLS"};
    if (first == 'H') return {};
    return {errc::bad_status_line, "not HTTP"};
}

} // namespace detail

// Parses one head after the other. `Head` is `request_head` or `response_head`.
template <class Head>
class head_parser {
public:
    explicit head_parser(const head_limits& limits = {}) noexcept : x_limits(limits) {}

    // Takes the bytes of the head off the front of `input`, and nothing after its blank line. Once it is done or has
    // failed it takes nothing more, until `take` or `reset`.
    parse_status parse(bytes_view& input) noexcept {
        while (x_status == parse_status::need_more && !input.empty()) {
            if (x_stage == stage::first_byte) {
                if (auto problem = detail::check_first_byte(as_text(input)[0], x_head)) return fail(problem);
                x_stage = stage::first_line;
            }
            const void* const line_end = std::memchr(input.data(), '\n', input.size());
            const std::size_t size =
                line_end ? static_cast<std::size_t>(static_cast<const std::byte*>(line_end) - input.data()) + 1
                         : input.size();
            if (x_stage == stage::first_line && x_line.size() + size > x_limits.line_bytes)
                return fail({is_request ? errc::target_too_long : errc::head_too_large, "the first line"});
            if (size > x_limits.head_bytes - x_used) return fail({errc::head_too_large, "the fields"});
            if (x_stage == stage::field_lines && x_head.fields.empty() && x_line.empty())
                reserve_fields(as_text(input));
            x_used += size;

            const std::string_view piece = as_text(input.first(size));
            input = input.subspan(size);
            if (!line_end || !x_line.empty()) x_line.append(piece);
            if (!line_end) break;
            if (auto problem = take_line(x_line.empty() ? piece : std::string_view(x_line))) return fail(problem);
            x_line.clear();
        }
        return x_status;
    }

    // Whether a part of a head was taken: the peer may not end the stream here without breaking the protocol.
    bool started() const noexcept { return x_used > 0; }

    // Why it failed; no error if it did not. The context says what was found, without quoting the peer.
    weir::error error() const {
        if (!x_problem) return {};
        return {make_error_code(x_problem.code), x_problem.text};
    }

    // Gives the head of a parser that is done, and makes the parser ready for the next one.
    Head take() noexcept {
        assert(x_status == parse_status::done);
        Head taken = std::move(x_head);
        reset();
        return taken;
    }

    // Forgets everything but the limits.
    [[gnu::cold, gnu::noinline]] void reset() noexcept { *this = head_parser(x_limits); }

private:
    enum class stage : std::uint8_t { first_byte, first_line, field_lines };

    static constexpr bool is_request = std::is_same_v<Head, request_head>;

    parse_status fail(detail::head_problem problem) noexcept {
        x_problem = problem;
        return x_status = parse_status::failed;
    }

    detail::head_problem take_line(std::string_view line) {
        const bool in_fields = x_stage == stage::field_lines;
        const errc bad_line = in_fields    ? errc::bad_field
                              : is_request ? errc::bad_request_line
                                           : errc::bad_status_line;
        if (!line.ends_with("\r\n")) return {bad_line, "a line that ends with LF alone"};
        line.remove_suffix(2);
        if (!in_fields) {
            if (is_request && line.empty() && !x_skipped_line) { // RFC 9112 section 2.2
                x_skipped_line = true;
                x_used = 0;
                x_stage = stage::first_byte;
                return {};
            }
            x_stage = stage::field_lines;
            return detail::parse_first_line(line, x_head);
        }
        if (line.empty()) {
            x_status = parse_status::done;
            return detail::check_fields(x_head);
        }
        if (x_head.fields.size() >= x_limits.field_count) return {errc::too_many_fields, "the fields"};
        field found;
        const auto problem = detail::parse_field_line(line, found);
        if (!problem) x_head.fields.append(found.name, found.value);
        return problem;
    }

    // Makes room for all fields at once, where the rest of the head is there to be measured.
    void reserve_fields(std::string_view rest) {
        const std::size_t end = rest.find("\r\n\r\n");
        const std::size_t bound = x_limits.head_bytes - x_used;
        const std::size_t wish = end != rest.npos ? end + 16 : rest.size() < 512 ? 512 : rest.size();
        const std::size_t text_bytes = wish < bound ? wish : bound;
        x_head.fields.reserve(text_bytes, text_bytes / 24 + 1);
    }

    head_limits x_limits;
    Head x_head;
    std::string x_line;     // the part of a line that came before what is in the input now
    std::size_t x_used = 0; // bytes of this head so far, without a skipped line
    detail::head_problem x_problem;
    parse_status x_status = parse_status::need_more;
    stage x_stage = stage::first_byte;
    bool x_skipped_line = false;
};

using request_parser = head_parser<request_head>;
using response_parser = head_parser<response_head>;

} // namespace weir::inline v0::http
