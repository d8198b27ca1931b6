// What a loop needs of a source of events: the seam between weir and epoll, io_uring, or a simulation.
//
// A backend makes streams and acceptors, waits for something to happen to them, and tells their observers. Its rules:
// only `wake` may be called from another thread or a signal handler; observers are told from `dispatch` and nowhere
// else; streams and acceptors may be destroyed at any time on the loop's thread, also from within `dispatch`, and are
// never told anything afterwards; the backend outlives them. Addresses are the bytes of a socket address, which a backend
// passes on or compares but need not understand.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/coro/duration.hpp>
#include <weir/io/acceptor.hpp>
#include <weir/io/stream.hpp>

#include <string_view>

namespace weir::inline v0::io {

// Trivially copyable.
struct listen_options {
    int backlog = 1024;          // connections that the kernel queues until they are accepted
    bool reuse_port = false;     // several loops, or programs, share one port and the kernel spreads connections
    bool only_ipv6 = false;      // an IPv6 address does not serve IPv4 as well
};

class backend {
public:
    static constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

    backend() noexcept = default;
    backend(const backend&) = delete;
    backend& operator=(const backend&) = delete;
    virtual ~backend() = default;

    // "epoll", "io_uring", "memory".
    virtual std::string_view name() const noexcept = 0;

    // Starts connecting to `address`. The stream's `connected()` is `blocked` until that has come to an end.
    virtual result<owned<stream>> connect(bytes_view address) = 0;

    // Listens on `address`.
    virtual result<owned<acceptor>> listen(bytes_view address, const listen_options& options) = 0;

    // Takes over a connected socket, or a socket that listens already. The descriptor is closed with the object, and
    // also when this fails.
    virtual result<owned<stream>> adopt_stream(int descriptor) = 0;
    virtual result<owned<acceptor>> adopt_acceptor(int descriptor) = 0;

    // Waits until something has happened, somebody called `wake`, or `timeout` has passed; not at all if it is zero.
    virtual void wait(std::chrono::nanoseconds timeout) noexcept = 0;

    // Tells observers of some of what `wait` has found: a few, so that what one stream has received can be used up
    // while it is warm, before the next one receives. True when there is more to tell.
    [[nodiscard]] virtual bool dispatch() noexcept = 0;

    // Ends a `wait` that is under way, or the next one. From any thread; async-signal-safe.
    virtual void wake() noexcept = 0;

    // Time since an arbitrary start, never going back.
    virtual std::chrono::nanoseconds now() noexcept = 0;

    // A descriptor that is readable when `wait` would not have to wait; -1 where there is none.
    virtual int descriptor() const noexcept { return -1; }

    // The pool that leases come from. The loop lends it to the streams' users for buffers of their own.
    block_pool& blocks() noexcept { return x_blocks; }

private:
    block_pool x_blocks;
};

} // namespace weir::inline v0::io
