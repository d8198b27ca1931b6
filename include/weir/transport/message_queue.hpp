// The messages that a session has received and that its handler has not read.
//
// The one that was read last stays where it is, since the handler has a view of it, until the next is asked for. Loop
// thread only.
#pragma once

#include <weir/core/fifo.hpp>
#include <weir/transport/kept_message.hpp>

#include <cstddef>
#include <utility>

namespace weir::inline v0::detail {

template <class = void>
class message_queue {
public:
    // What it holds is counted in `tally`, where there is one.
    explicit message_queue(byte_tally tally = {}) noexcept : x_tally(std::move(tally)) {}
    message_queue(const message_queue&) = delete;
    message_queue& operator=(const message_queue&) = delete;
    ~message_queue() { count(0); }

    static std::size_t cost(const owned_message& of) noexcept { return of.data.size() + sizeof(owned_message); }

    void push(owned_message received) {
        count(x_bytes + cost(received));
        x_queue.push(std::move(received));
    }

    bool empty() const noexcept { return x_queue.empty(); }

    // Whether `more` bytes fit as well. One message always does when there is no other.
    bool fits(std::size_t more, std::size_t most_bytes) const noexcept {
        return empty() || x_bytes + more + sizeof(owned_message) <= most_bytes;
    }

    // The oldest, which must be there. Valid until the next call of this or `release`.
    message pop() noexcept {
        x_popped = x_queue.pop();
        count(x_bytes - cost(x_popped));
        return message(x_popped);
    }

    // Whether all that are queued may be forgotten when others need the memory.
    void yields(bool now) noexcept {
        if (!x_tally || exchanged(x_yields, now) == now) return;
        now ? x_tally->reclaimable(x_bytes) : x_tally->not_reclaimable(x_bytes);
    }

    // Not what was popped.
    void forget_all() noexcept {
        while (!empty()) (void)x_queue.pop();
        count(0);
    }

    // What was popped is not looked at any more.
    void release() noexcept {
        if (x_popped.data.capacity() > kept_bytes) x_popped = owned_message();
    }

private:
    static constexpr std::size_t kept_bytes = 256;

    void count(std::size_t bytes) noexcept {
        const std::size_t before = exchanged(x_bytes, bytes);
        if (!x_tally) return;
        if (bytes >= before) {
            x_tally->take(bytes - before);
            if (x_yields) x_tally->reclaimable(bytes - before);
        } else {
            if (x_yields) x_tally->not_reclaimable(before - bytes);
            x_tally->give_back(before - bytes);
        }
    }

    byte_tally x_tally;
    fifo<owned_message> x_queue;
    std::size_t x_bytes = 0; // of what is queued
    owned_message x_popped;
    bool x_yields = false;
};

} // namespace weir::inline v0::detail
