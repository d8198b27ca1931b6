// A WebSocket proxy: whoever connects here talks to the server at a URL, and the other way round.
//
//     ./proxy ws://localhost:9001/echo 8082 [SUBPROTOCOL...]      and connect to ws://localhost:8082/
//
// Messages pass piece by piece: however large they are, only what a slow side has not taken yet is held. Both sides are
// pinged, and answered, by the proxy itself. The subprotocols are those that may be agreed upon.
#include <weir.hpp>

#include <cstdlib>
#include <vector>

using weir::ws::close_code;

// Until one side is over; then the other one is told what was said to us.
weir::task<> forward(weir::websocket& from, weir::websocket& to) {
    while (auto piece = co_await from.read_frame()) {
        auto sent = co_await to.send_frame(*piece); // waits while the other side is slow
        if (!sent) co_return;
    }
    const weir::close_info end = from.closed();
    if (end.cause == weir::close_cause::peer || end.cause == weir::close_cause::local)
        co_await to.close(end.code, end.reason);
    else
        co_await to.close(close_code::bad_gateway, to_text(end.cause));
}

weir::task<> proxy(const char* url, weir::websocket& client, const weir::http::request_head& request) {
    std::vector<weir::http::field> headers;
    for (const char* each : {"Authorization", "Cookie"})
        if (auto value = request.fields.get(each)) headers.push_back({each, *value});
    const std::string_view agreed[] = {client.subprotocol()};
    const std::span<const std::string_view> wanted(agreed, agreed[0].empty() ? 0 : 1);
    auto server = co_await weir::connect(url, {.headers = headers, .subprotocols = wanted});
    if (!server) {
        std::printf("%s\n", server.error().message().c_str());
        co_await client.close(close_code::bad_gateway, "the server cannot be reached");
    } else if (server->subprotocol() != client.subprotocol()) {
        co_await client.close(close_code::bad_gateway, "the server does not speak this subprotocol");
    } else {
        co_await weir::when_any(forward(client, *server), forward(*server, client)); // one is enough: the other is cancelled
    }
}

int main(int argc, char** argv) {
    const char* const url = argc > 1 ? argv[1] : "ws://localhost:9001/echo";
    const std::vector<std::string_view> subprotocols(argv + (argc > 3 ? 3 : argc), argv + argc);
    weir::server server;
    auto handler = [url](weir::websocket& client, const weir::http::request_head& request) {
        return proxy(url, client, request);
    };
    server.websocket("/", handler).subprotocols(subprotocols);
    return server.run({.port = argc > 2 ? std::atoi(argv[2]) : 8082, .log = weir::print_log});
}
