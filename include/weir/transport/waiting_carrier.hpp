// A carrier that a coroutine waits in: a held request, or an answer that never ends.
//
//     waiting_carrier here(session, transport_kind::long_polling);
//     if (!here.has_news()) auto told = co_await here.news().within(heartbeat);
//
// Attached from construction to destruction, or until another carrier takes over. Loop thread only.
#pragma once

#include <weir/coro/bounded.hpp>
#include <weir/coro/event.hpp>
#include <weir/transport/session.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class basic_waiting_carrier final : private carrier {
public:
    using session = basic_session<Tag>;

    basic_waiting_carrier(session& of, transport_kind kind) noexcept : x_session(of) { of.attach(*this, kind); }
    ~basic_waiting_carrier() { x_session.detach(*this); }

    // Whether there is something to send, the session has closed, or another carrier has taken over.
    bool has_news() const noexcept { return x_superseded || x_session.has_next() || !x_session.is_open(); }
    bool is_superseded() const noexcept { return x_superseded; }

    // Waits for `has_news`.
    event::wait_awaiter news() noexcept {
        has_news() ? x_news.set() : x_news.reset();
        return x_news.wait();
    }

private:
    void wake() noexcept override { x_news.set(); }
    void superseded() noexcept override {
        x_superseded = true;
        x_news.set();
    }

    session& x_session;
    event x_news;
    bool x_superseded = false;
};

using waiting_carrier = basic_waiting_carrier<>;

} // namespace weir::inline v0::detail
