// A server that pushes: once a second the time, to everybody who is connected. It serves a page that shows it. The first
// argument is the port.
#include <weir.hpp>

#include <cstdlib>
#include <ctime>

using namespace std::chrono_literals;

const char page[] = R"(<!doctype html><title>weir: ticker</title><h1 id="now">…</h1><script>
new WebSocket(location.href.replace("http", "ws")).onmessage = event => now.textContent = event.data
</script>)";

// [ticker]
weir::room watchers;

weir::task<> watch(weir::websocket& ws) {
    weir::room::seat here(watchers, ws);
    while (auto message = co_await ws.read()) {} // they have nothing to say; ends with the connection
}

weir::task<> tick() { // runs beside the connections, from the server's start to its end
    while (auto slept = co_await weir::sleep(1s)) {
        const std::time_t now = std::time(nullptr);
        char text[32];
        std::strftime(text, sizeof text, "%H:%M:%S", std::localtime(&now));
        watchers.send(text);
    }
}

int main(int argc, char** argv) {
    weir::server server;
    server.get("/", weir::response::html(page));
    server.websocket("/", watch);
    server.spawn(tick());
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 9001, .log = weir::print_log});
}
// [ticker]
