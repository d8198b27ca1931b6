// Answers to a message that is all that a turn brings: they leave from where it came, and whatever else a handler does with
// such a message is as it would be among others.
#include "../support/passing_stream.hpp"
#include "../support/websocket_pair.hpp"

#include <weir/coro/event.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/when_all.hpp>
#include <weir/coro/when_any.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::frame;
using tests::over;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr ws::role from_server = ws::role::server, from_client = ws::role::client;
constexpr ws::masking_key key{{std::byte{0x11}, std::byte{0xa2}, std::byte{0x33}, std::byte{0xc4}}};

// Whether what was sent lay in what was received last, write by write.
struct journal {
    bytes_view received;
    std::vector<bool> sent_from_there;
    std::size_t in_place() const {
        return static_cast<std::size_t>(std::count(sent_from_there.begin(), sent_from_there.end(), true));
    }
};

// Hands everything on, and notes it. With `later` it tells of what has come later in the turn, as a layer may.
class noting_stream final : public tests::passing_stream, private ready_item {
public:
    noting_stream(owned<io::stream> below, journal& into, scheduler* later = nullptr)
        : passing_stream(std::move(below)), x_into(into), x_later(later) {}

    io::status fill(io::lease& into) noexcept override {
        const io::status came = passing_stream::fill(into);
        if (came == io::status::ready) x_into.received = into.bytes;
        return came;
    }
    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        const bytes_view in = x_into.received, first = pieces[0];
        x_into.sent_from_there.push_back(pieces.size() == 1 && first.data() >= in.data() &&
                                         first.data() + first.size() <= in.data() + in.size());
        return passing_stream::write(pieces);
    }
    void close() noexcept override { ready_item::unlink(), passing_stream::close(); }
    void reset() noexcept override { ready_item::unlink(), passing_stream::reset(); }

private:
    void on_readable() noexcept override { x_later ? x_later->post(*this) : run(); }
    void run() noexcept override { passing_stream::on_readable(); }

    journal& x_into;
    scheduler* x_later;
};

// Whether the backend says when a turn has one event.
bool tells_lone_events(over which, websocket_world& world) {
    return which == over::memory || world.loop().backend_name() == "epoll" || world.loop().backend_name() == "io_uring";
}

task<> echo(websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

// What a handler may do with a message, by number; what the peer must see of it is noted.
constexpr int deeds = 13;
task<bool> answer(int deed, websocket& ws, const message& got, std::string& expected) {
    const opcode type = got.is_text() ? opcode::text : opcode::binary;
    const std::string copy(got.text());
    const auto sent = [&expected](opcode as, std::string_view payload, bool fin = true) {
        expected += frame(from_server, as, payload, fin);
    };
    switch (deed) {
    case 0: co_await ws.send(got), sent(type, copy); break;
    case 1:
        co_await ws.send(got), sent(type, copy);
        co_await ws.send(got), sent(type, copy);
        break;
    case 2: { // the first half, which begins where the message does
        const bytes_view half = got.bytes().first(got.bytes().size() / 2);
        co_await ws.send(half), sent(opcode::binary, as_text(half));
        break;
    }
    case 3: { // and the other
        const bytes_view half = got.bytes().subspan(got.bytes().size() / 2);
        co_await ws.send(half), sent(opcode::binary, as_text(half));
        break;
    }
    case 4:
        co_await ws.send("before"), sent(opcode::text, "before");
        co_await ws.send(got), sent(type, copy);
        break;
    case 5:
        co_await ws.send(got), sent(type, copy);
        co_await ws.send("behind"), sent(opcode::text, "behind");
        break;
    case 6: // a ping passes
        co_await ws.send(got);
        co_await ws.ping("!"), sent(opcode::ping, "!"), sent(type, copy);
        break;
    case 7: {
        const bytes_view half = got.bytes().first(got.bytes().size() / 2), rest = got.bytes().subspan(half.size());
        co_await ws.send_frame(half, false), sent(opcode::binary, as_text(half), false);
        co_await ws.send_frame(rest, true), sent(opcode::continuation, as_text(rest));
        break;
    }
    case 8: { // the message stays until the next read
        const auto yielded = co_await yield();
        if (!yielded) co_return false;
        co_await ws.send(got), sent(type, copy);
        break;
    }
    case 9: {
        co_await ws.send(got), sent(type, copy);
        const auto yielded = co_await yield();
        if (!yielded) co_return false;
        co_await ws.send(got), sent(type, copy);
        break;
    }
    case 10: ws.send(got), sent(type, copy); break; // and does not wait for it
    case 11: { // asks for more before it answers otherwise
        co_await ws.send(got), sent(type, copy);
        auto none = co_await when_any(ws.read(), yield());
        if (none.index != 1) co_return false;
        co_await ws.send("late"), sent(opcode::text, "late");
        co_return true; // the message is gone
    }
    case 12: break;
    }
    CHECK(got.text() == copy);
    co_return true;
}

} // namespace

TEST_CASE("websocket: an answer to a lone message leaves at once, and from where that came") {
    for (const over which : {over::memory, over::sockets}) {
        for (const std::size_t size : {0u, 1u, 31u, 125u, 126u, 200u, 5'000u, 16'384u, 60'000u}) {
            for (const bool text : {false, true}) {
                CAPTURE(size);
                CAPTURE(text);
                CAPTURE(static_cast<int>(which));
                websocket_world world(which, {.pipe_bytes = 200'000});
                journal seen;
                auto both = world.streams();
                websocket ws = world.wrap(from_server, make_owned<noting_stream>(std::move(both.first), seen));
                tests::bare_peer peer(std::move(both.second));
                pseudo_random any(size + 1);
                const std::string payload = tests::payload_of(any, size, text);
                const opcode type = text ? opcode::text : opcode::binary;
                world.run([](websocket& server, tests::bare_peer& other, std::string message, std::string answered) -> task<> {
                    scope running;
                    running.spawn(echo(server));
                    for (int i = 0; i < 3; ++i) {
                        CHECK(co_await other.send(message));
                        const std::string got = co_await other.receive(answered.size());
                        CHECK(got == answered);
                    }
                }(ws, peer, frame(from_client, type, payload, true, key), frame(from_server, type, payload)));
                if (which == over::memory && size >= 4096) continue; // which comes by parts
                REQUIRE(seen.sent_from_there.size() == 3);
                if (!tells_lone_events(which, world)) continue;
                CHECK(seen.sent_from_there[1]); // by then it was certain that nothing else is there
                CHECK(seen.sent_from_there[2]);
            }
        }
    }
}

TEST_CASE("websocket: a client answers a lone message as well, masked and so from memory of its own") {
    websocket_world world;
    auto [server, client] = world.pair();
    world.run([](websocket& asking, websocket& answering) -> task<> {
        scope running;
        running.spawn(echo(answering));
        for (const std::string text : {"one", "two", "three"}) {
            co_await asking.send(text);
            auto got = co_await asking.read();
            REQUIRE(got);
            CHECK(got->text() == text);
        }
    }(server, client));
}

TEST_CASE("websocket: whatever is done with a lone message is seen as it was done, whether the stream takes much or little") {
    for (const over which : {over::memory, over::sockets}) {
        std::size_t in_place = 0;
        bool told = false;
        for (std::uint64_t seed = 1; seed <= 12; ++seed) {
            CAPTURE(seed);
            CAPTURE(static_cast<int>(which));
            const bool narrow = seed % 3 == 0;
            websocket_world world(which, {.pipe_bytes = narrow ? 50u : 200'000u, .write_bytes = seed % 3 == 1 ? 7u : 1u << 20,
                                          .fragment = seed % 4 == 3, .seed = seed});
            journal seen;
            auto both = world.streams();
            websocket ws = world.wrap(from_server, make_owned<noting_stream>(std::move(both.first), seen));
            tests::bare_peer other(std::move(both.second));
            std::string expected;
            world.run([](websocket& server, tests::bare_peer& peer, std::string& wanted, std::uint64_t with) -> task<> {
                pseudo_random any(with);
                static constexpr std::size_t sizes[] = {0, 2, 30, 125, 126, 300, 4'090, 16'384, 40'000};
                scope running;
                for (int i = 0; i < 60; ++i) {
                    const bool text = any.below(2);
                    const std::string payload = tests::payload_of(any, sizes[any.below(std::size(sizes))], text);
                    const std::string bytes = frame(from_client, text ? opcode::text : opcode::binary, payload, true, key);
                    const int deed = static_cast<int>(any.below(deeds));
                    CAPTURE(i);
                    CAPTURE(deed);
                    wanted.clear();
                    event answered;
                    running.spawn([](websocket& of, int what, std::string& into, event& through) -> task<> {
                        auto got = co_await of.read();
                        REQUIRE(got);
                        const bool done = co_await answer(what, of, *got, into);
                        CHECK(done);
                        through.set();
                        auto last = co_await of.read();
                        REQUIRE(last);
                        CHECK(last->text() == "next");
                        co_await of.send(*last);
                        into += frame(from_server, opcode::text, "next");
                    }(server, deed, wanted, answered));
                    CHECK(co_await peer.send(bytes));
                    std::string seen;
                    while (!answered.is_set()) { // nothing else is to happen until the answer comes
                        auto any = co_await when_any(answered.wait(), peer.receive(1));
                        if (std::get<1>(any.results)) seen += *std::get<1>(any.results);
                    }
                    CHECK(co_await peer.send(frame(from_client, opcode::text, "next", true, key)));
                    static const std::string end = frame(from_server, opcode::text, "next");
                    while (!seen.ends_with(end)) {
                        const std::string more = co_await peer.receive(1);
                        REQUIRE(!more.empty());
                        seen += more;
                    }
                    REQUIRE(seen == wanted);
                }
            }(ws, other, expected, seed));
            in_place += seen.in_place();
            told = tells_lone_events(which, world);
        }
        if (told) CHECK(in_place > 30); // messages did come alone
    }
}

namespace {

// Over each stream, so many `ways` for a connection to end: whatever `play` does with it and its peer, nothing stays lent.
template <class Play>
void afterwards_nothing_is_lent(int ways, Play play) {
    for (const over which : {over::memory, over::sockets}) {
        for (int how = 0; how < ways; ++how) {
            CAPTURE(how);
            websocket_world world(which);
            const std::size_t lent = world.loop().blocks().lent();
            auto made = std::make_unique<websocket>(world.make(from_server));
            world.run(play(made, world.peer(), how));
            made.reset();
            world.settle();
            CHECK(world.loop().blocks().lent() == lent);
        }
    }
}

} // namespace

TEST_CASE("websocket: a handler that has answered a lone message may close, break off, or drop its connection") {
    afterwards_nothing_is_lent(4, [](std::unique_ptr<websocket>& server, tests::bare_peer& peer, int end) -> task<> {
        scope running;
        running.spawn([](std::unique_ptr<websocket>& of, int what) -> task<> {
            for (int i = 0; i < 2; ++i) {
                auto got = co_await of->read();
                REQUIRE(got);
                co_await of->send(*got);
            }
            if (what == 0) co_await of->close(ws::close_code::going_away, "enough");
            if (what == 1) of->close(ws::close_code::going_away, "enough");
            if (what == 2) of->reset();
            if (what == 3) of.reset();
        }(server, end));
        const std::string answered = frame(from_server, opcode::text, "hello");
        for (int i = 0; i < 2; ++i) CHECK(co_await peer.send(frame(from_client, opcode::text, "hello", true, key)));
        const std::string got = co_await peer.receive(2 * answered.size() + (end == 2 ? 0 : 4));
        CHECK(got.starts_with(end == 2 ? std::string_view() : std::string_view(answered + answered)));
        if (end < 2) CHECK(got.ends_with("enough"));
        if (end == 2) CHECK(co_await peer.receive_all() == "");
        peer.close();
        co_await running.join();
    });
}

TEST_CASE("websocket: once a lone message is answered nothing is lent, whatever ends the connection while its reader waits") {
    afterwards_nothing_is_lent(3, [](std::unique_ptr<websocket>& server, tests::bare_peer& peer, int end) -> task<> {
        scope running;
        running.spawn(echo(*server));
        for (int i = 0; i < 5; ++i) {
            CHECK(co_await peer.send(frame(from_client, opcode::binary, "hello", true, key)));
            CHECK(co_await peer.receive(7) == frame(from_server, opcode::binary, "hello"));
        }
        if (end == 0) server->reset();
        if (end == 1) running.cancel();
        if (end == 2) peer.close();
        co_await running.join();
        if (end == 1) server.reset();
        peer.close();
    });
}

TEST_CASE("websocket: what was sent out of received memory has left before that is somebody else's") {
    for (const over which : {over::memory, over::sockets}) {
        websocket_world world(which);
        websocket ws = world.make(from_server);
        world.run([](websocket_world& in, websocket& server) -> task<> {
            event read, through;
            scope running;
            running.spawn([](websocket& of, event& done, event& end) -> task<> {
                auto first = co_await of.read(); // from now on it goes on as soon as something comes
                REQUIRE(first);
                co_await of.send(*first);
                auto long_one = co_await of.read();
                REQUIRE(long_one);
                of.send(*long_one);
                auto in_parts = co_await of.read(); // is put together, so that nothing is read from where both have come
                REQUIRE(in_parts);
                CHECK(in_parts->text() == "together");
                done.set();
                CHECK(co_await end.wait());
            }(server, read, through));
            running.spawn([](io::loop& on, event& done) -> task<> { // somebody who receives in the same turn
                CHECK(co_await done.wait());
                block all[4];
                for (block& each : all) {
                    each = on.blocks().take(io::lease::usual_bytes);
                    std::memset(each.data, 'Z', each.size);
                }
                for (const block& each : all) on.blocks().give(each);
            }(in.loop(), read));
            CHECK(co_await in.peer().send(frame(from_client, opcode::text, "hello", true, key)));
            CHECK(co_await in.peer().receive(7) == frame(from_server, opcode::text, "hello"));
            const std::string payload(20'000, 'a');
            CHECK(co_await in.peer().send(frame(from_client, opcode::binary, payload, true, key) +
                                          frame(from_client, opcode::text, "toge", false, key) +
                                          frame(from_client, opcode::continuation, "ther", true, key)));
            CHECK(co_await in.peer().receive(payload.size() + 4) == frame(from_server, opcode::binary, payload));
            through.set();
            co_await running.join();
        }(world, ws));
    }
}

TEST_CASE("websocket: a lone text that is none is refused") {
    for (const over which : {over::memory, over::sockets}) {
        websocket_world world(which);
        websocket ws = world.make(from_server);
        world.run([](websocket& server, tests::bare_peer& peer) -> task<> {
            scope running;
            running.spawn(echo(server));
            const std::string good = frame(from_client, opcode::text, "good", true, key);
            CHECK(co_await peer.send(good));
            const std::string answered = co_await peer.receive(6);
            CHECK(answered == frame(from_server, opcode::text, "good"));
            CHECK(co_await peer.send(frame(from_client, opcode::text, "b\xff" "d", true, key)));
            const std::string refused = co_await peer.receive(4);
            CHECK(refused.substr(2, 2) == "\x03\xef"); // 1007
            peer.close();
        }(ws, world.peer()));
        CHECK(ws.closed().cause == close_cause::protocol_error);
    }
}

TEST_CASE("websocket: after a lone message, one coroutine reads at a time, as ever") {
    for (const over which : {over::memory, over::sockets}) {
        websocket_world world(which);
        websocket ws = world.make(from_server);
        world.run([](websocket& server, tests::bare_peer& peer) -> task<> {
            scope running;
            event waiting;
            running.spawn([](websocket& of, event& before) -> task<> {
                for (int i = 0; i < 2; ++i) {
                    auto got = co_await of.read();
                    REQUIRE(got);
                    co_await of.send(*got);
                }
                before.set();
                auto both = co_await when_all(of.read(), of.read());
                REQUIRE(std::get<0>(both));
                CHECK(std::get<0>(both)->text() == "three");
                REQUIRE(!std::get<1>(both));
                CHECK(std::get<1>(both).error() == errc::busy);
                co_await of.send("through");
            }(server, waiting));
            for (const std::string text : {"one", "two"}) {
                CHECK(co_await peer.send(frame(from_client, opcode::text, text, true, key)));
                CHECK(co_await peer.receive(2 + text.size()) == frame(from_server, opcode::text, text));
            }
            CHECK(co_await waiting.wait());
            CHECK(co_await peer.send(frame(from_client, opcode::text, "three", true, key)));
            CHECK(co_await peer.receive(9) == frame(from_server, opcode::text, "through"));
        }(ws, world.peer()));
    }
}

TEST_CASE("websocket: a read whose time is up in the turn that brings a message is not resumed twice, and loses nothing") {
    for (int step = 0; step < 8; ++step) {
        CAPTURE(step);
        websocket_world world(over::memory, {.latency = 10ms});
        journal seen;
        auto both = world.streams();
        websocket ws = world.wrap(from_server, make_owned<noting_stream>(std::move(both.first), seen, &world.loop()));
        tests::bare_peer other(std::move(both.second));
        world.run([](websocket& server, tests::bare_peer& peer, int late) -> task<> {
            scope running;
            running.spawn([](websocket& of) -> task<> {
                for (int i = 0; i < 2; ++i) {
                    auto got = co_await of.read();
                    REQUIRE(got);
                }
                for (int waits = 0;; ++waits) {
                    REQUIRE(waits < 4);
                    auto got = co_await of.read().within(10ms);
                    if (got) {
                        CHECK(got->text() == "here");
                        break;
                    }
                    CHECK(got.error() == errc::timed_out);
                }
                co_await of.send("through");
            }(server));
            CHECK(co_await peer.send(frame(from_client, opcode::text, "one", true, key)));
            CHECK(co_await sleep(30ms));
            CHECK(co_await peer.send(frame(from_client, opcode::text, "two", true, key)));
            CHECK(co_await sleep(8ms + late * 500us));
            CHECK(co_await peer.send(frame(from_client, opcode::text, "here", true, key)));
            CHECK(co_await peer.receive(9) == frame(from_server, opcode::text, "through"));
        }(ws, other, step));
        CHECK(ws.is_open());
    }
}
