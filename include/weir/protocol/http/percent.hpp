// Percent-encoding in paths and queries (RFC 3986 section 2.1).
//
// Pure functions of their arguments. What is decoded may hold any byte, NUL and '/' included; whoever makes a file name of
// it looks at that.
#pragma once

#include <weir/protocol/http/syntax.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::http {

// Whether each '%' of `text` has two hexadecimal digits behind it.
inline bool is_percent_encoded(std::string_view text) noexcept {
    for (std::size_t at = text.find('%'); at != text.npos; at = text.find('%', at + 3))
        if (text.size() - at < 3 || hex_value(text[at + 1]) < 0 || hex_value(text[at + 2]) < 0) return false;
    return true;
}

// How many bytes `text`, which is so encoded, has when it is decoded.
inline std::size_t percent_decoded_bytes(std::string_view text) noexcept {
    std::size_t bytes = text.size();
    for (const char c : text) bytes -= c == '%' ? 2 : 0;
    return bytes;
}

// Appends `text`, which is so encoded, decoded. `plus_is_space`: as forms and the queries made of them have it.
inline void append_percent_decoded(std::string& to, std::string_view text, bool plus_is_space = false) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            to += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else {
            to += plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
}

} // namespace weir::inline v0::http
