// A server and its clients in one loop, over memory or over sockets.
#pragma once

#include "../support/events.hpp"
#include "../support/memory_loop.hpp"
#include "../support/raw_peer.hpp"

#include <weir/client/connect.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/io/sleep.hpp>
#include <weir/server/server.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::dial;
using tests::raw_peer;

inline task<> serve_into(server& of, result<>& outcome) { outcome = co_await of.serve(); }

// Serves while `work(endpoint)` lasts.
template <class Work>
task<> serving(server& of, server_options options, Work& work) {
    options.host = "127.0.0.1";
    const result<> listening = of.listen(options);
    REQUIRE_MESSAGE(listening, listening.error().message());
    result<> outcome = errc::busy;
    scope both;
    both.spawn(serve_into(of, outcome));
    const net::endpoint at = of.local_endpoint();
    co_await work(at);
    of.stop();
    co_await both.join();
    CHECK(outcome);
    CHECK(of.connections() == 0);
    CHECK(!of.local_endpoint());
}

template <class Work>
void in_memory(server& of, Work work, server_options options = {}, io::memory_options network = {}) {
    tests::memory_loop loop(network);
    loop.run(serving(of, options, work));
}

template <class Work>
void over_sockets(server& of, Work work, server_options options = {}) {
    auto events = tests::make_events();
    REQUIRE(events);
    io::loop(std::move(*events)).run(serving(of, options, work));
}

// What a server logs.
struct journal {
    std::string text;
    log_hook hook() { return {&note, this}; }
    bool has(std::string_view what) const { return text.find(what) != text.npos; }
    static void note(void* self, const log_event& event) {
        std::string& text = static_cast<journal*>(self)->text;
        if (event.level == log_level::debug) return;
        text += std::to_string(static_cast<int>(event.level)) + " " + std::string(event.what);
        if (!event.where.empty()) text += " [" + std::string(event.where) + "]";
        if (event.error) text += ": " + event.error.message();
        text += '\n';
    }
};

inline task<> echo(websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

inline std::string url_of(net::endpoint at, std::string_view path = "/echo") {
    return "ws://" + at.to_string() + std::string(path);
}

// A handshake's request, with `more` lines.
inline std::string handshake(std::string_view path = "/echo", std::string_view more = {}) {
    return "GET " + std::string(path) +
           " HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
           std::string(more) + "\r\n";
}

// A request with its answer; `over`: the server ended the connection behind it.
inline task<std::string> ask(net::endpoint at, std::string request, bool& over) {
    std::unique_ptr<raw_peer> peer = co_await dial(at);
    co_await peer->send(std::move(request));
    std::string got = co_await peer->read_response();
    const std::string more = co_await peer->read_to("\n");
    over = peer->over() && more.empty();
    co_return got;
}

inline bool contains(std::string_view text, std::string_view what) { return text.find(what) != text.npos; }
