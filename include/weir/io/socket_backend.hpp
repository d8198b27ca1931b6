// Connecting and listening over plain sockets, for backends that watch readiness.
#pragma once

#include <weir/io/socket_acceptor.hpp>
#include <weir/io/socket_setup.hpp>

namespace weir::inline v0::io {

class socket_backend : public readiness_backend {
public:
    [[gnu::cold]] result<owned<stream>> connect(bytes_view address) override {
        const socket_setup::address_copy to(address);
        if (!to.size) return errc::bad_address;
        unique_descriptor socket(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket) return last_error();
        bool connecting = false;
        if (::connect(socket.get(), to.get(), to.size) != 0) {
            // A Unix socket whose queue is full says EAGAIN and will not tell later: that is a failure to connect.
            if (errno != EINPROGRESS && errno != EINTR) return last_error();
            connecting = true;
        }
        return socket_stream::make(*this, std::move(socket), connecting);
    }

    [[gnu::cold]] result<owned<acceptor>> listen(bytes_view address, const listen_options& options) override {
        unique_descriptor socket;
        if (const std::error_code failed = socket_setup::listen(address, options, socket)) return failed;
        return socket_acceptor::make(*this, std::move(socket), true);
    }

    [[gnu::cold]] result<owned<stream>> adopt_stream(int number) override {
        unique_descriptor socket(number);
        if (!socket_setup::set_flags(number, false)) return last_error();
        return socket_stream::make(*this, std::move(socket), false);
    }

    [[gnu::cold]] result<owned<acceptor>> adopt_acceptor(int number) override {
        unique_descriptor socket(number);
        if (!socket_setup::set_flags(number, false)) return last_error();
        return socket_acceptor::make(*this, std::move(socket), false);
    }
};

} // namespace weir::inline v0::io
