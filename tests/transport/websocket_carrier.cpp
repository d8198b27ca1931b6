// Sessions over WebSockets, in memory and on virtual time: what the page on the envelope promises, and what breaks.
#include "../support/session_world.hpp"
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/shield.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/sleep.hpp>
#include <weir/transport/websocket_carrier.hpp>

using namespace weir;
using namespace std::chrono_literals;
using tests::lone_session;
using tests::played_carrier;
using tests::websocket_world;
using texts = std::vector<std::string>;

namespace {

std::chrono::nanoseconds now() { return io::loop::current()->now(); }

// The server's end, as a route has it.
task<> carry(detail::session& of, websocket& ws, std::string greeting) {
    detail::websocket_carrier<> carrier(of, ws, greeting);
    co_await carrier.run();
    co_await shield(ws.close());
}

// What the client reads, up to and with the record `last`.
task<texts> read_to(websocket& ws, std::string_view last) {
    texts all;
    while (auto record = co_await ws.read().within(5min)) {
        all.emplace_back(record->text());
        if (all.back() == last) break;
    }
    co_return all;
}
task<texts> read_all(websocket& ws) { return read_to(ws, "\n"); }

// Runs `client` opposite a session, whose handler is `work`.
template <class Client, class Work>
void talk(Client client, Work work, const session_options& options = {}, const websocket_options& below = {}) {
    websocket_world world(tests::over::memory);
    auto main = [&]() -> task<> {
        lone_session of(options);
        channel channel(*of);
        auto both = world.pair(below);
        websocket server_end = std::move(both.first), client_end = std::move(both.second);
        scope all;
        all.spawn(carry, std::ref(*of), std::ref(server_end), std::string("oid"));
        all.spawn(work, std::ref(channel));
        all.spawn(client, std::ref(client_end), std::ref(of));
        co_await all.join();
    };
    world.run(main());
}

task<> echo(channel& client) {
    while (auto message = co_await client.read()) co_await client.send(*message);
}

} // namespace

TEST_CASE("opened, echoed, acknowledged, closed by the client") {
    talk(
        [](websocket& ws, lone_session& of) -> task<> {
            ws.send("t1 hello");
            ws.send("t unnumbered");
            const std::string binary("b3 a\0\n", 6);
            ws.send(as_bytes(binary));
            const texts said = co_await read_to(ws, "t2 unnumbered");
            CHECK(said == texts{"oid", "t1 hello", "t2 unnumbered"});
            auto third = co_await ws.read();
            CHECK((third && third->is_binary() && third->text() == binary));
            const auto began = now();
            const texts acknowledged = co_await read_to(ws, "a3");
            CHECK(acknowledged == texts{"a3"});
            CHECK(now() - began >= 900ms);
            CHECK(now() - began < 1100ms);
            ws.send("a3");
            ws.send("x1000 thanks");
            const texts rest = co_await read_all(ws);
            CHECK(rest == texts{"x1000 thanks"});
            CHECK(ws.closed().code == ws::close_code::normal);
            CHECK(ws.closed().reason == "thanks");
            CHECK(!of.listed());
            CHECK(of->closed().cause == close_cause::peer);
        },
        echo);
}

TEST_CASE("acknowledged after 32 messages or 32 KiB") {
    talk(
        [](websocket& ws, lone_session&) -> task<> {
            const auto began = now();
            for (int i = 0; i < 32; ++i) ws.send("t x");
            texts said = co_await read_to(ws, "a32");
            CHECK(said.back() == "a32");
            ws.send("t " + std::string(32 * 1024, 'x'));
            said = co_await read_to(ws, "a33");
            CHECK(said.back() == "a33");
            CHECK(now() - began < 100ms);
            ws.send("x");
            (void)co_await read_all(ws);
        },
        echo);
}

TEST_CASE("closed by the handler, behind everything") {
    talk(
        [](websocket& ws, lone_session& of) -> task<> {
            const texts said = co_await read_all(ws);
            CHECK(said == texts{"oid", "t1 one", "t2 two", "x4000 enough"});
            CHECK(static_cast<int>(ws.closed().code) == 4000);
            CHECK(of.listed()); // until the server has our close frame
            while (of.listed()) (void)co_await yield();
        },
        [](channel& client) -> task<> {
            client.send("one");
            client.send("two");
            client.close(static_cast<ws::close_code>(4000), "enough");
            auto end = co_await client.read();
            CHECK(end.error() == errc::closed);
        });
}

TEST_CASE("a heartbeat when nothing was said") {
    talk(
        [](websocket& ws, lone_session&) -> task<> {
            const auto began = now();
            const texts said = co_await read_to(ws, "h");
            CHECK(said == texts{"oid", "t1 x", "h"});
            CHECK(now() - began >= 17s);
            CHECK(now() - began < 18s);
            const texts more = co_await read_to(ws, "h");
            CHECK(more == texts{"h"});
            CHECK(now() - began >= 27s);
            CHECK(now() - began < 28s);
            ws.send("x");
            (void)co_await read_all(ws);
        },
        [](channel& client) -> task<> {
            (void)co_await weir::sleep(7s);
            client.send("x");
            auto end = co_await client.read();
            CHECK(!end);
        },
        {.heartbeat = 10s});
}

TEST_CASE("what is wrong with a record is said, and the session goes on") {
    struct {
        std::string_view said;
        bool is_text;
        std::string_view answer;
        int code;
    } const table[] = {
        {"Hello", true, "e400 a record begins with t, b, a, h or x", 4400},
        {"t2 early", true, "e409 message 1 is missing before this one", 4409},
        {"a1", true, "e400 what is acknowledged was never sent", 4400},
        {"t1 x", false, "e400 't' in a binary message", 4400},
        {"b1 x", true, "e400 'b' in a text message", 4400},
        {"x1006", true, "e400 a close code that may not be sent", 4400},
        {"e404 you", true, "e400 a record that only a server sends", 4400},
    };
    for (const auto& each : table) {
        CAPTURE(each.said);
        talk(
            [&](websocket& ws, lone_session& of) -> task<> {
                ws.send(message(as_bytes(each.said), each.is_text));
                const texts said = co_await read_all(ws);
                CHECK(said == texts{"oid", std::string(each.answer)});
                CHECK(static_cast<int>(ws.closed().code) == each.code);
                CHECK(of.listed());
                CHECK(of->is_open());
                CHECK(of->received() == 0);
                of->close(close_cause::local, ws::close_code::normal, {});
            },
            echo);
    }
}

TEST_CASE("a lost WebSocket: the next one goes on, and nothing is missing or doubled in either direction") {
    for (int cut = 0; cut < 60; ++cut) { // after this many turns of the loop
        CAPTURE(cut);
        websocket_world world(tests::over::memory, {.pipe_bytes = 200, .fragment = true});
        auto main = [&]() -> task<> {
            lone_session of;
            channel channel(*of);
            texts at_server, at_client;
            auto handler = [&]() -> task<> {
                for (int i = 1; i <= 20; ++i) channel.send("down " + std::to_string(i));
                while (auto got = co_await channel.read()) at_server.emplace_back(got->text());
            };
            int sent = 0;
            auto client = [&](websocket& ws, bool lasts) -> task<> {
                while (auto record = co_await ws.read()) {
                    const auto read = envelope::parse(record->text());
                    REQUIRE(read);
                    if (read->what == envelope::kind::opened) sent = 0;
                    if (read->what == envelope::kind::resumed) sent = static_cast<int>(*read->number);
                    if (read->what == envelope::kind::opened || read->what == envelope::kind::resumed) {
                        while (++sent <= 20) ws.send("t" + std::to_string(sent) + " up " + std::to_string(sent));
                    }
                    if (read->what == envelope::kind::text && *read->number == at_client.size() + 1)
                        at_client.emplace_back(read->rest);
                    if (lasts && at_client.size() == 20 && at_server.size() == 20) {
                        ws.send("x");
                    }
                }
            };
            scope all;
            all.spawn(handler);
            CHECK(of->resume(0) == errc{});
            {
                auto both = world.pair();
                websocket server_end = std::move(both.first), client_end = std::move(both.second);
                scope first;
                first.spawn(carry, std::ref(*of), std::ref(server_end), std::string("oid"));
                first.spawn(client, std::ref(client_end), false);
                for (int i = 0; i < cut; ++i) (void)co_await yield();
                client_end.reset();
                if (cut % 2) server_end.reset();
                co_await first.join();
            }
            auto both = world.pair();
            websocket server_end = std::move(both.first), client_end = std::move(both.second);
            CHECK(of->resume(at_client.size()) == errc{});
            scope second;
            second.spawn(carry, std::ref(*of), std::ref(server_end), "r" + std::to_string(of->received()));
            second.spawn(client, std::ref(client_end), true);
            co_await second.join();
            co_await all.join();
            REQUIRE(at_server.size() == 20);
            REQUIRE(at_client.size() == 20);
            for (std::size_t i = 0; i < 20; ++i) {
                CHECK(at_server[i] == "up " + std::to_string(i + 1));
                CHECK(at_client[i] == "down " + std::to_string(i + 1));
            }
        };
        world.run(main());
    }
}

TEST_CASE("another carrier takes over: the WebSocket is told and closed") {
    talk(
        [](websocket& ws, lone_session& of) -> task<> {
            auto opened = co_await ws.read();
            CHECK((opened && opened->text() == "oid"));
            played_carrier other(*of, 10);
            other.attach(transport_kind::long_polling);
            ws.send("t1 too late");
            const texts rest = co_await read_all(ws);
            CHECK(rest == texts{"e409 another connection has taken over this session"});
            CHECK(static_cast<int>(ws.closed().code) == 4409);
            CHECK(of->received() == 0);
            CHECK(of->is_open());
            CHECK(of->receive(1, "again", true) == detail::reception::taken);
            (void)co_await weir::sleep(1ms);
            CHECK(other.got == texts{"1:again"});
            of->close(close_cause::local, ws::close_code::normal, {});
        },
        echo);
}

TEST_CASE("a client that does not read holds up the handler's sends, and takes bounded memory") {
    talk(
        [](websocket& ws, lone_session& of) -> task<> {
            (void)co_await weir::sleep(1min);
            CHECK(of->queued_bytes() <= 30'000);
            int got = 0;
            while (auto record = co_await ws.read()) {
                const auto read = envelope::parse(record->text());
                REQUIRE(read);
                if (read->what == envelope::kind::text) CHECK(*read->number == static_cast<std::uint64_t>(++got));
            }
            CHECK(got == 300);
        },
        [](channel& client) -> task<> {
            for (int i = 0; i < 300; ++i) {
                auto sent = co_await client.send(std::string(5000, 'x'));
                CHECK(sent);
            }
            CHECK(now() >= 1min);
            client.close();
        },
        {.high_water_bytes = 20'000}, {.high_water_bytes = 20'000, .ping_interval = {}});
}

TEST_CASE("a handler that does not read holds up the client, whose messages arrive all the same") {
    talk(
        [](websocket& ws, lone_session& of) -> task<> {
            auto opened = co_await ws.read();
            CHECK(opened);
            for (int i = 1; i <= 100; ++i) {
                auto sent = co_await ws.send("t" + std::to_string(i) + " " + std::string(1000, 'x'));
                CHECK(sent);
            }
            (void)co_await weir::sleep(30s);
            CHECK(of->received() <= 10);
            (void)co_await read_all(ws);
        },
        [](channel& client) -> task<> {
            (void)co_await weir::sleep(1min);
            for (int i = 0; i < 100; ++i) {
                auto got = co_await client.read();
                CHECK((got && got->size() == 1000));
            }
            client.close();
        },
        {.read_ahead_bytes = 10'000});
}
