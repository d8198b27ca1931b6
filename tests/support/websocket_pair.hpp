// Connected websockets, and websockets opposite a peer that a test plays byte by byte.
//
//     tests::websocket_world world(tests::over::memory, {.pipe_bytes = 100});
//     websocket ws = world.make(ws::role::server);          // opposite world.peer()
//     world.peer().send_text("\x81\x00");
//     auto [server, client] = world.pair();
//     world.run(talk(server, client));
//
// Over memory time is virtual. Over sockets it is real, so deadlines are for memory only.
#pragma once

#include "events.hpp"
#include "memory_loop.hpp"

#include <weir/core/pseudo_random.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/protocol/ws/append_frame.hpp>
#include <weir/transport/websocket.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>

namespace tests {

enum class over { memory, sockets };

// A frame as `sender` sends it.
inline std::string frame(weir::ws::role sender, weir::ws::opcode type, std::string_view payload, bool fin = true,
                         weir::ws::masking_key key = {}) {
    weir::block_pool pool;
    weir::buffer out(pool);
    const weir::ws::frame_header header{payload.size(), type, 0, fin, sender == weir::ws::role::client, key};
    REQUIRE(weir::ws::append_frame(out, header, weir::as_bytes(payload)));
    return std::string(weir::as_text(std::as_const(out).view()));
}
inline std::string text_frame(weir::ws::role sender, std::string_view payload, bool fin = true) {
    return frame(sender, weir::ws::opcode::text, payload, fin);
}
inline std::string close_frame(weir::ws::role sender, unsigned code, std::string_view reason = {}) {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 255)};
    payload += reason;
    return frame(sender, weir::ws::opcode::close, payload);
}

// As many bytes: text with characters of one to four of them, or anything.
inline std::string payload_of(weir::pseudo_random& any, std::size_t size, bool text) {
    static constexpr std::string_view letters[] = {"w", "\xc3\xa9", "\xed\x95\x9c", "\xf0\x9f\x8c\x8a"};
    std::string made;
    while (made.size() < size) {
        if (!text)
            made += static_cast<char>(any.next());
        else if (const std::string_view letter = letters[any.below(4)]; letter.size() <= size - made.size())
            made += letter;
    }
    return made;
}

// The other end of a stream, without a protocol.
class bare_peer {
public:
    explicit bare_peer(weir::owned<weir::io::stream> stream) : x_stream(std::move(stream)), x_signal(*x_stream) {}

    // Sends all of it, waiting where it has to. False when the stream broke.
    weir::task<bool> send(std::string_view bytes) {
        while (!bytes.empty()) {
            const weir::bytes_view piece = weir::as_bytes(bytes);
            bytes.remove_prefix(x_stream->write({&piece, 1}));
            if (x_stream->failure()) co_return false;
            if (bytes.empty()) break;
            auto told = co_await x_signal.writable();
            if (!told) co_return false;
        }
        co_return true;
    }

    // The same by pieces of so many bytes; behind each, the others may run.
    weir::task<> feed(std::string_view bytes, std::size_t step) {
        while (!bytes.empty()) {
            const std::string_view part = bytes.substr(0, step);
            bytes.remove_prefix(part.size());
            const bool whole = co_await send(part);
            if (!whole) co_return;
            const auto yielded = co_await weir::yield();
            if (!yielded) co_return;
        }
    }

    // What can be sent now.
    std::size_t send_now(std::string_view bytes) {
        const weir::bytes_view piece = weir::as_bytes(bytes);
        return x_stream->write({&piece, 1});
    }

    // Receives until there are at least `count` bytes, or the end; gives all that came since the last time.
    weir::task<std::string> receive(std::size_t count) {
        while (x_received.size() < count) {
            const bool any = pull();
            if (any || x_ended) {
                if (x_ended) break;
                continue;
            }
            auto told = co_await x_signal.readable();
            if (!told) break;
        }
        co_return std::exchange(x_received, {});
    }
    weir::task<std::string> receive_all() { co_return co_await receive(static_cast<std::size_t>(-1)); }

    // What has arrived.
    std::string receive_now() {
        while (pull()) {}
        return std::exchange(x_received, {});
    }

    bool ended() const { return x_ended; }
    bool reset() const { return static_cast<bool>(x_stream->failure()); }
    weir::io::stream& stream() { return *x_stream; }
    void close() { x_stream->close(); }

private:
    bool pull() {
        weir::io::lease got;
        switch (x_stream->fill(got)) {
        case weir::io::status::ready:
            x_received += weir::as_text(got.bytes);
            x_stream->release(std::move(got));
            return true;
        case weir::io::status::blocked: return false;
        case weir::io::status::end:
        case weir::io::status::failed: x_ended = true; return false;
        }
        return false;
    }

    weir::owned<weir::io::stream> x_stream;
    weir::io::stream_signal x_signal;
    std::string x_received;
    bool x_ended = false;
};

class websocket_world {
public:
    explicit websocket_world(over which = over::memory, const weir::io::memory_options& options = {}) {
        if (which == over::memory) {
            x_memory.emplace(options);
        } else {
            auto made = tests::make_events();
            REQUIRE(made);
            x_sockets.emplace(std::move(*made));
        }
    }

    weir::io::loop& loop() { return x_memory ? x_memory->loop() : *x_sockets; }
    weir::io::memory& network() { return x_memory->network(); }
    std::chrono::nanoseconds now() { return loop().events().now(); }

    std::pair<weir::owned<weir::io::stream>, weir::owned<weir::io::stream>> streams() {
        if (x_memory) return x_memory->network().pair();
        int numbers[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, numbers) == 0);
        auto a = loop().events().adopt_stream(numbers[0]);
        auto b = loop().events().adopt_stream(numbers[1]);
        REQUIRE(a);
        REQUIRE(b);
        return {std::move(*a), std::move(*b)};
    }

    weir::websocket wrap(weir::ws::role role, weir::owned<weir::io::stream> stream,
                         const weir::websocket_options& options = {}) {
        return weir::websocket(role, std::move(stream), {}, {}, {loop(), loop().blocks(), loop().random()},
                               weir::shared<const weir::websocket_options>::make(options));
    }

    // A websocket opposite `peer()`.
    weir::websocket make(weir::ws::role role, const weir::websocket_options& options = {}) {
        auto both = streams();
        x_peer.emplace(std::move(both.second));
        return wrap(role, std::move(both.first), options);
    }
    bare_peer& peer() { return *x_peer; }

    // Both ends, and what their handshakes would have agreed upon about compression.
    std::pair<weir::websocket, weir::websocket> pair(const weir::websocket_options& options = {}) {
        return pair(options, options);
    }
    std::pair<weir::websocket, weir::websocket> pair(const weir::websocket_options& of_server,
                                                     const weir::websocket_options& of_client) {
        auto both = streams();
        auto server = wrap(weir::ws::role::server, std::move(both.first), of_server);
        auto client = wrap(weir::ws::role::client, std::move(both.second), of_client);
        if (of_server.compression.method() && of_client.compression.method())
            agree(server, of_server.compression, client, of_client.compression);
        return {std::move(server), std::move(client)};
    }

    static void agree(weir::websocket& server, const weir::compression_choice& of_server, weir::websocket& client,
                      const weir::compression_choice& of_client) {
        weir::http::fields request, response;
        REQUIRE(request.add("Sec-WebSocket-Extensions", of_client.method()->offer(of_client.options())));
        auto accepted = of_server.method()->accept(request, of_server.options());
        REQUIRE(accepted);
        REQUIRE(response.add("Sec-WebSocket-Extensions", accepted->agreed()));
        auto confirmed = of_client.method()->confirm(response, of_client.options());
        REQUIRE(confirmed);
        REQUIRE(*confirmed);
        server.compress(std::move(accepted));
        client.compress(std::move(*confirmed));
    }

    template <class T>
    T run(weir::task<T> main) {
        if (x_memory) return x_memory->run(std::move(main));
        return x_sockets->run(std::move(main));
    }

    // Turns until nothing more happens by itself, without letting (virtual) time pass.
    void settle(int turns = 20) {
        for (int i = 0; i < turns; ++i) loop().turn(std::chrono::nanoseconds(0));
    }

private:
    std::optional<memory_loop> x_memory;
    std::optional<weir::io::loop> x_sockets;
    std::optional<bare_peer> x_peer;
};

} // namespace tests
