// Prints what an echo costs the server in processor time: 128 bytes, 64 connections that each have 1 or 16 messages under
// way. With the argument `all`: 1, 64 and 1,000 connections, and 16 KiB as well. Judges nothing: machines differ. To
// compare backends run it several times with each by turns, with WEIR_BACKEND set, and take the least of each line.
#include "server_process.hpp"

#include <weir/client/connect.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/run.hpp>

#include <memory>
#include <vector>

namespace {

constexpr int messages_a_line = sanitized ? 3200 : 128'000;

weir::task<> talk(weir::websocket& ws, std::size_t bytes, int rounds, int depth) {
    const std::string payload(bytes, 'x');
    for (int i = 0; i < rounds; ++i) {
        for (int k = 0; k < depth; ++k) ws.send(weir::as_bytes(payload));
        for (int k = 0; k < depth; ++k) {
            auto reply = co_await ws.read();
            if (!reply) require(false, ws.closed().message());
            require(reply->size() == payload.size(), "another message came back");
        }
    }
}

weir::task<> measure(const server_process& server, int connections, std::size_t bytes) {
    std::vector<std::unique_ptr<weir::websocket>> clients;
    for (int i = 0; i < connections; ++i) {
        auto ws = co_await weir::connect(server.url());
        if (!ws) require(false, ws.error().message());
        clients.push_back(std::make_unique<weir::websocket>(std::move(*ws)));
    }
    for (const int depth : {1, 16}) {
        const int messages = bytes > 1000 ? messages_a_line / 8 : depth == 1 ? messages_a_line : messages_a_line * 4;
        const int fewest = messages / connections / depth, rounds = fewest < 10 ? 10 : fewest;
        weir::scope work;
        for (const auto& each : clients) work.spawn(talk(*each, bytes, rounds / 10, depth)); // to warm up
        co_await work.join();
        const double before = server.cpu_seconds();
        for (const auto& each : clients) work.spawn(talk(*each, bytes, rounds, depth));
        co_await work.join();
        const double used = server.cpu_seconds() - before;
        std::printf("%4d connections, %2d messages of %5zu bytes under way on each: %6.3f us of the server's time a message\n",
                    connections, depth, bytes, used / (static_cast<double>(connections) * rounds * depth) * 1e6);
    }
    for (const auto& each : clients) co_await each->close();
}

} // namespace

int main(int count, char**) {
    want_descriptors(1200);
    server_process server;
    if (count < 2) {
        weir::run(measure(server, 64, 128));
    } else {
        for (const int connections : {1, 64, 1000})
            for (const std::size_t bytes : {128, 16 * 1024}) weir::run(measure(server, connections, bytes));
    }
    require(server.end(), "the server did not leave in order");
    return 0;
}
