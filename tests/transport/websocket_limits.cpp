// What a peer may send: sizes of messages and frames, pings and pongs in a second.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/transport/control_budget.hpp>

using namespace weir;
using namespace std::chrono_literals;
using tests::close_frame;
using tests::frame;
using tests::over;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr ws::role from_server = ws::role::server, from_client = ws::role::client;

// The header of a client's frame without its payload.
std::string header_of(opcode type, std::uint64_t size, bool fin = true) {
    const ws::frame_header header{size, type, 0, fin, true, {}};
    std::byte bytes[ws::frame_header::max_bytes];
    return std::string(as_text(bytes_view(bytes, ws::encode(header, bytes))));
}

task<> refused_at_header(websocket_world& world, websocket& ws, std::string bytes, std::size_t step, bool attentive,
                         std::string_view reason) {
    scope work;
    std::optional<result<message>> got;
    const auto read = [](websocket& of, std::optional<result<message>>& into) -> task<> { into = co_await of.read(); };
    if (attentive) work.spawn(read(ws, got));
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        auto told = co_await yield();
        (void)told;
        CHECK(ws.is_open());
        CHECK(world.peer().send_now(std::string_view(bytes).substr(at, step)) > 0);
    }
    auto slept = co_await sleep(1ms);
    (void)slept;
    if (!attentive) { // nobody knows yet how it will be read
        CHECK(ws.is_open());
        work.spawn(read(ws, got));
    }
    auto heard = co_await world.peer().receive_all();
    CHECK(heard == close_frame(from_server, 1009, reason));
    world.peer().close();
    co_await work.join();
    REQUIRE(got);
    CHECK(got->error() == errc::message_too_large);
    CHECK(ws.closed().cause == close_cause::limit);
    CHECK(ws.closed().reason == reason);
}

} // namespace

TEST_CASE("a message over the limit is refused at the header that says so, before any of its payload") {
    const std::string large = header_of(opcode::binary, 1001);
    const std::string huge = header_of(opcode::text, 0x7FFF'FFFF'FFFF'FFFF);
    const std::string later = frame(from_client, opcode::binary, std::string(600, 'x'), false) +
                              header_of(opcode::continuation, 401, false);
    for (const over way : {over::memory, over::sockets})
        for (const std::size_t step : {10'000, 1})
            for (const bool attentive : {true, false}) {
                CAPTURE(step);
                CAPTURE(attentive);
                const auto refuse = [&](const std::string& bytes, std::string_view reason) {
                    websocket_world world(way);
                    websocket ws = world.make(ws::role::server, {.message_bytes = 1000});
                    world.run(refused_at_header(world, ws, bytes, step, attentive, reason));
                };
                refuse(large, "message of 1001 bytes over the limit of 1000");
                refuse(huge, "message of 9223372036854775807 bytes over the limit of 1000");
                refuse(later, "message of 1001 bytes over the limit of 1000");
            }
}

namespace {

// Pieces have no limit; whoever asks for the rest of a message has one from there on.
task<> pieces_then_whole(websocket_world& world, websocket& ws) {
    world.peer().send_now(header_of(opcode::binary, 5000) + std::string(3000, 'x'));
    auto piece = co_await ws.read_frame();
    REQUIRE(piece);
    CHECK(piece->payload.size() == 3000);
    world.peer().send_now(std::string(1001, 'x'));
    piece = co_await ws.read_frame();
    CHECK((piece && piece->payload.size() == 1001));
    auto waits = co_await ws.read().within(1ms); // 999 are left
    CHECK(waits.error() == errc::timed_out);
    world.peer().send_now(std::string(999, 'x'));
    auto rest = co_await ws.read();
    CHECK((rest && rest->size() == 999));

    world.peer().send_now(header_of(opcode::binary, 5000) + std::string(3000, 'x'));
    piece = co_await ws.read_frame();
    CHECK((piece && piece->payload.size() == 3000));
    rest = co_await ws.read();
    CHECK(rest.error() == errc::message_too_large);
    CHECK(ws.closed().reason == "message of 2000 bytes over the limit of 1000");
}

task<> exactly(websocket_world& world, websocket& ws) {
    world.peer().send_now(header_of(opcode::binary, 1000));
    auto got = co_await ws.read().within(1s);
    CHECK(got.error() == errc::timed_out);
    world.peer().send_now(std::string(1000, 'x'));
    got = co_await ws.read();
    CHECK((got && got->size() == 1000));
}

task<> large_frame(websocket_world& world, websocket& ws, bool by_pieces) {
    world.peer().send_now(frame(from_client, opcode::binary, std::string(500, 'x'), false));
    world.peer().send_now(header_of(opcode::continuation, 501));
    if (by_pieces) {
        auto piece = co_await ws.read_frame();
        CHECK((piece && piece->payload.size() == 500));
        piece = co_await ws.read_frame();
        CHECK(piece.error() == errc::frame_too_large);
    } else {
        auto got = co_await ws.read();
        CHECK(got.error() == errc::frame_too_large);
    }
    auto slept = co_await sleep(1ms);
    (void)slept;
    CHECK(world.peer().receive_now() == close_frame(from_server, 1009, "frame of 501 bytes over the limit of 500"));
    CHECK(ws.closed().cause == close_cause::limit);
}

} // namespace

TEST_CASE("the limit of a message is that of whole reads; pieces have none") {
    websocket_world world;
    websocket ws = world.make(ws::role::server, {.message_bytes = 1000});
    world.run(pieces_then_whole(world, ws));
    websocket other = world.make(ws::role::server, {.message_bytes = 1000});
    world.run(exactly(world, other));
}

TEST_CASE("received_frame_bytes: a larger frame is refused at its header, however it is read") {
    for (const bool by_pieces : {true, false}) {
        websocket_world world;
        websocket ws = world.make(ws::role::server, {.received_frame_bytes = 500});
        world.run(large_frame(world, ws, by_pieces));
    }
}

namespace {

// Sends so many a second until the connection is closed, or for ten minutes; gives how many were sent.
task<std::uint64_t> control_frames(websocket_world& world, websocket& ws, std::string each, int a_second) {
    std::uint64_t sent = 0;
    for (int second = 0; second < 600 && ws.is_open(); ++second) {
        for (int i = 0; i < a_second && ws.is_open(); ++i) {
            sent += world.peer().send_now(each) == each.size();
            auto slept = co_await sleep(std::chrono::nanoseconds(1s) / a_second);
            (void)slept;
            world.peer().receive_now();
        }
    }
    co_return sent;
}

task<> too_many(websocket_world& world, websocket& ws, std::string each) {
    std::string burst;
    for (int i = 0; i < 50; ++i) burst += each;
    for (int i = 0; i < 4; ++i) {
        world.peer().send_now(burst);
        auto slept = co_await sleep(100ms);
        (void)slept;
        CHECK(ws.is_open());
    }
    world.peer().receive_now();
    world.peer().send_now(each);
    auto got = co_await ws.read();
    CHECK(got.error() == errc::too_many_controls);
    auto slept = co_await sleep(1ms);
    (void)slept;
    const std::string reason(ws.closed().reason);
    CHECK(reason.starts_with("201 pings and pongs within 4"));
    CHECK(reason.ends_with(" ms over the limit of 20 a second"));
    CHECK(world.peer().receive_now() == close_frame(from_server, 1008, reason));
    CHECK(ws.closed().cause == close_cause::limit);
    CHECK(ws.closed().code == ws::close_code::policy_violation);
}

task<> bursts(websocket_world& world, websocket& ws) { // what is allowed, at once, again and again
    std::string burst;
    for (int i = 0; i < 200; ++i) burst += frame(from_client, opcode::ping, "");
    for (int i = 0; i < 100; ++i) {
        world.peer().send_now(burst);
        auto slept = co_await sleep(10'002ms); // from when they are there, a millisecond later
        (void)slept;
        world.peer().receive_now();
        CHECK(ws.is_open());
    }
    auto slept = co_await sleep(24h); // nothing is saved up
    (void)slept;
    world.peer().send_now(burst + frame(from_client, opcode::ping, ""));
    slept = co_await sleep(1ms);
    (void)slept;
    CHECK_FALSE(ws.is_open());
}

// A thousand pings, and their pongs all at once.
task<> answers(websocket_world& world, websocket& ws) {
    std::string pongs;
    for (int i = 0; i < 1000; ++i) {
        CHECK((co_await ws.ping(std::to_string(i))));
        pongs += frame(from_client, opcode::pong, std::to_string(i));
    }
    auto slept = co_await sleep(1ms);
    world.peer().receive_now();
    world.peer().send_now(pongs);
    slept = co_await sleep(1ms);
    (void)slept;
    CHECK(ws.is_open());
    for (int i = 0; i < 200; ++i) world.peer().send_now(frame(from_client, opcode::pong, ""));
    slept = co_await sleep(1ms);
    CHECK(ws.is_open());
    world.peer().send_now(frame(from_client, opcode::pong, ""));
    slept = co_await sleep(1ms);
    CHECK_FALSE(ws.is_open());
}

// The handler is away for an hour, and more is there than is received ahead. The peer goes on as it may.
task<> away(websocket_world& world, websocket& ws) {
    std::string bytes = frame(from_client, opcode::binary, std::string(200, 'x'));
    for (int second = 0; second < 60 * 60; ++second) {
        for (int i = 0; i < 5; ++i) bytes += frame(from_client, opcode::ping, "p");
        bytes.erase(0, world.peer().send_now(bytes));
        auto slept = co_await sleep(1s);
        (void)slept;
    }
    CHECK(bytes.size() > 100'000);
    auto got = co_await ws.read();
    CHECK(got);
    while (!bytes.empty()) {
        bytes.erase(0, world.peer().send_now(bytes));
        auto slept = co_await sleep(1ms);
        (void)slept;
        world.peer().receive_now();
    }
    auto slept = co_await sleep(1s);
    (void)slept;
    CHECK(ws.is_open());
}

// The handler comes back a second after the window has ended in which more came than is received ahead.
task<> away_over_the_end(websocket_world& world, websocket& ws) {
    CHECK((co_await ws.read().within(9900ms)).error() == errc::timed_out);
    world.peer().send_now(frame(from_client, opcode::binary, std::string(200, 'x')));
    (void)co_await sleep(300ms);
    world.peer().send_now(frame(from_client, opcode::ping, ""));
    (void)co_await sleep(800ms);
    CHECK(co_await ws.read());
    for (int sent = 1; sent < 200; ++sent) { // which is what ten seconds hold
        world.peer().send_now(frame(from_client, opcode::ping, ""));
        CHECK((co_await ws.read().within(1ms)).error() == errc::timed_out);
    }
    CHECK(ws.is_open());
}

} // namespace

TEST_CASE("control_frames_per_second: as many as are allowed may come for ever, evenly or in bursts") {
    for (const opcode type : {opcode::ping, opcode::pong}) {
        websocket_world world;
        websocket ws = world.make(ws::role::server, {.control_frames_per_second = 20});
        CHECK(world.run(control_frames(world, ws, frame(from_client, type, "x"), 20)) == 20 * 600);
        CHECK(ws.is_open());
        websocket more = world.make(ws::role::server, {.control_frames_per_second = 20});
        const std::uint64_t sent = world.run(control_frames(world, more, frame(from_client, type, "x"), 30));
        CHECK(sent >= 200);
        CHECK(sent <= 202);
        CHECK_FALSE(more.is_open());
    }
    websocket_world world;
    websocket ws = world.make(ws::role::server, {.control_frames_per_second = 20});
    world.run(bursts(world, ws));
}

TEST_CASE("control_frames_per_second: more are answered by 1008, with both figures") {
    for (const opcode type : {opcode::ping, opcode::pong}) {
        websocket_world world;
        websocket ws = world.make(ws::role::server, {.control_frames_per_second = 20});
        world.run(too_many(world, ws, frame(from_client, type, "x")));
    }
}

TEST_CASE("control_frames_per_second: answers to our own pings are not counted") {
    websocket_world world;
    websocket ws = world.make(ws::role::server, {.control_frames_per_second = 20});
    world.run(answers(world, ws));
}

TEST_CASE("control_frames_per_second: a peer is not blamed for what piles up while we do not look") {
    websocket_world world(over::memory, {.pipe_bytes = 4000});
    websocket ws = world.make(ws::role::server, {.control_frames_per_second = 5, .read_ahead_bytes = 100});
    world.run(away(world, ws));
    websocket_world shorter;
    websocket other = shorter.make(ws::role::server, {.control_frames_per_second = 20, .read_ahead_bytes = 100});
    shorter.run(away_over_the_end(shorter, other));
}

namespace {

// `count` frames, the last one included, of one byte each but for empty ones in between.
std::string fragments(int count, bool empty) {
    std::string bytes = frame(from_client, opcode::text, "b", count == 1);
    for (int i = 2; i <= count; ++i)
        bytes += frame(from_client, opcode::continuation, empty && i < count ? "" : "x", i == count);
    return bytes;
}

task<> fragmented(websocket_world& world, websocket& ws, bool empty, bool attentive) {
    std::optional<result<message>> got;
    scope work;
    const auto read = [](websocket& of, std::optional<result<message>>& into) -> task<> { into = co_await of.read(); };
    for (const int count : {1, 2, 10, 11}) {
        if (attentive) work.spawn(read(ws, got));
        const bool taken = co_await world.peer().send(fragments(count, empty));
        CHECK(taken);
        auto slept = co_await sleep(1ms);
        (void)slept;
        CHECK((attentive && count == 11) == !ws.is_open());
        if (!attentive) work.spawn(read(ws, got));
        co_await work.join();
        REQUIRE(got);
        if (count == 11) {
            CHECK(got->error() == errc::too_many_fragments);
        } else {
            CHECK((*got && (*got)->size() == static_cast<std::size_t>(empty && count > 2 ? 2 : count)));
        }
    }
    CHECK(ws.closed().cause == close_cause::limit);
    CHECK(ws.closed().code == ws::close_code::message_too_big);
    CHECK(ws.closed().reason == "message of more frames than the limit of 10");
}

task<> endless_fragments(websocket_world& world, websocket& ws) { // empty ones that give nothing to read
    world.peer().send_now(frame(from_client, opcode::text, "b", false));
    for (int i = 0; i < 9; ++i) world.peer().send_now(frame(from_client, opcode::continuation, "", false));
    auto got = co_await ws.read().within(1ms);
    CHECK(got.error() == errc::timed_out);
    world.peer().send_now(frame(from_client, opcode::continuation, "", false));
    got = co_await ws.read();
    CHECK(got.error() == errc::too_many_fragments);
}

task<> fragmented_pieces(websocket_world& world, websocket& ws) {
    std::size_t size = 0;
    const std::string many = fragments(1000, false);
    world.peer().send_now(many);
    for (;;) {
        auto piece = co_await ws.read_frame();
        REQUIRE(piece);
        size += piece->payload.size();
        if (piece->last) break;
    }
    CHECK(size == 1000);
    // The rest of a message that was begun by pieces has a limit of its own.
    world.peer().send_now(fragments(30, false));
    for (int i = 0; i < 20; ++i) {
        auto piece = co_await ws.read_frame();
        CHECK((piece && !piece->last));
    }
    auto rest = co_await ws.read();
    CHECK((rest && rest->size() == 10));
    world.peer().send_now(fragments(32, false));
    for (int i = 0; i < 20; ++i) {
        auto piece = co_await ws.read_frame();
        CHECK((piece && !piece->last));
    }
    rest = co_await ws.read();
    CHECK(rest.error() == errc::too_many_fragments);
}

} // namespace

TEST_CASE("message_fragments: one frame more is refused, whether or not somebody waits for it, and pieces have no limit") {
    for (const bool empty : {false, true})
        for (const bool attentive : {false, true}) {
            CAPTURE(empty);
            CAPTURE(attentive);
            websocket_world world;
            websocket ws = world.make(ws::role::server, {.message_fragments = 10});
            world.run(fragmented(world, ws, empty, attentive));
        }
    websocket_world world;
    websocket ws = world.make(ws::role::server, {.message_fragments = 10});
    world.run(endless_fragments(world, ws));
    websocket other = world.make(ws::role::server, {.message_fragments = 10});
    world.run(fragmented_pieces(world, other));
}
