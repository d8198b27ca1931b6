// A listening socket: where new streams come from.
//
// Belongs to one loop and is used on its thread. Like a stream it never waits; its observer is told when there may be
// somebody to accept. Destroying it stops listening.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/io/stream.hpp>


namespace weir::inline v0::io {

// Who is told that somebody may be waiting to be accepted. The same rules as for `stream_observer`.
class acceptor_observer {
public:
    virtual void on_acceptable() noexcept = 0;

protected:
    ~acceptor_observer() = default;
};

class acceptor {
public:
    acceptor() noexcept = default;
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;
    virtual ~acceptor() = default;

    // Accepts one connection. `failed`: `failure` says why this one could not be accepted (out of descriptors, for
    // instance); trying again later is right.
    virtual status accept(owned<stream>& into, std::error_code& failure) noexcept = 0;

    // The address that it listens on, as the bytes of a socket address.
    virtual bytes_view local_address() const noexcept = 0;

    // The descriptor below; -1 where there is none.
    virtual int descriptor() const noexcept { return -1; }

    void observe(acceptor_observer* observer) noexcept { x_observer = observer; }

protected:
    acceptor_observer* x_observer = nullptr;
};

} // namespace weir::inline v0::io
