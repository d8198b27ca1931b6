// A program of its own, since it replaces operator new: what a connection allocates while it is open and cannot fail at. Where there
// is no memory for that, nothing is thrown and nothing else is lost; but for one who is refused, looks at no result, and cannot wait.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/when_all.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/backend_choice.hpp>

#include <cstdlib>
#include <new>

namespace {
bool memory_is_out = false; // for those who are told by null
bool all_is_out = false;    // and for all others
}

[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return memory_is_out ? nullptr : std::malloc(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    if (all_is_out) throw std::bad_alloc();
    if (void* memory = std::malloc(bytes)) return memory;
    std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

weir::result<weir::owned<weir::io::backend>> tests::make_events() { return weir::io::make_backend(); }

using namespace weir;
using namespace std::chrono_literals;
using tests::frame;
using tests::over;
using tests::websocket_world;

namespace {

struct shortage {
    shortage() { memory_is_out = true; }
    ~shortage() { memory_is_out = false; }
};
struct dearth : shortage {
    dearth() { all_is_out = true; }
    ~dearth() { all_is_out = false; }
};

} // namespace

TEST_CASE("an ending keeps its cause and its code, and says what is missing") {
    detail::ending_brief end(1s);
    detail::ending_brief::place kept;
    for (detail::ending_brief::place* const place : {&kept, static_cast<detail::ending_brief::place*>(nullptr)}) {
        {
            const shortage now;
            end.note(place, close_cause::limit, ws::close_code::policy_violation, "too much", make_error_code(errc::buffer_full));
            end.note_unanswered(place, make_error_code(errc::timed_out), true);
            end.note_end(place, 3s);
        }
        const close_info info = end.info(place, true, 5s);
        CHECK(info.cause == close_cause::limit);
        CHECK(info.code == ws::close_code::policy_violation);
        CHECK(info.reason.empty());
        CHECK(info.error == std::errc::not_enough_memory);
        CHECK(info.age == 4s); // until now
    }
}

TEST_CASE("a closing of one's own that nobody answers, without memory") {
    detail::ending_brief end(1s);
    end.note(nullptr, close_cause::local, ws::close_code::normal, "ours", {});
    end.note_unanswered(nullptr, make_error_code(errc::timed_out), true);
    CHECK(end.info(nullptr, false, 2s).cause == close_cause::local);
    end.note_peer(nullptr, ws::close_code::going_away, "theirs");
    CHECK(end.info(nullptr, false, 2s).code == ws::close_code::going_away);
    CHECK(end.error(nullptr) == std::errc::not_enough_memory);
}

TEST_CASE("with memory it keeps everything; the peer's word counts for more") {
    detail::ending_brief end(1s);
    detail::ending_brief::place kept;
    CHECK_FALSE(end.error(&kept));
    CHECK_FALSE(end.error(nullptr));
    CHECK(end.info(&kept, false, 2s).age == 1s);
    end.note(&kept, close_cause::local, ws::close_code::normal, "ours", {});
    end.note(&kept, close_cause::reset, ws::close_code::abnormal, "too late", make_error_code(errc::canceled));
    CHECK(end.info(&kept, false, 2s).reason == "ours");
    end.note_peer(&kept, ws::close_code::going_away, "theirs");
    end.note_unanswered(&kept, make_error_code(errc::timed_out), true);
    end.note_end(&kept, 3s);
    const close_info info = end.info(&kept, true, 5s);
    CHECK(info.cause == close_cause::timeout);
    CHECK(info.code == ws::close_code::going_away);
    CHECK(info.reason == "theirs");
    CHECK(info.error == errc::timed_out);
    CHECK(info.age == 2s);
}

namespace {

task<> ping_unwatched(websocket_world& world, websocket ws) {
    {
        const shortage now;
        CHECK(co_await ws.ping("unwatched"));
        CHECK((co_await ws.read().within(50s)).error() == errc::timed_out);
        CHECK(ws.is_open());
    }
    CHECK(world.peer().receive_now() == frame(ws::role::server, ws::opcode::ping, "unwatched"));
    CHECK((co_await ws.read().within(25s)).error() == errc::timed_out);
    const std::string sent = world.peer().receive_now();
    REQUIRE(sent.size() == 6);
    world.peer().send_now(frame(ws::role::client, ws::opcode::pong, sent.substr(2)));
    CHECK((co_await ws.read().within(1s)).error() == errc::timed_out);
    CHECK(ws.round_trip() >= 0s);
    CHECK((co_await ws.read()).error() == errc::timed_out); // and the next one is not answered
    CHECK(ws.closed().cause == close_cause::timeout);
}

} // namespace

TEST_CASE("without memory a ping is sent and not watched, and none is sent by itself; with memory it is tried again") {
    websocket_world world(over::memory);
    world.run(ping_unwatched(world, world.make(ws::role::server)));
}

TEST_CASE("a round trip is known in whole microseconds, up to half an hour") {
    detail::keepalive alive(0s);
    const auto trip = [&alive](std::chrono::nanoseconds lasts) {
        detail::keepalive::pings all;
        alive.ping_queued(all, 7);
        alive.control_left(all, 1h, 10);
        alive.received(1h + lasts);
        CHECK(alive.pong(all, 7, 1h + lasts));
        return alive.round_trip();
    };
    CHECK(trip(1ns) == 0ns);
    CHECK(trip(1999ns) == 1us);
    CHECK(trip(2147483646us) == 2147483646us);
    CHECK(trip(2h) == 2147483647us);
}

TEST_CASE("names that are agreed upon, short and long") {
    detail::agreed_names names;
    CHECK(names.subprotocol().empty());
    CHECK(names.target().empty());
    for (const std::size_t first : {0u, 1u, 5u, 12u, 13u, 300u})
        for (const std::size_t second : {0u, 1u, 7u, 11u, 12u, 5000u}) {
            const std::string subprotocol(first, 's'), target(second, 't');
            names.set(subprotocol, target);
            CHECK(names.subprotocol() == subprotocol);
            CHECK(names.target() == target);
            names.set(names.target(), names.subprotocol());
            CHECK(names.subprotocol() == target);
            CHECK(names.target() == subprotocol);
        }
}

namespace {

task<> drop(websocket_world& world, std::optional<websocket> ws) {
    {
        const shortage now;
        ws.reset();
        (void)co_await sleep(1ms);
    }
    (void)world.peer().receive_now();
    CHECK(world.peer().ended());
}

} // namespace

TEST_CASE("a connection that nobody can take care of any more is broken off when it is dropped") {
    websocket_world world(over::memory);
    world.run(drop(world, world.make(ws::role::server)));
}

namespace {

// The first waits of a loop, for which it has kept nothing.
task<> hurry(websocket_world& world, websocket ws) {
    const std::string large(20'000, 'l');
    {
        const shortage now;
        CHECK(co_await ws.send(std::string_view(large)).within(1ms)); // taken, though nobody waits
        CHECK(ws.queued_bytes() > 4000);
    }
    send_status late = co_await ws.send(std::string_view(large)).within(1ms);
    CHECK(late.error() == errc::timed_out);
    ws.reset();
    {
        const shortage now; // but now a block is there
        for (int i = 0; i < 1000; ++i) CHECK((co_await ws.send("x")).error() == errc::closed);
    }
    (void)world;
}
// Without, and without an eye on the results. Others have to get on, whether by giving way or by an end of this.
task<> hurry_in_vain(websocket& ws, bool& others_ran) {
    int refused = 0;
    bool ended = false;
    try {
        const dearth now;
        for (;; ++refused) (void)co_await ws.send("x");
    } catch (const std::bad_alloc&) {
        ended = true;
    }
    CHECK(ended);
    CHECK(refused == 64);
    CHECK_FALSE(others_ran);
    const shortage now;
    CHECK(co_await ws.close());
}
task<> hurry_beside_others(websocket ws) {
    ws.reset();
    bool others_ran = false;
    const auto others = [&]() -> task<> {
        (void)co_await yield();
        others_ran = true;
    };
    (void)co_await when_all(hurry_in_vain(ws, others_ran), others());
    CHECK(others_ran);
}

} // namespace

TEST_CASE("a send that could not wait does not, and nothing else is lost") {
    websocket_world slow(over::memory, {.pipe_bytes = 1000});
    slow.run(hurry(slow, slow.make(ws::role::server, {.high_water_bytes = 4000})));
    websocket_world gone(over::memory);
    gone.run(hurry_beside_others(gone.make(ws::role::server)));
}
