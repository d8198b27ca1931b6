// What the path of a request has where the pattern of its route has `{name}`, decoded.
#pragma once

#include <weir/protocol/http/path_pattern.hpp>

namespace weir::inline v0::detail {

class path_parameters {
public:
    // `path` matches `pattern`; both are given again to `get`. False if it is not encoded as it should be.
    template <class = void>
    bool decode(std::string_view pattern, std::string_view path) {
        http::detail::matched_segment each;
        while (!pattern.empty() && http::detail::next_segment(pattern, path, each)) {
            if (each.kind == http::detail::segment_kind::literal) continue;
            if (!http::is_percent_encoded(each.text)) return false;
            http::append_percent_decoded(x_decoded, each.text);
        }
        return true;
    }

    // Empty if there is no such parameter.
    template <class = void>
    std::string_view get(std::string_view pattern, std::string_view path, std::string_view name) const noexcept {
        std::string_view decoded = x_decoded;
        http::detail::matched_segment each;
        while (!pattern.empty() && http::detail::next_segment(pattern, path, each)) {
            if (each.kind == http::detail::segment_kind::literal) continue;
            const std::string_view value = decoded.substr(0, http::percent_decoded_bytes(each.text));
            if (each.name == name) return value;
            decoded.remove_prefix(value.size());
        }
        return {};
    }

private:
    std::string x_decoded; // values, one behind the other
};

} // namespace weir::inline v0::detail
