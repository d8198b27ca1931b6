// Why and how a connection ended.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/coro/duration.hpp>
#include <weir/protocol/ws/close_code.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>

namespace weir::inline v0 {

// What ended a connection.
enum class close_cause : unsigned char {
    open,           // nothing yet
    local,          // this side closed it
    peer,           // the other side closed it
    timeout,        // the peer did not answer a ping, or did not finish closing
    protocol_error, // the peer broke a rule of the protocol
    limit,          // a message, or the send queue, passed a limit
    reset,          // the connection broke
    end_of_stream,  // the peer ended the stream without a close frame
    lost,           // the server of a channel has forgotten the session
};

inline std::string_view to_text(close_cause cause) noexcept {
    switch (cause) {
    case close_cause::open: return "open";
    case close_cause::local: return "closed by this side";
    case close_cause::peer: return "closed by the peer";
    case close_cause::timeout: return "the peer fell silent";
    case close_cause::protocol_error: return "the peer broke the protocol";
    case close_cause::limit: return "a limit was passed";
    case close_cause::reset: return "the connection broke";
    case close_cause::end_of_stream: return "the peer vanished without a close frame";
    case close_cause::lost: return "the server has lost the session";
    }
    return "?";
}

// A value: it owns its text.
struct close_info {
    close_cause cause = close_cause::open;
    ws::close_code code = ws::close_code::abnormal; // the one received, or else the one sent; 1006 without either
    std::string reason;                             // what stood beside that code
    std::error_code error;                          // the finer code, or the operating system's
    std::uint64_t bytes_in = 0;                     // received and sent, on the wire
    std::uint64_t bytes_out = 0;
    std::chrono::nanoseconds age{0};                // from the handshake to the end, or to now
    std::chrono::nanoseconds round_trip{-1};        // of the last ping that was answered; negative without one
    std::chrono::nanoseconds unanswered{0};         // how long we waited for the answer to our close, if none came

    // Whether the connection has ended.
    explicit operator bool() const noexcept { return cause != close_cause::open; }

    // Everything on one line.
    [[gnu::cold]] std::string message() const {
        std::string line(to_text(cause));
        char figures[160];
        if (unanswered.count() > 0) {
            const double seconds = std::chrono::duration<double>(unanswered).count();
            std::snprintf(figures, sizeof figures, "the peer did not answer our close within %.3g s", seconds);
            line = figures;
        }
        if (cause != close_cause::open) {
            line += ": ";
            line += number_text(static_cast<std::uint16_t>(code));
            if (!reason.empty()) line += concat({" \"", reason, "\""});
        }
        if (error) line += concat({" (", error.message(), ")"});
        std::snprintf(figures, sizeof figures, "; %llu bytes in, %llu out, %.3f s", //
                      static_cast<unsigned long long>(bytes_in), static_cast<unsigned long long>(bytes_out),
                      std::chrono::duration<double>(age).count());
        line += figures;
        if (round_trip.count() >= 0) {
            std::snprintf(figures, sizeof figures, ", round trip %.3f ms",
                          std::chrono::duration<double, std::milli>(round_trip).count());
            line += figures;
        }
        return line;
    }
};

// Prints its message: `std::cout << ws.closed()`.
template <class Stream>
auto operator<<(Stream& to, const close_info& printed) -> decltype(to << printed.message()) {
    return to << printed.message();
}

} // namespace weir::inline v0
