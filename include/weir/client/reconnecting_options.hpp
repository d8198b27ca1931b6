// How a client stays connected. See client/reconnecting.hpp.
#pragma once

#include <weir/client/connect_options.hpp>
#include <weir/transport/close_info.hpp>

namespace weir::inline v0 {

// An attempt that has failed, or a connection that has ended. Valid during the call that it is given to.
struct setback {
    const error& why;              // of the attempt; or of the connection, `errc::closed` where it ended in order
    const connect_refusal& answer; // of the server or proxy that has refused the attempt; answer.head.fields.empty(): none
    const close_info* end;         // of the connection; null where none was opened
    unsigned failures;             // how many there were since a connection stood for `stable`, this one included
    bool worthwhile;               // whether another attempt follows, as the table in client/retry_verdict.hpp has it
};

// Decides in the place of that table: true for another attempt. Called on the loop's thread; it may stop the session, must neither
// throw nor destroy it, and does not wait.
struct retry_hook {
    bool (*function)(void* self, const setback& of) = nullptr;
    void* self = nullptr;
};

// What happens to a message for which the outbox has no room.
enum class outbox_policy : unsigned char {
    refuse,      // it is not taken, and its send says `errc::buffer_full`
    drop_oldest, // those that have waited for longest make room: of a state, say, of which only the last is of interest
};

// What the spans and views name is copied by the session.
struct reconnecting_options {
    // How each connection is opened: proxy, TLS, headers, redirects, timeout, and the websocket's own settings. What its pointers
    // lead to must outlive the session.
    connect_options connect = {};

    // How long it waits after a failure: a time from zero to `first_delay`, left to chance, and to `factor` times as much after each
    // further failure, up to `longest_delay`. The first attempt of all is made at once. Longer spares a server to which all of
    // its clients come back at the same time; shorter is sooner there again.
    std::chrono::nanoseconds first_delay = std::chrono::seconds(1);
    double factor = 2; // at least 1
    std::chrono::nanoseconds longest_delay = std::chrono::seconds(30);

    // A connection that stood for this long lets all of that begin anew; one that ends sooner is one failure more.
    std::chrono::nanoseconds stable = std::chrono::seconds(10);

    // What a server asks for with 429 or 503 and Retry-After is waited in addition, but no more than this: no server parks a
    // client for ever.
    std::chrono::nanoseconds longest_retry_after = std::chrono::minutes(5);

    // Who decides whether there is another attempt; the table in client/retry_verdict.hpp by default.
    retry_hook decide = {};

    // How much of what `send` is given while nothing is connected is kept for the next connection, in bytes: a message counts with
    // its size and 64 bytes for each frame that it takes. Above this, or above the websocket's `queue_bytes` where that is less,
    // `overflow` decides; one message is always taken when none waits. Without a value nothing is kept: the default, since
    // it goes out before the program can say on the new connection who it is, or what it wants.
    std::optional<std::size_t> outbox_bytes = {};
    outbox_policy overflow = outbox_policy::refuse;

    // Who hears of each connection (info), and of each failure with the time until the next attempt (warning). Nobody by default.
    log_hook log = {};

    // Seconds since 1970, for a Retry-After that is a date, of a server that does not say what time it has itself. Null for the
    // system's clock.
    std::uint64_t (*clock)() = nullptr;
};

static_assert(__is_trivially_copyable(reconnecting_options));

} // namespace weir::inline v0
