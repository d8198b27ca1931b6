// The way by which other threads and signal handlers end a server.
//
// Lives as long as the server, which runs once or several times; a request made while it does not run waits for the next
// run.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/io/loop.hpp>

namespace weir::inline v0::detail {

class stop_switch final : private io::interrupt {
public:
    // Who does the stopping, on the loop's thread.
    class target {
    public:
        virtual void stop_requested() noexcept = 0;

    protected:
        ~target() = default;
    };

    // From any thread; async-signal-safe.
    void request(std::chrono::nanoseconds grace) noexcept {
        x_grace.store(grace.count());
        x_requested.store(true);
        x_users.fetch_add(1); // the loop does not go while somebody may look at it
        if (io::loop* const on = x_loop.load()) on->raise(*this);
        x_users.fetch_sub(1);
    }

    bool requested() const noexcept { return x_requested.load(); }
    std::chrono::nanoseconds grace() const noexcept { return std::chrono::nanoseconds(x_grace.load()); }

    // From here to `detach`, on the loop's thread, `who` is told.
    [[gnu::cold]] void attach(io::loop& on, target& who) noexcept {
        x_target = &who;
        on.add(*this);
        x_loop.store(&on);
    }

    // Every request made so far has had its effect.
    [[gnu::cold]] void detach() noexcept {
        x_loop.store(nullptr);
        while (x_users.load()) {} // another thread is inside request(): a matter of nanoseconds
        unlink();
        x_target = nullptr;
        x_requested.store(false);
    }

    bool attached() const noexcept { return x_loop.load() != nullptr; }

private:
    [[gnu::cold]] void on_interrupt() noexcept override {
        if (requested()) x_target->stop_requested();
    }

    atomic<io::loop*> x_loop{nullptr};
    atomic<int> x_users{0};
    atomic<bool> x_requested{false};
    atomic<std::int64_t> x_grace{0}; // nanoseconds
    target* x_target = nullptr;
};

} // namespace weir::inline v0::detail
