// An acceptor in io_uring's completion mode.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/io/acceptor.hpp>
#include <weir/io/bound_address.hpp>
#include <weir/io/uring_accepting.hpp>
#include <weir/io/uring_stream.hpp>

namespace weir::inline v0::io {

class uring_acceptor final : public acceptor, private uring_news {
public:
    // Takes over a socket that listens and never waits. `unlink_path`: it is a Unix socket that we bound, whose file goes with it.
    static result<owned<acceptor>> make(uring_driver& driver, unique_descriptor&& socket, bool unlink_path) {
        owned<uring_acceptor> made(new uring_acceptor(driver, std::move(socket), unlink_path));
        if (const std::error_code failed = made->x_socket->start()) return failed;
        return owned<acceptor>(std::move(made));
    }

    ~uring_acceptor() { x_socket->leave(); }

    status accept(owned<stream>& into, std::error_code& failure) noexcept override {
        for (;;) {
            unique_descriptor next = x_socket->next();
            if (next) {
                into = uring_stream::make(x_driver, std::move(next));
                return status::ready;
            }
            if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue; // that one has gone already
            if (errno == EAGAIN || errno == EWOULDBLOCK) return status::blocked;
            failure = last_error();
            return status::failed;
        }
    }

    bytes_view local_address() const noexcept override { return x_address.bytes(); }

    int descriptor() const noexcept override { return x_socket->number(); }

private:
    uring_acceptor(uring_driver& driver, unique_descriptor&& socket, bool unlink_path)
        : x_driver(driver), x_socket(new uring_accepting(driver, std::move(socket), *this)),
          x_address(descriptor(), unlink_path) {}

    void tell() noexcept override {
        if (x_observer) x_observer->on_acceptable();
    }

    uring_driver& x_driver;
    uring_accepting* x_socket; // frees itself
    bound_address x_address;
};

} // namespace weir::inline v0::io
