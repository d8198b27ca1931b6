// The messages that a session has received and that its handler has not read.
//
// The one that was read last stays where it is, since the handler has a view of it, until the next is asked for. Loop
// thread only.
#pragma once

#include <weir/transport/message.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace weir::inline v0::detail {

template <class = void>
class message_queue {
public:
    void push(owned_message received) {
        x_bytes += cost(received);
        x_queue.push_back(std::move(received));
    }

    bool empty() const noexcept { return x_next == x_queue.size(); }

    // Whether `more` bytes fit as well. One message always does when there is no other.
    bool fits(std::size_t more, std::size_t most_bytes) const noexcept {
        return empty() || x_bytes + more + sizeof(owned_message) <= most_bytes;
    }

    // The oldest, which must be there. Valid until the next call of this or `release`.
    message pop() noexcept {
        x_popped = std::move(x_queue[x_next++]);
        x_bytes -= cost(x_popped);
        if (empty()) {
            x_queue.clear();
            x_next = 0;
            if (x_queue.capacity() > kept_capacity) std::vector<owned_message>().swap(x_queue);
        } else if (x_next * 2 >= x_queue.size()) {
            x_queue.erase(x_queue.begin(), x_queue.begin() + static_cast<std::ptrdiff_t>(std::exchange(x_next, 0)));
        }
        return message(x_popped);
    }

    // What was popped is not looked at any more.
    void release() noexcept {
        if (x_popped.data.capacity() > kept_bytes) x_popped = owned_message();
    }

private:
    static constexpr std::size_t kept_capacity = 16; // memory for more is not kept while nothing is there
    static constexpr std::size_t kept_bytes = 256;

    static std::size_t cost(const owned_message& of) noexcept { return of.data.size() + sizeof(owned_message); }

    std::vector<owned_message> x_queue; // from x_next on
    std::size_t x_next = 0;
    std::size_t x_bytes = 0; // of what is queued
    owned_message x_popped;
};

} // namespace weir::inline v0::detail
