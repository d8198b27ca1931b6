// An acceptor in io_uring's completion mode.
#pragma once

#include <weir/io/socket_setup.hpp>
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

    ~uring_acceptor() {
        x_socket->leave();
        if (x_unlink_path && x_address.ss_family == AF_UNIX) {
            const auto* local = reinterpret_cast<const sockaddr_un*>(&x_address);
            if (local->sun_path[0] != '\0') ::unlink(local->sun_path);
        }
    }

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

    bytes_view local_address() const noexcept override {
        return {reinterpret_cast<const std::byte*>(&x_address), x_address_bytes};
    }

    int descriptor() const noexcept override { return x_socket->number(); }

private:
    uring_acceptor(uring_driver& driver, unique_descriptor&& socket, bool unlink_path)
        : x_driver(driver), x_socket(new uring_accepting(driver, std::move(socket), *this)), x_unlink_path(unlink_path) {
        socklen_t size = sizeof x_address;
        if (::getsockname(descriptor(), reinterpret_cast<sockaddr*>(&x_address), &size) == 0) x_address_bytes = size;
    }

    void tell() noexcept override {
        if (x_observer) x_observer->on_acceptable();
    }

    uring_driver& x_driver;
    uring_accepting* x_socket; // frees itself
    sockaddr_storage x_address{};
    std::size_t x_address_bytes = 0;
    bool x_unlink_path;
};

} // namespace weir::inline v0::io
