// What a room sends is where it was until its members have written it, whenever that is: between two turns of the loop, at the
// end of one, in a turn within another, while a member is told of a message that is all that a turn brings.
#include "../support/websocket_pair.hpp"

#include <weir/coro/next_turn.hpp>
#include <weir/coro/scope.hpp>
#include <weir/hub/room.hpp>

#include <functional>

using namespace weir;
using namespace std::chrono_literals;
using tests::over;
using tests::websocket_world;

namespace {

std::string said(std::string_view text) { return tests::text_frame(ws::role::server, text); }
std::string question() { return tests::text_frame(ws::role::client, "question"); }

// Reads a message, and is busy with something else then, with the message in its hands.
task<> member(room& in, websocket& ws, int& asked, std::chrono::nanoseconds busy_for) {
    room::seat here(in, ws);
    auto message = co_await ws.read();
    if (message) ++asked;
    (void)co_await weir::sleep(busy_for);
    if (message) CHECK(message->text() == "question");
}

// A connection whose log tells when it has ended, at the end of a turn.
std::function<void()> at_the_end;
websocket telling(websocket_world& world) {
    websocket_options options;
    options.log.function = [](void*, const log_event&) {
        if (at_the_end) std::exchange(at_the_end, nullptr)();
    };
    return world.wrap(ws::role::server, std::move(world.streams().first), options);
}

} // namespace

TEST_CASE("room: sent between two turns, to a member that the next one brings a message") {
    websocket_world world;
    room lobby;
    int asked = 0;
    std::optional<websocket> ws(world.make(ws::role::server));
    std::optional<scope> all;
    auto begin = [&]() -> task<> {
        all.emplace();
        all->spawn(member(lobby, *ws, asked, 20ms));
        co_return;
    };
    world.run(begin());
    world.settle();
    world.peer().send_now(question());
    CHECK(lobby.send("news of the day") == 1);
    world.loop().turn(0ns);
    CHECK(asked == 1);
    world.settle();
    CHECK(world.peer().receive_now() == said("news of the day"));
    auto end = [&]() -> task<> {
        co_await all->join();
        all.reset();
        ws.reset();
    };
    world.run(end());
}

TEST_CASE("room: sent by those who go on in the next turn, of which a message for a member is the one event") {
    for (const int workers : {1, 3, 4, 8}) {
        CAPTURE(workers);
        websocket_world world(over::sockets);
        room lobby;
        int asked = 0;
        websocket ws = world.make(ws::role::server);
        auto work = [&](bool asks) -> task<> {
            (void)co_await next_turn();
            if (asks) world.peer().send_now(question());
            (void)co_await next_turn();
            lobby.send("done");
        };
        auto talk = [&]() -> task<> {
            scope all;
            all.spawn(member(lobby, ws, asked, 5ms));
            while (!lobby.size()) (void)co_await yield();
            (void)co_await next_turn();
            for (int i = 0; i < workers; ++i) all.spawn(work(i == 0));
            co_await all.join();
        };
        world.run(talk());
        CHECK(asked == 1);
        std::string expected;
        for (int i = 0; i < workers; ++i) expected += said("done");
        CHECK(world.peer().receive_now() == expected);
    }
}

TEST_CASE("room: sent at the end of a turn, before one that brings a member a message alone") {
    websocket_world world(over::sockets);
    room lobby;
    int asked = 0;
    websocket ws = world.make(ws::role::server);
    std::optional<websocket> leaving(telling(world));
    at_the_end = [&] {
        lobby.send("somebody has left");
        world.peer().send_now(question());
    };
    auto talk = [&]() -> task<> {
        scope all;
        all.spawn(member(lobby, ws, asked, 5ms));
        while (!lobby.size()) (void)co_await yield();
        leaving->reset();
        co_await all.join();
    };
    world.run(talk());
    CHECK_FALSE(at_the_end);
    CHECK(asked == 1);
    CHECK(world.peer().receive_now() == said("somebody has left"));
}

TEST_CASE("room: sent at the end of a turn, and a turn within that before the member's own end of it") {
    websocket_world world;
    room lobby;
    websocket ws = world.make(ws::role::server);
    std::optional<websocket> leaving(telling(world));
    at_the_end = [&] {
        lobby.send("somebody has left");
        world.loop().turn(0ns);
        lobby.send("long ago");
    };
    auto talk = [&]() -> task<> {
        room::seat here(lobby, ws);
        leaving->reset();
        ws.ping();
        (void)co_await weir::sleep(5ms);
    };
    world.run(talk());
    CHECK_FALSE(at_the_end);
    CHECK(world.peer().receive_now().ends_with(said("somebody has left") + said("long ago")));
}

TEST_CASE("room: what nobody refers to is not kept until the end of the turn") {
    websocket_world world;
    detail::frames_for_all frames;
    auto send = [&](bool referred, std::size_t bytes) { // gives how much there was before
        detail::frames_for_all::sending now(frames);
        buffer& into = now.begin(bytes, world.loop());
        const std::size_t before = into.size();
        REQUIRE(into.append(as_bytes(std::string(bytes, 'x'))));
        CHECK(now.end(into).size() == bytes);
        now.x_referred = referred;
        return before;
    };
    for (int i = 0; i < 3; ++i) CHECK(send(false, 100) == 0);
    CHECK(send(true, 100) == 0);
    CHECK(send(false, 100) == 100);
    CHECK(send(true, 200) == 100);
    CHECK(send(false, 100'000) == 0); // for itself, and gone
    CHECK(send(true, 100) == 0);
    world.loop().turn(0ns);
    CHECK(send(true, 100) == 0);
}

TEST_CASE("room: members that are closed or full take nothing, and get what they took") {
    websocket_world world(over::memory, {.pipe_bytes = 64});
    room lobby;
    auto stuck = world.pair({.queue_bytes = 64 * 1024, .overflow = overflow_policy::drop}), open = world.pair(), left = world.pair();
    websocket &full = stuck.first, &gone = left.first;
    auto talk = [&]() -> task<> {
        room::seat one(lobby, full), two(lobby, gone);
        gone.reset();
        while (lobby.send(std::string(1000, 'x'))) {}
        (void)co_await yield();
        CHECK(full.queued_bytes() > 60 * 1024);
        room::seat three(lobby, open.first);
        auto long_text = [](int number) { return std::string(1000, static_cast<char>('0' + number)); };
        for (int i = 0; i < 3; ++i) {
            CHECK(lobby.send(std::string(1000, 'y'), &open.first) == 0);
            CHECK(lobby.send(long_text(i)) == 1);
        }
        for (int i = 0; i < 3; ++i) {
            auto message = co_await open.second.read();
            REQUIRE(message);
            CHECK(message->text() == long_text(i));
        }
        full.reset();
    };
    world.run(talk());
}
