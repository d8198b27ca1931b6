// Watches the sockets that listen, for both modes of the io_uring backend: an epoll descriptor that the ring watches.
//
// A ring outlives a killed process by up to 40 ms, and with it what it works on: the port of a listening socket would not
// be free so long for the next process. The ring knows the epoll descriptor only.
#pragma once

#include <weir/io/unique_descriptor.hpp>

#include <cstdint>

#include <sys/epoll.h>

namespace weir::inline v0::io {

class uring_listening {
public:
    // -1 before the first `add`.
    int number() const noexcept { return x_epoll.get(); }

    // Finds `key` whenever somebody new may be accepted there, until `remove`.
    [[gnu::cold]] std::error_code add(int number, std::uint64_t key) noexcept {
        if (!x_epoll) x_epoll = unique_descriptor(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event interest{};
        interest.events = EPOLLIN | EPOLLET;
        interest.data.u64 = key;
        if (!x_epoll || ::epoll_ctl(x_epoll.get(), EPOLL_CTL_ADD, number, &interest) != 0) return last_error();
        return {};
    }

    void remove(int number) noexcept { ::epoll_ctl(x_epoll.get(), EPOLL_CTL_DEL, number, nullptr); }

    // Calls `found(key)` for each. What is removed meanwhile may still be found.
    template <class Found>
    void look(Found&& found) noexcept {
        for (int count = most; count == most;) {
            epoll_event events[most];
            count = ::epoll_wait(x_epoll.get(), events, most, 0);
            for (int i = 0; i < count; ++i) found(events[i].data.u64);
        }
    }

private:
    static constexpr int most = 8; // at a time
    unique_descriptor x_epoll; // made for the first
};

} // namespace weir::inline v0::io
