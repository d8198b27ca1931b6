// Closing: by either side and by both, bounded, explained; protocol errors; what is lost and what is not.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/coro/yield.hpp>

#include <stdexcept>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace weir;
using namespace std::chrono_literals;
using tests::close_frame;
using tests::frame;
using tests::over;
using tests::text_frame;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr over both_ways[] = {over::memory, over::sockets};
constexpr ws::role both_roles[] = {ws::role::server, ws::role::client};
constexpr ws::role from_client = ws::role::client, from_server = ws::role::server;

ws::role other(ws::role side) { return side == ws::role::server ? ws::role::client : ws::role::server; }

// The payload of the last frame in `bytes`, which is a close frame of a server, as code and reason.
struct closing {
    unsigned code = 0;
    std::string reason;
};
closing last_close(std::string_view bytes) {
    closing found;
    for (std::size_t at = 0; at + 2 <= bytes.size();) {
        ws::frame_header header;
        const auto decoded = ws::decode(as_bytes(bytes.substr(at)), header);
        if (!decoded.size) break;
        std::string payload(bytes.substr(at + decoded.size, static_cast<std::size_t>(header.payload_bytes)));
        if (header.masked)
            ws::apply_mask({reinterpret_cast<std::byte*>(payload.data()), payload.size()}, header.key);
        at += decoded.size + static_cast<std::size_t>(header.payload_bytes);
        if (header.type != opcode::close || payload.size() < 2) continue;
        found.code = static_cast<unsigned>(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]));
        found.reason = payload.substr(2);
        CHECK(at == bytes.size()); // nothing follows a close frame
    }
    return found;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

task<> read_all(websocket& ws, std::vector<std::string>& into, std::error_code& end) {
    for (;;) {
        auto got = co_await ws.read();
        if (!got) {
            end = got.error();
            co_return;
        }
        into.emplace_back(got->text());
    }
}

// Plays the peer that answers a close and, if it is the server, ends the stream.
task<> answer_close(tests::bare_peer& peer, ws::role as, std::string& received) {
    while (!last_close(received).code && !peer.ended()) received += co_await peer.receive(1);
    co_await peer.send(close_frame(as, last_close(received).code));
    if (as == ws::role::server) peer.close();
}

task<> close_locally(websocket_world& world, websocket& ws) {
    scope peer;
    std::string received;
    peer.spawn(answer_close(world.peer(), other(ws.role()), received));
    ws.send("before");
    auto closed = co_await ws.close(ws::close_code::going_away, "so long");
    CHECK(closed);
    co_await peer.join();
    CHECK(last_close(received).code == 1001);
    CHECK(last_close(received).reason == "so long");
    if (ws.role() == ws::role::server) CHECK(received.substr(0, 8) == text_frame(from_server, "before"));
    CHECK(ws.closed().cause == close_cause::local);
    CHECK(ws.closed().code == ws::close_code::going_away);
    CHECK(ws.closed().reason == "so long");
    CHECK(contains(ws.closed().message(), "closed by this side: 1001 \"so long\"; "));
    CHECK_FALSE(ws.is_open());
    auto again = co_await ws.close();
    CHECK(again);
    auto sent = co_await ws.send("after");
    CHECK(sent.error() == errc::closed);
    auto pinged = co_await ws.ping();
    CHECK(pinged.error() == errc::closed);
    auto read = co_await ws.read();
    CHECK(read.error() == errc::closed);
}

} // namespace

TEST_CASE("RFC 6455 7.1: closing from this side") {
    for (const over way : both_ways)
        for (const ws::role side : both_roles) {
            websocket_world world(way);
            websocket ws = world.make(side);
            world.run(close_locally(world, ws));
        }
}

namespace {

task<> close_remotely(websocket_world& world, websocket& ws) {
    const ws::role peer_is = other(ws.role());
    std::vector<std::string> read;
    std::error_code end;
    world.peer().send_now(text_frame(peer_is, "last words") + close_frame(peer_is, 4000, "bye"));
    co_await read_all(ws, read, end);
    CHECK(read == std::vector<std::string>{"last words"});
    CHECK(end == errc::closed);
    if (peer_is == ws::role::server) {
        auto answer = co_await world.peer().receive(8);
        CHECK(last_close(answer).code == 4000);
        world.peer().close();
    } else {
        auto answer = co_await world.peer().receive_all(); // RFC 6455 7.1.1: the server closes the connection first
        CHECK(last_close(answer).code == 4000);
    }
    co_await ws.close();
    CHECK(ws.closed().cause == close_cause::peer);
    CHECK(contains(ws.closed().message(), "closed by the peer: 4000 \"bye\"; "));
    CHECK_FALSE(ws.closed().error);
}

} // namespace

TEST_CASE("RFC 6455 5.5.1: closing from the peer's side") {
    for (const over way : both_ways)
        for (const ws::role side : both_roles) {
            websocket_world world(way);
            websocket ws = world.make(side);
            world.run(close_remotely(world, ws));
        }
}

namespace {

task<> close_at_once(websocket& a, websocket& b) {
    a.send("from a");
    b.send("from b");
    a.close(ws::close_code::normal, "a");
    b.close(static_cast<ws::close_code>(4001), "b");
    std::vector<std::string> read;
    std::error_code end;
    co_await read_all(a, read, end); // what came before the peer's close is still read
    co_await read_all(b, read, end);
    CHECK(read == std::vector<std::string>{"from b", "from a"});
    co_await a.close();
    co_await b.close();
    for (const websocket* each : {&a, &b}) {
        CHECK(each->closed().cause == close_cause::local);
        CHECK_FALSE(each->closed().error);
    }
    CHECK(a.closed().reason == "b"); // the code and reason received win over those sent
    CHECK(b.closed().reason == "a");
}

} // namespace

TEST_CASE("RFC 6455 7.1.2: both sides close at once") {
    for (const over way : both_ways) {
        websocket_world world(way);
        auto [server, client] = world.pair();
        world.run(close_at_once(server, client));
    }
}

namespace {

task<> close_unanswered(websocket_world& world, websocket& ws) {
    const auto before = world.now();
    auto closed = co_await ws.close();
    CHECK(closed);
    CHECK(world.now() - before >= 5s);
    CHECK(world.now() - before < 5100ms);
    CHECK(ws.closed().cause == close_cause::timeout);
    CHECK(contains(ws.closed().message(), "the peer did not answer our close within 5 s: 1000 (timed out); "));
    CHECK(ws.closed().code == ws::close_code::normal);
    CHECK(ws.closed().error == errc::timed_out);
}
task<> never_ends(websocket_world& world, websocket& ws) { // the server answers but keeps the connection
    const auto before = world.now();
    ws.close();
    world.peer().send_now(close_frame(from_server, 1000));
    (void)co_await sleep(4s);
    world.peer().receive_now();
    CHECK_FALSE(world.peer().ended()); // RFC 6455 7.1.1: a client leaves that to the server
    co_await ws.close();
    CHECK(world.now() - before >= 5s);
    CHECK(world.now() - before < 10100ms);
    CHECK(ws.closed().cause == close_cause::local);
    CHECK_FALSE(ws.closed().error);
    world.peer().receive_now();
    CHECK(world.peer().ended()); // for a while
    CHECK_FALSE(world.peer().reset());
}
task<> blocked_close(websocket_world& world, websocket& ws) { // the peer closes and does not take what we have to say
    ws.send(std::string_view(std::string(100'000, 'x')));
    auto slept = co_await sleep(1ms);
    (void)slept;
    const auto before = world.now();
    world.peer().send_now(close_frame(from_client, 1000));
    auto got = co_await ws.read();
    CHECK(got.error() == errc::closed);
    auto sent = co_await ws.send("x");
    CHECK(sent.error() == errc::closed);
    co_await ws.close();
    CHECK(world.now() - before >= 5s);
    CHECK(world.now() - before < 5100ms);
    CHECK(ws.closed().cause == close_cause::peer);
}
task<> slow_close(websocket_world& world, websocket& ws) { // takes it in the end
    ws.send(std::string_view(std::string(100'000, 'x')));
    world.peer().send_now(close_frame(from_client, 1000));
    auto slept = co_await sleep(3s);
    (void)slept;
    auto all = co_await world.peer().receive_all();
    CHECK(all.size() > 100'000);
    CHECK(last_close(all).code == 1000);
    co_await ws.close();
    CHECK(ws.closed().cause == close_cause::peer);
}

} // namespace

TEST_CASE("RFC 6455 7.1.1: a close is bounded, whatever the peer does or does not do") {
    for (const ws::role side : both_roles) {
        websocket_world world;
        websocket ws = world.make(side);
        world.run(close_unanswered(world, ws));
    }
    {
        websocket_world world;
        websocket ws = world.make(ws::role::client);
        world.run(never_ends(world, ws));
    }
    for (const auto scenario : {blocked_close, slow_close}) {
        websocket_world world(over::memory, {.pipe_bytes = 1000});
        websocket ws = world.make(ws::role::server);
        world.run(scenario(world, ws));
    }
}

namespace {

struct violation_case {
    std::string bytes;
    unsigned code;
    const char* reason;
    close_cause cause = close_cause::protocol_error;
};
std::vector<violation_case> violations() {
    const std::string text = text_frame(from_client, "x");
    const std::string begin = text_frame(from_client, "x", false);
    auto changed = [](std::string bytes, std::size_t at, char to) {
        bytes[at] = to;
        return bytes;
    };
    return {
        {changed(text, 0, '\xc1'), 1002, "reserved bits 100"},
        {changed(text, 0, '\x83'), 1002, "reserved opcode 3"},
        {changed(frame(from_client, opcode::ping, ""), 0, '\x09'), 1002, "fragmented control frame"},
        {std::string("\x89\xfe\x00\x7e", 4), 1002, "control frame over 125 bytes"},
        {std::string("\x82\xfe\x00\x01", 4), 1002, "shortest form"},
        {std::string("\x82\xff\xff\0\0\0\0\0\0\0", 10), 1002, "63 bits"},
        {text_frame(from_server, "x"), 1002, "unmasked frame"},
        {changed(text, 0, '\x80'), 1002, "no message to continue"},
        {begin + text, 1002, "inside a fragmented one"},
        {text_frame(from_client, "\xff"), 1007, "not valid UTF-8"},
        {close_frame(from_client, 1000, "\xff"), 1007, "close reason is not valid UTF-8"},
        {frame(from_client, opcode::close, "x"), 1002, "close payload of 1 byte"},
        {close_frame(from_client, 1005), 1002, "close code 1005"},
        {close_frame(from_client, 999), 1002, "close code 999"},
        {text_frame(from_client, std::string(1001, 'x')), 1009, "message of 1001 bytes over the limit of 1000", close_cause::limit},
        {text_frame(from_client, std::string(600, 'x'), false) + changed(text_frame(from_client, std::string(600, 'x')), 0, '\x80'),
         1009, "message of 1200 bytes over the limit of 1000", close_cause::limit},
    };
}

// The first `first` bytes at once, and then `step` at a time.
task<> violate(websocket_world& world, websocket& ws, const violation_case& c, std::size_t first, std::size_t step,
               bool attentive) {
    std::vector<std::string> read;
    std::error_code end;
    std::optional<scope> reader(std::in_place);
    if (attentive) reader->spawn(read_all(ws, read, end));
    const std::string bytes = text_frame(from_client, "before") + c.bytes + text_frame(from_client, "after");
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t count = at == 0 ? first : step;
        world.peer().send_now(std::string_view(bytes).substr(at, count));
        at += count;
        (void)co_await yield();
    }
    if (!attentive) { // the messages before it are still read
        auto slept = co_await sleep(1ms);
        (void)slept;
        reader->spawn(read_all(ws, read, end));
    }
    co_await reader->join();
    auto received = co_await world.peer().receive_all();
    CHECK(last_close(received).code == c.code);
    CHECK(contains(last_close(received).reason, c.reason));
    world.peer().close();
    co_await ws.close();
    CHECK(read == std::vector<std::string>{"before"});
    CHECK(ws.closed().cause == c.cause);
    CHECK(static_cast<unsigned>(ws.closed().code) == c.code);
    CHECK(contains(ws.closed().reason, c.reason));
    CHECK(contains(ws.closed().message(), c.reason));
    CHECK(end == ws.closed().error);
}

} // namespace

TEST_CASE("RFC 6455 7.1.7: each violation has its code, and a reason that names the rule, on the wire and in closed()") {
    for (const over way : both_ways)
        for (const violation_case& each : violations())
            for (const std::size_t step : {10'000, 1, 7})
                for (const bool attentive : {true, false}) {
                    CAPTURE(each.reason);
                    CAPTURE(step);
                    CAPTURE(attentive);
                    websocket_world world(way);
                    websocket ws = world.make(ws::role::server, {.message_bytes = 1000});
                    world.run(violate(world, ws, each, step, step, attentive));
                }
    for (const violation_case& each : violations()) // cut in two anywhere
        for (std::size_t first = 1; first < each.bytes.size() + 20; first += first < 40 || each.bytes.size() < 200 ? 1 : 97)
            for (const bool attentive : {true, false}) {
                CAPTURE(each.reason);
                CAPTURE(first);
                websocket_world world;
                websocket ws = world.make(ws::role::server, {.message_bytes = 1000});
                world.run(violate(world, ws, each, first, 10'000, attentive));
            }
}

namespace {

task<> vanish(websocket_world& world, websocket& ws, bool reset, bool attentive) {
    std::vector<std::string> read;
    std::error_code end;
    scope reader;
    if (attentive) reader.spawn(read_all(ws, read, end));
    world.peer().send_now(text_frame(from_client, "one") + text_frame(from_client, "two"));
    auto slept = co_await sleep(1ms);
    (void)slept;
    if (reset)
        world.peer().stream().reset();
    else
        world.peer().close();
    slept = co_await sleep(1ms);
    if (!attentive) reader.spawn(read_all(ws, read, end));
    co_await reader.join();
    co_await ws.close();
    CHECK(read == std::vector<std::string>{"one", "two"});
    CHECK(ws.closed().code == ws::close_code::abnormal);
    CHECK(ws.closed().cause == (reset ? close_cause::reset : close_cause::end_of_stream));
    CHECK(end == ws.closed().error);
    if (reset)
        CHECK(contains(ws.closed().message(), "the connection broke: 1006 (Connection reset by peer)"));
    else
        CHECK(contains(ws.closed().message(), "the peer vanished without a close frame: 1006"));
}

} // namespace

TEST_CASE("RFC 6455 7.1.5: the end of the stream and a reset without a close frame; what came before is still read") {
    for (const bool reset : {false, true})
        for (const bool attentive : {false, true}) {
            websocket_world world;
            websocket ws = world.make(ws::role::server);
            world.run(vanish(world, ws, reset, attentive));
        }
    websocket_world world(over::sockets);
    websocket ws = world.make(ws::role::server);
    world.run(vanish(world, ws, false, false));
}

namespace {

// The peer says why and is gone; a write finds that out before a read does.
task<> write_finds_out(websocket_world& world, websocket& ws) {
    world.peer().send_now(text_frame(from_client, "one") + close_frame(from_client, 1001, "reload"));
    world.peer().close();
    world.loop().events().wait(0s); // it is all there, and nobody has looked
    ws.send(std::string_view(std::string(20'000, 'x')));
    std::vector<std::string> read;
    std::error_code end;
    co_await read_all(ws, read, end);
    co_await ws.close();
    CHECK(read == std::vector<std::string>{"one"});
    CHECK(ws.closed().cause == close_cause::peer);
    CHECK(ws.closed().reason == "reload");
}

} // namespace

TEST_CASE("a write that fails does not hide what the peer had said") {
    for (const over way : both_ways) {
        websocket_world world(way);
        websocket ws = world.make(ws::role::server);
        world.run(write_finds_out(world, ws));
    }
}

namespace {

task<> drop(websocket ws) {
    ws.send("before");
    co_return;
}
task<> drop_by_exception(websocket ws) {
    ws.send("before");
    throw std::runtime_error("a handler fails");
    co_return;
}
task<> dropped(websocket_world& world, bool by_exception) {
    websocket ws = world.make(ws::role::server);
    bool caught = false;
    try {
        if (by_exception)
            co_await drop_by_exception(std::move(ws));
        else
            co_await drop(std::move(ws));
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught == by_exception);
}

} // namespace

TEST_CASE("a dropped websocket closes in the background, and the loop ends after it") {
    for (const bool by_exception : {false, true}) {
        websocket_world world;
        const auto before = world.now();
        world.run(dropped(world, by_exception));
        const std::string received = world.peer().receive_now();
        CHECK(last_close(received).code == (by_exception ? 1011 : 1000));
        CHECK(received.substr(0, 8) == text_frame(from_server, "before"));
        CHECK(world.now() - before >= 5s); // the peer did not answer
        CHECK(world.now() - before < 5100ms);
    }
    { // a loop that is destroyed before that
        websocket_world world;
        websocket ws = world.make(ws::role::server);
        const websocket dead = std::move(ws);
    }
}

namespace {

// What a handler that is busy with something else sees of the end of its peer.
enum class end_kind { close, end, reset, violation };
task<> busy_handler(websocket& ws, bool reads, bool& canceled) {
    auto in = co_await this_context();
    ws.guard(in);
    if (reads) {
        auto got = co_await ws.read();
        CHECK_FALSE(got);
    }
    auto slept = co_await sleep(1h);
    canceled = !slept;
}
task<> lose_peer(websocket_world& world, websocket& ws, end_kind how, bool reads) {
    scope handler;
    bool canceled = false;
    const auto before = world.now();
    handler.spawn(busy_handler(ws, reads, canceled));
    auto slept = co_await sleep(10s);
    (void)slept;
    switch (how) {
    case end_kind::close: world.peer().send_now(close_frame(from_client, 1000)); break;
    case end_kind::end: world.peer().close(); break;
    case end_kind::reset: world.peer().stream().reset(); break;
    case end_kind::violation: world.peer().send_now("\xff\xff"); break;
    }
    co_await handler.join();
    CHECK(canceled == !reads);
    if (!reads) CHECK(world.now() - before < 11s);
}
task<> unread_handler(websocket& ws, int& read, bool& canceled) {
    auto in = co_await this_context();
    ws.guard(in);
    auto slept = co_await sleep(2s); // the end comes meanwhile, behind messages
    for (;;) {
        auto got = co_await ws.read();
        if (!got) break;
        ++read;
        slept = co_await sleep(2s);
        if (!slept) canceled = true;
    }
    slept = co_await sleep(1h);
    if (!slept) canceled = true;
}
task<> lose_peer_with_unread(websocket_world& world, websocket& ws) {
    scope handler;
    int read = 0;
    bool canceled = false;
    handler.spawn(unread_handler(ws, read, canceled));
    auto slept = co_await sleep(1s);
    (void)slept;
    for (int i = 0; i < 9; ++i) world.peer().send_now(text_frame(from_client, "x"));
    world.peer().close();
    co_await handler.join();
    CHECK(read == 9);
    CHECK_FALSE(canceled);
}

} // namespace

TEST_CASE("the handler's context is cancelled when the peer is lost while nobody reads, and only then") {
    for (const end_kind how : {end_kind::close, end_kind::end, end_kind::reset, end_kind::violation})
        for (const bool reads : {false, true}) {
            CAPTURE(static_cast<int>(how));
            websocket_world world;
            websocket ws = world.make(ws::role::server, {.ping_interval = std::nullopt});
            world.run(lose_peer(world, ws, how, reads));
        }
    websocket_world world;
    websocket ws = world.make(ws::role::server);
    world.run(lose_peer_with_unread(world, ws));
}

namespace {

task<> owning_main(websocket ws) {
    auto sent = co_await ws.send("bye");
    CHECK(sent);
}

} // namespace

namespace {

// Goes on when the stream tells it that something has come, reads to the end of it all, and lets go of a connection that
// is over, without having waited again.
task<> read_on_and_let_go(websocket given, std::size_t& received, int& failed) {
    websocket ws = std::move(given);
    auto first = co_await ws.read();
    REQUIRE(first);
    received = first->size();
    ws.send(*first);
    for (int i = 0; i < 2; ++i) {
        auto more = co_await ws.read();
        failed += !more;
    }
}
task<> let_go_at_once(websocket_world& world, std::size_t size) {
    std::size_t received = 0;
    int failed = 0;
    scope readers;
    readers.spawn(read_on_and_let_go(world.make(ws::role::server), received, failed));
    (void)co_await yield();
    const std::string all = frame(from_client, ws::opcode::binary, std::string(size, 'x')) + close_frame(from_client, 1000);
    CHECK(world.peer().send_now(all) == all.size());
    world.peer().stream().shutdown_write();
    co_await readers.join();
    CHECK(received == size);
    CHECK(failed == 2);
    auto answer = co_await world.peer().receive_all();
    CHECK(answer.size() >= size);
}

} // namespace

TEST_CASE("a reader that was waiting may let go of the connection when its end has come with the message") {
    for (const over way : both_ways)
        for (const std::size_t size : {100, 20'000}) {
            websocket_world world(way, {.pipe_bytes = 64 * 1024});
            world.run(let_go_at_once(world, size));
        }
}

TEST_CASE("a websocket that a parameter of the main coroutine owns is closed before the loop ends") {
    websocket_world world;
    auto [server, client] = world.pair();
    const auto before = world.now();
    world.loop().run(owning_main(std::move(server))); // nothing around the task
    CHECK_FALSE(client.is_open());
    CHECK(client.closed().cause == close_cause::peer);
    CHECK(client.closed().code == ws::close_code::normal);
    CHECK(world.now() - before < 1s);
}

#if !defined(NDEBUG)
TEST_CASE("a websocket that outlives its loop is found where the loop ends") {
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(2); // its last words are not for the test's log
        ::signal(SIGABRT, SIG_DFL);
        std::optional<websocket> kept;
        {
            websocket_world world(over::memory, {});
            kept.emplace(world.make(ws::role::server));
        }
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
}
#endif
