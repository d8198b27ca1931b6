// One long scenario with both roles and everything at once: it fails at operation 0, 1, 2, ...; it is cancelled, and
// destroyed, after step 0, 1, 2, ... 29, and from there on in gaps that grow by one step in thirty (there are some
// 3,900 of them). No gaps, but short scenarios for each awaitable alone: see websocket_steps.cpp.
// However it ends: no leak, no byte lost or doubled before the break, and closed() explains.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>

#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::over;
using tests::websocket_world;

namespace {

std::string payload(int number) {
    return std::string(static_cast<std::size_t>(number * number * 97 % 40'000), static_cast<char>('a' + number % 26));
}

constexpr int messages = 14;

struct outcome {
    std::vector<std::string> at_server, at_client;
    int sent_by_client = 0, echoed = 0;
    bool naps = true;
};

task<> serve(websocket ws, outcome& all, close_info& end) {
    for (;;) {
        auto got = co_await ws.read().within(30s);
        if (!got) break;
        all.at_server.emplace_back(got->text());
        auto sent = co_await ws.send(*got);
        if (!sent) break;
        ++all.echoed;
        if (all.echoed % 4 == 0) {
            ws.ping("ping");
            result<> back;
            if (all.naps) // pings and messages come while it is away
                back = co_await sleep(1ms);
            else
                back = co_await yield();
            if (!back) break;
        }
    }
    end = ws.closed();
}
task<> send_all(websocket& ws, outcome& all) {
    for (int i = 0; i < messages; ++i) {
        const std::string text = payload(i);
        if (i % 3 == 2) { // in pieces
            ws.send_frame(std::string_view(text).substr(0, text.size() / 2), false);
            auto yielded = co_await yield();
            if (!yielded) co_return;
            auto sent = co_await ws.send_frame(std::string_view(text).substr(text.size() / 2), true);
            if (!sent) co_return;
        } else {
            auto sent = co_await ws.send(std::string_view(text));
            if (!sent) co_return;
        }
        ++all.sent_by_client;
    }
}
task<> receive_all(websocket& ws, outcome& all) {
    std::string gathered;
    while (all.at_client.size() < messages) {
        if (all.at_client.size() % 2) {
            auto got = co_await ws.read();
            if (!got) co_return;
            all.at_client.push_back(gathered + std::string(got->text()));
            gathered.clear();
        } else {
            auto got = co_await ws.read_frame();
            if (!got) co_return;
            gathered += got->text();
            if (!got->last) continue;
            all.at_client.push_back(std::exchange(gathered, {}));
        }
    }
}
task<> use(websocket ws, outcome& all, close_info& end) {
    scope both;
    both.spawn(send_all(ws, all));
    both.spawn(receive_all(ws, all));
    co_await both.join();
    co_await ws.close();
    end = ws.closed();
}
task<> everything(websocket server, websocket client, outcome& all, close_info& server_end, close_info& client_end) {
    scope work;
    work.spawn(serve(std::move(server), all, server_end));
    work.spawn(use(std::move(client), all, client_end));
    co_await work.join();
}

void check_prefixes(const outcome& all) {
    for (const auto* each : {&all.at_server, &all.at_client})
        for (std::size_t i = 0; i < each->size(); ++i) CHECK((*each)[i] == payload(static_cast<int>(i)));
    CHECK(all.at_server.size() <= messages);
    CHECK(all.at_client.size() <= all.at_server.size());
}

const io::memory_options narrow{.pipe_bytes = 9000, .fragment = true};
const websocket_options options{.frame_bytes = 5000, .high_water_bytes = 8000, .read_ahead_bytes = 3000};

enum class ending_of_all { canceled, destroyed };

task<> interrupt(websocket_world& world, int steps, ending_of_all how, outcome& all, bool& finished) {
    auto [server, client] = world.pair(options);
    close_info server_end, client_end;
    std::optional<scope> work(std::in_place);
    work->spawn(everything(std::move(server), std::move(client), all, server_end, client_end));
    for (int i = 0; i < steps && work->size(); ++i) (void)co_await yield();
    finished = work->size() == 0;
    if (how == ending_of_all::canceled) {
        work->cancel();
        co_await work->join();
    }
    work.reset();
}

} // namespace

TEST_CASE("sweep: fails at operation 0, 1, 2, …") {
    std::uint64_t failed = 0;
    for (std::uint64_t operation = 0;; ++operation) {
        CAPTURE(operation);
        websocket_world world(over::memory, narrow);
        world.network().fail_at(operation);
        auto [server, client] = world.pair(options);
        outcome all;
        close_info server_end, client_end;
        world.run(everything(std::move(server), std::move(client), all, server_end, client_end));
        check_prefixes(all);
        CHECK(server_end);
        CHECK(client_end);
        if (!world.network().injected()) {
            CHECK(all.at_client.size() == messages);
            CHECK(server_end.cause == close_cause::peer);
            CHECK(client_end.cause == close_cause::local);
            CHECK_FALSE(client_end.error);
            break;
        }
        ++failed;
        const bool both_said = server_end.cause == close_cause::peer; // it broke when all was said
        if (!both_said) {
            CHECK((server_end.error || client_end.error));
            CHECK((server_end.error == errc::injected || client_end.error == errc::injected));
        }
    }
    CHECK(failed > 100);
}

TEST_CASE("sweep: cancelled, and destroyed, after step 0, 1, 2, …") {
    for (const over way : {over::memory, over::sockets})
        for (const auto how : {ending_of_all::canceled, ending_of_all::destroyed}) {
            bool finished = false;
            for (int steps = 0; !finished && steps < 100'000; steps += 1 + steps / 30) {
                CAPTURE(steps);
                websocket_world world(way, narrow);
                outcome all;
                all.naps = false; // time does not pass while we count steps
                world.run(interrupt(world, steps, how, all, finished));
                check_prefixes(all);
            } // the gaps: 1 up to step 29, 2 up to 59, ...; the first step past the end ends it
            CHECK(finished);
        }
}
