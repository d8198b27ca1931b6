// What backends share that are told which descriptors are ready: epoll, poll, io_uring's poll mode.
//
// Such a backend derives from `socket_backend` (io/socket_backend.hpp), implements `watch`, `unwatch`, `wait`, `dispatch`
// and `wake`, and gets streams and acceptors over plain sockets from there. Descriptors are watched once,
// edge-triggered, for both directions; readiness is remembered as a bit, so that a receive is only tried when it can
// succeed.
#pragma once

#include <weir/io/backend.hpp>
#include <weir/io/unique_descriptor.hpp>

#include <sys/socket.h>

namespace weir::inline v0::io {

// Something that watches a descriptor.
class watched {
public:
    explicit watched(unique_descriptor&& owned) noexcept : x_descriptor(std::move(owned)) {}
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;

    // The descriptor has become readable or writable. `hangup`: the peer has ended its side, or the socket has failed.
    virtual void on_ready(bool readable, bool writable, bool hangup) noexcept = 0;

    int number() const noexcept { return x_descriptor.get(); }

protected:
    ~watched() = default;
    unique_descriptor x_descriptor;
};

class readiness_backend : public backend {
public:
    // How much a stream receives at a time at the most: the size of a lease.
    static constexpr std::size_t lease_bytes = 64 * 1024;

    // Watches a descriptor until `unwatch`; both directions, edge-triggered.
    virtual std::error_code watch(watched& which) noexcept = 0;

    // Stops watching; nothing is told any more, also not by a `dispatch` that is under way.
    virtual void unwatch(watched& which) noexcept = 0;
};

} // namespace weir::inline v0::io
