// RFC 7692 over whole connections: what is sent and received compressed, within which bounds. Needs zlib.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/hub/room.hpp>
#include <weir/protocol/ws/deflate.hpp>

#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using namespace std::string_literals;
using tests::over;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr ws::role server_side = ws::role::server, client_side = ws::role::client;
const compression_options keeping{.context_takeover = true, .peer_context_takeover = true};

websocket_options compressed(compression_options how = {}) { return {.compression = permessage_deflate(how)}; }

// Text that compresses to about a third.
std::string sample(std::size_t size, std::uint32_t seed = 1) {
    std::string made;
    for (std::uint32_t state = seed; made.size() < size; state = state * 1664525 + 1013904223)
        made += "{\"price\":" + std::to_string(state >> 20) + ",\"symbol\":\"" + "ABCDEFGH"[state >> 29] + "\"},";
    made.resize(size);
    return made;
}
std::string noise(std::size_t size, std::uint32_t state = 7) {
    std::string made;
    while (made.size() < size) {
        state = state * 1664525 + 1013904223;
        made += static_cast<char>(state >> 24);
    }
    return made;
}

// A frame with RSV1, as `sender` sends it.
std::string rsv1(ws::role sender, opcode type, std::string_view payload, bool fin = true) {
    std::string made = tests::frame(sender, type, payload, fin);
    made[0] = static_cast<char>(made[0] | 0x40);
    return made;
}

// A message as a codec of its own makes it.
std::string deflated(std::string_view text) {
    ws::deflate_codec codec(server_side, {true, true}, {});
    block_pool pool;
    buffer out(pool);
    codec.compress_piece(as_bytes(text), true, out);
    return std::string(as_text(out.view()));
}

struct parsed_frame {
    unsigned first; // the first byte
    std::string payload;
};
std::vector<parsed_frame> frames_of(const std::string& bytes) {
    std::vector<parsed_frame> all;
    bytes_view rest = as_bytes(bytes);
    while (!rest.empty()) {
        ws::frame_header header;
        const ws::header_decoding found = ws::decode(rest, header);
        REQUIRE(found.size);
        parsed_frame each{std::to_integer<unsigned>(rest[0]), {}};
        REQUIRE(rest.size() >= found.size + header.payload_bytes);
        std::string payload(as_text(rest.subspan(found.size, header.payload_bytes)));
        ws::apply_mask({reinterpret_cast<std::byte*>(payload.data()), payload.size()}, header.key);
        each.payload = std::move(payload);
        all.push_back(std::move(each));
        rest = rest.subspan(found.size + header.payload_bytes);
    }
    return all;
}

// A server, or client, opposite a peer that is played byte by byte.
websocket lone(websocket_world& world, ws::role side, const websocket_options& options,
               ws::deflate_parameters agreed = {true, true}) {
    websocket made = world.make(side, options);
    made.compress(weir::make_owned<ws::deflate_codec>(side, agreed, options.compression.options()));
    return made;
}

struct received {
    std::vector<std::string> messages;
    close_info end;
    std::size_t largest_piece = 0;
};

// By turns whole and by pieces, or always the same way; changes in the middle of a message too.
enum class reads { whole, pieces, mixed };
task<> read_all(websocket& ws, reads how, received& into) {
    std::string message;
    for (int i = 0;; ++i) {
        if (how == reads::whole || (how == reads::mixed && i % 3 == 2)) {
            auto got = co_await ws.read();
            if (!got) break;
            message += got->text();
            into.messages.push_back(std::exchange(message, {}));
        } else {
            auto got = co_await ws.read_frame();
            if (!got) break;
            CHECK(got->first == message.empty());
            if (got->payload.size() > into.largest_piece) into.largest_piece = got->payload.size();
            message += got->text();
            if (got->last) into.messages.push_back(std::exchange(message, {}));
        }
    }
    into.end = ws.closed();
    co_await ws.close();
}

task<> feed(tests::bare_peer& peer, std::string_view bytes, std::size_t step) {
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, step);
        bytes.remove_prefix(piece.size());
        const bool sent = co_await peer.send(piece);
        if (!sent) co_return;
        for (int i = 0; i < 4 && step < 1000; ++i) (void)co_await yield();
    }
}

task<> play(websocket ws, tests::bare_peer& peer, std::string_view bytes, std::size_t step, reads how, received& into) {
    scope work;
    work.spawn(feed(peer, bytes, step));
    work.spawn(read_all(ws, how, into));
    co_await work.join();
}

// What a connection makes of these bytes.
received after(ws::role side, const std::string& bytes, const websocket_options& options = compressed(),
               std::size_t step = 1u << 30, reads how = reads::whole, ws::deflate_parameters agreed = {true, true}) {
    websocket_world world;
    websocket ws = lone(world, side, options, agreed);
    received all;
    world.run(play(std::move(ws), world.peer(), bytes, step, how, all));
    return all;
}

const std::string hello_deflated = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;

} // namespace

TEST_CASE("7.2.3: the examples as messages, in every cut, whole and by pieces, both roles") {
    for (const ws::role side : {server_side, client_side}) {
        const ws::role peer = side == server_side ? client_side : server_side;
        std::string bytes;
        std::vector<std::string> expected;
        const auto add = [&](std::string more, std::string_view message) {
            bytes += more;
            expected.emplace_back(message);
        };
        add(rsv1(peer, opcode::text, hello_deflated), "Hello");
        add(rsv1(peer, opcode::text, "\xf2\x48\xcd"s, false) + tests::frame(peer, opcode::ping, "between") +
                tests::frame(peer, opcode::continuation, "\xc9\xc9\x07\x00"s), "Hello"); // section 7.2.3.1: two frames
        add(rsv1(peer, opcode::binary, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s), "Hello");
        add(rsv1(peer, opcode::text, "\x00"s), "");
        add(tests::frame(peer, opcode::text, "plain"), "plain");
        add(rsv1(peer, opcode::text, "", false) + tests::frame(peer, opcode::continuation, hello_deflated), "Hello");
        add(rsv1(peer, opcode::text, hello_deflated, false) + tests::frame(peer, opcode::continuation, ""), "Hello");
        add(tests::frame(peer, opcode::text, "pl", false) + tests::frame(peer, opcode::continuation, "ain"), "plain");
        add(rsv1(peer, opcode::text, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s), "Hello");
        add(rsv1(peer, opcode::text, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s), "Hello");
        bytes += tests::close_frame(peer, 1000);
        for (std::size_t step = 1; step < 20; ++step)
            for (const reads how : {reads::whole, reads::pieces, reads::mixed}) {
                CAPTURE(step);
                const received got = after(side, bytes, compressed(), step, how);
                CHECK(got.messages == expected);
                CHECK(got.end.cause == close_cause::peer);
                CHECK(got.end.code == ws::close_code::normal);
            }
    }
}

TEST_CASE("7.2.3.2: a shared window, when it was agreed upon") {
    const std::string bytes = rsv1(client_side, opcode::text, hello_deflated) +
                              rsv1(client_side, opcode::text, "\xf2\x00\x11\x00\x00"s) +
                              tests::frame(client_side, opcode::text, "plain") +
                              rsv1(client_side, opcode::text, "\xf2\x00\x11\x00\x00"s) +
                              tests::close_frame(client_side, 1000);
    for (const std::size_t step : {1u, 3u, 1000u}) {
        const received got = after(server_side, bytes, compressed(keeping), step, reads::mixed, {});
        CHECK(got.messages == std::vector<std::string>{"Hello", "Hello", "plain", "Hello"});
        const received without = after(server_side, bytes, compressed(), step, reads::mixed);
        CHECK(without.messages == std::vector<std::string>{"Hello"});
        CHECK(without.end.error == errc::bad_compression);
    }
}

TEST_CASE("6.1: RSV1 on the first frame of a message of data, and nowhere else") {
    const auto failure = [](const std::string& bytes, std::size_t step = 1000) {
        const received got = after(server_side, bytes, compressed(), step);
        CHECK(got.end.cause == close_cause::protocol_error);
        CHECK(got.end.code == ws::close_code::protocol_error);
        CHECK(got.end.error == errc::reserved_bits);
        return got.messages.size();
    };
    for (const std::size_t step : {1u, 1000u}) {
        CHECK(failure(rsv1(client_side, opcode::text, "\xf2\x48"s, false) +
                      rsv1(client_side, opcode::continuation, "\xcd\xc9\xc9\x07\x00"s), step) == 0);
        CHECK(failure(tests::frame(client_side, opcode::text, "a", false) +
                      rsv1(client_side, opcode::continuation, hello_deflated), step) == 0);
        for (const opcode control : {opcode::ping, opcode::pong, opcode::close})
            CHECK(failure(rsv1(client_side, opcode::text, hello_deflated) + rsv1(client_side, control, "\x03\xe8"), step) == 1);
        std::string rsv2 = rsv1(client_side, opcode::text, hello_deflated);
        rsv2[0] = static_cast<char>(rsv2[0] | 0x20);
        CHECK(failure(rsv2, step) == 0);
    }
    websocket_world world; // and without compression nowhere at all
    websocket ws = world.make(server_side, compressed());
    received got;
    world.run(play(std::move(ws), world.peer(), rsv1(client_side, opcode::text, hello_deflated), 1000, reads::whole, got));
    CHECK(got.end.error == errc::reserved_bits);
}

TEST_CASE("what cannot be decompressed: 1007, and the reason says so") {
    for (const reads how : {reads::whole, reads::pieces})
        for (const std::size_t step : {1u, 1000u})
            for (const std::string& payload : {"\x07"s, "\xf2\x48\xcd"s, "\x00\x05\x00\x00\x00Hello"s}) {
                const received got = after(server_side, rsv1(client_side, opcode::binary, payload) +
                                                            tests::frame(client_side, opcode::text, "behind"),
                                           compressed(), step, how);
                CHECK(got.messages.empty());
                CHECK(got.end.cause == close_cause::protocol_error);
                CHECK(got.end.code == ws::close_code::invalid_payload);
                CHECK(got.end.error == errc::bad_compression);
                CHECK(got.end.reason.find("decompressed") != std::string::npos);
            }
}

TEST_CASE("8.1 of RFC 6455: the text that comes out must be UTF-8, and is checked as it comes") {
    const std::string good = "gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x8c\x8a";
    for (const std::size_t step : {1u, 2u, 1000u}) {
        const std::string bytes = rsv1(client_side, opcode::text, deflated(good)) + tests::close_frame(client_side, 1000);
        CHECK(after(server_side, bytes, compressed(), step).messages == std::vector<std::string>{good});
        for (const std::string& bad : {"abc\xc3"s, "\xff"s + good, "\xed\xa0\x80"s, "ab\xc3(cd"s}) {
            const received got = after(server_side, rsv1(client_side, opcode::text, deflated(bad)), compressed(), step);
            CHECK(got.messages.empty());
            CHECK(got.end.code == ws::close_code::invalid_payload);
            CHECK(got.end.error == errc::bad_utf8);
            const received binary = after(server_side, rsv1(client_side, opcode::binary, deflated(bad)) +
                                                           tests::close_frame(client_side, 1000), compressed(), step);
            CHECK(binary.messages == std::vector<std::string>{bad});
        }
    }
    // Before the message is complete.
    const received early = after(server_side, rsv1(client_side, opcode::text, "\x00\x03\x00\xfc\xff" "a\xff" "b"s, false));
    CHECK(early.end.error == errc::bad_utf8);
}

TEST_CASE("a message that becomes too large: 1009 with both figures, as soon as it passes the limit") {
    const std::string at_limit(1000, 'x');
    websocket_options options = compressed();
    options.message_bytes = 1000;
    for (const std::size_t step : {1u, 7u, 1000u}) {
        const received got = after(server_side, rsv1(client_side, opcode::text, deflated(at_limit)) +
                                                    rsv1(client_side, opcode::text, deflated(at_limit + "y")),
                                   options, step);
        CHECK(got.messages == std::vector<std::string>{at_limit});
        CHECK(got.end.cause == close_cause::limit);
        CHECK(got.end.code == ws::close_code::message_too_big);
        CHECK(got.end.error == errc::message_too_large);
        CHECK(got.end.reason == "message of 1001 bytes over the limit of 1000");
        const received pieces = after(server_side, rsv1(client_side, opcode::text, deflated(at_limit + "y")) +
                                                       tests::close_frame(client_side, 1000),
                                      options, step, reads::pieces); // the limit is for whole messages
        CHECK(pieces.messages == std::vector<std::string>{at_limit + "y"});
    }
}

namespace {

std::string gigabyte_of_zeros() {
    ws::deflate_codec codec(client_side, {true, true}, {.level = 9});
    block_pool pool;
    buffer out(pool);
    const std::string zeros(16 * 1024 * 1024, '\0');
    codec.compress_piece(as_bytes(zeros), false, out);
    const std::size_t first = out.size();
    codec.compress_piece(as_bytes(zeros), false, out);
    const std::string more(as_text(out.view()).substr(first)); // behind others, as all that follow
    for (int i = 2; i < 64; ++i) REQUIRE(out.append(as_bytes(more)));
    codec.compress_piece({}, true, out);
    return std::string(as_text(out.view()));
}

task<> count_bytes(websocket& ws, block_pool& blocks, std::size_t& bytes, std::size_t& most_lent, std::size_t& largest) {
    while (auto piece = co_await ws.read_frame()) {
        bytes += piece->payload.size();
        if (piece->payload.size() > largest) largest = piece->payload.size();
        if (blocks.lent() > most_lent) most_lent = blocks.lent();
        if (piece->last) break;
    }
    co_await ws.close();
}
task<> count_while_fed(websocket ws, tests::bare_peer& peer, std::string_view bytes, block_pool& blocks, std::size_t& count,
                       std::size_t& most_lent, std::size_t& largest) {
    scope work;
    work.spawn(feed(peer, bytes, 100'000));
    work.spawn(count_bytes(ws, blocks, count, most_lent, largest));
    co_await work.join();
}

} // namespace

TEST_CASE("a gigabyte of zeros in a megabyte") {
    const std::string bomb = rsv1(client_side, opcode::binary, gigabyte_of_zeros());
    CHECK(bomb.size() < 1200 * 1024);
    const received got = after(server_side, bomb);
    CHECK(got.end.reason == "message of 1048577 bytes over the limit of 1048576");
    CHECK(got.end.bytes_in < 100 * 1024); // it did not take more to know

    websocket_world world; // by pieces it passes, in constant memory
    websocket ws = lone(world, server_side, compressed());
    std::size_t bytes = 0, most_lent = 0, largest = 0;
    world.run(count_while_fed(std::move(ws), world.peer(), bomb, world.loop().blocks(), bytes, most_lent, largest));
    CHECK(bytes == 1024 * 1024 * 1024);
    CHECK(largest <= 16 * 1024);
    CHECK(most_lent <= 10);
}

namespace {

// Reads so many messages that are there, and counts how often others had their turn meanwhile.
task<> read_among_others(websocket& ws, int messages, int& turns) {
    (void)co_await sleep(1ms); // all of them are there
    bool done = false;
    const auto others = [](bool& enough, int& count) -> task<> {
        while (!enough) {
            ++count;
            (void)co_await yield();
        }
    };
    scope work;
    work.spawn(others(done, turns));
    (void)co_await yield();
    turns = 0;
    for (int i = 0; i < messages; ++i) {
        const auto got = co_await ws.read();
        CHECK((got && got->size() == 1'000'000));
    }
    done = true;
    const int so_far = turns;
    co_await work.join();
    turns = so_far;
}

} // namespace

TEST_CASE("small messages that become large ones: a reader does not keep the loop for all of them") {
    const std::string one = rsv1(client_side, opcode::binary, deflated(std::string(1'000'000, '\0')));
    CHECK(one.size() < 5000);
    std::string all;
    for (int i = 0; i < 12; ++i) all += one;
    websocket_world world;
    websocket ws = lone(world, server_side, compressed());
    CHECK(world.peer().send_now(all) == all.size());
    int turns = 0;
    world.run(read_among_others(ws, 12, turns));
    CHECK(turns >= 5);
}

namespace {

struct sent_message {
    std::string data;
    bool is_text = true;
    bool in_pieces = false;
};
std::vector<sent_message> many_messages() {
    return {{"hello"}, {sample(300)}, {sample(300)}, {""}, {noise(5000), false}, {sample(5000), true, true},
            {sample(70'000, 3)}, {"", true, true}, {sample(200'000, 4), false}, {noise(70'000), false, true}, {sample(1000)}};
}

task<> send_many(websocket& ws) {
    for (const sent_message& each : many_messages()) {
        const std::string_view text = each.data;
        for (std::size_t at = 0; each.in_pieces && at <= text.size(); at += 20'000) {
            const std::string_view piece = text.substr(at, 20'000);
            const bool last = at + 20'000 > text.size();
            if (each.is_text)
                co_await ws.send_frame(piece, last);
            else
                co_await ws.send_frame(as_bytes(piece), last);
        }
        if (each.in_pieces) continue;
        if (each.is_text)
            co_await ws.send(text);
        else
            co_await ws.send(as_bytes(text));
    }
}
task<> receive_many(websocket& ws, bool whole) {
    for (const sent_message& each : many_messages()) {
        if (whole) {
            auto got = co_await ws.read();
            REQUIRE_MESSAGE(got, ws.closed().message());
            CHECK(got->text() == each.data);
            CHECK(got->is_text() == each.is_text);
            continue;
        }
        std::string gathered;
        for (bool last = false; !last;) {
            auto got = co_await ws.read_frame();
            REQUIRE_MESSAGE(got, ws.closed().message());
            CHECK(got->is_text == each.is_text);
            gathered += got->text();
            last = got->last;
        }
        CHECK(gathered == each.data);
    }
}
task<> both_ways(websocket server, websocket client, bool whole, close_info& end) {
    scope work;
    work.spawn(send_many(server));
    work.spawn(send_many(client));
    work.spawn(receive_many(server, whole));
    work.spawn(receive_many(client, !whole));
    co_await work.join();
    co_await client.close();
    end = server.closed();
}

} // namespace

TEST_CASE("every pair of parameters between two connections, in several cuts") {
    const io::memory_options networks[] = {{}, {.pipe_bytes = 900, .fragment = true}};
    std::size_t all = 0;
    for (const sent_message& each : many_messages()) all += each.data.size();
    for (int bits = 8; bits <= 15; ++bits)
        for (int flags = 0; flags < 4; ++flags)
            for (const io::memory_options& network : networks) {
                CAPTURE(bits);
                CAPTURE(flags);
                websocket_world world(over::memory, network);
                const websocket_options of_client = compressed({.window_bits = bits, .peer_window_bits = 23 - bits,
                                                                .context_takeover = (flags & 1) != 0,
                                                                .peer_context_takeover = (flags & 2) != 0});
                auto [server, client] = world.pair(compressed(keeping), of_client);
                CHECK(server.extensions() == client.extensions());
                CHECK((server.extensions().find("client_no_context_takeover") == std::string::npos) == ((flags & 1) != 0));
                close_info end;
                world.run(both_ways(std::move(server), std::move(client), flags & 1, end));
                CHECK(end.cause == close_cause::peer);
                CHECK(end.code == ws::close_code::normal);
                CHECK(end.bytes_in < all);
                CHECK(end.bytes_out < all);
            }
    websocket_world sockets(over::sockets);
    auto [server, client] = sockets.pair(compressed());
    close_info end;
    sockets.run(both_ways(std::move(server), std::move(client), true, end));
    CHECK(end.cause == close_cause::peer);
}

TEST_CASE("what was agreed upon can be seen") {
    websocket_world world;
    auto [server, client] = world.pair(compressed());
    CHECK(server.extensions() == "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    CHECK(client.extensions() == server.extensions());
    auto [a, b] = world.pair();
    CHECK(a.extensions().empty());
}

TEST_CASE("sending: what is compressed, and how it is framed") {
    for (const ws::role side : {server_side, client_side}) {
        websocket_options options = compressed({.threshold_bytes = 200});
        options.frame_bytes = 1000;
        websocket_world world;
        websocket ws = lone(world, side, options);
        const auto sent = [&] {
            world.settle();
            return frames_of(world.peer().receive_now());
        };
        const auto inflate = [](const std::vector<parsed_frame>& frames) {
            std::string all;
            for (const parsed_frame& each : frames) all += each.payload;
            ws::deflate_codec codec(server_side, {}, {});
            bytes_view input = as_bytes(all);
            std::vector<std::byte> out(1'000'000);
            const auto got = codec.inflate(input, true, out);
            CHECK(got.state == ws::deflate_codec::progress::complete);
            return std::string(as_text({out.data(), got.size}));
        };

        const std::string text = sample(20'000);
        ws.send(std::string_view(text).substr(0, 199));
        auto frames = sent(); // below the threshold
        REQUIRE(frames.size() == 1);
        CHECK(frames[0].first == 0x81);
        ws.send(std::string_view(text).substr(0, 200));
        frames = sent();
        REQUIRE(frames.size() == 1);
        CHECK(frames[0].first == 0xC1);
        CHECK(inflate(frames) == text.substr(0, 200));
        ws.send(text);
        frames = sent();
        REQUIRE(frames.size() > 2);
        CHECK(frames[0].first == 0x41); // RSV1 on the first frame only
        CHECK(frames[0].payload.size() == 1000);
        CHECK(frames[1].first == 0x00);
        CHECK(frames.back().first == 0x80);
        CHECK(inflate(frames) == text);
        ws.send(as_bytes(text));
        CHECK(sent()[0].first == 0x42);
        ws.send(text, compression::off);
        frames = sent();
        CHECK(frames.size() == 20);
        CHECK(frames[0].first == 0x01);
        const std::string random = noise(900); // would become larger
        ws.send(as_bytes(random));
        frames = sent();
        REQUIRE(frames.size() == 1);
        CHECK(frames[0].first == 0x82);
        CHECK(frames[0].payload == random);
        ws.ping(std::string(125, 'x'));
        frames = sent();
        REQUIRE(frames.size() == 1);
        CHECK(frames[0].first == 0x89);
        CHECK(frames[0].payload == std::string(125, 'x'));

        // By pieces: each leaves at once, and can be decompressed.
        ws.send_frame(std::string_view(text).substr(0, 5000), false);
        frames = sent();
        REQUIRE(frames.size() == 1);
        CHECK(frames[0].first == 0x41);
        CHECK(frames[0].payload.ends_with("\x00\x00\xff\xff"s));
        std::vector<parsed_frame> all = frames;
        ws.send_frame("", false);
        all.push_back(sent().at(0));
        ws.send_frame(std::string_view(text).substr(5000), true);
        all.push_back(sent().at(0));
        CHECK(all.back().first == 0x80);
        CHECK(inflate(all) == text);
        ws.send_frame("short", true); // the first piece is the last: its size is known
        CHECK(sent()[0].first == 0x81);
        ws.send_frame(text, false, compression::off);
        CHECK(sent()[0].first == 0x01);
        ws.send_frame(text, true);
        frames = sent();
        CHECK(frames[0].first == 0x80);
        CHECK(frames[0].payload == text);
        ws.send_frame(text, false);
        auto refused = ws.send_frame(as_bytes(text), true);
        CHECK(refused.await_ready());
        CHECK(refused.await_resume().error() == errc::send_out_of_order); // which the codec has not seen
        ws.send_frame("", true);
        CHECK(inflate(sent()) == text);
        ws.reset();
        world.settle();
    }
}

namespace {

task<> three_in_a_row(websocket server, websocket client, bool keeps) {
    // Behind a message that is sent by pieces; with a shared window they may not be compressed before it.
    const std::string text = sample(3000);
    server.send(text);
    server.send_frame(text, false);
    server.send(text);
    server.send("short");
    server.send_frame(text, true);
    server.send(text);
    for (int i = 0; i < 5; ++i) {
        auto got = co_await client.read();
        REQUIRE_MESSAGE(got, client.closed().message());
        if (i == 1)
            CHECK(got->text() == text + text);
        else
            CHECK(got->text() == (i == 3 ? "short" : text));
    }
    CHECK((client.closed().bytes_in > 3000) == keeps);
    co_await client.close();
}

task<> post_to(websocket server, websocket client, room& all) {
    const std::string text = sample(3000);
    room::seat here(all, server);
    room::seat there(all, client);
    server.handle().post(text);
    auto posted = co_await client.read();
    REQUIRE(posted);
    CHECK(posted->text() == text);
    CHECK(client.closed().bytes_in < 3000);
    CHECK(all.send(text) == 2); // servers' are encoded once for all and go out as they are
    auto to_client = co_await client.read();
    REQUIRE(to_client);
    CHECK(to_client->text() == text);
    auto to_server = co_await server.read();
    REQUIRE(to_server);
    CHECK(to_server->text() == text);
    here.leave();
    there.leave();
    co_await client.close();
}

} // namespace

TEST_CASE("messages behind one that is sent by pieces") {
    for (const bool keeps : {false, true}) {
        websocket_world world;
        auto [server, client] = world.pair(keeps ? compressed(keeping) : compressed());
        world.run(three_in_a_row(std::move(server), std::move(client), keeps));
    }
}

namespace {

struct figures {
    std::size_t sent = 0, got = 0, most_queued = 0, most_lent = 0;
};
task<> stream_out(websocket& ws, std::size_t total, figures& all) {
    const std::string text = sample(64 * 1024);
    while (all.sent < total) {
        all.sent += text.size();
        auto sent = co_await ws.send_frame(text, all.sent >= total);
        REQUIRE(sent);
        if (ws.queued_bytes() > all.most_queued) all.most_queued = ws.queued_bytes();
    }
}
task<> stream_in(websocket& ws, block_pool& blocks, figures& all) {
    const std::string text = sample(64 * 1024);
    for (bool last = false; !last;) {
        auto piece = co_await ws.read_frame();
        REQUIRE_MESSAGE(piece, ws.closed().message());
        for (std::string_view rest = piece->text(); !rest.empty();) { // the text again and again
            const std::size_t at = all.got % text.size();
            const std::string_view part = rest.substr(0, text.size() - at);
            CHECK(std::string_view(text).substr(at, part.size()) == part);
            all.got += part.size();
            rest.remove_prefix(part.size());
        }
        last = piece->last;
        if (blocks.lent() > all.most_lent) all.most_lent = blocks.lent();
        if (all.got % 7 == 0) (void)co_await yield();
    }
}
task<> stream_through(websocket server, websocket client, std::size_t total, block_pool& blocks, figures& all) {
    scope work;
    work.spawn(stream_out(server, total, all));
    work.spawn(stream_in(client, blocks, all));
    co_await work.join();
    co_await client.close();
}

} // namespace

TEST_CASE("a message of any size, compressed, in constant memory and with back-pressure") {
    for (const bool keeps : {false, true}) {
        websocket_world world(over::memory, {.pipe_bytes = 20'000});
        websocket_options options = compressed(keeps ? keeping : compression_options{});
        options.high_water_bytes = 40'000;
        auto [server, client] = world.pair(options);
        constexpr std::size_t total = 40 * 1024 * 1024;
        figures all;
        world.run(stream_through(std::move(server), std::move(client), total, world.loop().blocks(), all));
        CHECK(all.got == total);
        CHECK(all.most_queued <= 40'000 + 64 * 1024);
        CHECK(all.most_lent <= 20);
    }
}

TEST_CASE("posts are compressed, what rooms send is not") {
    websocket_world world;
    room all;
    auto [server, client] = world.pair(compressed(keeping));
    world.run(post_to(std::move(server), std::move(client), all));
}

namespace {

task<> read_some(websocket& ws, std::vector<std::string>& into) {
    while (auto got = co_await ws.read()) into.emplace_back(got->text());
    co_await ws.close();
}
task<> overflow(websocket server, websocket client, std::vector<std::string>& taken, std::vector<std::string>& got) {
    for (int i = 0; i < 50; ++i) {
        const std::string text = noise(2000, static_cast<std::uint32_t>(i)) + sample(500);
        const bool sent = server.try_send(message(as_bytes(text), false));
        if (sent) taken.push_back(text);
    }
    CHECK(taken.size() > 2);
    CHECK(taken.size() < 50);
    scope work;
    work.spawn(read_some(client, got));
    while (server.queued_bytes()) (void)co_await yield();
    const std::string after = taken.front(); // refers to what was sent before
    server.send(as_bytes(after));
    taken.push_back(after);
    server.close();
    co_await work.join();
}

} // namespace

TEST_CASE("a message that is dropped leaves no trace in a shared window") {
    websocket_world world(over::memory, {.pipe_bytes = 1000});
    websocket_options options = compressed(keeping);
    options.queue_bytes = 20'000;
    options.overflow = overflow_policy::drop;
    auto [server, client] = world.pair(options);
    std::vector<std::string> taken, got;
    world.run(overflow(std::move(server), std::move(client), taken, got));
    CHECK(got == taken);
}

namespace {

task<> busy_handler(websocket ws, tests::bare_peer& peer) {
    const std::string text = sample(5000);
    const std::string message = rsv1(client_side, opcode::text, deflated(text));
    bool sent = co_await peer.send(message + message + tests::frame(client_side, opcode::ping, "are you there"));
    REQUIRE(sent);
    auto first = co_await ws.read_frame(); // the rest of it stays where it is
    REQUIRE(first);
    const std::string beginning(first->text());
    sent = co_await peer.send(message + tests::frame(client_side, opcode::text, "plain") + message);
    REQUIRE(sent);
    for (int i = 0; i < 20; ++i) (void)co_await yield();
    CHECK(frames_of(peer.receive_now()).at(0).first == 0x8A); // pongs are sent meanwhile
    CHECK(first->text() == beginning);
    if (!first->last) {
        auto rest = co_await ws.read();
        REQUIRE(rest);
        CHECK(beginning + std::string(rest->text()) == text);
    }
    for (int i = 0; i < 4; ++i) {
        for (int turns = 0; turns < 5; ++turns) (void)co_await yield();
        auto got = co_await ws.read();
        REQUIRE(got);
        CHECK(got->text() == (i == 2 ? "plain" : text));
    }
    ws.reset();
}

} // namespace

TEST_CASE("compressed messages that come while the handler is busy") {
    websocket_world world;
    websocket ws = lone(world, server_side, compressed());
    world.run(busy_handler(std::move(ws), world.peer()));
}

namespace {

// A large message of which pieces are read slowly, while more comes; now and then a read is given up.
task<> interrupted(websocket ws, tests::bare_peer& peer, const std::string& bytes, const std::string& text, int seed) {
    scope work;
    work.spawn(feed(peer, bytes, 700));
    std::string gathered;
    int messages = 0;
    for (int i = seed; messages < 2; ++i) {
        if (i % 5 == 0) {
            auto nothing = co_await ws.read().within(0s);
            if (nothing) {
                CHECK(gathered + std::string(nothing->text()) == text);
                gathered.clear();
                ++messages;
            }
        } else if (i % 7 == 0) {
            auto some = co_await ws.read_frame().within(0s);
            if (some) gathered += some->text();
            if (some && some->last) {
                CHECK(gathered == text);
                gathered.clear();
                ++messages;
            }
        } else if (i % 3 == 0) {
            (void)co_await yield();
        } else {
            auto some = co_await ws.read_frame();
            REQUIRE_MESSAGE(some, ws.closed().message());
            CHECK(some->first == gathered.empty());
            gathered += some->text();
            if (!some->last) continue;
            CHECK(gathered == text);
            gathered.clear();
            ++messages;
        }
    }
    co_await work.join();
    ws.reset();
}

} // namespace

TEST_CASE("a read that is given up has lost nothing") {
    const std::string text = sample(100'000);
    const std::string message = rsv1(client_side, opcode::text, deflated(text));
    for (int seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        websocket_world world(over::memory, {.pipe_bytes = 3000, .fragment = true});
        websocket ws = lone(world, server_side, compressed());
        world.run(interrupted(std::move(ws), world.peer(), message + message, text, seed));
    }
}

TEST_CASE("a connection that ends with compressed messages unread, or in the middle of one") {
    for (const std::size_t cut : {0u, 1u, 5u, 100u, 700u}) {
        websocket_world world;
        websocket ws = lone(world, server_side, compressed());
        const std::string message = rsv1(client_side, opcode::text, deflated(sample(50'000)));
        world.peer().send_now(message + message.substr(0, message.size() - cut));
        world.settle();
        auto begin = [&]() -> task<> {
            const result<weir::piece> first = co_await ws.read_frame();
            CHECK(first);
        };
        world.run(begin());
        world.peer().close();
        world.settle();
    }
}
