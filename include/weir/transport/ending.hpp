// Why and how a connection ended: what `close_info` is made from.
//
// The first cause is kept. What the peer's close frame says wins over what ours said, and over a write that failed
// before we had read it. All but the cause and the code is on the heap, from when there is a cause: connections are open for
// most of their time. Where there is no memory for that, the reason and the time are lost, and the error says so.
#pragma once

#include <weir/transport/close_info.hpp>

#include <cstring>
#include <new>
#include <string_view>

namespace weir::inline v0::detail {

class ending {
    using time = std::chrono::nanoseconds;

public:
    explicit ending(time now) noexcept : x_began(now) {}
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;
    ~ending() { ::operator delete(x_rest); }

    close_cause cause() const noexcept { return x_cause; }
    std::error_code error() const noexcept {
        if (x_rest) return x_rest->error;
        return x_cause == close_cause::open ? std::error_code() : std::make_error_code(std::errc::not_enough_memory);
    }
    bool is_local() const noexcept { return x_cause == close_cause::local; }

    // Notes a cause, unless there is one.
    [[gnu::cold]] void note(close_cause cause, ws::close_code code, std::string_view reason, std::error_code why) noexcept {
        if (x_cause != close_cause::open) return;
        x_cause = cause;
        say(code, reason, why);
    }

    // The peer's close frame.
    [[gnu::cold]] void note_peer(ws::close_code code, std::string_view reason) noexcept {
        if (x_cause == close_cause::open || x_cause == close_cause::reset) {
            x_cause = close_cause::peer;
            say(code, reason, {});
        } else if (is_local() && (code != x_code || !reason.empty())) {
            say(code, reason, error());
        }
    }

    // The peer did not do its part of a closing that this side began.
    [[gnu::cold]] void note_unanswered(std::error_code why, bool silent) noexcept {
        if (!is_local() || error()) return;
        x_rest->error = why;
        if (silent) x_cause = close_cause::timeout;
    }

    [[gnu::cold]] void note_end(time now) noexcept {
        if (x_rest) x_rest->at = now;
    }

    // The value for users, but for the bytes and the round trip.
    [[gnu::cold]] close_info info(bool over, time now) const {
        close_info all;
        all.cause = x_cause;
        all.code = x_code;
        if (x_rest) all.reason = x_rest->reason();
        all.error = error();
        all.age = (over && x_rest ? x_rest->at : now) - x_began;
        return all;
    }

private:
    // With the characters of the reason behind it.
    struct rest {
        std::error_code error;
        time at{0};
        std::size_t reason_bytes = 0;

        std::string_view reason() const noexcept { return {reinterpret_cast<const char*>(this + 1), reason_bytes}; }
    };

    // Not after `note_end`, whose time would be lost.
    [[gnu::cold]] void say(ws::close_code code, std::string_view reason, std::error_code why) noexcept {
        x_code = code;
        ::operator delete(x_rest);
        void* const room = ::operator new(sizeof(rest) + reason.size(), std::nothrow);
        x_rest = room ? ::new (room) rest{why, time(0), reason.size()} : nullptr;
        if (x_rest && !reason.empty()) std::memcpy(x_rest + 1, reason.data(), reason.size());
    }

    time x_began;
    rest* x_rest = nullptr;
    ws::close_code x_code = ws::close_code::abnormal;
    close_cause x_cause = close_cause::open;
};

} // namespace weir::inline v0::detail
