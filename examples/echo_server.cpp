// Sends back every message, on /echo and on /. The first argument is the port.
#include <weir.hpp>

#include <cstdlib>

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

int main(int argc, char** argv) {
    weir::server server;
    server.websocket("/", echo);
    server.websocket("/echo", echo);
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 9001, .log = weir::print_log});
}
