// SIGINT and SIGTERM, as interrupts of a loop.
//
// A loop whose thread is stuck, in a handler that computes for ever or blocks, cannot look at its interrupts. So a third
// signal ends the process, as if nobody watched, when one that came a second before it has not been looked at.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/io/loop.hpp>

#include <errno.h>
#include <signal.h>
#include <time.h>

namespace weir::inline v0::io {

// Has `tell(who)` called on the loop's thread when the process is sent SIGINT or SIGTERM, as long as it lives. Several
// may live at once, on several loops, at most 64. The handlers that were installed before come back with the end of the
// last one.
class signal_watch final : private interrupt {
public:
    using function = void (*)(void* who);

    [[gnu::cold]] signal_watch(loop& on, function tell, void* who) noexcept : x_loop(on), x_tell(tell), x_who(who) {
        on.add(*this);
        bool placed = false;
        for (auto& slot : table().slots) {
            placed = slot.replace(nullptr, this);
            if (placed) break;
        }
        assert(placed && "more than 64 programs' worth of signal watches at once");
        const std::lock_guard<std::mutex> lock(table().mutex);
        if (table().watches++ == 0) {
            struct sigaction action {};
            action.sa_handler = on_signal;
            action.sa_flags = SA_RESTART;
            ::sigaction(SIGINT, &action, &table().before[0]);
            ::sigaction(SIGTERM, &action, &table().before[1]);
        }
    }
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;
    [[gnu::cold]] ~signal_watch() {
        {
            const std::lock_guard<std::mutex> lock(table().mutex);
            if (--table().watches == 0) {
                ::sigaction(SIGINT, &table().before[0], nullptr);
                ::sigaction(SIGTERM, &table().before[1], nullptr);
            }
        }
        for (auto& slot : table().slots) {
            if (slot.replace(this, nullptr)) break;
        }
        while (table().handling.load()) {} // a handler on another thread that may have seen us: a matter of nanoseconds
    }

private:
    struct shared {
        weir::detail::atomic<signal_watch*> slots[64] = {};
        weir::detail::atomic<int> handling{0};
        std::mutex mutex; // of what follows; never taken by a handler
        int watches = 0;
        struct sigaction before[2] = {};
    };
    static shared& table() noexcept {
        static shared only;
        return only;
    }

    [[gnu::cold]] static void on_signal(int number) {
        const int saved = errno;
        bool stuck = false;
        table().handling.fetch_add(1);
        for (auto& slot : table().slots) {
            signal_watch* const each = slot.load();
            if (!each) continue;
            stuck = each->is_stuck() || stuck;
            each->x_loop.raise(*each);
        }
        table().handling.fetch_sub(1);
        if (stuck) { // takes effect when this handler returns
            ::signal(number, SIG_DFL);
            ::raise(number);
        }
        errno = saved;
    }

    // Counts a signal. Whether it is the third that the loop has not looked at, the first of them a second ago.
    bool is_stuck() noexcept {
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        if (x_unseen.fetch_add(1) == 0) x_since.store(now.tv_sec);
        return x_unseen.load() >= 3 && now.tv_sec - x_since.load() >= 2; // so a second ago at least
    }

    void on_interrupt() noexcept override {
        x_unseen.store(0);
        x_tell(x_who);
    }

    loop& x_loop;
    function x_tell;
    void* x_who;
    weir::detail::atomic<int> x_unseen{0};
    weir::detail::atomic<std::int64_t> x_since{0}; // seconds
};

} // namespace weir::inline v0::io
