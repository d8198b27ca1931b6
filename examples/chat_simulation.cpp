// A test of a chat that is to lose nothing: a thousand runs in a simulated network that does what it can against it.
//
//     ./chat_simulation           tries seeds 1 to 1000
//     ./chat_simulation 4711      runs seed 4711 again, in the very same way, and prints all that happens
#define WEIR_WITH_SIMULATION // for the single header
#include <weir.hpp>
#ifndef WEIR_SINGLE_HEADER
#include <weir/io/simulation.hpp>
#endif

#include <algorithm>
#include <cstdlib>

using namespace std::chrono_literals;
using lines = std::vector<std::string>;

constexpr const char* guests[] = {"alice", "bob", "carol"};
constexpr int wishes = 5; // lines that each of them has to say
constexpr std::size_t all = wishes * std::size(guests);

// A guest says how many lines it has heard. It is told the later ones, and then whatever is said.
weir::task<> chat(weir::websocket& ws, lines& said, weir::room& people) {
    auto hello = co_await ws.read();
    if (!hello) co_return;
    for (std::size_t next = std::stoul(std::string(hello->text())); next < said.size(); ++next) ws.send(said[next]);
    weir::room::seat here(people, ws);
    while (auto message = co_await ws.read()) {
        if (std::find(said.begin(), said.end(), message->text()) != said.end()) continue; // said again, to be sure
        said.emplace_back(message->text());
        people.send(*message);
    }
}

weir::task<> serve(weir::simulation& world, lines& said) { // `said` is the server's disk: it outlives a crash
    weir::room people;
    weir::server server;
    server.websocket("/chat", [&](weir::websocket& ws) { return chat(ws, said, people); });
    weir::result<> served = server.listen({.port = 80});
    if (served) served = co_await server.serve();
    if (!served) world.fail(served.error().message());
}

weir::task<> visit(weir::simulation& world, std::string name, const lines& said) {
    lines heard;
    for (int spoken = 0; heard.size() < all;) {
        auto ws = co_await weir::connect("ws://server/chat");
        if (!ws) {
            auto slept = co_await weir::sleep(100ms); // and try again
            if (!slept) co_return;
            continue;
        }
        ws->send(std::to_string(heard.size()));
        for (std::string line; heard.size() < all;) { // until the connection is lost
            if (spoken < wishes && line.empty()) ws->send(line = name + " says " + std::to_string(spoken));
            auto message = co_await ws->read();
            if (!message) break;
            heard.emplace_back(message->text());
            if (heard.back() != name + " says " + std::to_string(spoken)) continue;
            line.clear();
            ++spoken;
        }
    }
    if (heard != said) world.fail(name + " did not hear what was said");
}

// [weather]
weir::task<> rough_weather(weir::simulation& world) {
    while (auto slept = co_await weir::sleep(std::chrono::milliseconds(world.random().below(200)))) {
        const char* const whom = guests[world.random().below(std::size(guests))];
        switch (world.random().below(8)) {
        case 0: world.partition(whom, "server"); break;
        case 1: world.disconnect(whom, "server"); break;
        case 2: world.restart("server"); break;
        default: world.heal(whom, "server");
        }
    }
}
// [weather]

// [simulation]
bool holds(std::uint64_t seed, weir::log_hook trace) {
    lines said;
    weir::simulation world({.seed = seed, .latency = {1ms, 100ms}, .failures = {.write = 0.01}, .trace = trace});
    world.host("server", serve, std::ref(world), std::ref(said));
    for (const char* each : guests) world.client(each, visit, std::ref(world), each, std::cref(said));
    world.host("weather", rough_weather, std::ref(world));
    const weir::result<> ran = world.run();
    if (!ran) std::printf("%s\n", ran.error().message().c_str());
    return ran.has_value();
}
// [simulation]

int main(int argc, char** argv) {
    if (argc > 1) return holds(std::strtoull(argv[1], nullptr, 10), weir::print_log) ? 0 : 1;
    for (int seed = 1; seed <= 1000; ++seed)
        if (!holds(seed, {})) return std::printf("to see it again: %s %d\n", argv[0], seed), 1;
    std::puts("1000 seeds, and nothing was lost");
    return 0;
}
