// weir's echo, as examples/echo_server.cpp has it, and its room, on the backend that WEIR_BACKEND names.
#include "listening.hpp"

#include <weir.hpp>
#include <weir/io/uring.hpp>

namespace {

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

weir::room lobby;

weir::task<> tell_all(weir::websocket& ws) {
    weir::room::seat here(lobby, ws);
    while (auto message = co_await ws.read()) lobby.send(*message);
}

} // namespace

int main() {
    weir::server server;
    server.websocket("/", echo);
    server.websocket("/room", tell_all);
    return server.run({.descriptor = bare::listen_somewhere(), .websocket = {.message_bytes = 16 * 1024 * 1024}});
}
