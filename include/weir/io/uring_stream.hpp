// A stream over a connected socket in io_uring's completion mode.
//
// What is received lies in the kernel's buffers until it is asked for. What is written is copied and leaves with the next
// wait; much at a time is sent at once, by a call of its own, and only what the socket does not take is copied. The
// socket and the memory that the kernel works on are in io/uring_socket.hpp and may outlive this.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/io/uring_socket.hpp>

namespace weir::inline v0::io {

class uring_stream final : public stream, private uring_socket::user {
public:
    // Takes over a connected socket.
    static owned<stream> make(uring_driver& driver, unique_descriptor&& socket) {
        owned<uring_stream> made(new uring_stream(driver, std::move(socket)));
        made->x_socket->open();
        return owned<stream>(std::move(made));
    }

    // Connects a socket; with a size of 0, to wherever it is connecting already.
    static owned<stream> make(uring_driver& driver, unique_descriptor&& socket, const sockaddr* to, socklen_t size) {
        owned<uring_stream> made(new uring_stream(driver, std::move(socket)));
        made->x_socket->connect(to, size);
        return owned<stream>(std::move(made));
    }

    ~uring_stream() { leave(false); }

    status connected() noexcept override {
        if (see_failure()) return status::failed;
        return x_socket->connecting() ? status::blocked : status::ready;
    }

    status fill(lease& into) noexcept override {
        if (!x_socket) return status::failed;
        if (x_socket->lend(into)) return status::ready;
        if (see_failure()) return fill_the_rest(into);
        if (!x_socket->over()) return status::blocked;
        if (!x_socket->in_failure()) return status::end;
        x_failure = {x_socket->in_failure(), std::system_category()};
        return status::failed;
    }

    void release(lease&& unused) noexcept override {
        uring_receiver::give_back(x_driver.buffers, x_driver.blocks(), unused.backing);
        unused = {};
    }

    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        if (see_failure() || x_socket->connecting()) return 0;
        if (!x_socket->ending()) return x_socket->take(pieces);
        x_socket->fail(EPIPE);
        see_failure();
        return 0;
    }

    void shutdown_write() noexcept override {
        if (x_socket) x_socket->shut_down();
    }

    void close() noexcept override { leave(false); }
    void reset() noexcept override { leave(true); }

    std::size_t bytes_under_way() const noexcept override {
        return x_socket ? x_socket->unsent() + socket_calls::bytes_under_way(descriptor()) : 0;
    }

    int descriptor() const noexcept override { return x_socket ? x_socket->number() : -1; }

private:
    uring_stream(uring_driver& driver, unique_descriptor&& socket) : x_driver(driver) {
        x_received_ahead = true;
        socket_calls::hold_nothing_back(socket.get());
        x_socket = new uring_socket(driver, std::move(socket), *this);
    }

    bool see_failure() noexcept {
        if (!x_failure && x_socket->failure()) x_failure = {x_socket->failure(), std::system_category()};
        return static_cast<bool>(x_failure);
    }

    // After a failure to write: what had arrived before, and then that failure.
    [[gnu::cold]] status fill_the_rest(lease& into) noexcept {
        if (!x_socket->over()) x_socket->stop_receiving();
        if (x_socket->lend(into)) return status::ready;
        if (x_rest_is_known) return status::failed;
        const block room = x_driver.blocks().take(rest_bytes);
        const ssize_t got = ::recv(descriptor(), room.data, room.size, MSG_DONTWAIT);
        if (got > 0) {
            into = {{room.data, static_cast<std::size_t>(got)}, room};
            return status::ready;
        }
        x_driver.blocks().give(room);
        x_rest_is_known = true;
        return status::failed;
    }

    void leave(bool at_once) noexcept {
        if (!x_failure) x_failure = std::make_error_code(std::errc::not_connected);
        if (x_socket) std::exchange(x_socket, nullptr)->leave(at_once);
    }

    void on_news(bool readable, bool writable) noexcept override {
        see_failure();
        if (writable && x_observer) x_observer->on_writable();
        if (readable && x_socket && x_observer) x_observer->on_readable();
    }

    static constexpr std::size_t rest_bytes = 16 * 1024;

    uring_driver& x_driver;
    uring_socket* x_socket; // null once closed
    bool x_rest_is_known = false;
};

} // namespace weir::inline v0::io
