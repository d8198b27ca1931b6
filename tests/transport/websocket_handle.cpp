// Posting from other threads.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>

#include <atomic>
#include <thread>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::over;
using tests::websocket_world;

namespace {

task<> gather(websocket& ws, std::vector<std::string>& into, std::size_t count) {
    while (into.size() < count) {
        auto got = co_await ws.read();
        if (!got) co_return;
        into.emplace_back(got->text());
    }
}

} // namespace

TEST_CASE("handle: messages of several threads arrive, those of each in order") {
    websocket_world world(over::sockets);
    auto [server, client] = world.pair();
    std::vector<std::string> received;
    std::vector<std::thread> threads;
    for (int who = 0; who < 3; ++who)
        threads.emplace_back([who, to = server.handle()] {
            for (int i = 0; i < 300; ++i)
                while (!to.post(std::string(1, static_cast<char>('a' + who)) + std::to_string(i))) std::this_thread::yield();
        });
    world.run(gather(client, received, 900));
    for (std::thread& each : threads) each.join();
    CHECK(received.size() == 900);
    int next[3] = {};
    for (const std::string& each : received) CHECK(each.substr(1) == std::to_string(next[each[0] - 'a']++));
}

TEST_CASE("handle: bounded, and false after the end; what was posted before a close is sent before it") {
    websocket_world world;
    auto [server, client] = world.pair({.queue_bytes = 10'000});
    const websocket_handle handle = server.handle();
    const websocket_handle copy = handle;
    CHECK(handle.connected());
    int posted = 0;
    while (posted < 1000 && handle.post(std::string_view(std::string(1000, 'x')))) ++posted;
    CHECK(posted > 5);
    CHECK(posted <= 10);
    world.settle();
    int empty = 0;
    while (empty < 100'000 && copy.post(std::string_view())) ++empty;
    CHECK(empty < 1000); // empty messages take memory as well
    world.settle();
    CHECK(handle.post("last"));
    server.close();
    CHECK_FALSE(handle.post("too late"));
    CHECK_FALSE(copy.connected());
    CHECK_FALSE(server.handle().post("too late"));
    std::vector<std::string> received;
    world.run(gather(client, received, 100'000));
    CHECK(received.size() == static_cast<std::size_t>(posted + empty + 1));
    CHECK(received.back() == "last");
    CHECK_FALSE(websocket_handle().post("nowhere"));
    CHECK_FALSE(websocket_handle().connected());
}

TEST_CASE("handle: outlives connection and loop, while others post") {
    std::atomic<bool> stop{false};
    std::thread poster;
    {
        websocket_world world(over::sockets);
        auto [server, client] = world.pair();
        poster = std::thread([to = server.handle(), &stop] {
            while (!stop) to.post("x");
        });
        std::vector<std::string> received;
        world.run(gather(client, received, 50));
    }
    stop = true;
    poster.join();
}

TEST_CASE("handle: a post that ends the connection, when nobody else holds the port") {
    websocket_world world(over::memory, {.pipe_bytes = 100});
    auto [server, client] = world.pair({.queue_bytes = 1000});
    {
        const websocket_handle handle = server.handle();
        CHECK(handle.post(std::string_view(std::string(900, 'x'))));
    }
    server.send(std::string_view(std::string(900, 'y')));
    world.settle();
    CHECK(server.closed().cause == close_cause::limit);
}
