// Dates of HTTP (RFC 9110 section 5.6.7), as seconds since 1970 without leap seconds, which is what the system counts.
//
// Pure functions of their arguments: no clock is known here. One form is written, and all three that there are can be read.
// Templates, as in the other headers that few programs use: what is not called costs little to compile.
#pragma once

#include <weir/protocol/http/syntax.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

namespace detail {

inline constexpr std::string_view weekday_names = "SunMonTueWedThuFriSat";
inline constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";

inline bool is_leap_year(std::uint64_t year) noexcept { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

inline unsigned days_of_month(unsigned month, std::uint64_t year) noexcept { // from 0
    constexpr unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && is_leap_year(year) ? 1u : 0u);
}

// Days from 1970, or a year after it, to the beginning of `year`.
inline std::uint64_t days_before(std::uint64_t year) noexcept {
    const std::uint64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400 - 719162;
}

// Reads fields of a date from left to right; any that does not fit makes it fail.
struct date_reader {
    std::string_view text;
    bool failed = false;

    void skip(std::string_view what) noexcept {
        failed = failed || !text.starts_with(what);
        if (!failed) text.remove_prefix(what.size());
    }
    // `count` digits; the first may be a space where that is said.
    unsigned number(std::size_t count, bool padded = false) noexcept {
        unsigned value = 0;
        failed = failed || text.size() < count;
        for (std::size_t i = 0; i < count && !failed; ++i) {
            const char c = padded && i == 0 && text[i] == ' ' ? '0' : text[i];
            failed = !is_digit(c);
            value = value * 10 + static_cast<unsigned>(c - '0');
        }
        if (!failed) text.remove_prefix(count);
        return value;
    }
    unsigned month() noexcept {
        for (unsigned i = 0; i < 12 && !failed; ++i) {
            if (!text.starts_with(month_names.substr(i * 3, 3))) continue;
            text.remove_prefix(3);
            return i;
        }
        failed = true;
        return 0;
    }
};

} // namespace detail

// "Sun, 06 Nov 1994 08:49:37 GMT". The last second of the year 9999 for what is behind it.
template <class = void>
std::string format_date(std::uint64_t seconds) {
    constexpr std::uint64_t last = 253402300799;
    if (seconds > last) seconds = last;
    const std::uint64_t days = seconds / 86400;
    std::uint64_t year = 1970 + days / 366;
    while (detail::days_before(year + 1) <= days) ++year;
    std::uint64_t day = days - detail::days_before(year);
    unsigned month = 0;
    for (; day >= detail::days_of_month(month, year); ++month) day -= detail::days_of_month(month, year);
    std::string text = "Ddd, DD Mmm YYYY hh:mm:ss GMT";
    const auto put = [&text](std::size_t at, std::size_t digits, std::uint64_t value) {
        for (; digits > 0; value /= 10) text[at + --digits] = static_cast<char>('0' + value % 10);
    };
    text.replace(0, 3, detail::weekday_names.substr((days + 4) % 7 * 3, 3));
    put(5, 2, day + 1);
    text.replace(8, 3, detail::month_names.substr(month * 3, 3));
    put(12, 4, year);
    put(17, 2, seconds / 3600 % 24);
    put(20, 2, seconds / 60 % 60);
    put(23, 2, seconds % 60);
    return text;
}

// Reads a date in any of the three forms; the weekday is not looked at. A year of two digits is taken for one from 1970 to
// 2069; what is before 1970 counts as its beginning. Nothing if it is no date.
template <class = void>
std::optional<std::uint64_t> parse_date(std::string_view text) noexcept {
    detail::date_reader from{text};
    const std::size_t comma = text.find(',');
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    const auto time = [&] {
        hour = from.number(2);
        from.skip(":");
        minute = from.number(2);
        from.skip(":");
        second = from.number(2);
    };
    if (comma != text.npos) { // "Sun, 06 Nov 1994 08:49:37 GMT" or "Sunday, 06-Nov-94 08:49:37 GMT"
        from.text.remove_prefix(comma);
        from.skip(", ");
        day = from.number(2);
        const bool dashes = comma > 3;
        from.skip(dashes ? "-" : " ");
        month = from.month();
        from.skip(dashes ? "-" : " ");
        year = from.number(dashes ? 2 : 4);
        if (dashes) year += year < 70 ? 2000 : 1900;
        from.skip(" ");
        time();
        from.skip(" GMT");
    } else { // "Sun Nov  6 08:49:37 1994"
        from.text.remove_prefix(text.size() < 3 ? text.size() : 3);
        from.skip(" ");
        month = from.month();
        from.skip(" ");
        day = from.number(2, true);
        from.skip(" ");
        time();
        from.skip(" ");
        year = from.number(4);
    }
    if (from.failed || !from.text.empty() || year < 1 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    if (day < 1 || day > detail::days_of_month(month, year)) return std::nullopt;
    if (year < 1970) return 0;
    std::uint64_t days = detail::days_before(year) + day - 1;
    for (unsigned each = 0; each < month; ++each) days += detail::days_of_month(each, year);
    return days * 86400 + hour * 3600 + minute * 60 + second;
}

} // namespace weir::inline v0::http
