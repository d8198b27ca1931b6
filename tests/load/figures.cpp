// Prints what an echo of 128 bytes costs the server in processor time, with 64 connections that each have 1 or 16 messages
// under way. Judges nothing: machines differ.
#include "server_process.hpp"

#include <weir/client/connect.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/run.hpp>

#include <memory>
#include <vector>

namespace {

constexpr int connections = 64;
constexpr int rounds_of_one = sanitized ? 50 : 2000;

weir::task<> talk(weir::websocket& ws, int rounds, int depth) {
    const std::string payload(128, 'x');
    for (int i = 0; i < rounds; ++i) {
        for (int k = 0; k < depth; ++k) ws.send(weir::as_bytes(payload));
        for (int k = 0; k < depth; ++k) {
            auto reply = co_await ws.read();
            if (!reply) require(false, ws.closed().message());
            require(reply->size() == payload.size(), "another message came back");
        }
    }
}

weir::task<> all(const server_process& server) {
    std::vector<std::unique_ptr<weir::websocket>> clients;
    for (int i = 0; i < connections; ++i) {
        auto ws = co_await weir::connect(server.url());
        if (!ws) require(false, ws.error().message());
        clients.push_back(std::make_unique<weir::websocket>(std::move(*ws)));
    }
    for (const int depth : {1, 16}) {
        const int rounds = depth == 1 ? rounds_of_one : rounds_of_one / 4;
        weir::scope work;
        for (const auto& each : clients) work.spawn(talk(*each, rounds / 10, depth)); // to warm up
        co_await work.join();
        const double before = server.cpu_seconds();
        for (const auto& each : clients) work.spawn(talk(*each, rounds, depth));
        co_await work.join();
        const double used = server.cpu_seconds() - before;
        std::printf("%d connections, %2d messages of 128 bytes under way on each: %.3f us of the server's time a message\n",
                    connections, depth, used / (static_cast<double>(connections) * rounds * depth) * 1e6);
    }
    for (const auto& each : clients) co_await each->close();
}

} // namespace

int main() {
    server_process server;
    weir::run(all(server));
    require(server.end(), "the server did not leave in order");
}
