// Sending: order, back-pressure, the hard cap, frames and what passes between them, partial writes.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>

#include <bit>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::frame;
using tests::over;
using tests::text_frame;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr over both_ways[] = {over::memory, over::sockets};
constexpr ws::role from_server = ws::role::server, from_client = ws::role::client;

// What a server sent: its messages, put together, and the control frames in between. Frames must be whole and in order.
struct parsed {
    std::vector<std::string> messages;
    std::vector<opcode> frames;
    std::size_t longest = 0;
    bool whole = true;
};
parsed parse(std::string_view bytes) {
    parsed all;
    std::string message;
    bool inside = false;
    while (!bytes.empty()) {
        ws::frame_header header;
        const auto decoded = ws::decode(as_bytes(bytes), header);
        if (!decoded.size || bytes.size() - decoded.size < header.payload_bytes) {
            all.whole = false;
            break;
        }
        const std::string_view payload = bytes.substr(decoded.size, static_cast<std::size_t>(header.payload_bytes));
        bytes.remove_prefix(decoded.size + payload.size());
        all.frames.push_back(header.type);
        if (payload.size() > all.longest) all.longest = payload.size();
        if (ws::is_control(header.type)) continue;
        CHECK(inside == (header.type == opcode::continuation));
        message += payload;
        inside = !header.fin;
        if (header.fin) all.messages.push_back(std::exchange(message, {}));
    }
    return all;
}

std::string numbered(int who, int number, std::size_t size) {
    std::string text = std::to_string(who) + "/" + std::to_string(number) + ":";
    text.resize(size < text.size() ? text.size() : size, static_cast<char>('a' + number % 26));
    return text;
}

task<> send_many(websocket& ws, int who, int count, int& done) {
    for (int i = 0; i < count; ++i) {
        const std::string text = numbered(who, i, static_cast<std::size_t>((who * 37 + i * 101) % 3000));
        auto sent = co_await ws.send(std::string_view(text));
        CHECK(sent);
    }
    if (++done == 5) ws.close();
}
task<> receive_many(websocket& ws, std::vector<std::string>& into) {
    while (auto got = co_await ws.read()) into.emplace_back(got->text());
}
task<> many_senders(websocket& sender, websocket& receiver) {
    scope work;
    std::vector<std::string> received;
    int done = 0;
    for (int who = 0; who < 5; ++who) work.spawn(send_many(sender, who, 40, done));
    work.spawn(receive_many(receiver, received));
    co_await work.join();
    CHECK(received.size() == 200);
    int next[5] = {};
    for (const std::string& each : received) {
        const int who = each[0] - '0';
        const int number = next[who]++;
        CHECK(each == numbered(who, number, static_cast<std::size_t>((who * 37 + number * 101) % 3000)));
    }
}

} // namespace

TEST_CASE("messages of many coroutines arrive whole and in order, before the close frame") {
    for (const over way : both_ways)
        for (const bool from_server_side : {true, false}) {
            websocket_world world(way, {.pipe_bytes = 5000, .fragment = true});
            auto [server, client] = world.pair({.frame_bytes = 700, .high_water_bytes = 4000});
            world.run(from_server_side ? many_senders(server, client) : many_senders(client, server));
        }
}

namespace {

task<> waiting_send(websocket& ws, std::string_view text, errc& outcome, bool& ended) {
    auto sent = co_await ws.send(text);
    outcome = sent ? errc{} : static_cast<errc>(sent.error().code().value());
    ended = true;
}
task<> back_pressure(websocket_world& world, websocket& ws) {
    const std::string thousand(1000, 'x');
    scope senders;
    auto settled = co_await sleep(1ms);
    // The pipe takes 1000 bytes; high water is 4000.
    bool ended[8] = {};
    errc outcome[8] = {};
    for (int i = 0; i < 6; ++i) senders.spawn(waiting_send(ws, thousand, outcome[i], ended[i]));
    settled = co_await sleep(1ms);
    CHECK(ended[2]);
    CHECK_FALSE(ended[5]);
    const std::size_t queued = ws.queued_bytes();
    CHECK(queued > 4000);
    std::string received;
    while (ws.queued_bytes() > 2000) { // until half of the high-water mark is left
        CHECK_FALSE(ended[5]);
        received += world.peer().receive_now();
        settled = co_await sleep(1ms);
    }
    settled = co_await sleep(1ms);
    CHECK(ended[5]);
    CHECK(outcome[5] == errc{});
    co_await senders.join();
    // A wait that is cancelled does not take the message back.
    scope canceled;
    for (int i = 0; i < 6; ++i) canceled.spawn(waiting_send(ws, thousand, outcome[6], ended[6]));
    ended[6] = false;
    settled = co_await sleep(1ms);
    canceled.cancel();
    co_await canceled.join();
    CHECK(outcome[6] == errc::canceled);
    ws.close();
    for (int i = 0; i < 40; ++i) {
        received += world.peer().receive_now();
        settled = co_await sleep(1ms);
    }
    const parsed all = parse(received);
    CHECK(all.whole);
    CHECK(all.messages.size() == 12);
    for (const std::string& each : all.messages) CHECK(each == thousand);
    CHECK(all.frames.back() == opcode::close);
}

} // namespace

TEST_CASE("a send waits above the high-water mark, and resumes at half of it") {
    websocket_world world(over::memory, {.pipe_bytes = 1000});
    websocket ws = world.make(ws::role::server, {.high_water_bytes = 4000});
    world.run(back_pressure(world, ws));
}

namespace {

task<> over_the_cap(websocket_world& world, websocket& ws, overflow_policy policy) {
    const std::string big(10'000, 'b'), small(3000, 's');
    ws.send(std::string_view(big)); // one is always taken, however large
    auto settled = co_await sleep(1ms);
    const std::size_t queued = ws.queued_bytes();
    CHECK(queued > 5000);
    auto refused = co_await ws.send(std::string_view(small));
    CHECK(refused.error() == errc::buffer_full);
    CHECK(ws.is_open() == (policy == overflow_policy::drop));
    if (policy == overflow_policy::close) {
        auto read = co_await ws.read();
        CHECK(read.error() == errc::buffer_full);
        CHECK(ws.closed().cause == close_cause::limit);
        CHECK(ws.closed().code == ws::close_code::policy_violation);
        CHECK(ws.closed().reason == "more than 5000 bytes wait to be sent");
    } else {
        CHECK(ws.queued_bytes() == queued);
    }
    std::string received;
    for (int i = 0; i < 30; ++i) {
        received += world.peer().receive_now();
        settled = co_await sleep(1ms);
    }
    const parsed all = parse(received);
    CHECK(all.whole);
    if (policy == overflow_policy::close) {
        CHECK(all.frames.back() == opcode::close); // at the next frame boundary
        world.peer().close();
    } else {
        CHECK(all.messages == std::vector<std::string>{big});
        auto sent = co_await ws.send(std::string_view(small));
        CHECK(sent);
    }
}

} // namespace

TEST_CASE("above the hard cap the policy decides; one message is always taken") {
    for (const auto policy : {overflow_policy::close, overflow_policy::drop}) {
        websocket_world world(over::memory, {.pipe_bytes = 1000});
        websocket ws = world.make(ws::role::server, {.frame_bytes = 4000, .queue_bytes = 5000, .overflow = policy});
        world.run(over_the_cap(world, ws, policy));
    }
}

namespace {

task<> write_in_parts(websocket_world& world, websocket& ws) {
    std::string large(40'000, ' ');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i * 7 % 26);
    ws.ping("ping");
    ws.send(std::string_view(large)); // straight from here
    ws.send("small");
    ws.send(std::string_view(large)); // behind what is queued
    ws.close();
    large.assign(large.size(), '?'); // the caller's memory is free at once
    std::string received;
    while (!world.peer().ended() && received.find("\x88\x02\x03\xe8") == std::string::npos) received += co_await world.peer().receive(1);
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i * 7 % 26);
    const parsed all = parse(received);
    CHECK(all.whole);
    CHECK(all.messages == std::vector<std::string>{large, "small", large});
    CHECK(all.frames.front() == opcode::ping);
    CHECK(all.frames.back() == opcode::close);
    CHECK(all.longest == 9000);
}

} // namespace

namespace {

task<> pieces_in_parts(websocket_world& world, websocket& ws) {
    std::string large(40'000, ' '), other(20'000, ' '), whole;
    const auto fill = [](std::string& text, char from) {
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(from + i * 7 % 26);
    };
    fill(large, 'a');
    fill(other, 'A');
    whole = large + "small" + other + large;
    ws.ping("ping");
    ws.send_frame(std::string_view(large), false); // straight from here
    ws.ping("pong");
    ws.send_frame("small", false);
    ws.send_frame(std::string_view(other), false); // behind what is queued
    std::string received = co_await world.peer().receive(60'000);
    auto settled = co_await sleep(1ms);
    (void)settled;
    ws.send(std::string_view(other)); // behind the end of what is sent by pieces
    const std::string wrong(20'000, 'w');
    auto refused = co_await ws.send_frame(as_bytes(wrong), true);
    CHECK(refused.error() == errc::send_out_of_order);
    ws.send_frame(std::string_view(large), true);
    ws.close();
    large.assign(large.size(), '?'); // the caller's memory is free at once
    while (!world.peer().ended() && received.find("\x88\x02\x03\xe8") == std::string::npos) received += co_await world.peer().receive(1);
    const parsed all = parse(received);
    CHECK(all.whole);
    CHECK(all.messages == std::vector<std::string>{whole, other});
    CHECK(all.frames.front() == opcode::ping);
    CHECK(all.frames.back() == opcode::close);
    CHECK(all.longest == 40'000); // a piece is a frame
    CHECK(received.size() == ws.closed().bytes_out);
}

} // namespace

TEST_CASE("large payloads straight from the caller's memory, whatever a write takes") {
    std::vector<std::size_t> sizes;
    for (std::size_t size = 1; size < 40; ++size) sizes.push_back(size);
    for (std::size_t size = 8990; size < 9030; ++size) sizes.push_back(size);
    for (std::size_t size : {100, 1000, 16'384, 39'999, 40'000, 40'020, 40'040, 1'000'000}) sizes.push_back(size);
    for (const std::size_t size : sizes) {
        CAPTURE(size);
        websocket_world world(over::memory, {.write_bytes = size});
        websocket ws = world.make(ws::role::server, {.frame_bytes = 9000});
        world.run(write_in_parts(world, ws));
        if (size % 3 != 0 && size < 100) continue;
        websocket other = world.make(ws::role::server);
        world.run(pieces_in_parts(world, other));
    }
    for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
        websocket_world world(over::memory, {.pipe_bytes = 3000, .fragment = true, .seed = seed});
        websocket ws = world.make(ws::role::server, {.frame_bytes = 9000});
        world.run(write_in_parts(world, ws));
        websocket other = world.make(ws::role::server);
        world.run(pieces_in_parts(world, other));
    }
    websocket_world world(over::sockets);
    websocket ws = world.make(ws::role::server, {.frame_bytes = 9000});
    world.run(write_in_parts(world, ws));
    websocket other = world.make(ws::role::server);
    world.run(pieces_in_parts(world, other));

    websocket_world wide(over::memory, {.pipe_bytes = 1'000'000});
    websocket direct = wide.make(ws::role::server);
    wide.run([](websocket& to) -> task<> {
        const std::string large(16 * 1024, 'l');
        to.send_frame(std::string_view(large), false);
        CHECK(to.queued_bytes() == 0);
        CHECK(to.closed().bytes_out == large.size() + 4);
        to.send_frame(std::string_view(large).substr(1), true); // too small for that
        CHECK(to.queued_bytes() == large.size() - 1 + 4);
        co_return;
    }(direct));
}

namespace {

constexpr auto key = std::bit_cast<ws::masking_key>(0x12345678u);

std::string lettered(int number, std::size_t size) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + static_cast<std::size_t>(number)) % 26);
    return text;
}

// What an echo sends back out of the memory that it received into: whole in a lease, in several, in several frames, with
// small ones and pings between them.
struct large_talk {
    std::vector<std::string> messages;
    std::string bytes;

    large_talk() {
        for (int round = 0; round < 2; ++round) {
            for (const std::size_t size : {16'384, 5, 20'000, 16'383, 17'000, 70'000, 30'000, 40'000, 16'400}) {
                const std::string& text = messages.emplace_back(lettered(round + static_cast<int>(messages.size()), size));
                if (size == 30'000) { // in three frames, with a ping before the last
                    bytes += frame(from_client, opcode::text, text.substr(0, 10), false, key);
                    bytes += frame(from_client, opcode::continuation, text.substr(10, 20'000), false, key);
                    bytes += frame(from_client, opcode::ping, "ping");
                    bytes += frame(from_client, opcode::continuation, text.substr(20'010), true, key);
                } else {
                    bytes += frame(from_client, opcode::text, text, true, key);
                }
            }
        }
    }
};

enum class echoing { whole, impatiently, by_pieces, the_first };

task<> send_back(websocket& ws, echoing how) {
    int count = 0;
    if (how == echoing::by_pieces) {
        while (auto piece = co_await ws.read_frame()) co_await ws.send_frame(piece->text(), piece->last);
        co_return;
    }
    if (how == echoing::impatiently) {
        for (;;) {
            auto message = co_await ws.read().within(1ms);
            if (!message && message.error() != errc::timed_out) co_return;
            if (!message) continue;
            ws.send(*message);
            if (++count % 3 == 0) ws.send("and");
            if (count % 4 == 0) (void)co_await yield();
        }
    }
    while (auto message = co_await ws.read()) {
        co_await ws.send(*message);
        if (how == echoing::the_first && ++count == 5) co_return;
    }
}

task<> serve_large(websocket_world& world, echoing how, std::uint64_t step, const websocket_options& options) {
    const large_talk talk;
    std::string received;
    scope work;
    {
        websocket ws = world.make(from_server, options);
        work.spawn([](websocket_world& among, const std::string& bytes, std::size_t at_once) -> task<> {
            std::string_view left = bytes;
            while (!left.empty()) {
                const bool sent = co_await among.peer().send(left.substr(0, at_once));
                if (!sent) co_return;
                left.remove_prefix(left.size() < at_once ? left.size() : at_once);
            }
            const std::string close = frame(from_client, opcode::close, "\x03\xe8");
            (void)co_await among.peer().send(close);
        }(world, talk.bytes, step));
        work.spawn([](websocket_world& among, std::string& into) -> task<> {
            into = co_await among.peer().receive_all();
        }(world, received));
        co_await send_back(ws, how);
    }
    co_await work.join();
    parsed all = parse(received);
    CHECK(all.whole);
    CHECK(all.frames.back() == opcode::close);
    if (how == echoing::impatiently) std::erase(all.messages, "and");
    std::vector<std::string> wanted = talk.messages;
    if (how == echoing::the_first) wanted.resize(5);
    CHECK(all.messages == wanted);
}

} // namespace

TEST_CASE("large payloads out of what was received, whatever a write takes") {
    for (const echoing how : {echoing::whole, echoing::impatiently, echoing::by_pieces, echoing::the_first}) {
        CAPTURE(static_cast<int>(how));
        for (const std::size_t frame_bytes : {std::size_t{9000}, std::size_t{64 * 1024}}) {
            CAPTURE(frame_bytes);
            for (const std::size_t size : {1000, 16'387, 16'388, 16'389, 36'000, 65'536, 1'000'000}) {
                CAPTURE(size);
                websocket_world world(over::memory, {.pipe_bytes = size < 20'000 ? 40'000u : 300'000u, .write_bytes = size});
                world.run(serve_large(world, how, 1'000'000, {.frame_bytes = frame_bytes}));
            }
            for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
                CAPTURE(seed);
                websocket_world world(over::memory, {.pipe_bytes = seed % 2 ? 30'000u : 500'000u, .fragment = true, .seed = seed});
                world.run(serve_large(world, how, seed % 3 ? 50'000 : 1'000'000, {.frame_bytes = frame_bytes}));
            }
        }
        websocket_world world(over::sockets);
        world.run(serve_large(world, how, 1'000'000, {}));
    }
}

TEST_CASE("large payloads out of what was received leave together, when it is used up") {
    websocket_world world(over::memory, {.pipe_bytes = 1'000'000});
    websocket ws = world.make(from_server);
    const std::string text = lettered(0, 16 * 1024), two = frame(from_client, opcode::text, text, true, key);
    world.peer().send_now(two + two);
    world.run([](websocket& on, websocket_world& among, std::size_t size) -> task<> {
        auto first = co_await on.read();
        REQUIRE(first);
        on.send(*first);
        CHECK(on.queued_bytes() == size);
        auto second = co_await on.read();
        REQUIRE(second);
        on.send(*second);
        CHECK(on.queued_bytes() == 2 * size);
        CHECK(on.closed().bytes_out == 0);
        CHECK(among.peer().receive_now().empty());
        auto none = co_await on.read().within(1ms);
        CHECK(!none);
        CHECK(on.queued_bytes() == 0);
        CHECK(on.closed().bytes_out == 2 * size);
    }(ws, world, text.size() + 4));
    CHECK(parse(world.peer().receive_now()).messages == std::vector<std::string>{text, text});
}

namespace {

task<> stream_out(websocket& ws, bool& streaming) {
    const std::string part(1000, 'p');
    for (int i = 0; i < 30; ++i) {
        auto sent = co_await ws.send_frame(std::string_view(part), false);
        CHECK(sent);
        streaming = true;
        auto yielded = co_await yield();
        if (!yielded) co_return;
    }
    auto sent = co_await ws.send_frame("end", true);
    CHECK(sent);
    streaming = false;
}
task<> interject(websocket& ws, int& sent_count) {
    const std::string text(3000, 'i');
    for (int i = 0; i < 5; ++i) {
        auto sent = co_await ws.send(std::string_view(text));
        CHECK(sent);
        ++sent_count;
    }
}
task<> stream_and_interject(websocket_world& world, websocket& ws) {
    scope work;
    bool streaming = false;
    int sent = 0;
    std::string received;
    work.spawn(stream_out(ws, streaming));
    auto slept = co_await sleep(1ms);
    (void)slept;
    REQUIRE(streaming);
    work.spawn(interject(ws, sent)); // more than the high-water mark: it waits for the end of what is streamed
    const std::string other_type(10, 'b');
    auto refused = co_await ws.send_frame(as_bytes(other_type), false);
    CHECK(refused.error() == errc::send_out_of_order);
    while (work.size()) {
        received += world.peer().receive_now();
        world.peer().send_now(frame(from_client, opcode::ping, "p"));
        slept = co_await sleep(1ms);
    }
    co_await work.join();
    ws.close();
    for (int i = 0; i < 40; ++i) {
        received += world.peer().receive_now();
        slept = co_await sleep(1ms);
    }
    const parsed all = parse(received);
    CHECK(all.whole);
    REQUIRE(all.messages.size() == 6);
    CHECK(all.messages[0] == std::string(30'000, 'p') + "end");
    for (int i = 1; i < 6; ++i) CHECK(all.messages[static_cast<std::size_t>(i)] == std::string(3000, 'i'));
    std::size_t pongs_inside = 0;
    for (const opcode each : all.frames) {
        if (each == opcode::pong) ++pongs_inside;
    }
    CHECK(pongs_inside > 0);
}

} // namespace

TEST_CASE("send_frame: other messages go behind the end, and cannot hold it up; control frames pass") {
    websocket_world world(over::memory, {.pipe_bytes = 1500});
    websocket ws = world.make(ws::role::server, {.high_water_bytes = 4000});
    world.run(stream_and_interject(world, ws));
}

namespace {

task<> ping_passes(websocket_world& world, websocket& ws) {
    const std::string large(1'000'000, 'l');
    ws.send(std::string_view(large));
    auto slept = co_await sleep(1ms);
    (void)slept;
    world.peer().send_now(frame(from_client, opcode::ping, "quick"));
    slept = co_await sleep(1ms);
    auto received = co_await world.peer().receive(300'000);
    const std::size_t pong = received.find(frame(from_server, opcode::pong, "quick"));
    CHECK(pong != std::string::npos);
    CHECK(pong <= 2 * 65'546 + 10'000);
    received += co_await world.peer().receive(large.size() + 16 * 10 - received.size());
    const parsed all = parse(received);
    CHECK(all.messages == std::vector<std::string>{large});
}
task<> flood(websocket_world& world, websocket& ws) {
    std::string pings;
    for (int i = 0; i < 100; ++i) pings += frame(from_client, opcode::ping, std::string(125, 'p'));
    std::size_t sent = 0;
    for (int i = 0; i < 200; ++i) {
        std::string_view left = pings;
        while (!left.empty()) {
            const std::size_t taken = world.peer().send_now(left);
            left.remove_prefix(taken);
            auto slept = co_await sleep(1ms);
            (void)slept;
        }
        sent += pings.size();
    }
    CHECK(sent > 2'000'000);
    CHECK(ws.is_open());
    CHECK(world.loop().blocks().lent() <= 6); // two pipes, the control lane, none of it large
    CHECK(ws.closed().bytes_out <= 10'000);
}

} // namespace

TEST_CASE("RFC 6455 5.4: a pong passes between the frames of a long message") {
    websocket_world world(over::memory, {.pipe_bytes = 10'000});
    websocket ws = world.make(ws::role::server);
    world.run(ping_passes(world, ws));
}

TEST_CASE("RFC 6455 5.5.3: a flood of pings from a peer that takes no pongs is bounded") {
    websocket_world world(over::memory, {.pipe_bytes = 10'000});
    websocket ws = world.make(ws::role::server, {.control_frames_per_second = 1'000'000, .ping_interval = std::nullopt});
    world.run(flood(world, ws));
}
