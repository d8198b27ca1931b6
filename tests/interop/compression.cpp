// A server and a client that compress, for the scripts here. Needs zlib.
//
//     interop_compression serve WINDOW PEER_WINDOW TAKEOVER PEER_TAKEOVER
//     interop_compression talk URL WINDOW PEER_WINDOW TAKEOVER PEER_TAKEOVER
//
// The last four are fields of `compression_options`: bits, bits, 0 or 1, 0 or 1. The server has /echo and /stream, which
// sends pieces on as they come, and a page at /; it prints a line for each connection that has ended. The client sends
// everything to URL and expects it back, prints "agreed: ..." and what is wrong, and exits with 1 if anything was.
#include <weir/client/connect.hpp>
#include <weir/io/print_log.hpp>
#include <weir/io/run.hpp>
#include <weir/protocol/ws/deflate.hpp>
#include <weir/server/server.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

namespace {

using weir::task;
using weir::websocket;

void ended(const websocket& ws) {
    std::printf("ended %s: %s\n", std::string(ws.target()).c_str(), ws.closed().message().c_str());
    std::fflush(stdout);
}

task<> echo(websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
    ended(ws);
}

task<> stream(websocket& ws) {
    while (auto piece = co_await ws.read_frame()) {
        if (piece->is_text)
            co_await ws.send_frame(piece->text(), piece->last);
        else
            co_await ws.send_frame(piece->payload, piece->last);
    }
    ended(ws);
}

int serve(const weir::compression_choice& how) {
    weir::server server;
    server.websocket("/echo", echo);
    server.websocket("/stream", stream);
    server.get("/", weir::response::html("<p>for browsers</p>\n"));
    return server.run({.host = "127.0.0.1", .websocket = {.compression = how}, .log = weir::print_log});
}

// --- the client ---

std::string prose(std::size_t size) {
    std::string made;
    for (std::uint32_t state = 1; made.size() < size; state = state * 1664525 + 1013904223)
        made += (state >> 30 ? "and then gr\xc3\xbc\xc3\x9f" : "or else ") + std::to_string(state >> 22) + " ";
    made.resize(size, '.');
    while (!weir::is_utf8(weir::as_bytes(made))) made.back() = '.', made.resize(made.size() - 1);
    return made;
}
std::string noise(std::size_t size) {
    std::string made(size, '\0');
    std::uint32_t state = 7;
    for (char& each : made) {
        state = state * 1664525 + 1013904223;
        each = static_cast<char>(state >> 24);
    }
    return made;
}

int failures = 0;
void expect(bool met, const char* what, std::size_t number) {
    if (met) return;
    ++failures;
    std::printf("message %zu: %s\n", number, what);
}

task<> expect_back(websocket& ws, const std::string& payload, bool is_text, std::size_t number) {
    auto reply = co_await ws.read().within(20s);
    expect(bool(reply), "no answer", number);
    if (!reply) {
        std::printf("%s\n", ws.closed().message().c_str());
        co_return;
    }
    expect(reply->is_text() == is_text, "of the other kind", number);
    expect(reply->text() == payload, "changed", number);
}

task<int> talk(std::string url, weir::compression_choice how) {
    weir::connect_options options;
    options.websocket.compression = how;
    auto ws = co_await weir::connect(url, options);
    if (!ws) {
        std::printf("%s\n", ws.error().message().c_str());
        co_return 1;
    }
    const std::string extensions(ws->extensions());
    std::printf("agreed: %s\n", extensions.c_str());
    std::size_t number = 0;
    for (const std::size_t size : {0, 5, 255, 256, 1000, 1000, 5000, 65536, 300'000}) {
        const std::string text = prose(size);
        const std::string bytes = noise(size);
        ++number;
        ws->send(text);
        co_await expect_back(*ws, text, true, number);
        ws->send(weir::as_bytes(bytes));
        co_await expect_back(*ws, bytes, false, number);
        ws->send(text, weir::compression::off);
        co_await expect_back(*ws, text, true, number);
        const std::size_t half = text.size() / 2;
        ws->send_frame(weir::as_bytes(text).first(half), false); // binary, since this may cut a character
        ws->send_frame(weir::bytes_view(), false);
        ws->send("behind");
        ws->ping();
        ws->send_frame(weir::as_bytes(text).subspan(half), false);
        ws->send_frame(weir::bytes_view(), true);
        co_await expect_back(*ws, text, false, number);
        co_await expect_back(*ws, "behind", true, number);
    }
    co_await ws->close();
    expect(ws->closed().cause == weir::close_cause::local, "not closed in order", 0);
    std::printf("%s\n", ws->closed().message().c_str());
    co_return failures > 0;
}

weir::compression_choice settings(char** words) {
    return weir::permessage_deflate({.window_bits = std::atoi(words[0]), .peer_window_bits = std::atoi(words[1]),
                                     .context_takeover = words[2][0] == '1', .peer_context_takeover = words[3][0] == '1'});
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "serve" && argc == 6) return serve(settings(argv + 2));
    if (what == "talk" && argc == 7) return weir::run(talk(argv[2], settings(argv + 3)));
    return std::puts("interop_compression serve|talk URL, WINDOW PEER_WINDOW TAKEOVER PEER_TAKEOVER"), 2;
}
