// The grammar of Sec-WebSocket-Extensions (RFC 6455, section 9.1): the name of an extension and its parameters.
//
// Knows no extension. Works on one element of the field's list, as `http::fields::each_element` gives it, which also
// joins several field lines. Nothing here is bounded by itself: the head of the message was, and each byte is seen once.
#pragma once

#include <weir/protocol/http/fields.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::ws {

inline constexpr std::string_view extensions_field = "Sec-WebSocket-Extensions";

struct extension_parameter {
    std::string_view name;
    std::string value; // without quotes
    bool has_value = false;
};

// Reads `permessage-deflate; server_max_window_bits=10; client_max_window_bits`. A view: the text must live as long.
class extension_reader {
public:
    explicit extension_reader(std::string_view element) noexcept : x_rest(element), x_name(take_token()) {
        x_malformed = x_name.empty();
    }

    std::string_view name() const noexcept { return x_name; }

    // The next parameter. False when there is none left, or when the text is malformed.
    [[gnu::cold]] bool next(extension_parameter& into) {
        x_rest = http::trim(x_rest);
        if (x_malformed || x_rest.empty()) return false;
        x_malformed = true; // until all of the parameter was seen
        if (!take(';')) return false;
        into.name = take_token();
        into.value.clear();
        into.has_value = take('=');
        if (into.name.empty()) return false;
        if (into.has_value) {
            x_rest = http::trim(x_rest);
            if (!x_rest.starts_with('"'))
                into.value = take_token();
            else if (!take_quoted(into.value))
                return false;
            if (!http::is_token(into.value)) return false; // a quoted one has to be a token too
        }
        x_malformed = false;
        return true;
    }

    // Whether the text breaks the grammar, as far as it was read.
    bool malformed() const noexcept { return x_malformed; }

private:
    bool take(char c) noexcept {
        x_rest = http::trim(x_rest);
        if (!x_rest.starts_with(c)) return false;
        x_rest.remove_prefix(1);
        return true;
    }

    std::string_view take_token() noexcept {
        x_rest = http::trim(x_rest);
        std::size_t size = 0;
        while (size < x_rest.size() && http::is_token_character(x_rest[size])) ++size;
        const std::string_view token = x_rest.substr(0, size);
        x_rest.remove_prefix(size);
        return token;
    }

    // RFC 9110, section 5.6.4.
    bool take_quoted(std::string& into) {
        for (std::size_t i = 1; i < x_rest.size(); ++i) {
            if (x_rest[i] == '"') {
                x_rest.remove_prefix(i + 1);
                return true;
            }
            if (x_rest[i] == '\\' && ++i == x_rest.size()) break;
            into += x_rest[i];
        }
        return false;
    }

    std::string_view x_rest;
    std::string_view x_name;
    bool x_malformed;
};

// Whether all such fields keep to the grammar; none at all do as well.
[[gnu::cold]] inline bool extensions_well_formed(const http::fields& fields) {
    return fields.each_element(extensions_field, [](std::string_view element) {
        extension_reader reader(element);
        extension_parameter each;
        while (reader.next(each)) {}
        return !reader.malformed();
    });
}

} // namespace weir::inline v0::ws
