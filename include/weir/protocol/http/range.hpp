// The Range of a request (RFC 9110 section 14).
//
// One range of bytes is answered by 206. A request for several is answered by all of it, which a server may always do: they
// are rare, and a way to have much read for little. Pure functions of their arguments.
#pragma once

#include <weir/protocol/http/syntax.hpp>

#include <cstdint>
#include <string_view>

namespace weir::inline v0::http {

// Bytes of something, from `first` on.
struct byte_range {
    enum kind : unsigned char {
        whole,         // 200
        part,          // 206
        unsatisfiable, // 416: it begins behind the end
    };
    kind what = whole;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

// What a Range field asks for of `size` bytes. One that cannot be understood, or names another unit, counts for nothing.
template <class = void>
byte_range parse_range(std::string_view text, std::uint64_t size) noexcept {
    const byte_range all{byte_range::whole, 0, size};
    const std::size_t sign = text.find('=');
    if (sign == text.npos || !equal_ignoring_case(text.substr(0, sign), "bytes")) return all;
    std::string_view rest = text.substr(sign + 1), range, another;
    if (!next_element(rest, range) || next_element(rest, another)) return all;
    const std::size_t dash = range.find('-');
    if (dash == range.npos) return all;
    const auto number = [](std::string_view digits, std::uint64_t& value) {
        value = 0;
        for (const char c : digits) {
            if (!is_digit(c)) return false;
            const auto digit = static_cast<unsigned>(c - '0');
            value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
        }
        return !digits.empty();
    };
    std::uint64_t first = 0, last = 0;
    if (dash == 0) { // so many at the end
        if (!number(range.substr(1), last)) return all;
        if (last == 0 || size == 0) return {byte_range::unsatisfiable, 0, 0};
        const std::uint64_t count = last < size ? last : size;
        return {byte_range::part, size - count, count};
    }
    if (!number(range.substr(0, dash), first)) return all;
    const std::string_view end = range.substr(dash + 1);
    if (end.empty())
        last = UINT64_MAX;
    else if (!number(end, last) || last < first)
        return all;
    if (first >= size) return {byte_range::unsatisfiable, 0, 0};
    return {byte_range::part, first, (last < size - 1 ? last : size - 1) - first + 1};
}

} // namespace weir::inline v0::http
