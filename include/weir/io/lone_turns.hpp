// Turns that have one event each and nothing else to do, taken by the backend itself: the way of a message that comes alone.
//
// A loop that has found one event in a turn, with no deadline near, expects more of the kind. It has its backend wait
// and tell for as long as that stays so (`backend::take_lone_turns`), which spares the lists and the calls in between. Such a
// turn is a turn like others: it has its number and its time. Loop thread only, but for what is atomic.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/coro/scheduler.hpp>
#include <weir/io/backend.hpp>

#include <coroutine>

namespace weir::inline v0::io {

class lone_turns : public scheduler {
public:
    // A turn begins; its event is about to be told.
    void begin(std::chrono::nanoseconds now) noexcept {
        x_now = now;
        ++x_turn_number;
    }

    // Whether that has left nothing to do, and the next wait may be as long as the first.
    bool may_go_on() const noexcept {
        return !x_posted && !x_called.load(weir::detail::order::acquire) && x_now < x_lone_until && !x_last.done();
    }

    // What `backend::take_lone_turns` does. `look` waits, and gives `told` where it has found one event, which `tell` is to tell.
    template <class Backend, class Look, class Tell>
    static lone_end take(Backend& events, lone_turns& of, Look look, Tell tell) noexcept {
        do {
            if (const lone_end found = look(); found != lone_end::told) return found;
            of.begin(events.Backend::now());
            tell();
        } while (of.may_go_on() && !events.blocks().is_full());
        return lone_end::told;
    }

protected:
    lone_turns() noexcept = default;
    ~lone_turns() = default;

    weir::detail::atomic<bool> x_called{false}; // another thread has posted something, or somebody has raised an interrupt
    std::chrono::nanoseconds x_lone_until{0}; // from then on a wait of that length could be too long
    std::coroutine_handle<> x_last;        // with its end the loop ends
};

} // namespace weir::inline v0::io
