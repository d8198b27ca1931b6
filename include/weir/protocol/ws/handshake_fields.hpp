// The header fields of the opening handshake, and those that an application may add to them.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/result.hpp>
#include <weir/protocol/http/fields.hpp>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace weir::inline v0::ws {

// Whether the field is the handshake's own, or would change where its message ends.
[[gnu::cold]] constexpr bool is_handshake_field(std::string_view name) noexcept {
    constexpr std::string_view prefix = "Sec-WebSocket-";
    if (http::equal_ignoring_case(name.substr(0, prefix.size()), prefix)) return true;
    for (const std::string_view own : {"Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"})
        if (http::equal_ignoring_case(name, own)) return true;
    return false;
}

// Appends the application's fields. `bad_field` for one that is malformed or the handshake's own, whose name the
// context tells.
[[gnu::cold]] inline result<void> add_application_fields(http::fields& to, std::span<const http::field> more) {
    for (const http::field& each : more) {
        if (is_handshake_field(each.name))
            return error(errc::bad_field, concat({each.name, " belongs to the handshake"}));
        if (!to.add(each.name, each.value))
            return error(errc::bad_field, concat({"the field \"", each.name, "\" cannot be sent"}));
    }
    return {};
}

// Whether `list` holds `token`, letter for letter.
constexpr bool holds(std::span<const std::string_view> list, std::string_view token) noexcept {
    for (const std::string_view each : list)
        if (each == token) return true;
    return false;
}

} // namespace weir::inline v0::ws
