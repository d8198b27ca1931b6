// A room that everybody can be in, with a WebSocket or without: polling, long polling and event streams reach the same handler.
#include <weir.hpp>

#include <cstdlib>

// [channel]
weir::room lobby;

weir::task<> chat(weir::channel& client) { // one for each session, whatever carries it
    weir::room::seat here(lobby, client);
    while (auto message = co_await client.read()) lobby.send(*message);
}

int main(int argc, char** argv) {
    weir::server server;
    server.channel("/chat", chat);
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 9001, .log = weir::print_log});
}
// [channel]
