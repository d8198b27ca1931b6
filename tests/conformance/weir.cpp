// weir as the system under test, in both roles: over the in-memory backend, on a virtual clock, and over TCP.
#include "sockets.hpp"

#include <weir/client/connect.hpp>
#include <weir/core/seeded_entropy.hpp>
#include <weir/io/epoll.hpp>
#include <weir/io/memory.hpp>
#include <weir/io/sleep.hpp>
#include <weir/net/listen.hpp>
#include <weir/server/server.hpp>

#if defined(WEIR_WITH_ZLIB)
#include <weir/protocol/ws/deflate.hpp>
#endif

#include <future>
#include <thread>

namespace conformance {

namespace {

using namespace std::chrono_literals;
using weir::task;

// Drives a judge over a stream.
class player {
public:
    player(judge& of, weir::io::stream& over, const cutting& how) : x_judge(of), x_stream(over), x_signal(over), x_cutting(how) {}

    task<> play() {
        bool said_end = false;
        for (;;) {
            while (x_judge.has_output() && !x_broken) {
                const std::string piece = x_judge.take_output();
                co_await write(piece);
            }
            if (x_judge.over()) co_return;
            if (x_judge.wants_end() && !said_end) {
                x_stream.shutdown_write();
                said_end = true;
            }
            if (read()) continue;
            if (x_ended) co_return x_judge.waited(); // nothing more can come
            const bool silence = x_judge.patience() == judge::waiting::for_nothing;
            const weir::result<> told = co_await x_signal.readable().within(silence ? 1s : 2s);
            if (!told) x_judge.waited();
        }
    }

private:
    task<> write(std::string_view text) {
        cutter cuts(x_cutting, text.size());
        while (!text.empty() && !x_broken) {
            std::string_view piece = text.substr(0, cuts.next(text.size()));
            text.remove_prefix(piece.size());
            while (!piece.empty() && !x_broken) {
                const weir::bytes_view bytes = weir::as_bytes(piece);
                piece.remove_prefix(x_stream.write({&bytes, 1}));
                if (x_stream.failure()) x_broken = true; // reading will tell how it ended
                if (piece.empty() || x_broken) break;
                if (read()) continue;
                const weir::result<> told = co_await x_signal.writable().within(1ms);
                (void)told;
            }
            for (int turn = 0; turn < 4; ++turn) (void)co_await weir::yield();
        }
    }

    // Takes in what there is; false when there is nothing now.
    bool read() {
        if (x_ended) return false;
        weir::io::lease got;
        switch (x_stream.fill(got)) {
        case weir::io::status::ready:
            x_judge.received(weir::as_text(got.bytes));
            x_stream.release(std::move(got));
            return true;
        case weir::io::status::blocked: return false;
        case weir::io::status::end: x_judge.ended(); break;
        case weir::io::status::failed:
            // What we wrote may have met a stream that had ended in order: a socket would have shown that end first.
            if (x_stream.failure() == std::errc::broken_pipe)
                x_judge.ended();
            else
                x_judge.broken();
            break;
        }
        x_ended = true;
        return true;
    }

    judge& x_judge;
    weir::io::stream& x_stream;
    weir::io::stream_signal x_signal;
    cutting x_cutting;
    bool x_broken = false;
    bool x_ended = false;
};

cutting cut_of(const test_case& each, const cutting& how) { return each.step_bytes ? cutting{each.step_bytes} : how; }

task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

weir::websocket_options options(const plan& what) {
    weir::websocket_options made{.message_bytes = static_cast<std::size_t>(what.message_limit), .queue_bytes = 64 * 1024 * 1024};
#if defined(WEIR_WITH_ZLIB)
    if (what.deflate)
        made.compression = weir::permessage_deflate({.threshold_bytes = 0, .context_takeover = true, .peer_context_takeover = true});
#endif
    return made;
}

// --- weir is the server ---

task<> try_server(const plan& what, weir::net::endpoint at, report& into) {
    for (const cutting& how : what.cuttings)
        for (const test_case& each : what.cases) {
            if (!each.is_for(side::server) || (how.seed + how.step && !each.may_be_cut())) continue;
            judge judging(each, side::server, {.host = at.to_string(), .target = "/echo", .seed = how.seed + 1});
            weir::result<weir::owned<weir::io::stream>> stream = co_await weir::net::connect(at);
            if (!stream) std::abort();
            player playing(judging, **stream, cut_of(each, how));
            co_await playing.play();
            into.add(each, side::server, cut_of(each, how).name(), judging.result());
        }
}

task<> serve_into(weir::server& of, weir::result<>& outcome) { outcome = co_await of.serve(); }

task<> as_server(const plan& what, report& into) {
    weir::server under_test;
    under_test.websocket("/echo", echo);
    const weir::result<> listening = under_test.listen({.host = "127.0.0.1", .websocket = options(what)});
    if (!listening) std::abort();
    weir::result<> outcome;
    weir::scope both;
    both.spawn(serve_into(under_test, outcome));
    co_await try_server(what, under_test.local_endpoint(), into);
    under_test.stop();
    co_await both.join();
}

// --- weir is the client ---

task<> try_client(const plan& what, weir::net::listener& from, report& into) {
    for (const cutting& how : what.cuttings)
        for (const test_case& each : what.cases) {
            if (!each.is_for(side::client) || (how.seed + how.step && !each.may_be_cut())) continue;
            judge judging(each, side::client, {.seed = how.seed + 1});
            weir::result<weir::owned<weir::io::stream>> stream = co_await from.accept();
            if (!stream) std::abort();
            player playing(judging, **stream, cut_of(each, how));
            co_await playing.play();
            into.add(each, side::client, cut_of(each, how).name(), judging.result());
        }
    from.close();
}

task<> call_again_and_again(const plan& what, std::string url) {
    weir::connect_refusal refusal;
    const weir::connect_options opening{.refusal = &refusal, .websocket = options(what)};
    for (;;) {
        auto ws = co_await weir::connect(url, opening);
        if (!ws && ws.error() == std::errc::connection_refused) co_return;
        if (!ws && refusal.head.status == weir::http::status{410}) co_return;
        if (ws) co_await echo(*ws);
    }
}

task<> as_client(const plan& what, report& into) {
    auto listener = weir::net::listen("127.0.0.1", 0);
    if (!listener) std::abort();
    const std::string url = "ws://" + listener->local_endpoint().to_string() + "/echo";
    weir::scope both;
    both.spawn(try_client(what, *listener, into));
    co_await call_again_and_again(what, url);
    co_await both.join();
}

// --- over TCP: the suite on this thread, weir on another ---

task<> serve_until_stopped(weir::server& under_test, const plan& what, std::promise<std::string>& where) {
    const weir::result<> listening = under_test.listen({.host = "127.0.0.1", .websocket = options(what)});
    where.set_value(listening ? "ws://" + under_test.local_endpoint().to_string() + "/echo" : std::string());
    weir::result<> served;
    if (listening) served = co_await under_test.serve();
}

} // namespace

void try_weir_on_sockets(const plan& what, report& into) {
    {
        weir::server under_test;
        under_test.websocket("/echo", echo);
        std::promise<std::string> where;
        std::thread serving([&] { weir::io::loop(*weir::io::epoll::make()).run(serve_until_stopped(under_test, what, where)); });
        try_server(what, where.get_future().get(), {}, into);
        under_test.stop();
        serving.join();
    }
    std::optional<client_trial> trial(std::in_place, what, std::uint16_t{0}, bounds{});
    const std::string url = "ws://127.0.0.1:" + std::to_string(trial->port()) + "/echo";
    std::thread calling([&] { weir::io::loop(*weir::io::epoll::make()).run(call_again_and_again(what, url)); });
    trial->run(into, [] { return true; });
    trial.reset();
    calling.join();
}

void try_weir_in_memory(const plan& what, report& into) {
    for (const side role : {side::server, side::client}) {
        weir::seeded_entropy random(1);
        weir::io::loop loop(weir::make_owned<weir::io::memory>(), &random);
        loop.run(role == side::server ? as_server(what, into) : as_client(what, into));
    }
}

} // namespace conformance
