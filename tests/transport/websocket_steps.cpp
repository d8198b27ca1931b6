// One short scenario for each thing that can be awaited of a connection, disturbed at every place: the awaitable alone
// is cancelled, or destroyed, after step 0, 1, 2, ..., and both ends go on; both ends are; and operation 0, 1, 2, ...
// fails. Over memory, over Unix sockets and over TCP, the awaitable at the server's end and at the client's. And nothing
// is disturbed, but what both ends send is cut in two at byte 1, 2, 3, ..., and comes byte by byte.
//
// Where only the awaitable was disturbed nothing at all may be missing afterwards. However it ends: no hang, no leak,
// what has arrived is the beginning of what was sent, and closed() explains. The steps of the long scenario in
// websocket_sweep.cpp are more, and taken with growing gaps; here there are none.
#include "../support/failing_epoll.hpp"
#include "../support/memory_loop.hpp"
#include "../support/steps.hpp"

#include <weir/client/connect.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/coro/yield.hpp>
#include <weir/hub/room.hpp>
#include <weir/io/sleep.hpp>
#include <weir/server/server.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>

using namespace weir;
using namespace std::chrono_literals;

namespace {

enum class over { memory, unix_sockets, tcp };

const io::memory_options narrow{.pipe_bytes = 400, .fragment = true};

class world {
public:
    explicit world(over way, const io::memory_options& options = narrow) : x_way(way) {
        if (way == over::memory) {
            x_memory.emplace(options);
        } else {
            auto events = make_owned<tests::failing_epoll>();
            x_sockets = events.get();
            x_loop.emplace(std::move(events), &x_random);
        }
    }

    bool is_memory() const { return x_way == over::memory; }
    io::loop& loop() { return x_memory ? x_memory->loop() : *x_loop; }
    void run(task<> main) { x_memory ? x_memory->run(std::move(main)) : x_loop->run(std::move(main)); }
    void fail_at(std::uint64_t number) { x_memory ? x_memory->network().fail_at(number) : x_sockets->fail_at(number); }
    bool was_cut() { return x_memory->network().was_cut(); }
    bool injected() { return x_memory ? x_memory->network().injected() : x_sockets->injected(); }
    std::size_t lent() { return x_memory ? x_memory->blocks().lent() : x_sockets->lent(); }

    // The server's end, and the client's.
    std::pair<websocket, websocket> pair(const websocket_options& options) {
        auto both = streams();
        websocket server = wrap(ws::role::server, std::move(both.first), options);
        websocket client = wrap(ws::role::client, std::move(both.second), options);
        return {std::move(server), std::move(client)};
    }

private:
    websocket wrap(ws::role role, owned<io::stream> stream, const websocket_options& options) {
        return websocket(role, std::move(stream), {}, {}, {loop(), loop().blocks(), loop().random()},
                         shared<const websocket_options>::make(options));
    }

    std::pair<owned<io::stream>, owned<io::stream>> streams() {
        if (x_memory) return x_memory->network().pair();
        int ends[2];
        if (x_way == over::unix_sockets)
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        else
            connect_tcp(ends);
        const int small = 6000;
        for (const int each : ends) ::setsockopt(each, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        auto a = x_sockets->adopt_stream(ends[0]);
        auto b = x_sockets->adopt_stream(ends[1]);
        REQUIRE(a);
        REQUIRE(b);
        return {std::move(*a), std::move(*b)};
    }

    static void connect_tcp(int (&ends)[2]) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
        ends[1] = ::socket(AF_INET, SOCK_STREAM, 0);
        REQUIRE(::bind(listening, reinterpret_cast<sockaddr*>(&at), size) == 0);
        REQUIRE(::listen(listening, 1) == 0);
        REQUIRE(::getsockname(listening, reinterpret_cast<sockaddr*>(&at), &size) == 0);
        REQUIRE(::connect(ends[1], reinterpret_cast<sockaddr*>(&at), size) == 0);
        ends[0] = ::accept(listening, nullptr, nullptr);
        REQUIRE(ends[0] >= 0);
        ::close(listening);
    }

    over x_way;
    seeded_entropy x_random{1};
    std::optional<tests::memory_loop> x_memory;
    tests::failing_epoll* x_sockets = nullptr;
    std::optional<io::loop> x_loop;
};

// What has happened, which outlives both ends; and how far the disturbed side has got, so that it can go on.
struct record {
    std::vector<std::string> at_near, at_far, at_third;
    std::string gathered;
    int begun = 0; // calls of the disturbed side
    bool ponged = true;
    close_info near_end, far_end;
};

struct stage;

struct scenario {
    std::string_view name;
    task<> (*disturbed)(stage&) = nullptr; // near: called again it goes on
    task<> (*partner)(stage&) = nullptr;   // far: ends when the connection does
    int near_hears = 0, far_hears = 0, third_hears = 0;
    std::size_t unit = 40, unit_on_sockets = 40; // of the messages' sizes
    std::size_t high_water_bytes = 200;
    bool has_deadlines = false;
};

struct stage {
    stage(world& in, const scenario& of, ws::role near_role, record& to)
        : stage(in, of, in.pair(options_of(of)), near_role == ws::role::server, to) {}

    websocket near, far;
    std::optional<std::pair<websocket, websocket>> more; // another connection, where a room is played
    const scenario& plan;
    std::size_t unit;
    record& all;
    room lobby{};

private:
    stage(world& in, const scenario& of, std::pair<websocket, websocket> both, bool near_first, record& to)
        : near(std::move(near_first ? both.first : both.second)), far(std::move(near_first ? both.second : both.first)),
          plan(of), unit(in.is_memory() ? of.unit : of.unit_on_sockets), all(to) {
        if (of.third_hears) more.emplace(in.pair(options_of(of)));
    }
    static websocket_options options_of(const scenario& of) {
        return {.frame_bytes = of.unit_on_sockets * 3, .high_water_bytes = of.high_water_bytes, .read_ahead_bytes = 100,
                .ping_interval = {}};
    }
};

std::string text(int number, std::size_t unit) {
    if (number % 5 == 4) return {};
    return std::to_string(number) + ':' + std::string(static_cast<std::size_t>(number * 7 % 5) * unit, 'x');
}

// --- what both sides do ---

task<> tell(websocket& ws, int count, std::size_t unit) {
    for (int i = 0; i < count; ++i) {
        auto sent = co_await ws.send(std::string_view(text(i, unit)));
        if (!sent) co_return;
    }
}
task<> hear(websocket& ws, std::vector<std::string>& heard) {
    while (auto got = co_await ws.read()) heard.emplace_back(got->text());
}
task<> tell_and_hear(stage& on) {
    co_await tell(on.far, on.plan.near_hears, on.unit);
    co_await hear(on.far, on.all.at_far);
}
task<> only_hear(stage& on) { co_await hear(on.far, on.all.at_far); }
bool has_heard(stage& on) { return on.all.at_near.size() == static_cast<std::size_t>(on.plan.near_hears); }

// --- read ---

task<> read_messages(stage& on) {
    while (!has_heard(on)) {
        auto got = co_await on.near.read();
        if (!got) co_return;
        on.all.at_near.emplace_back(got->text());
    }
}
task<> tell_in_pieces(stage& on) {
    for (int i = 0; i < on.plan.near_hears; ++i) {
        const std::string whole = text(i, on.unit);
        for (int third = 0; third < 3; ++third) {
            const std::size_t from = whole.size() * static_cast<std::size_t>(third) / 3;
            const std::size_t to = whole.size() * static_cast<std::size_t>(third + 1) / 3;
            auto sent = co_await on.far.send_frame(std::string_view(whole).substr(from, to - from), third == 2);
            if (!sent) co_return;
            if (third == 1) on.far.ping("between");
            auto going = co_await yield();
            if (!going) co_return;
        }
    }
    co_await hear(on.far, on.all.at_far);
}
task<> read_pieces(stage& on) {
    while (!has_heard(on)) {
        auto got = co_await on.near.read_frame();
        if (!got) co_return;
        on.all.gathered += got->text();
        if (got->last) on.all.at_near.push_back(std::exchange(on.all.gathered, {}));
    }
}
task<> read_both_ways(stage& on) { // pieces are read, and now and then the rest of the message
    while (!has_heard(on)) {
        if (on.all.gathered.empty()) {
            auto got = co_await on.near.read_frame();
            if (!got) co_return;
            on.all.gathered = got->text();
            if (got->last) on.all.at_near.push_back(std::exchange(on.all.gathered, {}));
        } else {
            auto got = co_await on.near.read();
            if (!got) co_return;
            on.all.at_near.push_back(std::exchange(on.all.gathered, {}) + std::string(got->text()));
        }
    }
}

// --- read with a deadline, and in a race ---

task<> tell_slowly(stage& on) {
    for (int i = 0; i < on.plan.near_hears; ++i) {
        auto rested = co_await sleep(1500us);
        if (!rested) co_return;
        auto sent = co_await on.far.send(std::string_view(text(i, on.unit)));
        if (!sent) co_return;
    }
    co_await hear(on.far, on.all.at_far);
}
task<> read_within(stage& on) {
    while (!has_heard(on)) {
        auto got = co_await on.near.read().within(1ms);
        if (!got && got.error() == errc::timed_out) continue;
        if (!got) co_return;
        on.all.at_near.emplace_back(got->text());
    }
}
task<> read_or_sleep(stage& on) {
    while (!has_heard(on)) {
        auto ended = co_await when_any(on.near.read(), sleep(1ms));
        auto& got = std::get<0>(ended.results);
        auto& slept = std::get<1>(ended.results);
        if (got && *got)
            on.all.at_near.emplace_back((*got)->text());
        else if (ended.index == 0 || !slept || !*slept)
            co_return;
    }
}

// --- send ---

task<> send_messages(stage& on) {
    while (on.all.begun < on.plan.far_hears) {
        const std::string next = text(on.all.begun, on.unit);
        ++on.all.begun;
        auto sent = co_await on.near.send(std::string_view(next)); // cancelled or not, it is on its way
        if (!sent) co_return;
    }
}

// Each message in three pieces, and the next one sent whole in their midst: it goes out behind.
task<> send_pieces(stage& on) {
    for (int& step = on.all.begun; step < 2 * on.plan.far_hears;) {
        const int piece = step % 4, number = step / 4 * 2;
        ++step;
        const std::string whole = text(number, on.unit);
        const std::size_t half = whole.size() / 2;
        if (piece == 1) {
            on.near.send(std::string_view(text(number + 1, on.unit)));
            continue;
        }
        const std::string_view part = piece == 0   ? std::string_view(whole).substr(0, half)
                                      : piece == 2 ? std::string_view(whole).substr(half)
                                                   : std::string_view();
        auto sent = co_await on.near.send_frame(part, piece == 3);
        if (!sent) co_return;
    }
}

// --- ping ---

task<> echo(stage& on) {
    while (auto got = co_await on.far.read()) {
        on.all.at_far.emplace_back(got->text());
        auto sent = co_await on.far.send(*got);
        if (!sent) break;
    }
}
task<> ping_and_talk(stage& on) {
    while (!has_heard(on)) {
        if (on.all.begun == static_cast<int>(on.all.at_near.size())) {
            const std::string next = text(on.all.begun++, on.unit);
            on.near.send(std::string_view(next)); // so that the ping waits
            auto pinged = co_await on.near.ping("how far?");
            if (!pinged) co_return;
        }
        auto got = co_await on.near.read();
        if (!got) co_return;
        on.all.at_near.emplace_back(got->text());
    }
    on.all.ponged = on.near.round_trip().count() >= 0;
}

// --- close ---

task<> close_here(stage& on) {
    co_await send_messages(on);
    if (on.all.begun == on.plan.far_hears) co_await on.near.close(ws::close_code::normal, "done");
}
task<> close_there(stage& on) {
    co_await tell(on.far, on.plan.near_hears, on.unit);
    co_await on.far.close(ws::close_code::going_away, "enough");
}
task<> wait_for_close(stage& on) {
    co_await read_messages(on);
    if (!has_heard(on)) co_return;
    auto got = co_await on.near.read();
    if (!got && got.error() != errc::canceled) co_await on.near.close();
}
task<> close_too(stage& on) { co_await on.far.close(); }

// --- a room ---

task<> pass_on(stage& on) {
    const room::seat here(on.lobby, on.near), there(on.lobby, on.more->first);
    while (!has_heard(on)) {
        auto got = co_await on.near.read();
        if (!got) co_return;
        on.all.at_near.emplace_back(got->text());
        on.lobby.send(*got);
    }
    on.more->first.close();
}
task<> hear_everywhere(stage& on) {
    scope all;
    all.spawn(tell(on.far, on.plan.near_hears, on.unit));
    all.spawn(hear(on.far, on.all.at_far));
    all.spawn(hear(on.more->second, on.all.at_third));
    co_await all.join();
}

const scenario scenarios[] = {
    {.name = "read", .disturbed = read_messages, .partner = tell_and_hear, .near_hears = 4},
    {.name = "read, fragmented", .disturbed = read_messages, .partner = tell_in_pieces, .near_hears = 3},
    {.name = "read_frame", .disturbed = read_pieces, .partner = tell_in_pieces, .near_hears = 3},
    {.name = "read_frame and read", .disturbed = read_both_ways, .partner = tell_in_pieces, .near_hears = 3},
    {.name = "read within", .disturbed = read_within, .partner = tell_slowly, .near_hears = 4,
        .has_deadlines = true},
    {.name = "read or sleep", .disturbed = read_or_sleep, .partner = tell_slowly, .near_hears = 4,
        .has_deadlines = true},
    {.name = "send", .disturbed = send_messages, .partner = only_hear, .far_hears = 6, .unit = 70,
        .unit_on_sockets = 7000, .high_water_bytes = 150},
    {.name = "send_frame", .disturbed = send_pieces, .partner = only_hear, .far_hears = 4, .unit = 70,
        .unit_on_sockets = 7000, .high_water_bytes = 150},
    {.name = "ping", .disturbed = ping_and_talk, .partner = echo, .near_hears = 2, .far_hears = 2, .unit = 40,
        .unit_on_sockets = 7000, .high_water_bytes = 60},
    {.name = "close", .disturbed = close_here, .partner = only_hear, .far_hears = 3},
    {.name = "close of the peer", .disturbed = wait_for_close, .partner = close_there, .near_hears = 3},
    {.name = "close of both", .disturbed = close_here, .partner = close_too},
    {.name = "room", .disturbed = pass_on, .partner = hear_everywhere, .near_hears = 2, .far_hears = 2,
        .third_hears = 2},
};

void check_beginning(const std::vector<std::string>& heard, int most, std::size_t unit, bool complete) {
    std::size_t same = 0;
    while (same < heard.size() && heard[same] == text(static_cast<int>(same), unit)) ++same;
    CHECK(same == heard.size()); // none is missing, double, or torn
    if (complete || same > static_cast<std::size_t>(most)) CHECK(same == static_cast<std::size_t>(most));
}
void check(const scenario& plan, over way, const record& all, bool complete) {
    const std::size_t unit = way == over::memory ? plan.unit : plan.unit_on_sockets;
    check_beginning(all.at_near, plan.near_hears, unit, complete);
    check_beginning(all.at_far, plan.far_hears, unit, complete);
    check_beginning(all.at_third, plan.third_hears, unit, complete);
    if (complete) CHECK(all.ponged);
}
void check_explained(const close_info& end) {
    const bool in_order = end.cause == close_cause::local || end.cause == close_cause::peer;
    CHECK_MESSAGE((in_order || (end && end.error)), end.message());
}

// The part after what is disturbed; and both ends from beginning to end.
task<> finish(stage& on, scope& partner) {
    co_await on.near.close();
    if (on.more) co_await on.more->first.close();
    co_await partner.join();
    on.far.close();
    on.all.near_end = on.near.closed();
    on.all.far_end = on.far.closed();
}
task<> play(world& in, const scenario& plan, ws::role near, record& all) {
    stage on(in, plan, near, all);
    scope partner;
    partner.spawn(plan.partner(on));
    co_await plan.disturbed(on);
    co_await finish(on, partner);
}

enum class disturbance { cancel, destroy };

task<> disturb(std::optional<scope>& work, disturbance how, int steps, bool deadlines, bool& finished) {
    finished = co_await tests::take_steps(*work, steps, deadlines ? 300us : 0us);
    if (how == disturbance::cancel) {
        work->cancel();
        co_await work->join();
    }
    work.reset();
}

// Only the awaitable is disturbed. It is begun anew, and then all must be as if nothing had happened.
task<> disturb_one(world& in, const scenario& plan, ws::role near, disturbance how, int steps, record& all,
                   bool& finished) {
    stage on(in, plan, near, all);
    scope partner;
    partner.spawn(plan.partner(on));
    std::optional<scope> work(std::in_place);
    work->spawn(plan.disturbed(on));
    co_await disturb(work, how, steps, plan.has_deadlines, finished);
    co_await plan.disturbed(on);
    co_await finish(on, partner);
}
task<> disturb_all(world& in, const scenario& plan, ws::role near, disturbance how, int steps, record& all,
                   bool& finished) {
    std::optional<scope> work(std::in_place);
    work->spawn(play(in, plan, near, all));
    co_await disturb(work, how, steps, plan.has_deadlines, finished);
}

// --- the opening handshake: a client that connects to a server, and is disturbed alone or together with it ---

task<> echo_in_order(websocket& ws) {
    int heard = 0;
    while (auto got = co_await ws.read()) {
        CHECK(got->text() == text(heard++, 40));
        co_await ws.send(*got);
    }
    check_explained(ws.closed());
}
task<> visit(net::endpoint at, record& all) {
    all.at_near.clear();
    auto ws = co_await weir::connect("ws://" + at.to_string() + "/echo");
    if (!ws) {
        CHECK_MESSAGE(ws.error().message().starts_with("opening ws://127.0.0.1:"), ws.error().message());
        co_return;
    }
    for (int i = 0; i < 2; ++i) {
        const std::string next = text(i, 40);
        co_await ws->send(std::string_view(next));
        auto got = co_await ws->read();
        if (!got) break;
        all.at_near.emplace_back(got->text());
    }
    co_await ws->close();
    check_explained(ws->closed());
}
task<> serve_into(server& of, result<>& outcome) { outcome = co_await of.serve(); }
task<> serve_and_visit(record& all, std::optional<disturbance> how, int steps, bool& finished) {
    server of;
    of.websocket("/echo", echo_in_order);
    const result<> listening = of.listen({.host = "127.0.0.1"});
    if (!listening) {
        CHECK(listening.error().message().starts_with("listening on 127.0.0.1"));
        co_return;
    }
    result<> served;
    scope serving;
    serving.spawn(serve_into(of, served));
    if (how) {
        std::optional<scope> work(std::in_place);
        work->spawn(visit(of.local_endpoint(), all));
        co_await disturb(work, *how, steps, false, finished);
    }
    co_await visit(of.local_endpoint(), all);
    of.stop();
    co_await serving.join();
    CHECK(of.connections() == 0);
}
task<> disturb_server(record& all, disturbance how, int steps, bool& finished) {
    bool unused;
    std::optional<scope> work(std::in_place);
    work->spawn(serve_and_visit(all, std::nullopt, 0, unused));
    co_await disturb(work, how, steps, false, finished);
}

template <class Function>
void everywhere(Function function) {
    for (const over way : {over::memory, over::unix_sockets, over::tcp})
        for (const scenario& plan : scenarios)
            for (const ws::role near : {ws::role::server, ws::role::client}) {
                CAPTURE(static_cast<int>(way));
                CAPTURE(plan.name);
                CAPTURE(static_cast<int>(near));
                function(way, plan, near);
            }
}

} // namespace

TEST_CASE("steps: each awaitable is cancelled, and destroyed, after step 0, 1, 2, ..., and loses nothing") {
    everywhere([](over way, const scenario& plan, ws::role near) {
        for (const disturbance how : {disturbance::cancel, disturbance::destroy}) {
            bool finished = false;
            int steps = 0;
            for (; !finished && steps < 3000; ++steps) {
                CAPTURE(steps);
                world in(way);
                record all;
                in.run(disturb_one(in, plan, near, how, steps, all, finished));
                check(plan, way, all, true);
                check_explained(all.near_end);
                check_explained(all.far_end);
                CHECK(in.lent() == 0);
            }
            CHECK(finished);
            CHECK(steps > 3);
        }
    });
}

TEST_CASE("steps: both ends are cancelled, and destroyed, after step 0, 1, 2, ...") {
    everywhere([](over way, const scenario& plan, ws::role near) {
        if (near == ws::role::client) return; // it is disturbed as the far end
        for (const disturbance how : {disturbance::cancel, disturbance::destroy}) {
            bool finished = false;
            for (int steps = 0; !finished && steps < 3000; ++steps) {
                CAPTURE(steps);
                world in(way);
                record all;
                in.run(disturb_all(in, plan, near, how, steps, all, finished));
                check(plan, way, all, finished);
                if (how == disturbance::cancel && steps > 0) {
                    check_explained(all.near_end);
                    check_explained(all.far_end);
                }
                CHECK(in.lent() == 0);
            }
            CHECK(finished);
        }
    });
}

TEST_CASE("steps: operation 0, 1, 2, ... fails") {
    everywhere([](over way, const scenario& plan, ws::role near) {
        bool injected = true;
        std::uint64_t operation = 0;
        for (; injected && operation < 3000; ++operation) {
            CAPTURE(operation);
            world in(way);
            in.fail_at(operation);
            record all;
            in.run(play(in, plan, near, all));
            injected = in.injected();
            check(plan, way, all, !injected);
            check_explained(all.near_end);
            check_explained(all.far_end);
            CHECK(in.lent() == 0);
        }
        CHECK_FALSE(injected);
        CHECK(operation > 5);
    });
}

TEST_CASE("steps: the streams are cut in two at byte 1, 2, 3, ..., and come byte by byte") {
    for (const scenario& plan : scenarios)
        for (const ws::role near : {ws::role::server, ws::role::client}) {
            CAPTURE(plan.name);
            CAPTURE(static_cast<int>(near));
            const auto run = [&](world& in) {
                record all;
                in.run(play(in, plan, near, all));
                check(plan, over::memory, all, true);
                check_explained(all.near_end);
                check_explained(all.far_end);
                CHECK(all.near_end.bytes_in == all.far_end.bytes_out);
                CHECK(all.near_end.bytes_out == all.far_end.bytes_in);
                CHECK_FALSE(all.near_end.error);
                CHECK_FALSE(all.far_end.error);
                CHECK(in.lent() == 0);
            };
            std::uint64_t byte = 0;
            for (bool cut = true; cut && byte < 10'000;) {
                ++byte;
                CAPTURE(byte);
                world in(over::memory, {.cut_at = byte});
                run(in);
                cut = in.was_cut();
            }
            CHECK(byte > 6); // at least a close frame from a client
            CHECK(byte < 10'000);
            world one(over::memory, {.fill_bytes = 1});
            run(one);
            world trickle(over::memory, {.pipe_bytes = 1});
            run(trickle);
        }
}

TEST_CASE("steps: connecting to a server, and an echo, cut at byte 1, 2, 3, ...") {
    const auto run = [](world& in) {
        record all;
        bool unused;
        in.run(serve_and_visit(all, std::nullopt, 0, unused));
        check_beginning(all.at_near, 2, 40, true);
        CHECK(in.lent() == 0);
    };
    std::uint64_t byte = 0;
    for (bool cut = true; cut && byte < 10'000;) {
        ++byte;
        CAPTURE(byte);
        world in(over::memory, {.cut_at = byte});
        run(in);
        cut = in.was_cut();
    }
    CHECK(byte > 200);
    world one(over::memory, {.fill_bytes = 1});
    run(one);
}

TEST_CASE("steps: connecting to a server, and an echo, are cancelled, destroyed, and fail, at step 0, 1, 2, ...") {
    for (const over way : {over::memory, over::tcp}) {
        CAPTURE(static_cast<int>(way));
        for (const disturbance how : {disturbance::cancel, disturbance::destroy})
            for (const bool alone : {true, false}) {
                bool finished = false;
                int steps = 0;
                for (; !finished && steps < 3000; ++steps) {
                    CAPTURE(steps);
                    CAPTURE(alone);
                    world in(way);
                    record all;
                    in.run(alone ? serve_and_visit(all, how, steps, finished)
                                 : disturb_server(all, how, steps, finished));
                    check_beginning(all.at_near, 2, 40, alone || finished);
                    CHECK(in.lent() == 0);
                    }
                CHECK(finished);
                CHECK(steps > 30);
            }
        bool injected = true;
        for (std::uint64_t operation = 0; injected && operation < 3000; ++operation) {
            CAPTURE(operation);
            world in(way);
            in.fail_at(operation);
            record all;
            bool unused;
            in.run(serve_and_visit(all, std::nullopt, 0, unused));
            injected = in.injected();
            check_beginning(all.at_near, 2, 40, !injected);
            CHECK(in.lent() == 0);
        }
        CHECK_FALSE(injected);
    }
}
