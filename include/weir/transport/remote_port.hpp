// A way into a connection from other threads.
//
// Shared by the connection and its handles, and alive as long as any of them. What is posted is copied, kept up to a bound, and
// sent on the loop's thread in the order of posting. The lock is held for the time of a copy.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/sequence.hpp>
#include <weir/coro/scheduler.hpp>
#include <weir/transport/message.hpp>

#include <cstddef>
#include <mutex>

namespace weir::inline v0::detail {

class remote_port final : private remote_item {
public:
    // Sends, by `target`, what was posted; on the loop's thread. A function, since a base class would cost each target
    // a pointer, though few ever have a port.
    using sending = void(void* target, const owned_message& posted) noexcept;

    remote_port(scheduler& runs_on, void* target, sending& send, std::size_t bound_bytes) noexcept
        : x_scheduler(runs_on), x_target(target), x_send(send), x_bound(bound_bytes) {}

    // Queues a message. False when the connection is gone, or when more than the bound would wait. From any thread.
    bool post(std::string_view payload, bool is_text) {
        const std::lock_guard<std::mutex> lock(x_mutex);
        if (!x_target || (x_bytes && x_bytes + cost(payload) > x_bound)) return false;
        x_queue.push_back({std::string(payload), is_text});
        x_bytes += cost(payload);
        if (!exchanged(x_posted, true)) x_scheduler.post_remote(*this);
        return true;
    }

    // Whether the connection is still there. From any thread; it may be gone the moment after.
    bool connected() const {
        const std::lock_guard<std::mutex> lock(x_mutex);
        return x_target != nullptr;
    }

    // The connection goes: from now on nothing is accepted, and what waits is dropped. On the loop's thread.
    [[gnu::cold]] void forget() noexcept {
        {
            const std::lock_guard<std::mutex> lock(x_mutex);
            x_target = nullptr;
            x_queue.clear();
        }
        x_scheduler.revoke(*this);
    }

    // Sends what waits. On the loop's thread.
    void deliver() noexcept {
        sequence<owned_message> queue;
        {
            const std::lock_guard<std::mutex> lock(x_mutex);
            x_bytes = 0;
            queue.swap(x_queue);
        }
        for (const owned_message& each : queue)
            if (x_target) x_send(x_target, each); // only this thread changes x_target
    }

private:
    // Empty messages take memory as well.
    static std::size_t cost(std::string_view payload) noexcept { return payload.size() + sizeof(owned_message); }

    void run() noexcept override {
        {
            const std::lock_guard<std::mutex> lock(x_mutex);
            x_posted = false;
        }
        deliver();
    }

    scheduler& x_scheduler;
    mutable std::mutex x_mutex;
    void* x_target;
    sending& x_send;
    sequence<owned_message> x_queue;
    std::size_t x_bytes = 0;
    std::size_t x_bound;
    bool x_posted = false;
};

} // namespace weir::inline v0::detail
