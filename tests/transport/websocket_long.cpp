// Long frames, which are received to where they will stand: everything about them that reading by leases has, too.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>

#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::frame;
using tests::over;
using tests::websocket_world;
using ws::opcode;

namespace {

constexpr std::size_t most_bytes = 2 * 1024 * 1024;

struct script {
    std::string bytes;
    std::vector<std::string> messages;
};

// Messages of one frame or of several, the sizes around those at which the way to receive changes, pings between the frames.
script random_script(pseudo_random& any, ws::role from) {
    static constexpr std::size_t sizes[] = {0, 100, 16'384, 32'767, 32'768, 65'522, 65'536, 98'304, 262'144, 300'000, 700'000};
    script made;
    for (int i = 0; i < 6; ++i) {
        const bool text = any.below(2);
        const std::string message = tests::payload_of(any, sizes[any.below(std::size(sizes))], text);
        std::string_view left = message;
        for (bool first = true; first || !left.empty(); first = false) {
            const std::size_t part = any.below(3) ? left.size() : any.below(left.size() + 1);
            const ws::masking_key key = std::bit_cast<ws::masking_key>(static_cast<std::uint32_t>(any.next()));
            made.bytes += frame(from, !first ? opcode::continuation : text ? opcode::text : opcode::binary, left.substr(0, part),
                                part == left.size(), key);
            if (any.below(4) == 0) made.bytes += frame(from, opcode::ping, "still there?");
            left.remove_prefix(part);
            if (left.empty()) break;
        }
        made.messages.push_back(message);
    }
    made.bytes += tests::close_frame(from, 1000);
    return made;
}

// Reads to the end; `impatient`: gives reads up at once, now and then, and takes what is there by pieces.
task<> read_all(websocket& ws, pseudo_random& any, bool impatient, std::vector<std::string>& into) {
    std::string begun;
    for (;;) {
        if (impatient && any.below(3) == 0) {
            auto waited = co_await ws.read().within(0ns);
            if (waited) {
                into.push_back(begun + std::string(waited->text()));
                begun.clear();
                continue;
            }
            if (waited.error() != errc::timed_out) co_return;
            auto yielded = co_await yield();
            if (!yielded) co_return;
            continue;
        }
        if (impatient && any.below(2)) {
            auto piece = co_await ws.read_frame();
            if (!piece) co_return;
            begun += piece->text();
            if (!piece->last) continue;
            into.push_back(begun);
            begun.clear();
            continue;
        }
        auto got = co_await ws.read();
        if (!got) co_return;
        into.push_back(begun + std::string(got->text()));
        begun.clear();
    }
}

void play(over which, ws::role side, const io::memory_options& options, std::size_t step, bool impatient, std::uint64_t seed) {
    CAPTURE(seed);
    CAPTURE(step);
    CAPTURE(static_cast<int>(which));
    pseudo_random any(seed);
    const script played = random_script(any, side == ws::role::server ? ws::role::client : ws::role::server);
    websocket_world world(which, options);
    websocket ws = world.make(side, {.message_bytes = most_bytes});
    std::vector<std::string> got;
    world.run([](tests::bare_peer& peer, std::string_view bytes, std::size_t by, websocket& to, pseudo_random& rest, bool hurried,
                 std::vector<std::string>& into) -> task<> {
        scope both;
        both.spawn(peer.feed(bytes, by));
        co_await read_all(to, rest, hurried, into);
        co_await both.join();
    }(world.peer(), played.bytes, step, ws, any, impatient, got));
    REQUIRE(got.size() == played.messages.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == played.messages[i]);
    CHECK(ws.closed().code == ws::close_code::normal);
    CHECK(ws.closed().bytes_in == played.bytes.size());
}

} // namespace

TEST_CASE("websocket: long frames arrive whole, in every cut") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const ws::role side = seed % 2 ? ws::role::server : ws::role::client;
        const bool impatient = seed % 4 >= 2;
        play(over::memory, side, {.pipe_bytes = 4 << 20}, 8 << 20, impatient, seed);
        play(over::memory, side, {.fragment = true, .seed = seed}, 70'000, impatient, seed);
        play(over::memory, side, {.pipe_bytes = 1 << 20, .fill_bytes = 50'000}, 131'072, impatient, seed);
        play(over::sockets, side, {}, 8 << 20, impatient, seed);
        play(over::sockets, side, {}, 100'000, impatient, seed);
    }
}

TEST_CASE("websocket: a long text is judged where it stands") {
    for (const over which : {over::memory, over::sockets}) {
        for (const std::size_t at : {std::size_t(70'000), std::size_t(262'143), std::size_t(299'999)}) {
            CAPTURE(at);
            websocket_world world(which, {.pipe_bytes = 1 << 20});
            websocket ws = world.make(ws::role::server);
            std::string text(300'000, 'a');
            text[at] = '\xff';
            const std::string bytes = frame(ws::role::client, opcode::text, text) + frame(ws::role::client, opcode::text, "more");
            bool read = true;
            world.run([](tests::bare_peer& peer, std::string_view all, websocket& to, bool& any) -> task<> {
                scope both;
                both.spawn(peer.feed(all, all.size()));
                auto got = co_await to.read();
                any = static_cast<bool>(got);
                co_await both.join();
                peer.close();
            }(world.peer(), bytes, ws, read));
            CHECK(!read);
            CHECK(ws.closed().cause == close_cause::protocol_error);
            CHECK(ws.closed().code == ws::close_code::invalid_payload);
        }
    }
}

TEST_CASE("websocket: a long frame that ends in the middle is no message, and keeps no memory") {
    websocket_world world(over::memory, {.pipe_bytes = 1 << 20});
    const std::size_t lent = world.loop().blocks().lent();
    {
        websocket ws = world.make(ws::role::server);
        const std::string bytes = frame(ws::role::client, opcode::binary, std::string(500'000, 'x'));
        bool read = true;
        world.run([](tests::bare_peer& peer, std::string_view all, websocket& to, bool& any) -> task<> {
            scope both;
            both.spawn(peer.feed(all, 90'000));
            auto got = co_await to.read().within(1s);
            any = static_cast<bool>(got);
            co_await both.join();
            peer.close();
            auto after = co_await to.read();
            any = any || after;
        }(world.peer(), std::string_view(bytes).substr(0, 400'000), ws, read));
        CHECK(!read);
        CHECK(ws.closed().cause == close_cause::end_of_stream);
        CHECK(ws.closed().bytes_in == 400'000);
    }
    world.settle();
    CHECK(world.loop().blocks().lent() == lent);
}
