// Which codings of content a client takes (RFC 9110 section 12.5.3).
#pragma once

#include <weir/protocol/http/fields.hpp>

#include <string_view>

namespace weir::inline v0::http {

namespace detail {

// Whether the weight among the parameters of an element is not 0 (RFC 9110 section 12.4.2); without one it is 1.
template <class = void>
bool has_weight(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        const std::string_view each = trim(parameters.substr(0, parameters.find(';')));
        parameters.remove_prefix(parameters.find(';') == parameters.npos ? parameters.size() : parameters.find(';') + 1);
        if (each.size() < 2 || to_lower(each[0]) != 'q' || each[1] != '=') continue;
        return each.substr(2).find_first_of("123456789") != each.npos;
    }
    return true;
}

} // namespace detail

// Whether the client has said that it takes content in `coding`, such as "gzip".
template <class = void>
bool accepts_coding(const fields& in, std::string_view coding) noexcept {
    bool named = false, wanted = false, any = false;
    in.each_element("Accept-Encoding", [&](std::string_view each) {
        const std::size_t end = each.find(';');
        const std::string_view name = trim(each.substr(0, end));
        const bool weighs = end == each.npos || detail::has_weight(each.substr(end + 1));
        if (name == "*") any = weighs;
        if (!equal_ignoring_case(name, coding)) return true;
        named = true;
        wanted = weighs;
        return false;
    });
    return named ? wanted : any;
}

} // namespace weir::inline v0::http
