// What a request wants to hold of a file or page before it is answered (RFC 9110 section 13).
//
// Entity tags are compared as text, quotes and "W/" included: `"33a64df5"` or `W/"33a64df5"`. Pure functions of their
// arguments.
#pragma once

#include <weir/protocol/http/date.hpp>
#include <weir/protocol/http/request_head.hpp>

namespace weir::inline v0::http {

// What identifies a state of a resource. An empty tag, or no date: it has none.
struct validators {
    std::string_view etag = {};
    std::optional<std::uint64_t> last_modified = {}; // seconds since 1970
};

// How to go on.
enum class precondition : unsigned char {
    holds,
    not_modified, // 304: the client has it already
    failed,       // 412
};

namespace detail {

inline std::string_view opaque_tag(std::string_view etag) noexcept {
    return etag.starts_with("W/") ? etag.substr(2) : etag;
}

// Whether a list of tags, or "*", has this one. RFC 9110 section 8.8.3.2: strongly means that neither is weak.
template <class = void>
bool has_etag(const fields& in, std::string_view name, std::string_view etag, bool strongly) noexcept {
    return !in.each_element(name, [&](std::string_view each) {
        if (each == "*") return false;
        if (etag.empty() || (strongly && (each.starts_with("W/") || etag.starts_with("W/")))) return true;
        return opaque_tag(each) != opaque_tag(etag);
    });
}

template <class = void>
std::optional<std::uint64_t> date_field(const fields& in, std::string_view name) noexcept {
    const std::optional<std::string_view> text = in.get(name);
    return text ? parse_date(*text) : std::nullopt;
}

} // namespace detail

// Judges the conditions of a request in their order of precedence (RFC 9110 section 13.2.2).
template <class = void>
precondition judge_conditions(const request_head& request, const validators& of) noexcept {
    const fields& in = request.fields;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (in.count("If-Match") > 0) {
        if (!detail::has_etag(in, "If-Match", of.etag, true)) return precondition::failed;
    } else if (const auto since = detail::date_field(in, "If-Unmodified-Since"); since && of.last_modified) {
        if (*of.last_modified > *since) return precondition::failed;
    }
    if (in.count("If-None-Match") > 0) {
        if (detail::has_etag(in, "If-None-Match", of.etag, false))
            return reads ? precondition::not_modified : precondition::failed;
    } else if (const auto since = detail::date_field(in, "If-Modified-Since"); reads && since && of.last_modified) {
        if (*of.last_modified <= *since) return precondition::not_modified;
    }
    return precondition::holds;
}

// Whether a Range may be heeded: there is no If-Range, or it names this very state (RFC 9110 section 13.1.5).
template <class = void>
bool if_range_holds(const request_head& request, const validators& of) noexcept {
    const std::optional<std::string_view> wanted = request.fields.get("If-Range");
    if (!wanted) return true;
    if (wanted->find('"') != wanted->npos) return *wanted == of.etag && !wanted->starts_with("W/") && !of.etag.empty();
    const std::optional<std::uint64_t> date = parse_date(*wanted);
    return date && of.last_modified == date;
}

} // namespace weir::inline v0::http
