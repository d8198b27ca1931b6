// Keeping alive: when a connection pings, when it gives up, and when silence proves nothing.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/transport/keepalive.hpp>

using namespace weir;
using namespace std::chrono_literals;
using tests::frame;
using tests::over;
using tests::text_frame;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr ws::role from_server = ws::role::server, from_client = ws::role::client;

// How many pings there are, and nothing else: those that a connection sends by itself, with four bytes that none of
// the others has.
int own_pings(std::string_view frames) {
    int count = 0;
    std::string_view last;
    for (; frames.size() >= 6; frames.remove_prefix(6), ++count) {
        CHECK(frames.substr(0, 2) == "\x89\x04");
        CHECK(frames.substr(2, 4) != last);
        last = frames.substr(2, 4);
    }
    CHECK(frames.empty());
    return count;
}

task<> silent(websocket_world& world, websocket& ws) {
    const auto start = world.now();
    auto got = co_await ws.read();
    CHECK(got.error() == errc::timed_out);
    CHECK(world.now() - start >= 40s);
    CHECK(world.now() - start < 40100ms);
    CHECK(own_pings(world.peer().receive_now()) == 1);
    CHECK(ws.closed().cause == close_cause::timeout);
    CHECK(ws.closed().code == ws::close_code::abnormal);
    CHECK(ws.closed().message().find("the peer fell silent: 1006 \"nothing was received for 40 s\"") == 0);
    co_await ws.close();
    CHECK(world.peer().reset());
}

// Any byte is a sign of life, also one of a frame that never ends.
task<> barely_alive(websocket_world& world, websocket& ws) {
    const std::string bytes = text_frame(from_client, std::string(100, 'x'));
    for (int i = 0; i < 50; ++i) {
        world.peer().send_now(std::string_view(bytes).substr(static_cast<std::size_t>(i), 1));
        auto slept = co_await sleep(39s);
        (void)slept;
        CHECK(ws.is_open());
    }
    CHECK(own_pings(world.peer().receive_now()) == 50);
    CHECK(ws.round_trip().count() < 0);
}

task<> busy_peer(websocket_world& world, websocket& ws) { // no ping while something comes
    for (int i = 0; i < 20; ++i) {
        world.peer().send_now(text_frame(from_client, "x"));
        auto slept = co_await sleep(19s);
        (void)slept;
        auto got = co_await ws.read();
        CHECK(got);
    }
    CHECK(world.peer().receive_now().empty());
}

task<> round_trip(websocket_world& world, websocket& ws) {
    auto slept = co_await sleep(1ms);
    world.peer().send_now(frame(from_client, opcode::pong, "unasked"));
    slept = co_await sleep(1s);
    CHECK(ws.round_trip().count() < 0);
    auto sent = co_await ws.ping("when");
    CHECK(sent);
    slept = co_await sleep(30ms);
    ws.ping("again");
    slept = co_await sleep(30ms);
    CHECK(world.peer().receive_now() == frame(from_server, opcode::ping, "when") + frame(from_server, opcode::ping, "again"));
    world.peer().send_now(frame(from_client, opcode::pong, "when"));
    slept = co_await sleep(1s);
    (void)slept;
    CHECK(ws.round_trip() >= 60ms);
    CHECK(ws.round_trip() < 65ms);
    const std::string too_long(126, 'x');
    auto refused = co_await ws.ping(too_long);
    CHECK(refused.error() == errc::long_control);
}

// Only the pong with its payload tells how long a ping took.
task<> strange_pongs(websocket_world& world, websocket& ws) {
    world.peer().receive_now();
    auto slept = co_await sleep(20s);
    slept = co_await sleep(5ms);
    const std::string ping = world.peer().receive_now(); // of its own
    CHECK(own_pings(ping) == 1);
    world.peer().send_now(frame(from_client, opcode::pong, "")); // what some browsers send from time to time
    world.peer().send_now(frame(from_client, opcode::pong, "else"));
    slept = co_await sleep(100ms);
    CHECK(ws.round_trip().count() < 0);
    world.peer().send_now(frame(from_client, opcode::pong, std::string_view(ping).substr(2)));
    slept = co_await sleep(1ms);
    CHECK(ws.round_trip() >= 105ms);
    CHECK(ws.round_trip() < 110ms);
    world.peer().send_now(frame(from_client, opcode::pong, std::string_view(ping).substr(2))); // once more
    slept = co_await sleep(1s);
    CHECK(ws.round_trip() < 110ms);

    for (const char* each : {"a", "b", "c", "d"}) { // a peer may answer the last one alone
        ws.ping(each);
        slept = co_await sleep(10ms);
    }
    world.peer().send_now(frame(from_client, opcode::pong, "d"));
    slept = co_await sleep(1ms);
    CHECK(ws.round_trip() >= 10ms);
    CHECK(ws.round_trip() < 13ms);
    world.peer().send_now(frame(from_client, opcode::pong, "a")); // of no use any more
    slept = co_await sleep(1ms);
    CHECK(ws.round_trip() < 13ms);

    for (const char* each : {"e", "f", "g"}) { // or all of them, late
        ws.ping(each);
        slept = co_await sleep(10ms);
    }
    world.peer().send_now(frame(from_client, opcode::pong, "e"));
    slept = co_await sleep(1ms);
    CHECK(ws.round_trip() >= 30ms);
    CHECK(ws.round_trip() < 33ms);
    world.peer().send_now(frame(from_client, opcode::pong, "f") + frame(from_client, opcode::pong, "g"));
    slept = co_await sleep(1ms);
    (void)slept;
    CHECK(ws.round_trip() >= 10ms);
    CHECK(ws.round_trip() < 15ms);
}

// The ping of 20 s leaves when the peer takes it, at 35 s; the peer has 20 s from then.
task<> late_ping(websocket_world& world, websocket& ws) {
    const auto start = world.now();
    const std::string much(5000, 'x');
    ws.send(std::string_view(much));
    auto slept = co_await sleep(35s);
    for (int i = 0; i < 10; ++i) {
        world.peer().receive_now();
        slept = co_await sleep(1ms);
    }
    auto got = co_await ws.read();
    CHECK(got.error() == errc::timed_out);
    CHECK(world.now() - start >= 55s);
    CHECK(world.now() - start < 55200ms);
}

task<> stuck_ping(websocket_world& world, websocket& ws) {
    const auto start = world.now();
    const std::string much(5000, 'x');
    ws.send(std::string_view(much));
    auto got = co_await ws.read();
    CHECK(got.error() == errc::timed_out);
    CHECK(world.now() - start >= 40s);
    CHECK(world.now() - start < 40100ms);
}

// The ping leaves at once, but stands behind much that the peer takes slowly; and then the peer takes nothing more.
task<> long_way(websocket_world& world, websocket& ws, bool pong) {
    const std::string much(100'000, 'x');
    ws.send(std::string_view(much));
    const auto start = world.now();
    std::string received;
    while (received.size() < much.size()) { // 3 minutes
        received += co_await world.peer().receive(1);
        auto slept = co_await sleep(9s);
        (void)slept;
        CHECK(ws.is_open());
    }
    CHECK(world.now() - start > 2min);
    received += world.peer().receive_now();
    CHECK(own_pings(std::string_view(received).substr(much.size() + 10)) == 1); // nothing was received
    if (pong) {
        world.peer().send_now(frame(from_client, opcode::pong, std::string_view(received).substr(received.size() - 4)));
        auto slept = co_await sleep(1s);
        (void)slept;
        CHECK(ws.is_open());
        CHECK(ws.round_trip() > 1min);
    } else {
        const auto then = world.now();
        auto got = co_await ws.read();
        CHECK(got.error() == errc::timed_out);
        CHECK(world.now() - then <= 20s);
    }
}
task<> way_blocked(websocket_world& world, websocket& ws) {
    const std::string much(100'000, 'x');
    ws.send(std::string_view(much));
    std::string received;
    for (int i = 0; i < 10; ++i) {
        received += co_await world.peer().receive(1);
        auto slept = co_await sleep(9s);
        (void)slept;
    }
    CHECK(received.size() < much.size());
    const auto then = world.now();
    auto got = co_await ws.read();
    CHECK(got.error() == errc::timed_out);
    CHECK(world.now() - then >= 10s);
    CHECK(world.now() - then <= 26s);
}

// A huge message that comes slowly needs no ping, however it is read.
task<> slow_message(websocket_world& world, websocket& ws, bool by_pieces) {
    const std::string bytes = frame(from_client, opcode::binary, std::string(300'000, 'x'));
    scope work;
    std::size_t size = 0;
    work.spawn([](websocket& of, bool pieces, std::size_t& total) -> task<> {
        while (pieces) {
            auto piece = co_await of.read_frame();
            if (!piece) co_return;
            total += piece->payload.size();
            if (piece->last) co_return;
        }
        auto got = co_await of.read();
        if (got) total = got->size();
    }(ws, by_pieces, size));
    for (std::size_t at = 0; at < bytes.size(); at += 1000) {
        world.peer().send_now(std::string_view(bytes).substr(at, 1000));
        auto slept = co_await sleep(15s);
        (void)slept;
    }
    co_await work.join();
    CHECK(size == 300'000);
    CHECK(world.peer().receive_now().empty());
    CHECK(ws.is_open());
}

// Our ping, and the keepalive's, pass between the frames of a long message.
task<> ping_between(websocket_world& world, websocket& ws) {
    const std::string much(1'000'000, 'x');
    ws.send(std::string_view(much));
    auto slept = co_await sleep(1ms);
    ws.ping("quick");
    slept = co_await sleep(1ms);
    (void)slept;
    auto received = co_await world.peer().receive(200'000);
    const std::size_t at = received.find(frame(from_server, opcode::ping, "quick"));
    CHECK(at != std::string::npos);
    CHECK(at <= 2 * 65'546);
    slept = co_await sleep(5ms);
    world.peer().send_now(frame(from_client, opcode::pong, "quick")); // while the rest still waits
    slept = co_await sleep(1ms);
    CHECK(ws.round_trip() >= 5ms);
    CHECK(ws.queued_bytes() > 500'000);
}

// Pings until no more pongs are kept for it, then nothing: neither reads nor sends. Our own ping is queued all the same.
task<> flood_of_pings(websocket_world& world, websocket& ws) {
    const std::string ping = frame(from_client, opcode::ping, std::string(125, 'p'));
    for (int i = 0; i < 300; ++i) {
        CHECK(world.peer().send_now(ping) == ping.size());
        auto slept = co_await sleep(1ms);
        (void)slept;
    }
    const auto start = world.now();
    auto refused = co_await ws.ping("one more");
    CHECK(refused.error() == errc::buffer_full);
    auto got = co_await ws.read().within(10min);
    CHECK(got.error() == errc::timed_out);
    CHECK(ws.closed().cause == close_cause::timeout);
    CHECK(world.now() - start >= 39s);
    CHECK(world.now() - start < 40100ms);
}

// More than is kept for a handler that does not read: the peer cannot say anything, and is not blamed.
task<> deaf(websocket_world& world, websocket& ws) {
    const std::string message = text_frame(from_client, std::string(990, 'm'));
    for (int i = 0; i < 300; ++i) {
        world.peer().send_now(message);
        auto slept = co_await sleep(1ms);
        (void)slept;
    }
    auto slept = co_await sleep(10min);
    CHECK(ws.is_open());
    int read = 0;
    for (;;) {
        auto got = co_await ws.read().within(1s);
        if (!got) break;
        ++read;
    }
    CHECK(read > 64);
    const auto start = world.now(); // from now on silence counts again
    auto got = co_await ws.read();
    CHECK(got.error() == errc::timed_out);
    CHECK(world.now() - start <= 40s);
    slept = co_await sleep(1ms);
}

// The same, while a send waits for a peer that takes nothing: neither side would ever go on.
task<> deaf_and_stuck(websocket_world& world, websocket& ws) {
    const std::string message = text_frame(from_client, std::string(990, 'm'));
    for (int i = 0; i < 300; ++i) {
        world.peer().send_now(message);
        auto slept = co_await sleep(1ms);
        (void)slept;
    }
    const auto start = world.now();
    const std::string much(300'000, 'x');
    auto sent = co_await ws.send(std::string_view(much)).within(10min);
    (void)sent;
    CHECK(ws.closed().cause == close_cause::timeout);
    CHECK(world.now() - start >= 39s);
    CHECK(world.now() - start < 61s);
}

// A ping that leaves together with a large message, written at once.
task<> together(websocket_world& world, websocket& ws) {
    const std::string large(20'000, 'l');
    for (int i = 0; i < 20; ++i) {
        ws.ping();
        ws.send(std::string_view(large));
        auto slept = co_await sleep(10ms);
        world.peer().receive_now();
        world.peer().send_now(frame(from_client, opcode::pong, ""));
        slept = co_await sleep(19s);
        CHECK(ws.is_open());
        CHECK(ws.round_trip() >= 10ms);
        CHECK(ws.round_trip() < 15ms);
    }
}

} // namespace

TEST_CASE("keepalive: a ping after 20 s of silence, the end after another 20 s") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(silent(world, ws));
}

TEST_CASE("keepalive: any byte is a sign of life") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(barely_alive(world, ws));
    websocket other = world.make(ws::role::server);
    world.run(busy_peer(world, other));
}

TEST_CASE("RFC 6455 5.5.2: the round trip is that of the oldest ping; pongs unasked for are nothing") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(round_trip(world, ws));
}

TEST_CASE("RFC 6455 5.5.3: the round trip is that of the ping whose payload came back, the newest or an older one") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(strange_pongs(world, ws));
}

TEST_CASE("keepalive: the clock starts when the ping leaves; one that cannot leave is no excuse") {
    for (const auto scenario : {late_ping, stuck_ping}) {
        websocket_world world(over::memory, {.pipe_bytes = 1000});
        websocket ws = world.make(ws::role::server);
        world.run(scenario(world, ws));
    }
}

TEST_CASE("keepalive: a ping behind much that is on its way is not late, as long as something arrives") {
    for (const bool pong : {true, false}) {
        websocket_world world(over::memory, {.pipe_bytes = 120'000, .fill_bytes = 5000});
        websocket ws = world.make(ws::role::server, {.frame_bytes = 100'000});
        world.run(long_way(world, ws, pong));
    }
    websocket_world world(over::memory, {.pipe_bytes = 120'000, .fill_bytes = 5000});
    websocket ws = world.make(ws::role::server);
    world.run(way_blocked(world, ws));
}

TEST_CASE("keepalive: a huge message that comes slowly is a sign of life at every byte") {
    for (const bool by_pieces : {true, false}) {
        websocket_world world;
        websocket ws = world.make(ws::role::server);
        world.run(slow_message(world, ws, by_pieces));
    }
}

TEST_CASE("keepalive: a ping passes between the frames of a long message, and so does its answer") {
    websocket_world world(over::memory, {.pipe_bytes = 10'000});
    websocket ws = world.make(ws::role::server);
    world.run(ping_between(world, ws));
}

TEST_CASE("keepalive: a peer that fills the control lane and falls silent is found") {
    websocket_world world(over::memory, {.pipe_bytes = 1000});
    websocket ws = world.make(ws::role::server);
    world.run(flood_of_pings(world, ws));
}

TEST_CASE("keepalive: suspended while enough is received ahead") {
    websocket_world world(over::memory, {.pipe_bytes = 1000});
    websocket ws = world.make(ws::role::server);
    world.run(deaf(world, ws));
}

TEST_CASE("keepalive: not suspended while a send waits for a peer that takes nothing") {
    websocket_world world(over::memory, {.pipe_bytes = 1000});
    websocket ws = world.make(ws::role::server);
    world.run(deaf_and_stuck(world, ws));
}

TEST_CASE("keepalive: a ping that leaves with a large message has left") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(together(world, ws));
}

TEST_CASE("keepalive: a ping that is answered before all that was queued with it has left is not awaited any more") {
    weir::detail::keepalive alive(0s);
    using verdict = weir::detail::keepalive::verdict;
    CHECK(alive.decide(nullptr, 20s, 0, 0, true, false, 20s, 20s).what == verdict::ping);
    weir::detail::keepalive::pings all;
    alive.begin_ping(all, 20s, 0, 0);
    alive.ping_queued(all, 7);
    alive.received(21s); // the pong, while a part of something else is still in the lane
    CHECK(alive.pong(all, 7, 21s)); // none is under way any more
    alive.control_left(all, 22s, 100);
    CHECK(alive.decide(&all, 40s, 100, 0, true, false, 20s, 20s).what == verdict::wait);
    CHECK(alive.decide(&all, 42s, 100, 0, true, false, 20s, 20s).what == verdict::ping); // and not lost: it was idle since 21 s
}

TEST_CASE("keepalive: none without an interval") {
    websocket_world world;
    websocket ws = world.make(ws::role::server, {.ping_interval = std::nullopt});
    world.run([](websocket& of) -> task<> {
        auto got = co_await of.read().within(24h);
        CHECK(got.error() == errc::timed_out);
        CHECK(of.is_open());
    }(ws));
    CHECK(world.peer().receive_now().empty());
}
