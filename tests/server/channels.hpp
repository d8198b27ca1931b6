// Clients of channels for tests: requests with their answers, event streams, WebSockets that speak records.
#pragma once

#include "serving.hpp"

#include <weir/protocol/channel/record.hpp>
#include <weir/server/channel.hpp>

#include <charconv>

struct answer {
    int status = 0;
    std::string head, body;
    bool has(std::string_view line) const { return contains(head, line); }
};

inline std::string request_text(std::string_view method, std::string_view target, std::string_view body, std::string_view more) {
    std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: here\r\n" + std::string(more);
    if (!body.empty() || method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + std::string(body);
}

inline answer parse_answer(const std::string& text) {
    answer made;
    const std::size_t end = text.find("\r\n\r\n");
    if (end == text.npos || text.size() < 12) return made;
    std::from_chars(text.data() + 9, text.data() + 12, made.status);
    made.head = text.substr(0, end + 2);
    made.body = text.substr(end + 4);
    return made;
}

// One request on a connection of its own.
inline task<answer> ask_for(net::endpoint at, std::string method, std::string target, std::string body = {}, std::string more = {}) {
    std::unique_ptr<raw_peer> peer = co_await dial(at);
    co_await peer->send(request_text(method, target, body, more));
    const std::string text = co_await peer->read_response();
    co_return parse_answer(text);
}
inline task<answer> get(net::endpoint at, std::string target, std::string more = {}) {
    return ask_for(at, "GET", std::move(target), {}, std::move(more));
}
inline task<answer> post(net::endpoint at, std::string target, std::string body) {
    return ask_for(at, "POST", std::move(target), std::move(body));
}

// Opens a session; gives the target with its id.
inline task<std::string> open_session(net::endpoint at, std::string query = {}, std::string path = "/chat") {
    const answer opened = co_await get(at, path + query);
    REQUIRE(opened.status == 200);
    const auto read = envelope::parse(std::string_view(opened.body).substr(0, opened.body.size() - 1));
    REQUIRE(read);
    REQUIRE(read->what == envelope::kind::opened);
    CHECK(read->id.size() == 22);
    co_return path + "?session=" + std::string(read->id);
}

// An answer that does not end: its events, one after the other.
class event_reader {
public:
    event_reader(net::endpoint at, std::string target, std::string more = {})
        : x_at(at), x_request(request_text("GET", target, {}, more)) {}

    task<int> begin() {
        x_peer = co_await dial(x_at);
        co_await x_peer->send(x_request);
        head = co_await x_peer->read_to("\r\n\r\n");
        co_return parse_answer(head).status;
    }

    // Without the empty line at its end; empty at the end of the answer.
    task<std::string> next() {
        while (x_text.find("\n\n") == x_text.npos) {
            const std::string size_line = co_await x_peer->read_to("\r\n");
            std::size_t size = 0;
            std::from_chars(size_line.data(), size_line.data() + size_line.size(), size, 16);
            if (size == 0) co_return std::string();
            std::string chunk;
            while (chunk.size() < size + 2 && !x_peer->over()) {
                const std::string piece = co_await x_peer->read_to("\n");
                chunk += piece;
            }
            if (chunk.size() < size + 2) co_return std::string();
            x_text.append(chunk, 0, size);
        }
        const std::size_t end = x_text.find("\n\n");
        std::string event = x_text.substr(0, end);
        x_text.erase(0, end + 2);
        co_return event;
    }

    void hang_up() { x_peer = nullptr; }

    std::string head;

private:
    net::endpoint x_at;
    std::string x_request;
    std::unique_ptr<raw_peer> x_peer;
    std::string x_text;
};

inline task<> echo_channel(channel& client) {
    while (auto message = co_await client.read()) co_await client.send(*message);
}

inline task<std::unique_ptr<websocket>> open_websocket(net::endpoint at, std::string target) {
    auto ws = co_await weir::connect(url_of(at, target));
    REQUIRE_MESSAGE(ws, ws.error().message());
    co_return std::make_unique<websocket>(std::move(*ws));
}

// The next record on a WebSocket; empty at its end.
inline task<std::string> next_record(websocket& ws) {
    auto got = co_await ws.read();
    co_return got ? std::string(got->text()) : std::string();
}

inline std::chrono::nanoseconds loop_time() { return io::loop::current()->now(); }
