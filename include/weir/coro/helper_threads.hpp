// The threads behind `offload`: a few for the whole process, started on demand, gone when idle.
//
// They are detached, and the one object that they share is never destroyed, so nothing is joined or waited for at exit.
// Thread-safe. They are POSIX threads and a POSIX condition: <thread> and <condition_variable> would have the compiler read
// std::jthread, std::shared_ptr and what these need, in every program.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/core/list.hpp>
#include <weir/coro/duration.hpp>

#include <cstddef>
#include <mutex>

#include <pthread.h>

namespace weir::inline v0 {

// How many functions `offload` runs at the same time in this process; more wait for their turn.
inline constexpr std::size_t max_offload_threads = 8;

namespace detail {

// A piece of work, alive as long as somebody holds a share. It is made with one.
class helper_work : public list_node<helper_work> {
public:
    helper_work() noexcept = default;
    virtual ~helper_work() = default;

    // Runs on a helper thread.
    virtual void perform() noexcept = 0;

    void hold() noexcept { x_shares.fetch_add(1, order::relaxed); }
    void release() noexcept {
        if (x_shares.fetch_sub(1, order::both) == 1) delete this;
    }

private:
    atomic<int> x_shares{1};
};

class helper_threads {
public:
    static constexpr std::chrono::seconds idle_time{1}; // a thread without work ends after it

    static helper_threads& instance() {
        static helper_threads* const only = new helper_threads; // on purpose never deleted
        return *only;
    }

    // Has `work` performed, and one share of it released then. False: no thread runs and none could be started.
    bool submit(helper_work& work) {
        const std::lock_guard guard(x_mutex);
        x_queue.push_back(work);
        ++x_queued;
        if (x_queued <= x_idle) {
            ::pthread_cond_signal(&x_more);
            return true;
        }
        if (x_threads < max_offload_threads && start()) ++x_threads;
        if (x_threads != 0) return true;
        take(work);
        return false;
    }

    // Takes work back that has not begun. False: it has. When true its share is the caller's.
    bool withdraw(helper_work& work) noexcept {
        const std::lock_guard guard(x_mutex);
        if (!work.linked()) return false;
        take(work);
        return true;
    }

    // Whether work is queued or being performed: what it posts may still come.
    bool busy() noexcept {
        const std::lock_guard guard(x_mutex);
        return x_queued > 0 || x_threads > x_idle;
    }

private:
    helper_threads() noexcept {
        pthread_condattr_t monotonic;
        ::pthread_condattr_init(&monotonic);
        ::pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        ::pthread_cond_init(&x_more, &monotonic);
        ::pthread_condattr_destroy(&monotonic);
    }

    bool start() noexcept {
        pthread_t thread;
        const auto body = [](void* self) -> void* {
            static_cast<helper_threads*>(self)->serve();
            return nullptr;
        };
        if (::pthread_create(&thread, nullptr, body, this) != 0) return false;
        ::pthread_detach(thread);
        return true;
    }

    void serve() {
        std::unique_lock lock(x_mutex);
        for (;;) {
            while (helper_work* next = x_queue.front()) {
                take(*next);
                lock.unlock();
                next->perform();
                next->release();
                lock.lock();
            }
            ++x_idle;
            const bool more = wait();
            --x_idle;
            if (more) continue;
            --x_threads;
            return;
        }
    }

    // Until there is work. False: there was none for the idle time. The mutex is held, and given back meanwhile.
    bool wait() noexcept {
        timespec until;
        ::clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += idle_time.count();
        while (x_queue.empty())
            if (::pthread_cond_timedwait(&x_more, x_mutex.native_handle(), &until) != 0) return !x_queue.empty();
        return true;
    }

    void take(helper_work& work) noexcept {
        work.unlink();
        --x_queued;
    }

    std::mutex x_mutex;
    pthread_cond_t x_more;
    list<helper_work> x_queue;
    std::size_t x_queued = 0;
    std::size_t x_idle = 0;
    std::size_t x_threads = 0;
};

} // namespace detail

} // namespace weir::inline v0
