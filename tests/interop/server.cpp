// The server that the scripts here talk to: interop_server HOST [MESSAGE_BYTES]. Prints a line for each connection that
// has ended: "ended PATH: CAUSE CODE REASON".
#include <weir/io/print_log.hpp>
#include <weir/server/server.hpp>

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace {

using weir::task;
using weir::websocket;

void ended(const websocket& ws) {
    const weir::close_info how = ws.closed();
    const std::string_view cause = to_text(how.cause);
    std::printf("ended %s: %.*s %u %s\n", std::string(ws.target()).c_str(), static_cast<int>(cause.size()), cause.data(),
                static_cast<unsigned>(how.code), how.reason.c_str());
    std::fflush(stdout);
}

task<> echo(websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
    ended(ws);
}

// Sends each piece on as it came, so that messages of any size pass.
task<> stream(websocket& ws) {
    while (auto piece = co_await ws.read_frame()) {
        if (piece->is_text)
            co_await ws.send_frame(piece->text(), piece->last);
        else
            co_await ws.send_frame(piece->payload, piece->last);
    }
    ended(ws);
}

// Sends each message back in frames of three bytes, a ping between them, and an empty one at the end. What is sent
// meanwhile goes behind it.
task<> split(websocket& ws) {
    while (auto message = co_await ws.read()) {
        std::string_view left = message->text();
        bool between = false;
        while (!left.empty()) {
            const std::string_view next = left.substr(0, 3);
            left.remove_prefix(next.size());
            if (message->is_text())
                co_await ws.send_frame(next, false);
            else
                co_await ws.send_frame(weir::as_bytes(next), false);
            if (!std::exchange(between, true)) co_await ws.send("behind");
            co_await ws.ping("between");
        }
        if (message->is_text())
            co_await ws.send_frame(std::string_view(), true);
        else
            co_await ws.send_frame(weir::bytes_view(), true);
    }
    ended(ws);
}

// Pings, and tells at the next message whether the pong has come.
task<> ping(websocket& ws) {
    co_await ws.ping("are you there?");
    co_await ws.send("pinged");
    while (auto message = co_await ws.read()) co_await ws.send(ws.round_trip().count() >= 0 ? "answered" : "silent");
    ended(ws);
}

// "/close?4001,the reason": closes at the first message.
task<> close_as_told(websocket& ws) {
    const std::string_view target = ws.target();
    const std::size_t comma = target.find(',');
    const int code = std::atoi(std::string(target.substr(target.find('?') + 1)).c_str());
    auto message = co_await ws.read();
    co_await ws.close(static_cast<weir::ws::close_code>(code), target.substr(comma + 1));
    ended(ws);
}

task<> leave(websocket& ws) {
    co_await ws.send("bye");
}

task<> fail(websocket& ws) {
    co_await ws.send("about to throw");
    throw std::runtime_error("as the test wants");
}

task<> chat(websocket& ws) {
    co_await ws.send(ws.subprotocol());
    co_await echo(ws);
}

std::optional<weir::response> check(const weir::http::request_head& request) {
    if (request.fields.get("Authorization").value_or("") == "Bearer right") return {};
    weir::response refused(weir::http::status::unauthorized, "Who are you?\n");
    refused.fields.add("WWW-Authenticate", "Bearer");
    return refused;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::puts("interop_server HOST [MESSAGE_BYTES]"), 2;
    static constexpr std::array<std::string_view, 2> spoken{"v2.chat", "v1.chat"};
    weir::server server;
    server.websocket("/echo", echo);
    server.websocket("/stream", stream);
    server.websocket("/split", split);
    server.websocket("/ping", ping);
    server.websocket("/close", close_as_told);
    server.websocket("/leave", leave);
    server.websocket("/fail", fail);
    server.websocket("/chat", chat).subprotocols(spoken);
    server.websocket("/private", echo).admit(check);
    server.get("/healthz", "ok\n");
    server.get("/page", weir::response::html("<p>a page</p>\n"));
    weir::server_options options{.host = argv[1], .log = weir::print_log};
    if (argc > 2) options.websocket.message_bytes = std::strtoull(argv[2], nullptr, 10);
    return server.run(options);
}
