// A client's socket, and what comes in on it cut into bodies of answers, chunks of an endless one, or frames of a WebSocket.
//
// Sends and the first answers wait; whatever is not as it should be ends the program.
#pragma once

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace compare {

[[noreturn]] inline void fail(const std::string& what) {
    std::fprintf(stderr, "compare_transports: %s\n", what.c_str());
    std::exit(1);
}

template <class Number>
Number number_at(std::string_view text, int base = 10) {
    Number found = 0;
    std::from_chars(text.data(), text.data() + text.size(), found, base);
    return found;
}

class connection {
public:
    explicit connection(int port) : x_socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(x_socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
            fail("connecting: " + std::string(std::strerror(errno)));
        const int on = 1;
        ::setsockopt(x_socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    connection(const connection&) = delete;
    ~connection() { ::close(x_socket); }

    int socket() const { return x_socket; }

    void send(std::string_view bytes) const {
        if (::send(x_socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) fail("sending");
    }

    void receive(int flags = MSG_DONTWAIT) {
        static char buffer[256 * 1024];
        x_in.erase(0, std::exchange(x_at, 0));
        const ssize_t came = ::recv(x_socket, buffer, sizeof buffer, flags);
        if (came < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (came <= 0) fail("the server closed a connection");
        x_in.append(buffer, static_cast<std::size_t>(came));
    }

    // The next piece that has come as a whole; valid until the next `receive`.
    std::optional<std::string_view> next() {
        const std::string_view rest = std::string_view(x_in).substr(x_at);
        switch (x_cut) {
        case cut::answers: return next_answer(rest);
        case cut::chunks: return next_chunk(rest);
        case cut::frames: return next_frame(rest);
        }
        return {};
    }

private:
    enum class cut { answers, chunks, frames };

    std::optional<std::string_view> next_answer(std::string_view rest) {
        const std::size_t end = rest.find("\r\n\r\n");
        if (end == rest.npos) return {};
        const std::string_view head = rest.substr(0, end + 4);
        const bool upgrades = head.starts_with("HTTP/1.1 101"), is_endless = head.find("\r\nTransfer-Encoding: chunked") != head.npos;
        if (!upgrades && !head.starts_with("HTTP/1.1 200")) fail("an answer: " + std::string(rest));
        if (upgrades || is_endless) {
            x_cut = upgrades ? cut::frames : cut::chunks;
            x_at += head.size();
            return next();
        }
        const std::string_view field = "\r\nContent-Length: ";
        const auto size = number_at<std::size_t>(head.substr(std::min(head.size(), head.find(field) + field.size())));
        return take(rest, head.size(), size, 0);
    }
    std::optional<std::string_view> next_chunk(std::string_view rest) {
        const std::size_t end = rest.find("\r\n");
        return end == rest.npos ? std::nullopt : take(rest, end + 2, number_at<std::size_t>(rest, 16), 2);
    }
    std::optional<std::string_view> next_frame(std::string_view rest) {
        if (rest.size() < 4) return {};
        const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(rest[at])); };
        if (byte(0) != 0x81) fail("a frame that is no text");
        const bool is_short = byte(1) < 126;
        return take(rest, is_short ? 2 : 4, is_short ? byte(1) : byte(2) << 8 | byte(3), 0);
    }

    std::optional<std::string_view> take(std::string_view rest, std::size_t head, std::size_t size, std::size_t tail) {
        if (rest.size() < head + size + tail) return {};
        x_at += head + size + tail;
        return rest.substr(head, size);
    }

    int x_socket;
    cut x_cut = cut::answers;
    std::string x_in;
    std::size_t x_at = 0; // what comes before it is done with
};

} // namespace compare
