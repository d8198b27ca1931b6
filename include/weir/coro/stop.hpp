// `.on(stop_token)`: ends a wait when another thread, or anybody, requests a stop.
//
// The request is handed to the loop that the wait belongs to; the wait ends there with `errc::canceled`. A leaf header:
// <stop_token> brings std::thread with it, which is 11 MB of g++'s memory in every program.
#pragma once

#include <weir/coro/bounded.hpp>

#include <optional>
#include <stop_token>

namespace weir::inline v0 {

template <>
class stop_trigger<std::stop_token> final : private remote_item {
public:
    using setting = std::stop_token;

    stop_trigger(context* parent, const setting& token) : x_context(parent ? parent->runs_on() : *scheduler::current()) {
        if (parent) x_context.adopt_by(*parent);
        if (token.stop_requested())
            x_context.cancel();
        else
            x_callback.emplace(token, request{this});
    }
    ~stop_trigger() {
        x_callback.reset(); // waits for a request that is just being made on another thread
        x_context.runs_on().revoke(*this);
    }

    context& inner() noexcept { return x_context; }
    bool canceled() const noexcept { return x_context.canceled(); }
    errc reason() const noexcept { return errc::canceled; }

private:
    struct request {
        stop_trigger* self;
        void operator()() const noexcept { self->x_context.runs_on().post_remote(*self); }
    };

    void run() noexcept override { x_context.cancel(); }

    context x_context;
    std::optional<std::stop_callback<request>> x_callback;
};

} // namespace weir::inline v0
