// What has passed through sockets, as the kernel counts it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace compare {

inline constexpr std::size_t packet_bytes = 52; // the headers of IPv4 and of TCP with its time stamps, in each packet

struct traffic {
    std::uint64_t bytes = 0;   // above TCP, in both directions
    std::uint64_t packets = 0; // likewise, those among them that only acknowledge

    traffic& operator+=(const traffic& other) {
        bytes += other.bytes;
        packets += other.packets;
        return *this;
    }
    double wire_bytes() const { return static_cast<double>(bytes + packets * packet_bytes); }
};

// The kernel's count of a socket; nothing for what is no TCP socket. The C library's tcp_info is older than these fields, whose
// places are those of linux/tcp.h; kernels have them since 4.19.
inline std::optional<traffic> traffic_of(int socket) {
    unsigned char info[208];
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, info, &size) != 0 || size < sizeof info) return {};
    std::uint64_t received, sent;
    std::uint32_t segments[2];
    std::memcpy(&received, info + 128, sizeof received);
    std::memcpy(segments, info + 136, sizeof segments);
    std::memcpy(&sent, info + 200, sizeof sent);
    return traffic{received + sent, std::uint64_t{segments[0]} + segments[1]};
}

// What has passed through the sockets of each port, those that have closed by now as of the last look at them.
class ledger {
public:
    void look() {
        rlimit most{};
        ::getrlimit(RLIMIT_NOFILE, &most);
        std::map<std::uint64_t, entry> open;
        for (int socket = 0; socket < static_cast<int>(std::min<rlim_t>(most.rlim_cur, 4096)); ++socket) {
            sockaddr_storage at{};
            socklen_t size = sizeof at, cookie_size = sizeof(std::uint64_t);
            std::uint64_t cookie = 0;
            if (::getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_size) != 0) continue;
            const std::optional<traffic> seen = traffic_of(socket);
            if (!seen || ::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size) != 0) continue;
            const bool is_ipv6 = at.ss_family == AF_INET6;
            const std::uint16_t port = is_ipv6 ? reinterpret_cast<const sockaddr_in6&>(at).sin6_port
                                               : reinterpret_cast<const sockaddr_in&>(at).sin_port;
            open[cookie] = {ntohs(port), *seen};
        }
        for (const auto& [cookie, last] : x_open)
            if (!open.contains(cookie)) x_closed[last.port] += last.passed;
        x_open = std::move(open);
    }

    traffic at(int port) const {
        const auto closed = x_closed.find(port);
        traffic all = closed == x_closed.end() ? traffic() : closed->second;
        for (const auto& [cookie, each] : x_open)
            if (each.port == port) all += each.passed;
        return all;
    }

private:
    struct entry {
        int port;
        traffic passed;
    };
    std::map<std::uint64_t, entry> x_open; // by the number that each socket has
    std::map<int, traffic> x_closed;
};

} // namespace compare
