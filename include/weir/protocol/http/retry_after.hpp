// The Retry-After field: how long a server asks a client to wait (RFC 9110 section 10.2.3).
//
// A pure function: what the time is, is an argument.
#pragma once

#include <weir/protocol/http/date.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::inline v0::http {

// The seconds that `value` asks for, which is a number of them or a date; zero for a date that is past. `now` is in seconds since
// 1970. A number too large for 64 bits is the largest of them. Nothing for what is neither.
template <class = void>
std::optional<std::uint64_t> parse_retry_after(std::string_view value, std::uint64_t now) noexcept {
    if (value.empty()) return std::nullopt;
    if (!is_digit(value[0])) {
        const std::optional<std::uint64_t> date = parse_date(value);
        if (!date) return std::nullopt;
        return *date > now ? *date - now : 0;
    }
    std::uint64_t seconds = 0;
    for (const char each : value) {
        if (!is_digit(each)) return std::nullopt;
        const unsigned digit = static_cast<unsigned>(each - '0');
        seconds = seconds > (UINT64_MAX - digit) / 10 ? UINT64_MAX : seconds * 10 + digit;
    }
    return seconds;
}

} // namespace weir::inline v0::http
