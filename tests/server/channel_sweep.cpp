// A client that talks over each transport in turn, and a server, disturbed at every place: a failure at operation 0, 1, 2, ...,
// a cancellation and a destruction after step 0, 1, 2, ...
//
// However it is disturbed it comes to an end in bounded virtual time, and (the sanitizers see to that) without a leak or a use
// of what is gone. And while nothing worse happens than that connections break, the client, which comes back each time, gets
// every message, once and in order, in both directions.
#include "../support/steps.hpp"
#include "channels.hpp"

#include <weir/coro/shield.hpp>

namespace {

constexpr int messages = 6;

struct outcome {
    std::vector<std::string> at_server, at_client;
    bool ended = false;
};

std::string up(int number) { return "up " + std::to_string(number) + std::string(static_cast<std::size_t>(number) * 20, 'x'); }
std::string down(int number) { return "down " + std::to_string(number) + std::string(static_cast<std::size_t>(number) * 20, 'y'); }

// A client with what it has to remember.
struct client {
    net::endpoint at;
    outcome& to;
    std::string session{};
    int acknowledged = 0; // of ours, by the server
    bool closed = false;

    std::string target(std::string_view transport) const {
        std::string made = "/chat?";
        if (!session.empty()) made += "session=" + session + "&";
        return made + "ack=" + std::to_string(to.at_client.size()) + "&transport=" + std::string(transport);
    }
    void take(std::string_view record) {
        const auto read = envelope::parse(record);
        if (!read) return;
        switch (read->what) {
        case envelope::kind::opened: session = read->id; break;
        case envelope::kind::text:
            if (*read->number == to.at_client.size() + 1) to.at_client.emplace_back(read->rest);
            break;
        case envelope::kind::acknowledged:
        case envelope::kind::resumed: acknowledged = static_cast<int>(*read->number); break;
        case envelope::kind::closed: closed = true; break;
        case envelope::kind::failed: closed = *read->number == 404; break;
        default: break;
        }
    }
    void take_lines(std::string_view lines) {
        while (!lines.empty()) {
            const std::size_t end = lines.find('\n') == lines.npos ? lines.size() : lines.find('\n');
            take(lines.substr(0, end));
            lines.remove_prefix(end == lines.size() ? end : end + 1);
        }
    }
    bool has_all() const { return static_cast<int>(to.at_client.size()) == messages && acknowledged == messages; }

    // One request; false when it failed.
    task<bool> request(std::string method, std::string where, std::string body) {
        auto stream = co_await net::connect(at).within(3s);
        if (!stream) co_return false;
        raw_peer peer(std::move(*stream));
        const bool sent = co_await peer.send(request_text(method, where, body, "Connection: close\r\n"));
        if (!sent) co_return false;
        const std::string text = co_await peer.read_all();
        const answer got = parse_answer(text);
        if (!text.ends_with("\n") && !got.body.empty()) co_return false;
        take_lines(got.body);
        co_return got.status != 0;
    }

    task<> exchange_requests(std::string_view transport) {
        (void)co_await request("GET", target(transport), {});
        if (session.empty()) co_return;
        std::string lines;
        for (int i = acknowledged + 1; i <= acknowledged + 2 && i <= messages; ++i)
            lines += "t" + std::to_string(i) + " " + up(i) + "\n";
        if (!lines.empty()) (void)co_await request("POST", "/chat?session=" + session, std::move(lines));
    }

    task<> exchange_events() {
        auto stream = co_await net::connect(at).within(3s);
        if (!stream) co_return;
        raw_peer peer(std::move(*stream));
        (void)co_await peer.send(request_text("GET", target("event-stream"), {}, {}));
        for (int lines = 0; lines < 30; ++lines) {
            const std::string line = co_await peer.read_to("\n");
            if (line.starts_with("data: ") && line.ends_with("\n")) take(std::string_view(line).substr(6, line.size() - 7));
            if (peer.over() || closed || line == "data: h\n") break;
            if (to.at_client.size() >= 4) break;
        }
    }

    task<> exchange_frames() {
        auto ws = co_await weir::connect(url_of(at, target("websocket")), {.timeout = 3s});
        if (!ws) co_return;
        bool said = false;
        while (auto got = co_await ws->read().within(40s)) {
            const std::string record(got->text());
            take(record);
            if (!said && (record.starts_with("r") || record.starts_with("o")))
                for (int i = acknowledged + 1; i <= messages; ++i) ws->send("t" + std::to_string(i) + " " + up(i));
            said = true;
            if (has_all()) ws->send("x");
        }
    }

    task<> talk() {
        for (int round = 0; round < 20 && !closed; ++round) {
            if (round % 4 == 0) co_await exchange_requests("polling");
            if (round % 4 == 1) co_await exchange_requests("long-polling");
            if (round % 4 == 2) co_await exchange_events();
            if (round % 4 == 3) co_await exchange_frames();
            auto rested = co_await weir::sleep(10ms);
            if (!rested) co_return;
        }
    }
};

task<> everything(server& of, outcome& to) {
    of.channel("/chat", [&to](channel& each) -> task<> {
        for (int i = 1; i <= messages; ++i) each.send(down(i));
        while (auto got = co_await each.read()) to.at_server.emplace_back(got->text());
    });
    const result<> listening = of.listen({.host = "127.0.0.1", .handshake_timeout = 2s, .websocket = {.close_timeout = 1s}});
    if (!listening) {
        to.ended = true;
        co_return;
    }
    result<> served;
    scope serving;
    serving.spawn(serve_into(of, served));
    client one{of.local_endpoint(), to};
    co_await one.talk();
    of.stop(1s);
    co_await serving.join();
    to.ended = true;
}

bool is_beginning(const std::vector<std::string>& of, std::string (*what)(int)) {
    for (std::size_t i = 0; i < of.size(); ++i)
        if (of[i] != what(static_cast<int>(i) + 1)) return false;
    return of.size() <= messages;
}

void check_complete(const outcome& to) {
    CHECK(to.ended);
    CHECK(to.at_server.size() == messages);
    CHECK(to.at_client.size() == messages);
    CHECK(is_beginning(to.at_server, up));
    CHECK(is_beginning(to.at_client, down));
}

const io::memory_options narrow{.pipe_bytes = 400, .fragment = true};

} // namespace

TEST_CASE("channel sweep: nothing is disturbed") {
    tests::memory_loop loop(narrow);
    server of;
    outcome to;
    loop.run(everything(of, to));
    check_complete(to);
}

TEST_CASE("channel sweep: fail at operation 0, 1, 2, ...") {
    int complete = 0, runs = 0;
    for (std::uint64_t number = 0;; ++number) {
        CAPTURE(number);
        tests::memory_loop loop(narrow);
        loop.network().fail_at(number);
        server of;
        outcome to;
        const auto began = loop.now();
        loop.run(everything(of, to));
        if (!loop.network().injected()) break;
        ++runs;
        CHECK(to.ended);
        CHECK(is_beginning(to.at_client, down));
        if (is_beginning(to.at_server, up) && to.at_server.size() == messages && to.at_client.size() == messages)
            ++complete;
        else
            CHECK_MESSAGE(number < 30, number); // listening, accepting, and what is lost with the answer that has the id
        CHECK(loop.now() - began < 10min);
    }
    MESSAGE(runs, " runs, ", complete, " complete");
    CHECK(complete > runs * 9 / 10);
}

TEST_CASE("channel sweep: cancelled and destroyed after step 0, 1, 2, ...") {
    for (const bool destroy : {false, true}) {
        for (int steps = 0;; ++steps) {
            CAPTURE(destroy);
            CAPTURE(steps);
            tests::memory_loop loop(narrow);
            bool ended = false;
            auto main = [&]() -> task<> {
                server of;
                outcome to;
                {
                    scope disturbed;
                    disturbed.spawn(everything, std::ref(of), std::ref(to));
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
            if (steps > 150) steps += steps / 40;
            REQUIRE(steps < 1'000'000);
        }
    }
}
