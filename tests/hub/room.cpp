// A room: one encoding for all, the same order for all, and nobody who holds the others up.
#include "../support/session_world.hpp"
#include "../support/websocket_pair.hpp"

#include <weir/core/pseudo_random.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/hub/room.hpp>

#include <vector>

using namespace weir;
using tests::over;
using tests::websocket_world;

namespace {

using strings = std::vector<std::string>;

// Reads to the end of the connection, or `count` messages.
task<> listen(websocket& ws, strings& heard, std::size_t count = static_cast<std::size_t>(-1)) {
    while (heard.size() < count) {
        auto message = co_await ws.read();
        if (!message) break;
        heard.push_back((message->is_text() ? "" : "binary ") + std::string(message->text()));
    }
}

// A member as a server has it: passes on what it reads, until its peer says "leave" or the connection is over.
task<> member(room& in, websocket& ws, bool echo_to_self = true) {
    room::seat here(in, ws);
    while (auto message = co_await ws.read()) {
        if (message->text() == "leave") break;
        in.send(*message, echo_to_self ? nullptr : &ws);
    }
}

struct three { // connections, each with its two ends
    explicit three(websocket_world& world, const websocket_options& options = {})
        : a(world.pair(options)), b(world.pair(options)), c(world.pair(options)) {}
    std::pair<websocket, websocket> a, b, c;
};

} // namespace

TEST_CASE("room: what any member says arrives everywhere in the same order") {
    for (const over which : {over::memory, over::sockets}) {
        websocket_world world(which, {.pipe_bytes = 64, .fill_bytes = 7, .fragment = true});
        room lobby;
        three all(world);
        strings heard[3];
        auto talk = [&]() -> task<> {
            scope both;
            both.spawn(member(lobby, all.a.first));
            both.spawn(member(lobby, all.b.first));
            both.spawn(member(lobby, all.c.first));
            both.spawn(listen(all.a.second, heard[0], 60));
            both.spawn(listen(all.b.second, heard[1], 60));
            both.spawn(listen(all.c.second, heard[2], 60));
            for (int i = 0; i < 20; ++i) {
                const std::string number = std::to_string(i);
                all.a.second.send("a" + number);
                all.b.second.send("b" + number);
                co_await all.c.second.send(as_bytes("c" + number));
                (void)co_await yield();
            }
            while (heard[0].size() < 60 || heard[1].size() < 60 || heard[2].size() < 60) (void)co_await yield();
            all.a.second.send("leave");
            all.b.second.send("leave");
            all.c.second.send("leave");
            co_await both.join();
        };
        world.run(talk());
        CHECK(heard[0] == heard[1]);
        CHECK(heard[1] == heard[2]);
        int next[3] = {};
        for (const std::string& each : heard[0]) { // each speaker's in its own order
            const bool binary = each.starts_with("binary c");
            const std::size_t letter = binary ? 7 : 0;
            int& expected = next[each[letter] - 'a'];
            CHECK(each.substr(letter + 1) == std::to_string(expected++));
        }
        CHECK(next[0] == 20);
        CHECK(next[1] == 20);
        CHECK(next[2] == 20);
        CHECK(lobby.size() == 0);
    }
}

TEST_CASE("room: all but one; how many took it; closed members miss it") {
    websocket_world world;
    room lobby;
    three all(world);
    strings heard[3];
    auto talk = [&]() -> task<> {
        room::seat a(lobby, all.a.first), b(lobby, all.b.first), c(lobby, all.c.first);
        CHECK(lobby.size() == 3);
        CHECK(lobby.send("all") == 3);
        CHECK(lobby.send("not b", &all.b.first) == 2);
        all.c.first.close();
        CHECK(lobby.size() == 3);
        CHECK(lobby.send("not c any more") == 2);
        all.a.first.reset();
        CHECK(lobby.send("b only") == 1);
        b.leave();
        b.leave();
        CHECK(lobby.size() == 2);
        CHECK(lobby.send("nobody") == 0);
        {
            room::seat again(lobby, all.b.first);
            CHECK(lobby.send("b is back") == 1);
        }
        CHECK(lobby.size() == 2);
        all.b.first.close();
        scope listeners;
        listeners.spawn(listen(all.b.second, heard[1]));
        listeners.spawn(listen(all.c.second, heard[2]));
        co_await listeners.join();
    };
    world.run(talk());
    CHECK(heard[1] == strings{"all", "not c any more", "b only", "b is back"});
    CHECK(heard[2] == strings{"all", "not b"});
    CHECK(lobby.size() == 0);
    CHECK(room().send("to nobody") == 0);
}

TEST_CASE("room: a slow reader holds nobody up, and goes when its queue is full") {
    for (const overflow_policy policy : {overflow_policy::close, overflow_policy::drop}) {
        websocket_world world(over::memory, {.pipe_bytes = 1000});
        room lobby;
        const websocket_options options{.queue_bytes = 5000, .overflow = policy};
        websocket slow = world.make(ws::role::server, options); // whose peer reads nothing
        auto fast = world.pair(options);
        strings heard;
        auto talk = [&]() -> task<> {
            room::seat a(lobby, slow), b(lobby, fast.first);
            scope listeners;
            listeners.spawn(listen(fast.second, heard, 100));
            std::size_t taken = 0;
            for (int i = 0; i < 100; ++i) {
                taken += lobby.send(std::string(500, static_cast<char>('a' + i % 26)));
                while (heard.size() <= static_cast<std::size_t>(i)) (void)co_await yield();
            }
            co_await listeners.join();
            CHECK(heard.size() == 100);
            CHECK(taken > 100);
            CHECK(taken < 120);
            CHECK(slow.queued_bytes() <= 5000);
            CHECK(slow.is_open() == (policy == overflow_policy::drop));
            CHECK(fast.first.is_open());
            slow.reset();
        };
        world.run(talk());
    }
}

TEST_CASE("room: with whatever else is sent in the same turn, each member has everything in the order of the calls") {
    pseudo_random random(7);
    for (int round = 0; round < 60; ++round) {
        const std::size_t pipe = round % 3 == 0 ? 64 : round % 3 == 1 ? 3000 : 1'000'000;
        websocket_world world(over::memory, {.pipe_bytes = pipe, .fragment = round % 2 == 0});
        room rooms[2];
        three all(world);
        websocket* const members[] = {&all.a.first, &all.b.first, &all.c.first};
        strings expected[3], heard[3];
        auto talk = [&]() -> task<> {
            scope listeners;
            websocket* const peers[] = {&all.a.second, &all.b.second, &all.c.second};
            for (int i = 0; i < 3; ++i) listeners.spawn(listen(*peers[i], heard[i]));
            {
                room::seat seats[] = {{rooms[0], *members[0]}, {rooms[0], *members[1]}, {rooms[0], *members[2]},
                                      {rooms[1], *members[0]}, {rooms[1], *members[1]}};
                for (int step = 0; step < 200; ++step) {
                    const std::size_t which = random.below(3);
                    std::string text = std::to_string(step);
                    if (random.below(16) == 0) text.append(random.below(30'000), '.');
                    switch (random.below(8)) {
                    case 0:
                    case 1:
                    case 2:
                        CHECK(rooms[0].send(text) == 3);
                        for (strings& each : expected) each.push_back(text);
                        break;
                    case 3:
                        CHECK(rooms[1].send(text) == 2);
                        for (int i = 0; i < 2; ++i) expected[i].push_back(text);
                        break;
                    case 4:
                        CHECK(rooms[0].send(text, members[which]) == 2);
                        for (std::size_t i = 0; i < 3; ++i)
                            if (i != which) expected[i].push_back(text);
                        break;
                    case 5:
                        members[which]->send(text);
                        expected[which].push_back(text);
                        break;
                    case 6: members[which]->ping(); break;
                    case 7:
                        members[which]->send_frame(text, false);
                        rooms[0].send("amid");
                        members[which]->send_frame(text, true);
                        for (std::size_t i = 0; i < 3; ++i) {
                            if (i == which) expected[i].push_back(text + text);
                            expected[i].push_back("amid");
                        }
                        break;
                    }
                    if (random.below(12) == 0) (void)co_await yield();
                }
            }
            for (websocket* each : members) each->close();
            co_await listeners.join();
        };
        world.run(talk());
        for (int i = 0; i < 3; ++i) CHECK(heard[i] == expected[i]);
    }
}

TEST_CASE("room: a message of a member that is gone, or goes, in the same turn is nobody else's loss") {
    for (const bool closes : {false, true}) {
        websocket_world world(over::memory, {.pipe_bytes = 100});
        room lobby;
        three all(world);
        strings heard;
        auto talk = [&]() -> task<> {
            scope listeners;
            listeners.spawn(listen(all.b.second, heard));
            {
                room::seat a(lobby, all.a.first), b(lobby, all.b.first);
                room::seat c(lobby, all.c.first);
                CHECK(lobby.send("to all") == 3);
                if (closes)
                    all.a.first.close(), all.c.first.close();
                else
                    all.a.first.reset(), all.c.first.reset();
                CHECK(lobby.send("to one") == 1);
                (void)co_await yield();
                for (int i = 0; i < 300; ++i) CHECK(lobby.send(std::to_string(i)) == 1); // more than a room keeps
            }
            all.b.first.close();
            co_await listeners.join();
        };
        world.run(talk());
        REQUIRE(heard.size() == 302);
        CHECK(heard[0] == "to all");
        CHECK(heard[1] == "to one");
        CHECK(heard.back() == "299");
    }
}

TEST_CASE("room: long messages, empty ones, clients as members, messages between pieces") {
    websocket_world world(over::memory, {.pipe_bytes = 10000});
    room lobby;
    auto one = world.pair(), two = world.pair();
    strings heard[2];
    auto talk = [&]() -> task<> {
        room::seat a(lobby, one.first), b(lobby, two.second); // a server and a client
        scope listeners;
        listeners.spawn(listen(one.second, heard[0], 5));
        listeners.spawn(listen(two.first, heard[1], 4));
        one.first.send_frame("begun, ", false);
        CHECK(lobby.send(std::string(200'000, 'x')) == 2);
        CHECK(lobby.send("") == 2);
        CHECK(lobby.send(as_bytes("bytes")) == 2);
        CHECK(lobby.send(message(as_bytes("message"), true)) == 2);
        one.first.send_frame("ended", true);
        co_await listeners.join();
    };
    world.run(talk());
    CHECK(heard[0] == strings{"begun, ended", std::string(200'000, 'x'), "", "binary bytes", "message"});
    CHECK(heard[1] == strings{std::string(200'000, 'x'), "", "binary bytes", "message"});
}

TEST_CASE("room: members in several rooms; rooms that come and go; members that die with their scope") {
    websocket_world world;
    auto pair = world.pair();
    strings heard;
    auto talk = [&]() -> task<> {
        room first;
        std::optional<room> second(std::in_place);
        {
            room::seat in_first(first, pair.first), in_second(*second, pair.first);
            first.send("first");
            second->send("second");
        }
        second.reset();
        {
            scope dying;
            dying.spawn(member(first, pair.first));
            (void)co_await yield();
            CHECK(first.size() == 1);
        } // destroyed while it reads
        CHECK(first.size() == 0);
        CHECK(first.send("nobody") == 0);
        second.emplace();
        room::seat again(*second, pair.first);
        second->send("third");
        pair.first.close();
        co_await listen(pair.second, heard);
    };
    world.run(talk());
    CHECK(heard == strings{"first", "second", "third"});
}

TEST_CASE("room: what was sent stays where it is, whatever a sender does before the turn ends") {
    enum class what { nothing, turns, dies, sends_much };
    for (const over which : {over::memory, over::sockets})
        for (const what then : {what::nothing, what::turns, what::dies, what::sends_much}) {
            CAPTURE(int(then));
            websocket_world world(which);
            three all(world);
            std::optional<room> lobby(std::in_place);
            const std::string large(100'000, 'l'), small(700, 's');
            strings heard[3];
            auto talk_on = [&](websocket& ws) -> task<> {
                room::seat here(*lobby, ws);
                while (auto message = co_await ws.read()) {
                    lobby->send(*message);
                    if (then == what::turns) world.loop().turn(std::chrono::nanoseconds(0)); // a loop within itself
                    if (then == what::sends_much) {
                        lobby->send(large); // which a room does not keep, and small ones that do not fit where the first stands
                        for (int i = 0; i < 3; ++i) lobby->send(small);
                        lobby->send(large);
                        ws.send(small);
                    }
                    lobby->send("done");
                    if (then == what::dies) break;
                }
            };
            auto talk = [&]() -> task<> {
                scope both;
                std::optional<scope> speaker(std::in_place);
                {
                    room::seat a(*lobby, all.a.first), b(*lobby, all.b.first);
                    speaker->spawn(talk_on(all.c.first));
                    const std::size_t count = then == what::sends_much ? 7 : 2;
                    both.spawn(listen(all.a.second, heard[0], count));
                    both.spawn(listen(all.b.second, heard[1], count));
                    both.spawn(listen(all.c.second, heard[2], count + (then == what::sends_much)));
                    (void)co_await yield();
                    all.c.second.send("first");
                    if (then == what::dies) co_await speaker->join();
                    while (heard[0].size() < count || heard[1].size() < count || heard[2].size() < count) {
                        if (then == what::dies && lobby->size() == 2) break;
                        (void)co_await yield();
                    }
                    speaker.reset();
                }
                lobby.reset(); // in the turn of its last message, where the speaker dies
                co_await both.join();
            };
            world.run(talk());
            strings expected{"first", "done"};
            if (then == what::sends_much) expected = {"first", large, small, small, small, large, "done"};
            CHECK(heard[0] == expected);
            CHECK(heard[1] == expected);
            if (then == what::sends_much) expected.insert(expected.end() - 1, small);
            CHECK(heard[2] == expected);
        }
}

TEST_CASE("room: what a full stream does not take is copied before it goes") {
    for (const bool pings : {false, true}) {
        websocket_world world(over::memory, {.pipe_bytes = 64});
        room lobby;
        auto pair = world.pair();
        strings heard;
        auto talk = [&]() -> task<> {
            room::seat here(lobby, pair.first);
            for (const char letter : {'a', 'b', 'c', 'd'}) { // the first fills it to the last byte
                if (pings && letter > 'a') pair.first.ping("!");
                CHECK(lobby.send(std::string(62, letter)) == 1);
                (void)co_await yield();
                (void)co_await yield();
            }
            co_await listen(pair.second, heard, 4);
        };
        world.run(talk());
        CHECK(heard == strings{std::string(62, 'a'), std::string(62, 'b'), std::string(62, 'c'), std::string(62, 'd')});
    }
}

TEST_CASE("room: channels and WebSockets in one, with the same order for all; what is kept for channels is kept once") {
    websocket_world world(over::memory);
    room lobby;
    auto one = world.pair();
    strings heard;
    auto talk = [&]() -> task<> {
        tests::lone_session with, away({.queue_bytes = 1000, .overflow = overflow_policy::drop});
        channel here(*with), absent(*away);
        tests::played_carrier carrier(*with, 100);
        carrier.attach();
        {
            room::seat a(lobby, one.first), b(lobby, here), c(lobby, absent);
            CHECK(lobby.size() == 3);
            CHECK(lobby.send("to all") == 3);
            CHECK(lobby.send("not to the websocket", &one.first) == 2);
            CHECK(lobby.send("not to the channel", &here) == 2);
            CHECK(lobby.send(std::string(2000, 'x')) == 2); // one is full, as it is away
            CHECK(lobby.send(as_bytes("binary")) == 3);
            here.close();
            CHECK(lobby.send("who is left") == 2);
        }
        CHECK(lobby.size() == 0);
        co_await listen(one.second, heard, 5);
        CHECK(carrier.got == strings{"1:to all", "2:not to the websocket", "3:" + std::string(2000, 'x'), "4:binary"});
        const std::size_t each = sizeof(owned_message);
        CHECK(absent.queued_bytes() == 5 * each + std::string("to allnot to the websocketnot to the channelbinarywho is left").size());
    };
    world.run(talk());
    CHECK(heard == strings{"to all", "not to the channel", std::string(2000, 'x'), "binary binary", "who is left"});
}
