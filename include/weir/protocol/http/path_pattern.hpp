// Paths with parameters: "/rooms/{room}/log", and "/static/{path...}", whose parameter takes all that is left.
//
// A segment in braces stands for any one segment that is not empty; with dots, which is for the last one, for everything
// up to the end of the path, slashes included, or for nothing. All other text is compared letter for letter with the path as
// it was sent, percent-encoded. Pure functions of their arguments; views point into the path that was given.
#pragma once

#include <weir/protocol/http/percent.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

namespace detail {

enum class segment_kind : unsigned char { literal, parameter, rest };

// One segment of a pattern, with the segments of a path that it is about.
struct matched_segment {
    segment_kind kind = segment_kind::literal;
    std::string_view name; // of a parameter, or the literal text
    std::string_view text; // of the path
};

inline segment_kind kind_of_segment(std::string_view segment) noexcept {
    if (!segment.starts_with('{') || !segment.ends_with('}')) return segment_kind::literal;
    return segment.ends_with("...}") ? segment_kind::rest : segment_kind::parameter;
}

// Takes the next segment off a pattern and off a path that both begin with '/'. False where they do not match.
template <class = void>
bool next_segment(std::string_view& pattern, std::string_view& path, matched_segment& found) noexcept {
    if (!path.starts_with('/')) return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
    found.name = pattern.substr(0, pattern.find('/'));
    found.kind = kind_of_segment(found.name);
    pattern.remove_prefix(found.name.size());
    found.text = found.kind == segment_kind::rest ? path : path.substr(0, path.find('/'));
    path.remove_prefix(found.text.size());
    if (found.kind == segment_kind::literal) return found.name == found.text;
    found.name = found.name.substr(1, found.name.size() - (found.kind == segment_kind::rest ? 5 : 2));
    return found.kind == segment_kind::rest || !found.text.empty();
}

} // namespace detail

// Whether `text` is such a pattern: the names of its parameters are tokens, and dots come last.
template <class = void>
bool is_path_pattern(std::string_view text) noexcept {
    if (!text.starts_with('/') || !is_target(text) || text.find('?') != text.npos) return false;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = text.find('/', at + 1);
        if (end == text.npos) end = text.size();
        std::string_view segment = text.substr(at + 1, end - at - 1);
        const detail::segment_kind kind = detail::kind_of_segment(segment);
        at = end;
        if (kind != detail::segment_kind::literal) {
            segment = segment.substr(1, segment.size() - (kind == detail::segment_kind::rest ? 5 : 2));
            if (!is_token(segment)) return false;
        }
        if (segment.find_first_of("{}") != segment.npos) return false;
        if (kind == detail::segment_kind::rest && end < text.size()) return false;
    }
    return true;
}

// Whether `path` is one that `pattern` stands for.
template <class = void>
bool matches_path(std::string_view pattern, std::string_view path) noexcept {
    while (!pattern.empty()) {
        detail::matched_segment each;
        if (!detail::next_segment(pattern, path, each)) return false;
    }
    return path.empty();
}

// Which of two patterns that stand for the same path says more about it: the one that is literal where the other has a
// parameter first, or that has one where the other takes all that is left. Positive: the first; 0: they are alike.
template <class = void>
int compare_patterns(std::string_view a, std::string_view b) noexcept {
    while (!a.empty() && !b.empty()) {
        a.remove_prefix(1);
        b.remove_prefix(1);
        const std::string_view one = a.substr(0, a.find('/')), other = b.substr(0, b.find('/'));
        const int kinds = static_cast<int>(detail::kind_of_segment(other)) - static_cast<int>(detail::kind_of_segment(one));
        if (kinds != 0) return kinds;
        a.remove_prefix(one.size());
        b.remove_prefix(other.size());
    }
    return 0;
}

// What stands in `path`, which matches, where the parameter `name` is; still percent-encoded. Nothing if there is none.
//
//     path_parameter("/rooms/{room}", request.path(), "room")
template <class = void>
std::optional<std::string_view> path_parameter(std::string_view pattern, std::string_view path,
                                               std::string_view name) noexcept {
    while (!pattern.empty()) {
        detail::matched_segment each;
        if (!detail::next_segment(pattern, path, each)) return std::nullopt;
        if (each.kind != detail::segment_kind::literal && each.name == name) return each.text;
    }
    return std::nullopt;
}

} // namespace weir::inline v0::http
