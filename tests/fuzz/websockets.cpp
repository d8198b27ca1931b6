// Two websockets over a pipe in memory, driven by a script, with or without compression: every message that was taken
// arrives whole, once and in order, however it is sent and read; the close ends both sides with its code; nothing leaks.
#include "world.hpp"

#include <weir/transport/websocket.hpp>

#if __has_include(<zlib.h>)
#include <weir/protocol/ws/deflate.hpp>
#endif

namespace websockets_target {

using namespace weir;
using namespace std::chrono_literals;

struct sent_message {
    bool is_text = false;
    std::string bytes;
    bool operator==(const sent_message&) const = default;
};

enum class reads : std::uint8_t { whole, pieces, mixed, slowly };

struct side {
    side(websocket&& from, fuzz::input script, reads how) : ws(std::move(from)), script(script), how(how) {}

    websocket ws;
    fuzz::input script;
    reads how;
    std::vector<sent_message> sent; // in the order in which they are to arrive
    std::vector<sent_message> deferred; // behind the end of the message by pieces
    std::optional<sent_message> stream;
    std::vector<sent_message> received;
    std::string partial;
    fuzz::endless_text whole_text, stream_text;
    bool closes = false; // begins the close
    bool ended = false;  // its reader
};

// A message by pieces that is never ended is never whole, nor are those behind it sent.
static void close(side& of, unsigned code) {
    of.closes = true;
    of.ws.close(static_cast<ws::close_code>(code), "enough");
    of.stream.reset();
    of.deferred.clear();
}

static task<> send_all(side& of) {
    while (!of.script.empty() && of.ws.is_open()) {
        const std::uint8_t operation = of.script.byte();
        const bool text = operation & 8, last = operation & 16, packed = operation & 32;
        const std::size_t size = operation & 64 ? of.script.up_to(operation & 128 ? 70'000 : 300) : of.script.up_to(15);
        const compression how = packed ? compression::automatic : compression::off;
        switch (operation & 7) {
        case 0:
        case 1:
        case 2: {
            sent_message next{text, text ? of.whole_text.next(size, true) : std::string(size, static_cast<char>(operation))};
            std::vector<sent_message>& to = of.stream ? of.deferred : of.sent;
            to.push_back(next);
            auto sending = text ? of.ws.send(std::string_view(next.bytes), how) : of.ws.send(as_bytes(next.bytes), how);
            if (of.stream) break; // what stands behind it must not be waited for
            const send_status status = co_await std::move(sending);
            if (!status) fuzz::require(!of.ws.is_open(), "a send fails only when the connection is over");
            break;
        }
        case 3:
        case 4: {
            if (!of.stream) of.stream.emplace(sent_message{text, {}});
            const bool is_text = of.stream->is_text;
            const std::string piece = is_text ? of.stream_text.next(size, last) : std::string(size, 'b');
            of.stream->bytes += piece;
            if (last) {
                of.sent.push_back(std::move(*of.stream));
                of.stream.reset();
                for (sent_message& each : of.deferred) of.sent.push_back(std::move(each));
                of.deferred.clear();
            }
            const send_status status = is_text ? co_await of.ws.send_frame(std::string_view(piece), last, how)
                                               : co_await of.ws.send_frame(as_bytes(piece), last, how);
            if (!status) fuzz::require(!of.ws.is_open(), "a piece is refused only when the connection is over");
            break;
        }
        case 5: {
            auto pinging = of.ws.ping(std::string(size % 126, 'p'));
            if (of.stream) break;
            const send_status status = co_await std::move(pinging);
            if (!status) fuzz::require(!of.ws.is_open(), "so is a ping");
            break;
        }
        case 6: (void)co_await sleep(std::chrono::milliseconds(size)); break;
        default:
            if (operation == 0xFF) {
                close(of, 3000 + operation);
                co_return;
            }
        }
    }
}

static task<> receive_all(side& of) {
    for (unsigned turn = 0;; ++turn) {
        if (of.how == reads::slowly) (void)co_await sleep(1ms * (turn % 50));
        if (of.how == reads::pieces || (of.how == reads::mixed && turn % 3)) {
            auto piece = co_await of.ws.read_frame();
            if (!piece) break;
            fuzz::require(piece->first == of.partial.empty() || !piece->first, "the first piece is the first");
            of.partial += piece->text();
            if (!piece->last) continue;
            of.received.push_back({piece->is_text, std::move(of.partial)});
        } else {
            auto message = co_await of.ws.read();
            if (!message) break;
            of.received.push_back({message->is_text(), of.partial + std::string(message->text())}); // or the rest of one
        }
        of.partial.clear();
    }
    of.ended = true;
}

static void compare(const side& from, const side& to, bool all) {
    fuzz::require(to.received.size() <= from.sent.size(), "no more than was sent");
    for (std::size_t i = 0; i < to.received.size(); ++i)
        fuzz::require(to.received[i] == from.sent[i], "messages arrive as they were sent, in order");
    if (all) fuzz::require(to.received.size() == from.sent.size(), "and all of them");
}

static task<> converse(side a, side b, bool first_closes) {
    scope readers;
    readers.spawn(receive_all(a));
    readers.spawn(receive_all(b));
    {
        scope senders;
        senders.spawn(send_all(a));
        senders.spawn(send_all(b));
        const result<> done = co_await senders.join().within(1h);
        fuzz::require(done.has_value(), "whoever reads is sent everything to");
    }
    const bool early = a.closes || b.closes;
    if (!early) { // all that was sent arrives while the connection is open
        for (int i = 0; i < 1000 && (a.received.size() < b.sent.size() || b.received.size() < a.sent.size()); ++i)
            (void)co_await sleep(100ms);
        compare(a, b, true);
        compare(b, a, true);
        close(first_closes ? a : b, 1001);
    }
    const result<> over = co_await readers.join().within(20min);
    fuzz::require(over.has_value() && a.ended && b.ended, "a close ends both");
    compare(a, b, a.closes && !b.closes);
    compare(b, a, b.closes && !a.closes);
    const close_info one = a.ws.closed(), other = b.ws.closed();
    fuzz::require(one.code == other.code, "closes agree");
    if (a.closes != b.closes) {
        fuzz::require((a.closes ? one : other).cause == close_cause::local, "closed by this side");
        fuzz::require((a.closes ? other : one).cause == close_cause::peer, "closed by the peer");
    }
    fuzz::require(!one.message().empty(), "and explained");
    (void)co_await sleep(20s);
}

} // namespace websockets_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace websockets_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte(), network = in.byte(), compressed = in.byte();
    io::memory_options pipes;
    pipes.fragment = network & 1;
    if (network & 2) pipes.pipe_bytes = 200 + network * 8u;
    if (network & 4) pipes.latency = 3ms;
    pipes.seed = network;
    fuzz::world world(pipes);
    websocket_options options;
    options.ping_interval = 5s;
    options.close_timeout = 10min; // a close stands behind all that was sent, and so does its answer
    if (network & 8) options.frame_bytes = 100;
    if (network & 16) options.high_water_bytes = 500;
    if (network & 32) options.read_ahead_bytes = 1000;
#if __has_include(<zlib.h>)
    options.compression = permessage_deflate({.threshold_bytes = compressed & 8 ? 0u : 100u,
                                              .level = 1 + compressed % 9,
                                              .context_takeover = (compressed & 2) != 0,
                                              .peer_context_takeover = (compressed & 4) != 0});
#endif
    auto streams = world.network().pair();
    const auto make = [&](ws::role role, owned<io::stream> over) {
        websocket made(role, std::move(over), {}, {}, {world.loop(), world.loop().blocks(), world.loop().random()},
                       shared<const websocket_options>::make(options));
#if __has_include(<zlib.h>)
        const compression_options& settings = options.compression.options();
        const ws::deflate_parameters agreed = ws::answer_deflate(ws::offer_deflate(settings), settings);
        if (compressed & 1) made.compress(make_owned<ws::deflate_codec>(role, agreed, settings));
#endif
        return made;
    };
    const fuzz::input front(reinterpret_cast<const std::uint8_t*>(data), in.take(in.left() / 2).size());
    world.run(converse(side(make(ws::role::server, std::move(streams.first)), in, static_cast<reads>(how & 3)),
                       side(make(ws::role::client, std::move(streams.second)), front, static_cast<reads>(how >> 2 & 3)),
                       how & 16));
    return 0;
}
