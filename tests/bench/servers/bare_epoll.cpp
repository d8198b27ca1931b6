// The bare echo on epoll, edge-triggered: each socket is registered once.
#include "direct.hpp"

#include <sys/epoll.h>

int main() {
    using namespace bare;
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC), listener = listen_somewhere();
    epoll_event wish{};
    wish.events = EPOLLIN;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wish);
    epoll_event events[256];
    for (;;) {
        const int count = ::epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            if (!events[i].data.ptr) {
                int socket;
                while ((socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                    send_at_once(socket);
                    wish.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
                    wish.data.ptr = new connection{.socket = socket};
                    ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &wish);
                }
                continue;
            }
            connection& one = *static_cast<connection*>(events[i].data.ptr);
            bool open = true;
            if (one.left > 0 && events[i].events & EPOLLOUT) open = on_writable(one);
            if (open && events[i].events & ~static_cast<unsigned>(EPOLLOUT)) open = on_readable(one);
            if (!open) end(one);
        }
    }
}
