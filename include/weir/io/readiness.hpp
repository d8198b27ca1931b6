// What backends share that are told which descriptors are ready: epoll, poll, io_uring's poll mode.
//
// Such a backend derives from `socket_backend` (io/socket_backend.hpp), implements `name`, `watch`, `unwatch`, `wait`,
// `dispatch` and `wake`, and gets streams and acceptors over plain sockets from there. Descriptors are watched from
// `watch` to `unwatch`, for both directions. What is ready at `watch` is told too, and every change to ready after that,
// even if it was told before: whoever has found a direction not to be ready hears of it again. Readiness is remembered
// as a bit, so that a receive is only tried when it can succeed.
#pragma once

#include <weir/io/backend.hpp>
#include <weir/io/socket_calls.hpp>
#include <weir/io/unique_descriptor.hpp>

#include <cstdint>

#include <poll.h>

namespace weir::inline v0::io {

// Something that watches a descriptor.
class watched {
public:
    explicit watched(unique_descriptor&& owned) noexcept : x_descriptor(std::move(owned)) {}
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;

    // What the descriptor has become, in bits of poll(2): POLLIN, POLLOUT and, where the peer has ended its side or the
    // socket has failed, others.
    virtual void on_ready(unsigned what) noexcept = 0;
    static constexpr unsigned for_both = POLLIN | POLLOUT; // all other bits stand for an end, and for both directions

    // What it has not been told since it last found out that there is none. A backend that sees states and not changes,
    // as poll does, watches for these alone, and would tell the same for ever otherwise. Failures are always watched for.
    struct interest {
        bool readable;
        bool writable;
        bool end; // of the peer's direction
    };
    virtual interest wants() const noexcept = 0;

    // Whether it is a socket that listens.
    virtual bool listens() const noexcept { return false; }

    int number() const noexcept { return x_descriptor.get(); }

    // For the backend that watches it, which may keep anything here.
    std::uint32_t mark = 0;

protected:
    ~watched() = default;
    unique_descriptor x_descriptor;
};

class readiness_backend : public backend {
public:
    // How much a stream receives at a time at the most: the size of a lease.
    static constexpr std::size_t lease_bytes = lease::usual_bytes;

    // Watches a descriptor until `unwatch`.
    virtual std::error_code watch(watched& which) noexcept = 0;

    // Stops watching; nothing is told any more, also not by a `dispatch` that is under way. The descriptor is closed next:
    // nothing of the backend's may keep the socket alive.
    virtual void unwatch(watched& which) noexcept = 0;

    std::chrono::nanoseconds now() noexcept override { return socket_calls::now(); }
};

} // namespace weir::inline v0::io
