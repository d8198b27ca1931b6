// A client's channel and a server, disturbed at every place: a failure at operation 0, 1, 2, ..., a cancellation and a
// destruction after step 0, 1, 2, ...; and in simulated networks that come and go.
//
// However it is disturbed it comes to an end in bounded virtual time, and (the sanitizers see to that) without a leak or a use
// of what is gone. Once it is open, nothing is lost and nothing doubled, in either direction, unless it says so.
#include "../server/serving.hpp"
#include "../support/steps.hpp"

#include <weir/client/open.hpp>
#include <weir/io/simulation.hpp>
#include <weir/server/channel.hpp>

namespace {

using weir::channel;
using texts = std::vector<std::string>;

constexpr int messages = 6;

std::string up(int number) { return "up " + std::to_string(number) + std::string(static_cast<std::size_t>(number) * 20, 'x'); }
std::string down(int number) { return "down " + std::to_string(number) + std::string(static_cast<std::size_t>(number) * 20, 'y'); }

struct outcome {
    texts at_server, at_client;
    bool opened = false;
    bool served = false; // the server was there to the end
    bool ended = false;
    close_info end;
    int sessions = 0;
};

bool is_beginning(const texts& of, std::string (*what)(int)) {
    for (std::size_t i = 0; i < of.size(); ++i)
        if (of[i] != what(static_cast<int>(i) + 1)) return false;
    return of.size() <= messages;
}

void serve_channel(server& of, outcome& to) {
    of.channel("/chat", [&to](channel& each) -> task<> {
        const bool is_first = ++to.sessions == 1;
        texts got;
        for (int i = 1; i <= messages; ++i) each.send(down(i));
        while (auto message = co_await each.read()) got.emplace_back(message->text());
        if (is_first || got.size() > to.at_server.size()) to.at_server = std::move(got);
    });
}

// Opens, sends what it has to, reads what there is, and closes.
task<> talk(std::string url, open_options options, outcome& to) {
    auto chat = co_await weir::open(url, options);
    if (!chat) co_return;
    to.opened = true;
    for (int i = 1; i <= messages; ++i) co_await chat->send(up(i));
    while (to.at_client.size() < messages) {
        auto message = co_await chat->read();
        if (!message) break;
        to.at_client.emplace_back(message->text());
    }
    co_await chat->close();
    to.end = chat->closed();
}

task<> everything(server& of, open_options options, outcome& to) {
    serve_channel(of, to);
    const result<> listening = of.listen({.host = "127.0.0.1", .handshake_timeout = 2s, .websocket = {.close_timeout = 1s}});
    if (!listening) {
        to.ended = true;
        co_return;
    }
    result<> served;
    scope serving;
    serving.spawn(serve_into(of, served));
    co_await talk("http://" + of.local_endpoint().to_string() + "/chat", options, to);
    (void)co_await weir::sleep(500ms); // what was said last arrives
    of.stop(1s);
    co_await serving.join();
    to.served = static_cast<bool>(served);
    to.ended = true;
}

const io::memory_options narrow{.pipe_bytes = 400, .fragment = true};

open_options patient(const transport_kind& kind) { return {.transports = {&kind, 1}, .give_up = 60s, .close_timeout = 20s}; }

} // namespace

TEST_CASE("client channel sweep: fail at operation 0, 1, 2, ...") {
    for (const transport_kind& kind : every_transport) {
        int complete = 0, runs = 0, opened = 0;
        for (std::uint64_t number = 0;; ++number) {
            CAPTURE(to_text(kind));
            CAPTURE(number);
            tests::memory_loop loop(narrow);
            loop.network().fail_at(number);
            server of;
            outcome to;
            const auto began = loop.now();
            loop.run(everything(of, patient(kind), to));
            if (!loop.network().injected()) break;
            ++runs;
            opened += to.opened;
            CHECK(to.ended);
            CHECK(is_beginning(to.at_client, down));
            CHECK(is_beginning(to.at_server, up));
            const bool all = to.at_client.size() == messages && to.at_server.size() == messages;
            complete += all;
            if (to.opened && to.served) CHECK_MESSAGE(all, to.end.message());
            CHECK(loop.now() - began < 3min);
        }
        MESSAGE(std::string(to_text(kind)), ": ", runs, " runs, ", opened, " opened, ", complete, " complete");
        CHECK(opened > runs / 3);
    }
}

TEST_CASE("client channel sweep: cancelled and destroyed after step 0, 1, 2, ...") {
    for (const transport_kind& kind : every_transport) {
        for (const bool destroy : {false, true}) {
            for (int steps = 0;; ++steps) {
                CAPTURE(to_text(kind));
                CAPTURE(destroy);
                CAPTURE(steps);
                tests::memory_loop loop(narrow);
                bool ended = false;
                auto main = [&]() -> task<> {
                    server of;
                    outcome to;
                    {
                        scope disturbed;
                        disturbed.spawn(everything, std::ref(of), patient(kind), std::ref(to));
                        ended = co_await tests::take_steps(disturbed, steps, 1ms);
                        if (!destroy) {
                            disturbed.cancel();
                            co_await disturbed.join();
                        }
                    }
                    CHECK(is_beginning(to.at_client, down));
                };
                loop.run(main());
                if (ended) break;
                if (steps > 100) steps += steps / 20;
                REQUIRE(steps < 1'000'000);
            }
        }
    }
}

TEST_CASE("client channel sweep: networks that come and go") {
    int complete = 0, lost = 0, unopened = 0, other = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        simulation world({.seed = seed, .latency = {1ms, 300ms}, .failures = {.connect = 0.1, .fill = 0.01, .write = 0.01}});
        outcome to;
        world.host("server", [&]() -> task<> {
            server here;
            serve_channel(here, to);
            const result<> listening = here.listen({.port = 80});
            REQUIRE_MESSAGE(listening, listening.error().message());
            (void)co_await here.serve();
        });
        world.client("client", talk, std::string("http://server/chat"), open_options{.interval = 500ms, .give_up = 10min},
                     std::ref(to));
        world.host("weather", [&]() -> task<> {
            while (auto slept = co_await weir::sleep(std::chrono::milliseconds(world.random().below(4000)))) {
                if (world.now() > 3min) break;
                if (world.random().chance(0.3))
                    world.partition("client", "server");
                else
                    world.heal("client", "server");
                if (world.random().chance(0.2)) world.disconnect("client", "server");
                if (world.random().chance(0.02)) world.restart("server");
            }
            world.heal("client", "server");
            (void)co_await weir::sleep(1h);
        });
        const result<> ran = world.run();
        CHECK_MESSAGE(ran, ran.error().message());
        CHECK(is_beginning(to.at_client, down));
        if (!to.opened) {
            ++unopened;
        } else if (to.end.cause == close_cause::local) {
            ++complete;
            CHECK(to.at_client.size() == messages);
        } else if (to.end.cause == close_cause::lost) {
            ++lost;
        } else {
            ++other;
            CHECK_MESSAGE(to.end.cause == close_cause::peer, to.end.message());
        }
    }
    MESSAGE(complete, " complete, ", lost, " lost, ", unopened, " not opened, ", other, " other");
    CHECK(complete > 150);
}
