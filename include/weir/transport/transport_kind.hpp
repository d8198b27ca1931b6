// The ways in which a channel's messages may travel, from the poorest to the best.
#pragma once

#include <weir/core/version.hpp>

#include <string_view>

namespace weir::inline v0 {

enum class transport_kind : unsigned char {
    polling,      // the client asks again and again
    long_polling, // the server holds each request until there is something to say
    event_stream, // one answer that never ends, and requests in the other direction
    websocket,
};

// As it is written in a request: "long-polling".
constexpr std::string_view to_text(transport_kind kind) noexcept {
    switch (kind) {
    case transport_kind::polling: return "polling";
    case transport_kind::long_polling: return "long-polling";
    case transport_kind::event_stream: return "event-stream";
    case transport_kind::websocket: return "websocket";
    }
    return "?";
}

} // namespace weir::inline v0
