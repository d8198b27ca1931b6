// Servers that a test plays, word by word, for clients that open connections to them.
#pragma once

#include "../server/serving.hpp"

// Accepts one client after the other and hands each to `play(peer, request)`.
template <class Play>
task<> act(net::listener& listener, Play& play) {
    for (;;) {
        auto stream = co_await listener.accept();
        if (!stream) co_return;
        raw_peer peer(std::move(*stream));
        const std::string request = co_await peer.read_to("\r\n\r\n");
        co_await play(peer, request);
    }
}

// The URL of a server that a test plays, while `work(url)` lasts.
template <class Play, class Work>
task<> against(Play& play, Work& work) {
    auto listener = net::listen("127.0.0.1", 0);
    REQUIRE(listener);
    scope all;
    all.spawn(act(*listener, play));
    const std::string url = "ws://" + listener->local_endpoint().to_string() + "/echo";
    co_await work(url);
    listener->close();
    all.cancel();
    co_await all.join();
}

template <class Play, class Work>
void in_memory_against(Play play, Work work, io::memory_options network = {}) {
    tests::memory_loop loop(network);
    loop.run(against(play, work));
}

inline std::string key_of(const std::string& request) {
    const std::size_t at = request.find("Sec-WebSocket-Key: ");
    return at == request.npos ? "" : request.substr(at + 19, 24);
}

inline std::string accepting(const std::string& request, std::string_view more = {}) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
           ws::accept_key(key_of(request)) + "\r\n" + std::string(more) + "\r\n";
}

inline bool matches(std::string_view text, std::string_view pattern) {
    if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
    return text == pattern;
}

// The value of a field of a request, or "(none)".
inline std::string field_of(const std::string& request, std::string name) {
    const std::size_t at = request.find("\r\n" + name + ": ");
    if (at == request.npos) return "(none)";
    const std::size_t begin = at + name.size() + 4;
    return request.substr(begin, request.find("\r\n", begin) - begin);
}
