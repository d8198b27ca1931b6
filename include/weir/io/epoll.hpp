// The epoll backend.
//
// Every descriptor is registered once, edge-triggered, for both directions. An eventfd wakes a waiting loop.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/io/lone_turns.hpp>
#include <weir/io/socket_backend.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace weir::inline v0::io {

class epoll final : public socket_backend {
public:
    // Fails when the process is out of descriptors.
    [[gnu::cold]] static result<owned<backend>> make() {
        owned<epoll> made(new epoll);
        if (!made->x_epoll || !made->x_wake) return last_error();
        epoll_event interest{};
        interest.events = EPOLLIN | EPOLLET;
        interest.data.ptr = nullptr;
        if (::epoll_ctl(made->x_epoll.get(), EPOLL_CTL_ADD, made->x_wake.get(), &interest) != 0) return last_error();
        return owned<backend>(std::move(made));
    }

    std::string_view name() const noexcept override { return "epoll"; }

    std::error_code watch(watched& which) noexcept override {
        epoll_event interest{};
        interest.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        interest.data.ptr = &which;
        if (::epoll_ctl(x_epoll.get(), EPOLL_CTL_ADD, which.number(), &interest) != 0) return last_error();
        return {};
    }

    void unwatch(watched& which) noexcept override {
        ::epoll_ctl(x_epoll.get(), EPOLL_CTL_DEL, which.number(), nullptr);
        for (int i = x_told; i < x_found; ++i)
            if (x_events[i].data.ptr == &which) x_events[i].data.ptr = nullptr;
    }

    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        if (x_told < x_found) return true;
        return note_found(::epoll_wait(x_epoll.get(), x_events, max_events, milliseconds_of(timeout)));
    }

    bool dispatch() noexcept override {
        if (x_found == 1) { // the most frequent where messages come one at a time
            if (!exchanged(x_told, 1)) tell(x_events[0]);
            return false;
        }
        return dispatch_some();
    }

    lone_end take_lone_turns(lone_turns& of, std::chrono::nanoseconds most) noexcept override {
        if (x_told < x_found) return lone_end::found;
        const int milliseconds = milliseconds_of(most);
        const auto look = [&] {
            const int found = ::epoll_wait(x_epoll.get(), x_events, max_events, milliseconds);
            if (found == 1) [[likely]] return lone_end::told;
            return note_found(found) ? lone_end::found : lone_end::nothing;
        };
        return lone_turns::take(*this, of, look, [&] { tell(x_events[0]); });
    }

    void wake() noexcept override {
        // Edge-triggered: each write is an event, the counter need not be read. One that would overflow after 2^64
        // writes does not happen.
        const std::uint64_t one = 1;
        const int saved = errno; // of what a signal interrupted
        [[maybe_unused]] const ssize_t ignored = ::write(x_wake.get(), &one, sizeof one);
        errno = saved;
    }

    int descriptor() noexcept override { return x_epoll.get(); }

private:
    static constexpr int max_events = 64; // a turn: what they are answered with is still warm when it is sent, at its end
    static constexpr int events_at_once = 4; // as many leases as the pool keeps
    static constexpr unsigned max_wait = 1 << 30; // milliseconds: twelve days

    // Rounded up, so that a deadline has passed when the wait is over.
    static int milliseconds_of(std::chrono::nanoseconds timeout) noexcept {
        if (timeout == forever) return -1;
        const auto whole = (static_cast<std::uint64_t>(timeout.count()) + 999'999) / 1'000'000;
        return whole > max_wait ? static_cast<int>(max_wait) : static_cast<int>(whole);
    }

    bool note_found(int count) noexcept {
        x_told = 0;
        x_found = count < 0 ? 0 : count;
        x_found_one = count == 1;
        return x_found > 0;
    }

    // Apart, so that the most frequent way needs no registers for it.
    [[gnu::noinline]] bool dispatch_some() noexcept {
        for (int told = 0; told < events_at_once && x_told < x_found; ++told) tell(x_events[x_told++]);
        return x_told < x_found;
    }

    static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT); // `watched` speaks of the latter

    [[gnu::always_inline]] static inline void tell(const epoll_event& event) noexcept {
        auto* const which = static_cast<watched*>(event.data.ptr);
        if (!which) return; // the eventfd, or unwatched meanwhile
        which->on_ready(event.events);
    }

    epoll() noexcept
        : x_epoll(::epoll_create1(EPOLL_CLOEXEC)), x_wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        x_takes_lone_turns = true;
    }

    unique_descriptor x_epoll;
    unique_descriptor x_wake;
    int x_told = 0;
    int x_found = 0;
    epoll_event x_events[max_events];
};

} // namespace weir::inline v0::io
