// Why and how a connection ended: what `close_info` is made from.
//
// The first cause is kept. What the peer's close frame says wins over what ours said, and over a write that failed
// before we had read it. All but the cause and the code is on the heap, from when there is a cause: connections are open for
// most of their time. Where there is no memory for that, the reason and the time are lost, and the error says so.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/transport/close_info.hpp>

#include <cstring>
#include <new>
#include <string_view>

namespace weir::inline v0::detail {

// What is on the heap, with the characters of the reason behind it.
struct ending_details {
    std::error_code error;
    std::chrono::nanoseconds at{0};
    std::size_t reason_bytes = 0;

    std::string_view reason() const noexcept { return {reinterpret_cast<const char*>(this + 1), reason_bytes}; }

    // Null without memory.
    [[gnu::cold]] static owned<ending_details> make(std::error_code why, std::string_view reason) noexcept {
        void* const room = ::operator new(sizeof(ending_details) + reason.size(), std::nothrow);
        if (room && !reason.empty())
            std::memcpy(static_cast<char*>(room) + sizeof(ending_details), reason.data(), reason.size());
        return owned<ending_details>(room ? ::new (room) ending_details{why, std::chrono::nanoseconds(0), reason.size()} : nullptr);
    }
    static void operator delete(void* made) noexcept { ::operator delete(made); }
};

// All but that, for those who keep the details, or the place for them, somewhere else: `kept` is where. Null: there was no memory
// for the place, which comes to the same as none for what is kept there.
class ending_brief {
    using time = std::chrono::nanoseconds;

public:
    using place = owned<ending_details>;

    explicit ending_brief(time now) noexcept : x_began(now) {}
    ending_brief(const ending_brief&) = delete;
    ending_brief& operator=(const ending_brief&) = delete;

    close_cause cause() const noexcept { return x_cause; }
    std::error_code error(const place* kept) const noexcept {
        if (kept && *kept) return (*kept)->error;
        return x_cause == close_cause::open ? std::error_code() : std::make_error_code(std::errc::not_enough_memory);
    }
    bool is_local() const noexcept { return x_cause == close_cause::local; }

    // Notes a cause, unless there is one.
    [[gnu::cold]] void note(place* kept, close_cause cause, ws::close_code code, std::string_view reason,
                            std::error_code why) noexcept {
        if (x_cause != close_cause::open) return;
        x_cause = cause;
        say(kept, code, reason, why);
    }

    // The peer's close frame.
    [[gnu::cold]] void note_peer(place* kept, ws::close_code code, std::string_view reason) noexcept {
        if (x_cause == close_cause::open || x_cause == close_cause::reset) {
            x_cause = close_cause::peer;
            say(kept, code, reason, {});
        } else if (is_local() && (code != x_code || !reason.empty())) {
            say(kept, code, reason, error(kept));
        }
    }

    // The peer did not do its part of a closing that this side began.
    [[gnu::cold]] void note_unanswered(place* kept, std::error_code why, bool silent) noexcept {
        if (!is_local() || error(kept)) return;
        (*kept)->error = why;
        if (silent) x_cause = close_cause::timeout;
    }

    [[gnu::cold]] void note_end(place* kept, time now) noexcept {
        if (kept && *kept) (*kept)->at = now;
    }

    // The value for users, but for the bytes and the round trip.
    [[gnu::cold]] close_info info(const place* kept, bool over, time now) const {
        const ending_details* const all = kept ? kept->get() : nullptr;
        close_info made;
        made.cause = x_cause;
        made.code = x_code;
        if (all) made.reason = all->reason();
        made.error = error(kept);
        made.age = (over && all ? all->at : now) - x_began;
        return made;
    }

private:
    // Not after `note_end`, whose time would be lost.
    [[gnu::cold]] void say(place* kept, ws::close_code code, std::string_view reason, std::error_code why) noexcept {
        x_code = code;
        if (kept) *kept = ending_details::make(why, reason);
    }

    time x_began;
    ws::close_code x_code = ws::close_code::abnormal;
    close_cause x_cause = close_cause::open;
};

// Both in one.
class ending : private ending_brief {
    using time = std::chrono::nanoseconds;

public:
    explicit ending(time now) noexcept : ending_brief(now) {}

    using ending_brief::cause;
    using ending_brief::is_local;
    std::error_code error() const noexcept { return ending_brief::error(&x_kept); }
    [[gnu::cold]] void note(close_cause cause, ws::close_code code, std::string_view reason, std::error_code why) noexcept {
        ending_brief::note(&x_kept, cause, code, reason, why);
    }
    [[gnu::cold]] void note_end(time now) noexcept { ending_brief::note_end(&x_kept, now); }
    [[gnu::cold]] close_info info(bool over, time now) const { return ending_brief::info(&x_kept, over, now); }

private:
    place x_kept;
};

} // namespace weir::inline v0::detail
