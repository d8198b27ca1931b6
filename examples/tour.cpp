// What README.md shows of weir: one server with a handler for each thing. The first argument is the port.
#include <weir.hpp>

#include <cstdlib>
#include <thread>

using namespace std::chrono_literals;

// [pieces]
weir::task<> measure(weir::websocket& ws) { // a message of any length, in constant memory
    std::size_t bytes = 0;
    while (auto piece = co_await ws.read_frame()) {
        bytes += piece->payload.size();
        if (piece->last) co_await ws.send(std::to_string(std::exchange(bytes, 0)) + " bytes");
    }
}
// [pieces]

// [closing]
weir::task<> patient(weir::websocket& ws) {
    auto message = co_await ws.read().within(30s); // a read that timed out has lost nothing
    if (message)
        co_await ws.send(*message);
    else if (message.error() == weir::errc::timed_out)
        co_await ws.close(weir::ws::close_code::policy_violation, "say something");
    if (ws.closed()) std::puts(ws.closed().message().c_str()); // who, code, reason, cause, bytes, age: one line
}
// [closing]

// [scope]
weir::task<> tick(weir::websocket& ws) {
    for (int seconds = 0; ws.is_open(); ++seconds) {
        auto slept = co_await weir::sleep(1s);
        if (!slept) break; // cancelled
        ws.send(std::to_string(seconds));
    }
}

weir::task<> metronome(weir::websocket& ws) { // reads and ticks at once; neither outlives this handler
    weir::scope work;
    work.spawn(tick(ws));
    while (auto message = co_await ws.read()) co_await ws.send(*message);
    work.cancel();
    co_await work.join();
}
// [scope]

// [room]
weir::room lobby;

weir::task<> chat(weir::websocket& ws) {
    weir::room::seat here(lobby, ws); // leaves by itself
    while (auto message = co_await ws.read()) lobby.send(*message);
}
// [room]

// [threads]
std::string grind(std::string text) { // takes its time, on a helper thread
    for (int i = 0; i < 1'000'000; ++i) text = std::to_string(std::hash<std::string>()(text));
    return text;
}

weir::task<> compute(weir::websocket& ws) {
    std::jthread news([to = ws.handle()] { to.post("from a thread of your own"); });
    while (auto message = co_await ws.read()) {
        auto answer = co_await weir::offload(grind, std::string(message->text()));
        if (answer) co_await ws.send(*answer);
    }
}
// [threads]

int main(int argc, char** argv) {
    const int port = argc > 1 ? std::atoi(argv[1]) : 9001;
    // [server]
    weir::server server;
    server.get("/healthz", "ok");
    server.get("/hello", [](const weir::http::request_head& request) {
        return "You asked for " + request.target + "\n";
    });

    const std::string_view friends[] = {"https://example.com"};
    const std::string_view spoken[] = {"measure.v1"};
    server.websocket("/measure", measure).origins(friends).subprotocols(spoken);
    using verdict = std::optional<weir::response>;
    server.websocket("/metronome", metronome).admit([](const weir::http::request_head& request) -> verdict {
        if (request.fields.get("Authorization") == "Bearer sesame") return std::nullopt; // come in
        return weir::response(weir::http::status::unauthorized, "Say the word.\n");
    });
    // [server]
    server.websocket("/patient", patient);
    server.websocket("/chat", chat);
    server.websocket("/compute", compute);
    return server.run({.port = port, .log = weir::print_log});
}
