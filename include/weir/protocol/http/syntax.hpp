// The character classes of HTTP (RFC 9110 section 5.6) and small functions on text.
//
// Everything here is a pure function of its arguments and allocates nothing.
#pragma once

#include <weir/core/version.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::inline v0::http {

namespace detail {

// A set of ASCII characters, one bit each.
struct character_set {
    std::uint64_t bits[2] = {0, 0};

    constexpr character_set(std::string_view members) noexcept {
        for (const char c : members) add(c);
    }
    constexpr void add(char c) noexcept {
        bits[static_cast<unsigned char>(c) >> 6] |= std::uint64_t{1} << (static_cast<unsigned char>(c) & 63);
    }
    constexpr bool has(char c) const noexcept {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x80 && (bits[byte >> 6] >> (byte & 63) & 1) != 0;
    }
    constexpr bool has_all(std::string_view text) const noexcept {
        for (const char c : text)
            if (!has(c)) return false;
        return true;
    }
};

inline constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// `base` and the characters of `more`.
constexpr character_set join(std::string_view base, std::string_view more) noexcept {
    character_set all(base);
    for (const char c : more) all.add(c);
    return all;
}

inline constexpr character_set token_characters = join(letters_and_digits, "!#$%&'*+-.^_`|~");

} // namespace detail

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// The value of a hexadecimal digit; -1 for any other character.
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Lower case, for ASCII letters; anything else stays.
constexpr char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// Whether both texts are the same but for the case of ASCII letters.
constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i] != b[i] && to_lower(a[i]) != to_lower(b[i])) return false;
    return true;
}

constexpr bool is_token_character(char c) noexcept { return detail::token_characters.has(c); }

// Whether `text` is a token, such as a method or a field name (RFC 9110 section 5.6.2): not empty, and no separators.
constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && detail::token_characters.has_all(text);
}

// Whether `c` may stand in a field value: a tab, a space, visible ASCII, or a byte above ASCII.
constexpr bool is_field_character(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || byte == '\t';
}

// Whether `text` consists of such characters, as a reason phrase does. It may be empty.
constexpr bool is_field_text(std::string_view text) noexcept {
    for (const char c : text)
        if (!is_field_character(c)) return false;
    return true;
}

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// `text` without the spaces and tabs at both ends.
[[gnu::cold]] constexpr std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// Whether `text` is a field value (RFC 9110 section 5.5): such characters, and neither space nor tab at the ends.
constexpr bool is_field_value(std::string_view text) noexcept {
    return is_field_text(text) && trim(text).size() == text.size();
}

// Whether `text` is a request target as it is sent: visible ASCII, not empty, and no fragment.
constexpr bool is_target(std::string_view text) noexcept {
    for (const char c : text)
        if (c <= ' ' || c >= 0x7F || c == '#') return false; // bytes above ASCII are negative or above 0x7F
    return !text.empty();
}

// Whether `text`, a field value, may be that of a Host field as far as its characters go (RFC 9112 section 3.2): nothing
// that ends or precedes an authority in a URL, and no list. It may be empty.
constexpr bool is_host_text(std::string_view text) noexcept {
    return text.find_first_of(" \t/?#@\\,\"<>") == text.npos;
}

// Takes the next element off a comma-separated list (RFC 9110 section 5.6.1): `element` becomes a view of it without
// surrounding blanks, and `rest` what follows. Empty elements are skipped; a comma in a quoted string does not
// separate. False when there is none left.
constexpr bool next_element(std::string_view& rest, std::string_view& element) noexcept {
    while (!rest.empty()) {
        bool quoted = false;
        std::size_t end = 0;
        for (; end < rest.size() && (quoted || rest[end] != ','); ++end) {
            if (rest[end] == '"') quoted = !quoted;
            if (quoted && rest[end] == '\\' && end + 1 < rest.size()) ++end;
        }
        element = trim(rest.substr(0, end));
        rest.remove_prefix(end < rest.size() ? end + 1 : end);
        if (!element.empty()) return true;
    }
    return false;
}

} // namespace weir::inline v0::http
