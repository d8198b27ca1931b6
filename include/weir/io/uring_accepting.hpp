// A socket that listens in io_uring's completion mode, as the kernel works on it.
//
// When somebody is there, and the user has asked in vain before, one submission accepts all who wait. It is of the kind
// that never waits itself, which kernels have from 6.10: the ring must not hold a listening socket while nothing happens
// (io/uring_listening.hpp). Before that, and without the option, each is accepted by a call of its own. The object frees
// itself when its user has let go of it and nothing is in flight.
#pragma once

#include <weir/io/uring_driver.hpp>

#include <vector>

#include <sys/socket.h>

namespace weir::inline v0::io {

class uring_accepting final : public uring_owner, public uring_work {
public:
    // Takes over a socket that listens and never waits. `told`, who is its user, has news when somebody may be accepted.
    uring_accepting(uring_driver& driver, unique_descriptor&& socket, uring_news& told) noexcept
        : x_driver(driver), x_socket(std::move(socket)), x_told(&told), x_by_ring(driver.options().multishot_accept) {}

    std::error_code start() noexcept { return x_driver.listen_at(number(), *this); }

    int number() const noexcept { return x_socket.get(); }

    // The next connection; none, and errno EAGAIN if nobody is there.
    unique_descriptor next() noexcept {
        if (x_next < x_accepted.size()) return std::move(x_accepted[x_next++]);
        x_accepted.clear();
        x_next = 0;
        unique_descriptor made;
        if (!x_nobody) made = unique_descriptor(::accept4(number(), nullptr, nullptr, SOCK_CLOEXEC));
        if (x_nobody) errno = EAGAIN;
        if (!made && errno == EAGAIN) x_asked = true;
        return made;
    }

    // It listens no longer; who was accepted and not asked for is turned away.
    void leave() noexcept {
        x_told = nullptr;
        uring_work::unlink();
        x_accepted.clear();
        if (x_in_flight) x_driver.cancel_all_of(number());
        x_driver.listen_no_more_at(number());
        x_socket.close();
        if (!x_in_flight) delete this;
    }

private:
    ~uring_accepting() = default;

    void prepare() noexcept override {
        if (x_in_flight) return;
        io_uring_sqe* const entry = x_driver.ring.next_entry();
        ::io_uring_prep_multishot_accept(entry, number(), nullptr, nullptr, SOCK_CLOEXEC);
        entry->ioprio |= never_waits;
        x_in_flight = true;
        x_driver.begin(entry, *this, accepting);
    }

    void completed(unsigned which, int result, unsigned, bool more) noexcept override {
        if (which == uring_driver::acceptable) {
            x_nobody = false;
            return x_asked && x_by_ring ? x_driver.add_work(*this) : x_driver.add_news(*x_told);
        }
        unique_descriptor accepted(result); // negative: none
        if (!more) x_in_flight = false;
        if (!x_told) { // and `leave` is under way unless the socket is closed
            if (!more && !x_socket) delete this;
            return;
        }
        if (accepted) x_accepted.push_back(std::move(accepted));
        if (more) return;
        if (result == -EINVAL) x_by_ring = false; // before 6.10
        if (result == -EAGAIN) x_nobody = true;
        if (result == -EAGAIN && x_accepted.empty()) return; // gone again
        x_asked = false;
        x_driver.add_news(*x_told);
    }

    static constexpr unsigned accepting = 0;
    static constexpr std::uint16_t never_waits = 1U << 1; // IORING_ACCEPT_DONTWAIT, which liburing 2.3 does not name

    uring_driver& x_driver;
    unique_descriptor x_socket;
    uring_news* x_told; // null when nobody wants any more
    std::vector<unique_descriptor> x_accepted;
    std::size_t x_next = 0;
    bool x_by_ring;
    bool x_asked = false;  // in vain
    bool x_nobody = false; // since the last time that somebody was there
    bool x_in_flight = false;
};

} // namespace weir::inline v0::io
