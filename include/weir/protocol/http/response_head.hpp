// The head of an HTTP/1.x response: its status line and its fields (RFC 9112 section 4).
#pragma once

#include <weir/protocol/http/fields.hpp>
#include <weir/protocol/http/status.hpp>

#include <string>

namespace weir::inline v0::http {

// Owns its text. What the parser gives is valid; what the application fills in is checked when it is written.
struct response_head {
    http::status status = http::status::ok;
    std::string reason;         // empty: the phrase that belongs to the status is written
    unsigned version_minor = 1; // of HTTP/1.x: 0 or 1
    http::fields fields;

    // Whether the server would let the connection be used again (RFC 9112 section 9.3).
    bool keep_alive() const noexcept {
        if (fields.has_token("Connection", "close")) return false;
        return version_minor >= 1 || fields.has_token("Connection", "keep-alive");
    }
};

} // namespace weir::inline v0::http
