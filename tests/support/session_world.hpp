// Sessions without a server: a list of them, and a carrier that a test plays.
#pragma once

#include "memory_loop.hpp"

#include <weir/transport/channel.hpp>

#include <optional>
#include <string>
#include <vector>

namespace tests {

// Has one session listed, until it is struck off.
class lone_session final : private weir::detail::session_owner<> {
public:
    explicit lone_session(const weir::session_options& options = {}, weir::detail::session::budget* within = nullptr)
        : x_options(options), x_held(weir::shared<weir::detail::session>::make(
                                  *weir::scheduler::current(), x_options, static_cast<weir::detail::session_owner<>&>(*this),
                                  std::string("id"), within)) {}
    ~lone_session() { x_held->disown(); }

    weir::detail::session& operator*() const { return *x_held; }
    weir::detail::session* operator->() const { return x_held.get(); }
    bool listed() const { return x_listed; }

private:
    void strike(weir::detail::session&) noexcept override { x_listed = false; }

    weir::session_options x_options;
    weir::shared<weir::detail::session> x_held;
    bool x_listed = true;
};

// Notes what it is told. `takes`: how many messages it takes when it is woken.
class played_carrier final : public weir::detail::carrier {
public:
    explicit played_carrier(weir::detail::session& of, std::size_t takes = 0) : x_of(of), x_takes(takes) {}
    ~played_carrier() { x_of.detach(*this); }

    void attach(weir::transport_kind kind = weir::transport_kind::event_stream) {
        x_of.attach(*this, kind);
        take(x_takes);
    }
    void take(std::size_t most = static_cast<std::size_t>(-1)) {
        for (; most > 0 && x_of.has_next(); --most) {
            got.emplace_back(std::to_string(x_of.next_number()) + ':' + x_of.next().data);
            x_of.hand_out();
        }
        x_of.handed_out();
    }

    std::vector<std::string> got;
    int wakes = 0;
    bool was_superseded = false;

private:
    void wake() noexcept override {
        ++wakes;
        take(x_takes);
    }
    void superseded() noexcept override { was_superseded = true; }

    weir::detail::session& x_of;
    std::size_t x_takes;
};

} // namespace tests
