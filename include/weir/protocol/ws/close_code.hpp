// Why a connection was closed: the codes of RFC 6455, section 7.4, and of IANA's registry.
//
// A code from a peer may be any number; 3000-3999 are registered by libraries, 4000-4999 are free for applications.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>

namespace weir::inline v0::ws {

enum class close_code : std::uint16_t {
    normal = 1000,
    going_away = 1001,            // a server shuts down, a page is left
    protocol_error = 1002,
    unsupported_data = 1003,      // binary where only text is understood, or the reverse
    no_status = 1005,             // never sent: the close frame held no code
    abnormal = 1006,              // never sent: the connection ended without a close frame
    invalid_payload = 1007,       // text that is not UTF-8
    policy_violation = 1008,      // a refusal that no other code fits
    message_too_big = 1009,
    mandatory_extension = 1010,   // a client wanted an extension that the server did not choose
    internal_error = 1011,
    service_restart = 1012,
    try_again_later = 1013,
    bad_gateway = 1014,
    tls_handshake_failed = 1015,  // never sent: TLS was not established
};

// Whether the code may stand in a close frame, in either direction.
constexpr bool may_be_sent(close_code code) noexcept {
    const auto number = static_cast<std::uint16_t>(code);
    return (number >= 1000 && number <= 1003) || (number >= 1007 && number <= 1014) ||
           (number >= 3000 && number <= 4999);
}

// A few words on what the code means. Static text.
constexpr const char* describe(close_code code) noexcept {
    switch (code) {
    case close_code::normal: return "normal closure";
    case close_code::going_away: return "going away";
    case close_code::protocol_error: return "protocol error";
    case close_code::unsupported_data: return "unsupported data";
    case close_code::no_status: return "no status received";
    case close_code::abnormal: return "abnormal closure";
    case close_code::invalid_payload: return "invalid payload data";
    case close_code::policy_violation: return "policy violation";
    case close_code::message_too_big: return "message too big";
    case close_code::mandatory_extension: return "mandatory extension missing";
    case close_code::internal_error: return "internal error";
    case close_code::service_restart: return "service restart";
    case close_code::try_again_later: return "try again later";
    case close_code::bad_gateway: return "bad gateway";
    case close_code::tls_handshake_failed: return "TLS handshake failed";
    }
    const auto number = static_cast<std::uint16_t>(code);
    if (number >= 3000 && number <= 3999) return "registered by a library";
    if (number >= 4000 && number <= 4999) return "private to an application";
    return "unknown close code";
}

} // namespace weir::inline v0::ws
