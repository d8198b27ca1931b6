// One scenario with compression, both roles and both ways of reading and sending at once: cancelled, and destroyed,
// after step 0, 1, 2, ... (from some point on with gaps), and failing at operation 0, 1, 2, ... What has arrived by then
// is the beginning of what was sent, and nothing leaks. Needs zlib.
#include "../support/websocket_pair.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/protocol/ws/deflate.hpp>

#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::over;
using tests::websocket_world;

namespace {

constexpr int messages = 8;

std::string payload(int number) {
    std::string made;
    for (std::uint32_t state = static_cast<std::uint32_t>(number); made.size() < static_cast<std::size_t>(number) * 700u;
         state = state * 1664525 + 1013904223)
        made += std::to_string(state >> 16) + (state >> 31 ? " and \xc3\xbc" : " or ");
    return made;
}

struct outcome {
    std::vector<std::string> at_server, at_client;
};

task<> send_all(websocket& ws) {
    for (int i = 0; i < messages; ++i) {
        const std::string text = payload(i);
        if (i % 3 == 2) { // in pieces, with another message behind them
            const std::size_t half = text.find(' ', text.size() / 2);
            ws.send_frame(std::string_view(text).substr(0, half), false);
            auto yielded = co_await yield();
            if (!yielded) co_return;
            auto sent = co_await ws.send_frame(std::string_view(text).substr(half), true);
            if (!sent) co_return;
        } else {
            auto sent = co_await ws.send(text, i % 4 == 3 ? compression::off : compression::automatic);
            if (!sent) co_return;
        }
    }
}
task<> receive_all(websocket& ws, std::vector<std::string>& into) {
    std::string gathered;
    while (into.size() < messages) {
        const bool whole = into.size() % 2 == 1 && gathered.empty();
        if (whole || gathered.size() > 1500) { // the rest of one, too
            auto got = co_await ws.read();
            if (!got) co_return;
            into.push_back(std::exchange(gathered, {}) + std::string(got->text()));
        } else {
            auto got = co_await ws.read_frame();
            if (!got) co_return;
            gathered += got->text();
            if (!got->last) continue;
            into.push_back(std::exchange(gathered, {}));
        }
    }
}
task<> use(websocket ws, std::vector<std::string>& into, close_info& end) {
    scope both;
    both.spawn(send_all(ws));
    both.spawn(receive_all(ws, into));
    co_await both.join();
    co_await ws.close();
    end = ws.closed();
}
task<> everything(websocket server, websocket client, outcome& all, close_info& server_end, close_info& client_end) {
    scope work;
    work.spawn(use(std::move(server), all.at_server, server_end));
    work.spawn(use(std::move(client), all.at_client, client_end));
    co_await work.join();
}

void check_prefixes(const outcome& all) {
    for (const auto* each : {&all.at_server, &all.at_client}) {
        CHECK(each->size() <= messages);
        for (std::size_t i = 0; i < each->size(); ++i) CHECK((*each)[i] == payload(static_cast<int>(i)));
    }
}

const io::memory_options narrow{.pipe_bytes = 900, .fragment = true};

websocket_options options(bool takeover) {
    return {.frame_bytes = 500, .high_water_bytes = 1500, .read_ahead_bytes = 600,
            .compression = permessage_deflate({.threshold_bytes = 100, .context_takeover = takeover,
                                               .peer_context_takeover = takeover})};
}

enum class ending_of_all { canceled, destroyed };

task<> interrupt(websocket_world& world, bool takeover, int steps, ending_of_all how, outcome& all, bool& finished) {
    auto [server, client] = world.pair(options(takeover));
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
    for (const bool takeover : {false, true})
        for (std::uint64_t operation = 0;; ++operation) {
            CAPTURE(operation);
            websocket_world world(over::memory, narrow);
            world.network().fail_at(operation);
            auto [server, client] = world.pair(options(takeover));
            outcome all;
            close_info server_end, client_end;
            world.run(everything(std::move(server), std::move(client), all, server_end, client_end));
            check_prefixes(all);
            CHECK(server_end);
            CHECK(client_end);
            if (world.network().injected()) continue;
            CHECK(all.at_server.size() == messages);
            CHECK(all.at_client.size() == messages);
            CHECK(operation > 50);
            break;
        }
}

TEST_CASE("sweep: cancelled, and destroyed, after step 0, 1, 2, …") {
    for (const bool takeover : {false, true})
        for (const auto how : {ending_of_all::canceled, ending_of_all::destroyed}) {
            bool finished = false;
            for (int steps = 0; !finished && steps < 100'000; steps += 1 + steps / 30) {
                CAPTURE(steps);
                websocket_world world(over::memory, narrow);
                outcome all;
                world.run(interrupt(world, takeover, steps, how, all, finished));
                check_prefixes(all);
            }
            CHECK(finished);
        }
}
