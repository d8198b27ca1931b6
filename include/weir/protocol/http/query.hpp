// The parameters of a query: "room=7&name=J%C3%BCrgen+K".
//
// Names and values are decoded, '+' is a space; a name without '=' has an empty value. Views point into what was given.
#pragma once

#include <weir/protocol/http/percent.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

// Takes the next parameter off a query, both parts still encoded. False when there is none left.
inline bool next_query_parameter(std::string_view& rest, std::string_view& name, std::string_view& value) noexcept {
    while (!rest.empty()) {
        const std::string_view whole = rest.substr(0, rest.find('&'));
        rest.remove_prefix(whole.size() < rest.size() ? whole.size() + 1 : whole.size());
        if (whole.empty()) continue;
        const std::size_t sign = whole.find('=');
        name = whole.substr(0, sign);
        value = sign == whole.npos ? std::string_view() : whole.substr(sign + 1);
        return true;
    }
    return false;
}

// All names and values of a query, decoded, one behind the other: what `query_parameter` looks values up in. Where a '%'
// has no two digits behind it, the text stays as it is.
template <class = void>
std::string decode_query(std::string_view query) {
    std::string decoded;
    decoded.reserve(query.size());
    std::string_view name, value;
    while (next_query_parameter(query, name, value)) {
        for (const std::string_view each : {name, value}) {
            if (is_percent_encoded(each))
                append_percent_decoded(decoded, each, true);
            else
                decoded += each;
        }
    }
    return decoded;
}

// The first value of that name, as a view into `decoded`, which `decode_query` has made of the same query.
template <class = void>
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view decoded,
                                                std::string_view wanted) noexcept {
    std::string_view name, value;
    const auto take = [&decoded](std::string_view encoded) {
        const std::size_t size = is_percent_encoded(encoded) ? percent_decoded_bytes(encoded) : encoded.size();
        const std::string_view taken = decoded.substr(0, size);
        decoded.remove_prefix(size);
        return taken;
    };
    while (next_query_parameter(query, name, value)) {
        const bool right = take(name) == wanted;
        const std::string_view found = take(value);
        if (right) return found;
    }
    return std::nullopt;
}

} // namespace weir::inline v0::http
