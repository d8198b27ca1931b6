// 1,000 connections at once, each of which echoes 1,000 messages, and looks at every byte that comes back.
#include "server_process.hpp"

#include <weir/client/connect.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/run.hpp>

namespace {

constexpr int connections = sanitized ? 200 : 1000;
constexpr int messages = sanitized ? 200 : 1000;

// Text of 12 to 412 bytes that no other message has.
std::string_view text_of(int connection, int message, char (&into)[512]) {
    const int size = std::snprintf(into, sizeof into, "%05d %06d%.*s", connection, message, connection % 5 * 100, //
                                   "................................................................................"
                                   "................................................................................"
                                   "................................................................................"
                                   "................................................................................"
                                   "................................................................................");
    return {into, static_cast<std::size_t>(size)};
}

weir::task<> talk(std::string url, int number, int& done) {
    auto ws = co_await weir::connect(url, {.timeout = std::chrono::seconds(60)});
    if (!ws) require(false, ws.error().message());
    char text[512];
    for (int i = 0; i < messages; ++i) {
        const std::string_view sent = text_of(number, i, text);
        co_await ws->send(sent);
        auto reply = co_await ws->read();
        if (!reply) require(false, ws->closed().message());
        require(reply->text() == sent, "another message came back");
    }
    co_await ws->close();
    require(ws->closed().cause == weir::close_cause::local, ws->closed().message());
    ++done;
}

weir::task<> all(std::string url) {
    weir::scope clients;
    int done = 0;
    for (int i = 0; i < connections; ++i) clients.spawn(talk(url, i, done));
    co_await clients.join();
    require(done == connections, "not all have ended");
}

} // namespace

int main() {
    want_descriptors(connections + 100);
    server_process server;
    timespec begin{}, end{};
    ::clock_gettime(CLOCK_MONOTONIC, &begin);
    weir::run(all(server.url()));
    ::clock_gettime(CLOCK_MONOTONIC, &end);
    const double seconds = static_cast<double>(end.tv_sec - begin.tv_sec) + 1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec);
    const double count = static_cast<double>(connections) * messages;
    std::printf("%d connections echoed %d messages each in %.2f s: %.0f a second, %.2f us of the server's time a message\n",
                connections, messages, seconds, count / seconds, server.cpu_seconds() / count * 1e6);
    require(server.end(), "the server did not leave in order");
    return 0;
}
