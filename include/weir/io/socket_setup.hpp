// Making sockets ready for a backend: addresses, flags, and what listens.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/errc.hpp>
#include <weir/io/backend.hpp>
#include <weir/io/unique_descriptor.hpp>

#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace weir::inline v0::io {

class socket_setup {
public:
    // A socket address, aligned and with zeros after it; size 0 if the bytes cannot be one.
    struct address_copy {
        explicit address_copy(bytes_view from) noexcept {
            if (from.size() < sizeof bytes.ss_family || from.size() >= sizeof bytes) return;
            std::memcpy(&bytes, from.data(), from.size());
            size = static_cast<socklen_t>(from.size());
        }
        const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&bytes); }

        sockaddr_storage bytes{};
        socklen_t size = 0;
    };

    // Closed when another program is started. `waits`: for who does not say otherwise by the call.
    static bool set_flags(int number, bool waits) noexcept {
        const int flags = ::fcntl(number, F_GETFL);
        return flags >= 0 && ::fcntl(number, F_SETFL, waits ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0 &&
               ::fcntl(number, F_SETFD, FD_CLOEXEC) == 0;
    }

    // Makes `socket` one that never waits, bound to `address` and listening.
    [[gnu::cold]] static std::error_code listen(bytes_view address, const listen_options& options, unique_descriptor& socket) {
        const address_copy at(address);
        if (!at.size) return make_error_code(errc::bad_address);
        socket = unique_descriptor(::socket(at.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket) return last_error();
        const int on = 1, off = 0;
        if (at.bytes.ss_family == AF_UNIX) {
            remove_stale(at);
        } else {
            ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            if (options.reuse_port && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
                return last_error();
            if (at.bytes.ss_family == AF_INET6)
                ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.only_ipv6 ? &on : &off, sizeof on);
        }
        if (::bind(socket.get(), at.get(), at.size) != 0) return last_error();
        if (::listen(socket.get(), options.backlog) != 0) return last_error();
        return {};
    }

private:
    // A Unix socket's file outlives a program that was killed. It is removed when nobody answers behind it.
    [[gnu::cold]] static void remove_stale(const address_copy& at) noexcept {
        const char* path = reinterpret_cast<const sockaddr_un&>(at.bytes).sun_path;
        struct stat found;
        if (*path == '\0' || ::lstat(path, &found) != 0 || !S_ISSOCK(found.st_mode)) return;
        unique_descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (probe && ::connect(probe.get(), at.get(), at.size) != 0 && errno == ECONNREFUSED) ::unlink(path);
    }
};

} // namespace weir::inline v0::io
