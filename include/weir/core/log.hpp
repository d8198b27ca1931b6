// What weir has to say while it runs, for whoever wants to hear it.
//
// Nothing is ever printed by the library itself: without a hook it is silent. A hook is called on the thread of the
// loop that the event belongs to, from within its work: it must not block, throw, or call back into weir.
#pragma once

#include <weir/core/error.hpp>

#include <cstdint>
#include <string_view>

namespace weir::inline v0 {

enum class log_level : unsigned char {
    debug,   // every connection that opens and closes
    info,    // what a server's operator wants to see once: listening, stopping
    warning, // a peer broke a rule or was refused; something was given up and will be retried
    error,   // a handler threw; something of our own is broken
};

// One event. Its views are valid during the call only.
struct log_event {
    log_level level = log_level::info;
    std::string_view what;       // a sentence without a full stop: "accepting failed, retrying in 20 ms"
    std::string_view where = {}; // a route, URL or address; may be empty
    std::error_code error = {};  // why, where there is a reason
    std::uint64_t connection = 0; // which connection of this process, from 1; 0 for none
};

// A function and what it is called with. Empty by default: silence.
struct log_hook {
    void (*function)(void* self, const log_event& event) = nullptr;
    void* self = nullptr;

    explicit operator bool() const noexcept { return function != nullptr; }
    void operator()(const log_event& event) const {
        if (function) function(self, event);
    }
};

} // namespace weir::inline v0
