// A server and clients that connect, echo, ask, are refused and close, disturbed at every place: a failure at operation
// 0, 1, 2, ..., a cancellation and a destruction after step 0, 1, 2, ...
//
// It must always come to an end, in bounded virtual time, with errors that say what and where, and (the sanitizers see to
// that) without a leak or a use of what is gone.
#include "../support/steps.hpp"
#include "serving.hpp"

#include <weir/coro/in_context.hpp>
#include <weir/coro/shield.hpp>

#include <functional>

namespace {

struct outcome {
    bool ended = false;
    int echoed = 0; // of two
    bool refused = false;
    bool answered = false;
    std::vector<std::string> errors;
};

void check_error(const error& why, outcome& of) {
    CHECK(why);
    CHECK_MESSAGE(contains(why.message(), ": "), why.message());
    of.errors.push_back(why.message());
}

task<> talk(net::endpoint at, std::string_view path, outcome& of) {
    auto ws = co_await weir::connect(url_of(at, path), {.timeout = 3s});
    if (!ws) {
        CHECK(ws.error().message().starts_with("opening ws://127.0.0.1:"));
        check_error(ws.error(), of);
        co_return;
    }
    co_await ws->send("hello");
    co_await ws->send(std::string_view(std::string(3000, 'x')));
    int whole = 0;
    while (auto message = co_await ws->read()) {
        whole += message->text() == (whole ? std::string(3000, 'x') : "hello");
        if (whole == 2) ws->close();
    }
    of.echoed += whole == 2;
    const send_status closed = co_await ws->close();
    if (closed) CHECK(ws->closed().cause != close_cause::open);
}

task<> knock(net::endpoint at, outcome& of) {
    connect_refusal said;
    auto ws = co_await weir::connect(url_of(at, "/secret"), {.timeout = 3s, .refusal = &said});
    if (ws) FAIL_CHECK("nobody may enter there");
    if (ws) co_return;
    CHECK(ws.error().message().starts_with("opening ws://127.0.0.1:"));
    of.refused = ws.error() == errc::unexpected_status && said.body == "Who are you?\n";
    if (!of.refused) check_error(ws.error(), of);
}

task<> browse(net::endpoint at, outcome& of) {
    auto stream = co_await net::connect(at).within(3s);
    if (!stream) co_return;
    raw_peer peer(std::move(*stream));
    (void)co_await peer.send("GET /nowhere HTTP/1.1\r\nHost: here\r\n\r\n");
    const std::string none = co_await peer.read_response();
    (void)co_await peer.send("GET /page HTTP/1.1\r\nHost: here\r\n\r\n");
    const std::string page = co_await peer.read_response();
    of.answered = none.starts_with("HTTP/1.1 404 ") && page.ends_with("a page");
    (void)co_await peer.send("POST /sum HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string go_on = co_await peer.read_to("\r\n\r\n");
    (void)co_await peer.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    const std::string sum = co_await peer.read_to("0\r\n\r\n");
    of.answered = of.answered && go_on.starts_with("HTTP/1.1 100 ") && contains(sum, "\r\n\r\n6\r\nbegin\n\r\n") &&
                  contains(sum, "5 bytes");
    (void)co_await peer.send("bad\r\n");
    const std::string bad = co_await peer.read_all();
    of.answered = of.answered && bad.starts_with("HTTP/1.1 400 ");
}

task<> sum(exchange& http) { // a body by pieces, and an answer by pieces
    std::size_t bytes = 0;
    for (;;) {
        const auto piece = co_await http.read();
        if (!piece) co_return;
        if (piece->empty()) break;
        bytes += piece->size();
    }
    response_stream& out = http.stream("begin\n");
    (void)co_await in_context(http.until_stop(), yield());
    co_await out.write(std::to_string(bytes) + " bytes");
}

task<> upgraded(exchange& http) {
    auto ws = co_await http.upgrade();
    if (ws) co_await echo(*ws);
}

void add_routes(server& to) {
    to.route("POST", "/sum", sum);
    to.route("GET", "/upgraded/{name}", upgraded);
    to.websocket("/echo", echo);
    to.websocket("/secret", echo).admit([](const http::request_head&) -> task<std::optional<response>> {
        (void)co_await yield();
        std::optional<response> refused(std::in_place, http::status::forbidden, "Who are you?\n");
        co_return refused;
    });
    to.get("/page", [](const http::request_head&) -> task<std::string> {
        (void)co_await yield();
        co_return std::string("a page");
    });
}

task<> tick(int& ticks) { // beside the connections
    while (auto slept = co_await weir::sleep(300ms)) ++ticks;
    (void)co_await shield(yield());
    ticks = -1;
}

task<> everything(server& of, outcome& to) {
    int ticks = 0;
    of.spawn(tick, std::ref(ticks));
    const result<> listening = of.listen({.host = "127.0.0.1", .handshake_timeout = 2s, .websocket = {.close_timeout = 1s}});
    if (!listening) {
        CHECK(listening.error().message().starts_with("listening on 127.0.0.1:0: "));
        to.ended = true;
        co_return;
    }
    result<> served;
    scope serving;
    serving.spawn(serve_into(of, served));
    {
        scope clients;
        clients.spawn(talk(of.local_endpoint(), "/echo", to));
        clients.spawn(talk(of.local_endpoint(), "/upgraded/here", to));
        clients.spawn(knock(of.local_endpoint(), to));
        clients.spawn(browse(of.local_endpoint(), to));
        co_await clients.join();
    }
    of.stop(1s);
    co_await serving.join();
    CHECK(ticks == -1);
    CHECK(of.connections() == 0);
    to.ended = true;
}

void check_undisturbed(const outcome& of) {
    CHECK(of.ended);
    CHECK(of.echoed == 2);
    CHECK(of.refused);
    CHECK(of.answered);
    CHECK(of.errors.empty());
}

constexpr io::memory_options networks[] = {
    {},
    {.pipe_bytes = 400, .fill_bytes = 200, .fragment = true, .latency = std::chrono::milliseconds(2)},
};

enum class disturbance { cancel, destroy };

task<> disturbed(const io::memory_options& network, disturbance how, int after, bool& over) {
    server of;
    add_routes(of);
    outcome to;
    {
        scope all;
        all.spawn(everything(of, to));
        over = co_await tests::take_steps(all, after, network.latency > 0ms ? 1ms : 0ms);
        if (how == disturbance::cancel) {
            const auto began = io::loop::current()->now();
            all.cancel();
            co_await all.join();
            CHECK(to.ended);
            CHECK(io::loop::current()->now() - began < 4s); // what is being closed has its time
        }
    }
    CHECK(of.connections() == 0);
    if (over) check_undisturbed(to);
}

} // namespace

TEST_CASE("sweep: failing at operation 0, 1, 2, ...") {
    for (const io::memory_options& network : networks) {
        std::uint64_t at = 0;
        std::size_t explained = 0;
        for (;; at += network.fragment && at > 200 ? 3 : 1) {
            CAPTURE(at);
            tests::memory_loop loop(network);
            loop.network().fail_at(at);
            server of;
            add_routes(of);
            outcome to;
            const auto began = loop.now();
            loop.run(everything(of, to));
            CHECK(to.ended);
            CHECK(loop.now() - began < 100s);
            explained += to.errors.size();
            if (!loop.network().injected()) {
                check_undisturbed(to);
                break;
            }
            REQUIRE(at < 100'000);
        }
        CHECK(at > 40);
        CHECK(explained > 8);
    }
}

TEST_CASE("sweep: cancelled and destroyed after step 0, 1, 2, ...") {
    for (const io::memory_options& network : networks)
        for (const disturbance how : {disturbance::cancel, disturbance::destroy}) {
            bool over = false;
            int after = 0;
            for (; !over; after += after < 150 ? 1 : 1 + after / 40) {
                CAPTURE(after);
                tests::memory_loop loop(network);
                loop.run(disturbed(network, how, after, over));
                REQUIRE(after < 1'000'000);
            }
            CHECK(after > 20);
        }
}

TEST_CASE("sweep: the same over sockets") {
    for (const disturbance how : {disturbance::cancel, disturbance::destroy}) {
        bool over = false;
        for (int after = 0; !over; after += after < 60 ? 1 : 1 + after / 4) {
            CAPTURE(after);
            auto events = tests::make_events();
            REQUIRE(events);
            io::loop(std::move(*events)).run(disturbed({}, how, after, over));
            REQUIRE(after < 100'000'000);
        }
    }
}
