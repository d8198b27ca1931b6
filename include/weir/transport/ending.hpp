// Why and how a connection ended: what `close_info` is made from.
//
// The first cause is kept. What the peer's close frame says wins over what ours said, and over a write that failed
// before we had read it.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/transport/close_info.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::detail {

class ending {
    using time = std::chrono::nanoseconds;

public:
    explicit ending(time now) noexcept : x_began(now) {}

    close_cause cause() const noexcept { return x_cause; }
    std::error_code error() const noexcept { return x_error; }
    bool is_local() const noexcept { return x_cause == close_cause::local; }

    // Notes a cause, unless there is one.
    [[gnu::cold]] void note(close_cause cause, ws::close_code code, std::string_view reason, std::error_code why) noexcept {
        if (x_cause != close_cause::open) return;
        x_cause = cause;
        x_error = why;
        say(code, reason);
    }

    // The peer's close frame.
    [[gnu::cold]] void note_peer(ws::close_code code, std::string_view reason) noexcept {
        if (x_cause == close_cause::open || x_cause == close_cause::reset) {
            x_cause = close_cause::peer;
            x_error = {};
            say(code, reason);
        } else if (is_local() && (code != x_code || !reason.empty())) {
            say(code, reason);
        }
    }

    // The peer did not do its part of a closing that this side began.
    [[gnu::cold]] void note_unanswered(std::error_code why, bool silent) noexcept {
        if (!is_local() || x_error) return;
        x_error = why;
        if (silent) x_cause = close_cause::timeout;
    }

    void note_end(time now) noexcept { x_ended = now; }

    // The value for users, but for the bytes and the round trip.
    [[gnu::cold]] close_info info(bool over, time now) const {
        close_info all;
        all.cause = x_cause;
        all.code = x_code;
        if (x_reason) all.reason = *x_reason;
        all.error = x_error;
        all.age = (over ? x_ended : now) - x_began;
        return all;
    }

private:
    [[gnu::cold]] void say(ws::close_code code, std::string_view reason) noexcept {
        x_code = code;
        x_reason.reset(reason.empty() ? nullptr : new std::string(reason));
    }

    time x_began;
    time x_ended{0};
    std::error_code x_error;
    owned<const std::string> x_reason;
    ws::close_code x_code = ws::close_code::abnormal;
    close_cause x_cause = close_cause::open;
};

} // namespace weir::inline v0::detail
