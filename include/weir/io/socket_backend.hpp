// Connecting and listening over plain sockets, for backends that watch readiness.
#pragma once

#include <weir/io/socket_acceptor.hpp>

#include <fcntl.h>

namespace weir::inline v0::io {

class socket_backend : public readiness_backend {
public:
    result<std::unique_ptr<stream>> connect(bytes_view address) override {
        const sockaddr* to = reinterpret_cast<const sockaddr*>(address.data());
        unique_descriptor socket(::socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket) return last_error();
        bool connecting = false;
        if (::connect(socket.get(), to, static_cast<socklen_t>(address.size())) != 0) {
            // A Unix socket whose queue is full says EAGAIN and will not tell later: that is a failure to connect.
            if (errno != EINPROGRESS && errno != EINTR) return last_error();
            connecting = true;
        }
        return socket_stream::make(*this, std::move(socket), connecting);
    }

    result<std::unique_ptr<acceptor>> listen(bytes_view address, const listen_options& options) override {
        const sockaddr* at = reinterpret_cast<const sockaddr*>(address.data());
        unique_descriptor socket(::socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket) return last_error();
        const int on = 1, off = 0;
        if (at->sa_family == AF_UNIX) {
            remove_stale(*reinterpret_cast<const sockaddr_un*>(at), static_cast<socklen_t>(address.size()));
        } else {
            ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            if (options.reuse_port && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
                return last_error();
            if (at->sa_family == AF_INET6)
                ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.only_ipv6 ? &on : &off, sizeof on);
        }
        if (::bind(socket.get(), at, static_cast<socklen_t>(address.size())) != 0) return last_error();
        if (::listen(socket.get(), options.backlog) != 0) return last_error();
        return socket_acceptor::make(*this, std::move(socket), true);
    }

    result<std::unique_ptr<stream>> adopt_stream(int number) override {
        unique_descriptor socket(number);
        if (!set_flags(number)) return last_error();
        return socket_stream::make(*this, std::move(socket), false);
    }

    result<std::unique_ptr<acceptor>> adopt_acceptor(int number) override {
        unique_descriptor socket(number);
        if (!set_flags(number)) return last_error();
        return socket_acceptor::make(*this, std::move(socket), false);
    }

private:
    static bool set_flags(int number) noexcept {
        const int flags = ::fcntl(number, F_GETFL);
        return flags >= 0 && ::fcntl(number, F_SETFL, flags | O_NONBLOCK) == 0 &&
               ::fcntl(number, F_SETFD, FD_CLOEXEC) == 0;
    }

    // A Unix socket's file outlives a program that was killed. It is removed when nobody answers behind it.
    static void remove_stale(const sockaddr_un& at, socklen_t size) noexcept {
        struct stat found;
        if (at.sun_path[0] == '\0' || ::lstat(at.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) return;
        unique_descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&at), size) != 0 && errno == ECONNREFUSED)
            ::unlink(at.sun_path);
    }
};

} // namespace weir::inline v0::io
