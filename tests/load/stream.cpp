// Both ends of one very large message, for tests/load/proxy.py.
//
//     load_stream serve               prints where it listens; answers a binary message with what is to be said of it,
//                                     and the text of a number with a binary message of so many bytes
//     load_stream up|down URL BYTES   sends, or asks for, one message of that size, and prints what is to be said of it
//
// The bytes repeat after a prime number of them, so a byte that is missing, doubled or changed is seen.
#include <weir/client/connect.hpp>
#include <weir/io/print_log.hpp>
#include <weir/io/run.hpp>
#include <weir/server/server.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace weir;

namespace {

constexpr std::size_t period = 65'521, step = 64 * 1024;

const std::vector<std::byte>& pattern() {
    static const std::vector<std::byte> all = [] {
        std::vector<std::byte> made(2 * period + step);
        std::uint32_t state = 1;
        for (std::size_t i = 0; i < made.size(); ++i) {
            state = state * 1664525 + 1013904223;
            made[i] = i < period ? static_cast<std::byte>(state >> 24) : made[i - period];
        }
        return made;
    }();
    return all;
}
bytes_view bytes_at(std::uint64_t offset, std::size_t size) {
    return bytes_view(pattern()).subspan(static_cast<std::size_t>(offset % period), size);
}

task<bool> send_large(websocket& ws, std::uint64_t total) {
    for (std::uint64_t at = 0; at < total;) {
        const std::size_t size = total - at < step ? static_cast<std::size_t>(total - at) : step;
        auto sent = co_await ws.send_frame(bytes_at(at, size), at + size == total);
        if (!sent) co_return false;
        at += size;
    }
    co_return true;
}

// Receives what is left of a message, of which `first` is the beginning.
task<std::string> receive_large(websocket& ws, piece first) {
    std::uint64_t at = 0;
    bool right = true;
    for (piece each = first;;) {
        for (bytes_view left = each.payload; !left.empty();) {
            const std::size_t size = left.size() < step ? left.size() : step;
            right = right && std::memcmp(left.data(), bytes_at(at, size).data(), size) == 0;
            at += size;
            left = left.subspan(size);
        }
        if (each.last) break;
        auto next = co_await ws.read_frame();
        if (!next) co_return "it broke off: " + ws.closed().message();
        each = *next;
    }
    co_return std::to_string(at) + (right ? " bytes, all right" : " bytes, some of them wrong");
}

task<> answer(websocket& ws) {
    while (auto first = co_await ws.read_frame()) {
        if (!first->is_text) {
            const std::string said = co_await receive_large(ws, *first);
            co_await ws.send(said);
        } else {
            const bool sent = co_await send_large(ws, std::strtoull(std::string(first->text()).c_str(), nullptr, 10));
            if (!sent) break;
        }
    }
}

task<int> ask(const char* url, bool up, std::uint64_t total) {
    std::string said;
    auto ws = co_await connect(url);
    if (!ws) {
        std::printf("%s\n", ws.error().message().c_str());
        co_return 1;
    }
    if (up) {
        co_await send_large(*ws, total);
        auto reply = co_await ws->read();
        said = reply ? std::string(reply->text()) : ws->closed().message();
    } else {
        ws->send(std::to_string(total));
        auto first = co_await ws->read_frame();
        if (first)
            said = co_await receive_large(*ws, *first);
        else
            said = ws->closed().message();
    }
    std::printf("%s\n", said.c_str());
    co_await ws->close();
    co_return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 3) return run(ask(argv[2], argv[1] == std::string_view("up"), std::strtoull(argv[3], nullptr, 10)));
    server all;
    all.websocket("/", answer);
    return all.run({.host = "127.0.0.1", .port = 0, .log = print_log});
}
