// An acceptor over a listening socket whose readiness somebody watches.
#pragma once

#include <weir/io/bound_address.hpp>
#include <weir/io/socket_stream.hpp>

namespace weir::inline v0::io {

class socket_acceptor final : public acceptor, private watched {
public:
    // Takes over a non-blocking socket that listens. `unlink_path`: it is a Unix socket that we bound, whose file goes
    // with it.
    [[gnu::cold]] static result<owned<acceptor>> make(readiness_backend& backend, unique_descriptor&& socket, bool unlink_path) {
        owned<socket_acceptor> made(new socket_acceptor(backend, std::move(socket), unlink_path));
        if (const std::error_code failed = backend.watch(*made)) {
            made->x_watched = false;
            return failed;
        }
        return owned<acceptor>(std::move(made));
    }

    [[gnu::cold]] ~socket_acceptor() {
        if (x_watched) x_backend.unwatch(*this);
    }

    [[gnu::cold]] status accept(owned<stream>& into, std::error_code& failure) noexcept override {
        for (;;) {
            unique_descriptor next(::accept4(number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!next) {
                if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue; // that one has gone already
                if (errno == EAGAIN || errno == EWOULDBLOCK) {
                    x_told = false;
                    return status::blocked;
                }
                failure = last_error();
                return status::failed;
            }
            result<owned<stream>> made = socket_stream::make(x_backend, std::move(next), false);
            if (!made) {
                failure = made.error();
                return status::failed;
            }
            into = std::move(*made);
            return status::ready;
        }
    }

    bytes_view local_address() const noexcept override { return x_address.bytes(); }

    int descriptor() const noexcept override { return number(); }

private:
    socket_acceptor(readiness_backend& backend, unique_descriptor&& socket, bool unlink_path) noexcept
        : watched(std::move(socket)), x_backend(backend), x_address(number(), unlink_path) {}

    interest wants() const noexcept override { return {!x_told, false, false}; }
    bool listens() const noexcept override { return true; }

    [[gnu::cold]] void on_ready(unsigned) noexcept override {
        x_told = true;
        if (x_observer) x_observer->on_acceptable();
    }

    readiness_backend& x_backend;
    bound_address x_address;
    bool x_watched = true;
    bool x_told = false; // that there may be somebody; until there is nobody
};

} // namespace weir::inline v0::io
