// What every stream over a socket asks of the system, whoever waits for the socket.
#pragma once

#include <weir/coro/duration.hpp>

#include <cstddef>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

namespace weir::inline v0::io {

struct socket_calls {
    // The clock of backends that wait for sockets: since some start, never going back.
    static std::chrono::nanoseconds now() noexcept {
        timespec at;
        ::clock_gettime(CLOCK_MONOTONIC, &at);
        return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
    }

    // Realtime messages are small and gathered by us: the kernel must not hold them back. Not TCP: no such option.
    static void hold_nothing_back(int number) noexcept {
        const int on = 1;
        ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }

    // What has gone wrong with it, connecting for instance, as an errno; 0 for nothing. Asking clears it.
    static int failure(int number) noexcept {
        int found = 0;
        socklen_t size = sizeof found;
        ::getsockopt(number, SOL_SOCKET, SO_ERROR, &found, &size);
        return found;
    }

    // Has the peer see a reset when the socket is closed, and what is unsent dropped.
    static void reset_on_close(int number) noexcept {
        const linger at_once{1, 0};
        ::setsockopt(number, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }

    // How many bytes the peer's system may not have; 0 also where nobody can tell.
    static std::size_t bytes_under_way(int number) noexcept {
        int count = 0;
        return ::ioctl(number, SIOCOUTQ, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
    }
};

} // namespace weir::inline v0::io
