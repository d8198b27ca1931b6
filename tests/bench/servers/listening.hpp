// How the servers listen, all alike.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bare {

[[noreturn]] inline void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

// A socket that listens on a free port of the loopback address, which is printed. Not blocking.
inline int listen_somewhere() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener, 4096) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        fail("listening");
    std::printf("listening on :%d, process %d\n", ntohs(at.sin_port), static_cast<int>(::getpid()));
    std::fflush(stdout);
    return listener;
}

inline void send_at_once(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

} // namespace bare
