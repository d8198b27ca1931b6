// Reading: whole messages and pieces, in every cut of the byte stream, cancelled, timed out, destroyed.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/when_any.hpp>

#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::frame;
using tests::over;
using tests::text_frame;
using tests::websocket_world;
using ws::opcode;

// What every idle connection holds, or every handler: to be made larger only where that is meant (tests/bench/README.md, memory).
static_assert(sizeof(void*) != 8 || sizeof(weir::detail::connection_core) <= 520);
static_assert(sizeof(void*) != 8 || (sizeof(weir::websocket::read_awaiter) <= 8 && sizeof(weir::websocket::send_awaiter) <= 16));

namespace {

constexpr over both_ways[] = {over::memory, over::sockets};
constexpr ws::role both_roles[] = {ws::role::server, ws::role::client};

ws::role other(ws::role side) { return side == ws::role::server ? ws::role::client : ws::role::server; }

struct sent_message {
    std::string data;
    bool is_text;
};

// Messages whole and in parts, with control frames inside, and what of them is to be read.
struct conversation {
    std::string bytes;
    std::vector<sent_message> messages;
    std::size_t pings = 0;
};
conversation everything(ws::role from) {
    conversation c;
    const auto add = [&](opcode type, std::string_view payload, bool fin) { c.bytes += frame(from, type, payload, fin); };
    add(opcode::text, "first", true);
    add(opcode::text, "", true);
    add(opcode::binary, std::string(3, '\0'), true);
    add(opcode::ping, "one", true);
    add(opcode::text, "", false);
    add(opcode::continuation, "gr\xc3", false);
    add(opcode::ping, "two", true);
    add(opcode::continuation, "\xbc\xc3\x9f", false);
    add(opcode::continuation, "", false);
    add(opcode::pong, "unasked", true);
    add(opcode::continuation, "e", true);
    add(opcode::binary, std::string(300, 'b'), false);
    add(opcode::continuation, "", true);
    add(opcode::text, "last", true);
    add(opcode::close, "\x03\xe8", true);
    c.messages = {{"first", true}, {"", true}, {std::string(3, '\0'), false}, {"gr\xc3\xbc\xc3\x9f" "e", true},
                  {std::string(300, 'b'), false}, {"last", true}};
    c.pings = 2;
    return c;
}

enum class style { whole, pieces, mixed };

// Reads to the end, in the given style.
task<> read_all(websocket& ws, style how, std::vector<sent_message>& into) {
    for (int count = 0;; ++count) {
        if (how == style::whole) {
            auto got = co_await ws.read();
            if (!got) co_return;
            into.push_back({got->take().data, got->is_text()});
            continue;
        }
        sent_message gathered;
        for (int pieces = 0;; ++pieces) {
            if (how == style::mixed && pieces >= count % 3) { // the rest as a whole
                auto got = co_await ws.read();
                if (!got) co_return;
                gathered.data += got->text();
                gathered.is_text = got->is_text();
                break;
            }
            auto got = co_await ws.read_frame();
            if (!got) co_return;
            CHECK(got->first == (pieces == 0));
            gathered.data += got->text();
            gathered.is_text = got->is_text;
            if (got->last) {
                if (how == style::mixed) pieces = 3;
                break;
            }
        }
        into.push_back(gathered);
    }
}

task<> converse(websocket_world& world, websocket& ws, const conversation& c, std::size_t step, style how) {
    scope work;
    std::vector<sent_message> read;
    work.spawn(world.peer().feed(c.bytes, step));
    work.spawn(read_all(ws, how, read));
    co_await work.join();
    CHECK(read.size() == c.messages.size());
    for (std::size_t i = 0; i < read.size() && i < c.messages.size(); ++i) {
        CHECK(read[i].data == c.messages[i].data);
        CHECK(read[i].is_text == c.messages[i].is_text);
    }
}

} // namespace

TEST_CASE("RFC 6455 5.4: messages and control frames between their parts, in every cut") {
    for (const over way : both_ways)
        for (const ws::role side : both_roles)
            for (const style how : {style::whole, style::pieces, style::mixed})
                for (const std::size_t step : {10'000, 1, 2, 3, 4, 5, 6, 7, 8, 16, 31}) {
                    CAPTURE(static_cast<int>(way));
                    CAPTURE(static_cast<int>(side));
                    CAPTURE(static_cast<int>(how));
                    CAPTURE(step);
                    websocket_world world(way);
                    websocket ws = world.make(side);
                    const conversation c = everything(other(side));
                    world.run(converse(world, ws, c, step, how));
                    CHECK(ws.closed().cause == close_cause::peer);
                    CHECK(ws.closed().code == ws::close_code::normal);
                    world.settle();
                    const std::string answer = world.peer().receive_now();
                    if (side == ws::role::server)
                        CHECK(answer == frame(side, opcode::pong, "one") + frame(side, opcode::pong, "two") +
                                            tests::close_frame(side, 1000));
                }
}

namespace {

task<> echo(websocket& ws) {
    while (auto got = co_await ws.read()) co_await ws.send(*got);
}
task<> send_and_compare(websocket& ws, std::size_t size) {
    std::string sent(size, ' ');
    for (std::size_t i = 0; i < size; ++i) sent[i] = static_cast<char>('a' + i % 23);
    for (int i = 0; i < 2; ++i) {
        ws.send(std::string_view(sent));
        auto got = co_await ws.read();
        REQUIRE(got);
        CHECK(got->text() == sent);
    }
    co_await ws.close();
}
task<> echoed(websocket& server, websocket& client, std::size_t size) {
    scope work;
    work.spawn(echo(server));
    work.spawn(send_and_compare(client, size));
    co_await work.join();
}

} // namespace

TEST_CASE("messages of 64 KiB to 10 MiB through narrow pipes, both ways") {
    for (const over way : both_ways)
        for (const std::size_t size : {65535, 65536, 65537, 200'000, 1'000'000, 10 * 1024 * 1024}) {
            CAPTURE(size);
            websocket_world world(way, {.pipe_bytes = size > 500'000 ? std::size_t{100'000} : 1000, .fragment = size < 500'000});
            auto [server, client] = world.pair({.message_bytes = 16 * 1024 * 1024});
            world.run(echoed(server, client, size));
            CHECK(client.closed().cause == close_cause::local);
            CHECK(server.closed().cause == close_cause::peer);
            CHECK_FALSE(client.closed().error);
            CHECK_FALSE(server.closed().error);
        }
}

namespace {

task<> hold_view(websocket_world& world, websocket& ws) {
    const std::string a(1000, 'a'), b(2000, 'b');
    co_await world.peer().send(text_frame(ws::role::client, a));
    auto first = co_await ws.read();
    REQUIRE(first);
    co_await world.peer().send(text_frame(ws::role::client, b) + frame(ws::role::client, opcode::ping, "x"));
    auto answer = co_await world.peer().receive(3); // read ahead: the ping behind b is answered
    CHECK(answer == frame(ws::role::server, opcode::pong, "x"));
    CHECK(first->text() == a);
    const owned_message kept = first->take();
    auto second = co_await ws.read();
    REQUIRE(second);
    co_await world.peer().send(frame(ws::role::client, opcode::ping, "y"));
    answer = co_await world.peer().receive(3);
    CHECK(second->text() == b);
    CHECK(kept.data == a);
}

} // namespace

TEST_CASE("a view is valid until the next read, whatever comes; pings are answered while the handler is away") {
    for (const over way : both_ways) {
        websocket_world world(way);
        websocket ws = world.make(ws::role::server);
        world.run(hold_view(world, ws));
    }
}

namespace {

// Two messages in parts arrive step by step; at step `when` the read that waits is ended in the given way.
enum class ending_of_read { canceled, destroyed };

task<> read_into(websocket& ws, std::vector<std::string>& into) {
    for (;;) {
        auto got = co_await ws.read();
        if (!got) co_return;
        into.emplace_back(got->text());
    }
}
task<> read_pieces_into(websocket& ws, std::string& into) {
    for (;;) {
        auto got = co_await ws.read_frame();
        if (!got) co_return;
        into += got->text();
        if (got->last) into += '|';
    }
}

task<> interrupted_reads(websocket_world& world, websocket& ws, std::size_t every, ending_of_read how, bool pieces) {
    const ws::role from = ws::role::client;
    const std::string bytes = text_frame(from, "one ", false) + text_frame(from, "alone").replace(0, 1, "\x80") +
                              text_frame(from, "two") + text_frame(from, "three");
    std::vector<std::string> read;
    std::string read_pieces;
    std::optional<scope> reader(std::in_place);
    const auto start = [&] {
        if (pieces)
            reader->spawn(read_pieces_into(ws, read_pieces));
        else
            reader->spawn(read_into(ws, read));
    };
    start();
    std::size_t steps = 0;
    for (const char each : bytes) {
        world.peer().send_now({&each, 1});
        for (int turn = 0; turn < 2; ++turn) { // between the wake and the resumption as well
            auto yielded = co_await yield();
            if (!yielded) co_return;
            if (++steps % every) continue;
            if (how == ending_of_read::canceled) {
                reader->cancel();
                co_await reader->join();
            }
            reader.reset();
            reader.emplace();
            start();
        }
    }
    world.peer().send_now(tests::close_frame(from, 1000));
    co_await reader->join();
    if (pieces)
        CHECK(read_pieces == "one alone|two|three|");
    else
        CHECK(read == std::vector<std::string>{"one alone", "two", "three"});
}

} // namespace

TEST_CASE("a read that is cancelled or destroyed at any moment loses nothing") {
    for (const over way : both_ways)
        for (const auto how : {ending_of_read::canceled, ending_of_read::destroyed})
            for (const bool pieces : {false, true})
                for (std::size_t every = 1; every < 30; ++every) {
                    CAPTURE(every);
                    CAPTURE(pieces);
                    websocket_world world(way);
                    websocket ws = world.make(ws::role::server);
                    world.run(interrupted_reads(world, ws, every, how, pieces));
                }
}

namespace {

task<> timed_reads(websocket_world& world, websocket& ws) {
    std::vector<std::string> read;
    for (int i = 0; i < 3; ++i) {
        auto got = co_await ws.read().within(1s);
        CHECK_FALSE(got);
        CHECK(got.error() == errc::timed_out);
    }
    co_await world.peer().send(text_frame(ws::role::client, "a"));
    auto got = co_await ws.read().within(1s);
    REQUIRE(got);
    CHECK(got->text() == "a");
}
// A message arrives after the reader was cancelled and before it resumes.
task<> canceled_reader(websocket& ws, errc& outcome) {
    auto got = co_await ws.read();
    outcome = got ? errc{} : static_cast<errc>(got.error().code().value());
}
task<> arrives_late(websocket_world& world, websocket& ws) {
    scope reader;
    errc outcome{};
    reader.spawn(canceled_reader(ws, outcome));
    auto slept = co_await sleep(1ms);
    world.peer().send_now(text_frame(ws::role::client, "late"));
    reader.cancel();
    co_await reader.join();
    CHECK(outcome == errc::canceled);
    auto got = co_await ws.read();
    REQUIRE(got);
    CHECK(got->text() == "late");
}
task<> second_reader(websocket_world& world, websocket& ws) {
    scope reader;
    std::vector<std::string> read;
    reader.spawn(read_into(ws, read));
    auto slept = co_await sleep(1ms);
    auto refused = co_await ws.read();
    CHECK_FALSE(refused);
    CHECK(refused.error() == errc::busy);
    auto piece = co_await ws.read_frame();
    CHECK(piece.error() == errc::busy);
    co_await world.peer().send(text_frame(ws::role::client, "for the first") + tests::close_frame(ws::role::client, 1000));
    co_await reader.join();
    CHECK(read == std::vector<std::string>{"for the first"});
}

} // namespace

TEST_CASE("a read that timed out loses nothing") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(timed_reads(world, ws));
}

TEST_CASE("a message that comes after the cancellation is for the next read") {
    for (const over way : both_ways) {
        websocket_world world(way);
        websocket ws = world.make(ws::role::server);
        world.run(arrives_late(world, ws));
    }
}

TEST_CASE("a second reader is told so and disturbs nobody") {
    for (const over way : both_ways) {
        websocket_world world(way);
        websocket ws = world.make(ws::role::server);
        world.run(second_reader(world, ws));
    }
}

namespace {

task<> count_reads(websocket& ws, int& read) {
    while (auto got = co_await ws.read()) ++read;
}
task<> count_rounds(const int& read, int& most, bool& stop) {
    int before = read;
    while (!stop) {
        (void)co_await yield();
        if (read - before > most) most = read - before;
        before = read;
    }
}
task<> fair(websocket_world& world, websocket& ws) {
    scope work;
    int read = 0, most = 0;
    bool stop = false;
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += text_frame(ws::role::client, "x");
    bytes += tests::close_frame(ws::role::client, 1000);
    world.peer().send_now(bytes);
    work.spawn(count_rounds(read, most, stop));
    scope reader;
    reader.spawn(count_reads(ws, read));
    co_await reader.join();
    stop = true;
    co_await work.join();
    CHECK(read == 1000);
    CHECK(most <= 65);
}

} // namespace

TEST_CASE("after 64 messages in a row a reader lets the others run") {
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(fair(world, ws));
}

namespace {

task<> bounded_ahead(websocket_world& world, websocket& ws) {
    const std::string message = text_frame(ws::role::client, std::string(1000, 'm'));
    std::size_t sent = 0, left = 0;
    for (int i = 0; i < 1000; ++i) { // until the peer is held back
        const std::size_t part = world.peer().send_now(std::string_view(message).substr(left));
        sent += part;
        left = (left + part) % message.size();
        auto slept = co_await sleep(1ms);
    }
    CHECK(sent > 64 * 1024);
    CHECK(sent <= 64 * 1024 + 64 * 1024 + 10'000); // kept, one lease more, the pipe
    const std::size_t whole = sent / message.size();
    for (std::size_t i = 0; i < whole; ++i) {
        auto got = co_await ws.read();
        REQUIRE(got);
        CHECK(got->size() == 1000);
    }
    world.peer().send_now(left ? std::string_view(message).substr(left) : std::string_view(message)); // it goes on
    auto got = co_await ws.read();
    REQUIRE(got);
    CHECK(got->size() == 1000);
}

} // namespace

TEST_CASE("what is received ahead is bounded; then the peer is held back") {
    websocket_world world(over::memory, {.pipe_bytes = 10'000});
    websocket ws = world.make(ws::role::server);
    world.run(bounded_ahead(world, ws));
}

namespace {

task<> idle_reader(websocket& ws) {
    auto got = co_await ws.read();
    (void)got;
}
task<> hold_nothing(websocket_world& world, websocket& a, websocket& b) {
    scope readers;
    readers.spawn(idle_reader(a));
    b.send("x");
    auto slept = co_await sleep(1ms);
    (void)slept;
    readers.spawn(idle_reader(a));
    readers.spawn(idle_reader(b));
    slept = co_await sleep(1ms);
    CHECK(world.loop().blocks().lent() == 0);
    readers.cancel();
    co_await readers.join();
}

} // namespace

TEST_CASE("an idle connection holds no lease and no buffer") {
    for (const over way : both_ways) {
        websocket_world world(way);
        auto [a, b] = world.pair();
        world.run(hold_nothing(world, a, b));
    }
}

#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER) // under it the pool keeps nothing that could be recognized

namespace {

task<> promised(websocket_world& world, websocket& ws) {
    block_pool& pool = world.loop().blocks();
    std::vector<block> known; // one of each larger size, the next to be lent
    for (std::size_t size = 8 * 1024; size <= block_pool::largest_bytes; size *= 2) known.push_back(pool.take(size));
    for (const block& each : known) pool.give(each);
    const std::size_t lent = pool.lent();
    const std::string message = frame(ws::role::client, opcode::binary, std::string(64 * 1024, 'm'));
    world.peer().send_now(std::string_view(message).substr(0, 14 + 1)); // the header and a byte
    auto got = co_await ws.read().within(1s);
    CHECK(got.error() == errc::timed_out);
    CHECK(ws.is_open());
    CHECK(pool.lent() <= lent + 1);
    for (const block& each : known) { // nobody holds one
        CAPTURE(each.size);
        const block again = pool.take(each.size);
        CHECK(again.data == each.data);
        pool.give(again);
    }
    const bool all = co_await world.peer().send(std::string_view(message).substr(14 + 1));
    CHECK(all);
    got = co_await ws.read();
    CHECK((got && got->text() == std::string(64 * 1024, 'm')));
}

} // namespace

TEST_CASE("a header that promises much makes nobody hold much") {
    websocket_world world(over::memory, {.pipe_bytes = 128 * 1024});
    websocket ws = world.make(ws::role::server);
    world.run(promised(world, ws));
}

#endif
