// One connection of the load generator: sends prepared bytes, compares what comes back.
#pragma once

#include "answers.hpp"
#include "wire.hpp"

#include <sys/epoll.h>

namespace load {

class client {
public:
    client() = default;
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client() { end(); }

    // Connects and asks for an upgrade. `by`: null for none.
    void open(int port, const std::string& path, const security* by, const std::string& fields = "") {
        x_wire.open(port, by);
        const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost:" + std::to_string(port) +
                                    "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + fields + "\r\n";
        if (x_wire.send(request) != static_cast<ssize_t>(request.size())) fail("sending a request");
    }

    // Waits for the answer to that. From then on it is watched by `epoll`.
    void await_upgrade(int epoll) {
        std::string head;
        while (head.size() < 4 || head.compare(head.size() - 4, 4, "\r\n\r\n") != 0) {
            char part[1024];
            const ssize_t came = x_wire.receive(part, sizeof part);
            if (came <= 0) fail("no complete answer to a request");
            head.append(part, static_cast<std::size_t>(came));
        }
        if (head.compare(0, 12, "HTTP/1.1 101") != 0 || head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == std::string::npos)
            fail("a request was refused");
        x_wire.unblock();
        epoll_event events{};
        events.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        events.data.ptr = this;
        if (::epoll_ctl(epoll, EPOLL_CTL_ADD, x_wire.socket(), &events) != 0) fail("watching a socket");
    }

    void end() {
        x_wire.close();
        x_over = false;
    }

    // Whether the server has ended the connection, with nothing left to answer.
    bool over() const { return x_over; }

    bool is_resumed() const { return x_wire.is_resumed(); }

    answers& expected() { return x_answers; }

    // Sends `frames`, which must stay, and expects the answers to what is in them.
    void ask(const batch& what, std::int64_t asked_at) {
        for (const message& each : what.messages) x_answers.expect(each, asked_at);
        say(what.frames);
    }

    void say(std::string_view bytes) {
        x_outgoing.push_back(bytes);
        if (x_outgoing.size() == 1) write();
    }

    void write() {
        while (!x_outgoing.empty()) {
            std::string_view& next = x_outgoing.front();
            const ssize_t sent = x_wire.send(next);
            if (sent < 0 && errno == EAGAIN) return;
            if (sent < 0) fail("sending");
            next.remove_prefix(static_cast<std::size_t>(sent));
            if (!next.empty()) continue;
            x_outgoing.pop_front();
        }
    }

    // Receives until there is nothing more; `told(asked_at)` is called for each answer. `ends`: up to its end.
    template <class Told>
    void read(std::string& buffer, bool ends, Told told) {
        for (;;) {
            const ssize_t came = x_wire.receive(buffer.data(), buffer.size());
            if (came < 0 && errno == EAGAIN) return;
            if (came == 0 && x_answers.outstanding() == 0) x_over = true;
            if (x_over) return;
            if (came <= 0) fail("the server closed a connection");
            errno = 0;
            const char* const wrong = x_answers.take(buffer.data(), static_cast<std::size_t>(came), told);
            if (wrong) fail(wrong);
            if (static_cast<std::size_t>(came) < buffer.size() && x_wire.gives_all() && !ends) return; // edge-triggered: more will be told
        }
    }

private:
    wire x_wire;
    bool x_over = false;
    std::deque<std::string_view> x_outgoing;
    answers x_answers;
};

} // namespace load
