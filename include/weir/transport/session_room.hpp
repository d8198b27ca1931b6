// `co_await room_for_more(session)`: waits until the handler has read something, or all sessions together have
// less in memory, so that more may be received. To be called right after `reception::no_room`.
//
// Success, `errc::closed` when the session closes, or `errc::canceled`. The session must outlive the wait. Loop thread
// only.
#pragma once

#include <weir/coro/bounded.hpp>
#include <weir/transport/session.hpp>

namespace weir::inline v0::detail {

template <class Tag>
class [[nodiscard]] room_awaiter : public awaitable<room_awaiter<Tag>> {
public:
    using session = basic_session<Tag>;

    explicit room_awaiter(session& of) noexcept : x_of(of) {}
    room_awaiter(room_awaiter&& other) noexcept : x_of(other.x_of) {}

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        if (!x_of.is_open())
            x_waiter.bounce(who, in, errc::closed);
        else if (x_waiter.suspend(who, in))
            x_of.wait_for_room(x_waiter);
        return true;
    }
    result<> await_resume() const noexcept { return x_waiter.outcome(); }

private:
    session& x_of;
    waiter x_waiter;
};

template <class Tag>
room_awaiter<Tag> room_for_more(basic_session<Tag>& of) noexcept {
    return room_awaiter<Tag>(of);
}

} // namespace weir::inline v0::detail
