// The proof that a server understood the handshake (RFC 6455, section 4.2.2): a hash of the client's key.
#pragma once

#include <weir/core/base64.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/sha1.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace weir::inline v0::ws {

// The Sec-WebSocket-Key that a client makes from 16 unpredictable bytes.
[[gnu::cold]] inline std::string handshake_key(std::span<const std::byte, 16> entropy) { return base64_encode(entropy); }

// Whether `key` is 16 bytes in base64. The bits that its padding cuts off may be anything: RFC 6455 sets some in an
// example.
constexpr bool is_handshake_key(std::string_view key) noexcept {
    if (key.size() != 24 || !key.ends_with("==")) return false;
    for (const char c : key.substr(0, 22))
        if (weir::detail::base64_value(c) > 63) return false;
    return true;
}

// The Sec-WebSocket-Accept that answers `key`.
[[gnu::cold]] inline std::string accept_key(std::string_view key) {
    std::string text(key);
    text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    return base64_encode(sha1(as_bytes(text)));
}

} // namespace weir::inline v0::ws
