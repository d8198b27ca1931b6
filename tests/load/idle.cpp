// 10,000 connections that sit idle: what each costs the server; that every one of them answers afterwards; and that what
// a burst of traffic took goes back to the system.
#include "server_process.hpp"

#include <weir/client/connect.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/run.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace {

constexpr int connections = sanitized ? 1000 : 10000;
constexpr int openers = 64; // that connect at the same time
constexpr long kept_bytes = 6 * 1024 * 1024; // by the server at the most, once a burst is over
constexpr int in_burst = 200; // of them send a large message in pieces at the same time

std::vector<std::unique_ptr<weir::websocket>> clients;

weir::task<> open_some(std::string url, int& opened) {
    while (opened < connections) {
        ++opened;
        weir::connect_options options{.timeout = std::chrono::seconds(60)};
        options.websocket.ping_interval.reset();
        auto ws = co_await weir::connect(url, options);
        if (!ws) require(false, ws.error().message());
        clients.push_back(std::make_unique<weir::websocket>(std::move(*ws)));
    }
}

weir::task<> ask_some(int& asked) {
    while (asked < connections) {
        const int number = asked++;
        weir::websocket& ws = *clients[static_cast<std::size_t>(number)];
        const std::string text = "are you there, " + std::to_string(number) + "?";
        co_await ws.send(text);
        auto reply = co_await ws.read();
        if (!reply) require(false, ws.closed().message());
        require(reply->text() == text, "another message came back");
    }
}

// Sends the first half of a large message, which the server has to keep; the pong says that it has it. The other half
// follows when everybody has come so far.
weir::task<> burst(weir::websocket& ws, const std::string& half, int& sent, weir::event& all_sent, weir::event& go) {
    co_await ws.send_frame(half, false);
    co_await ws.ping();
    while (ws.round_trip().count() < 0) {
        auto none = co_await ws.read().within(std::chrono::milliseconds(1));
        require(!none && none.error() == weir::errc::timed_out, "an answer to half a message");
    }
    if (++sent == in_burst) all_sent.set();
    (void)co_await go.wait();
    co_await ws.send_frame(half, true);
    auto reply = co_await ws.read();
    if (!reply) require(false, ws.closed().message());
    require(reply->text() == half + half, "another message came back");
}

weir::task<> close_some(int& closed) {
    while (closed < connections) {
        weir::websocket& ws = *clients[static_cast<std::size_t>(closed++)];
        co_await ws.close();
        require(ws.closed().cause == weir::close_cause::local, ws.closed().message());
    }
}

// What the server uses.
struct usage {
    long resident = 0;  // of physical memory
    long allocated = 0; // by malloc; 0 under a sanitizer

    std::string each(const usage& before) const {
        return std::to_string((resident - before.resident) / connections) + " bytes resident each, " +
               std::to_string((allocated - before.allocated) / connections) + " allocated";
    }
    std::string mebibytes() const {
        char text[64];
        std::snprintf(text, sizeof text, "%.1f MiB (%.1f allocated)", static_cast<double>(resident) / 1048576,
                      static_cast<double>(allocated) / 1048576);
        return text;
    }
};

weir::task<usage> use_of(const server_process& server, weir::websocket& gauge) {
    co_await gauge.send("how much?");
    auto told = co_await gauge.read();
    if (!told) require(false, gauge.closed().message());
    co_return usage{server.resident_bytes(), std::atol(std::string(told->text()).c_str())};
}

// The server keeps its buffers for one or two periods of a second, in case there is more to do: asks until that is over.
weir::task<usage> use_below(const server_process& server, weir::websocket& gauge, long allocated) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    usage now = co_await use_of(server, gauge);
    while (now.allocated >= allocated && std::chrono::steady_clock::now() < give_up) now = co_await use_of(server, gauge);
    co_return now;
}

weir::task<> all(const server_process& server) {
    int opened = 0, asked = 0, closed = 0, sent = 0;
    auto gauge = co_await weir::connect(server.url() + "allocated");
    if (!gauge) require(false, gauge.error().message());
    const usage before = co_await use_of(server, *gauge);
    weir::scope work;
    for (int i = 0; i < openers; ++i) work.spawn(open_some(server.url(), opened));
    co_await work.join();
    const usage idle = co_await use_of(server, *gauge);
    std::printf("%d idle connections: %s\n", connections, idle.each(before).c_str());

    for (int i = 0; i < 1000; ++i) work.spawn(ask_some(asked));
    co_await work.join();
    const usage answered = co_await use_of(server, *gauge);
    std::printf("after a message on each: %s\n", answered.each(before).c_str());
    if (!sanitized) require(answered.allocated - idle.allocated < 1024 * 1024, "connections hold on to buffers");

    const std::string half(512 * 1024, 'b');
    weir::event all_sent, go;
    for (int i = 0; i < in_burst; ++i) {
        const auto which = static_cast<std::size_t>(i * (connections / in_burst));
        work.spawn(burst(*clients[which], half, sent, all_sent, go));
    }
    (void)co_await all_sent.wait();
    const usage peak = co_await use_of(server, *gauge);
    go.set();
    co_await work.join();
    const usage after = co_await use_below(server, *gauge, answered.allocated + kept_bytes);
    std::printf("a burst: %s before, %s at its height, %s after it\n", answered.mebibytes().c_str(),
                peak.mebibytes().c_str(), after.mebibytes().c_str());
    if (!sanitized) {
        require(peak.allocated - answered.allocated > static_cast<long>(half.size()) * in_burst, "the burst was none");
        require(after.allocated - answered.allocated < kept_bytes, "the memory of a burst is kept");
    }

    for (int i = 0; i < 1000; ++i) work.spawn(close_some(closed));
    co_await work.join();
    const usage alone = co_await use_below(server, *gauge, before.allocated + kept_bytes);
    std::printf("all closed: %s; %s before the first connection\n", alone.mebibytes().c_str(), before.mebibytes().c_str());
    if (!sanitized) require(alone.allocated - before.allocated < kept_bytes, "the memory of connections is kept");
    co_await gauge->close();
    clients.clear(); // none may outlive the loop
}

} // namespace

int main() {
    want_descriptors(connections + 100);
    weir::websocket_options options;
    options.ping_interval.reset(); // so that they are idle on slow machines too
    server_process server(options);
    weir::run(all(server));
    require(server.end(), "the server did not leave in order");
    return 0;
}
