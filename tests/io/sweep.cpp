// An echo between two coroutines, disturbed at every place: a failure at operation 0, 1, 2, ..., a cancellation and a
// destruction after step 0, 1, 2, ..., in memory and over sockets.
//
// It must always come to an end: with all bytes exchanged if nothing disturbed it, with an error otherwise, and with no
// memory touched that has gone (the sanitizers see to that).
#include "../support/stream_fixtures.hpp"

#include <weir/coro/scope.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/stream_signal.hpp>

using namespace weir;
using io::status;

namespace {

constexpr std::size_t conversation_bytes = 5000;

// Writes all of it; false when the stream is broken or the wait was cancelled.
task<bool> write_all(io::stream& to, io::stream_signal& signal, std::string_view text) {
    while (!text.empty()) {
        text.remove_prefix(tests::write_some(to, text));
        if (to.failure()) co_return false;
        if (text.empty()) break;
        auto room = co_await signal.writable();
        if (!room) co_return false;
    }
    co_return true;
}

// Echoes until the end.
task<> echo(owned<io::stream> with, int& steps) {
    io::stream_signal signal(*with);
    for (;;) {
        ++steps;
        status outcome;
        const std::string got = tests::read_some(*with, &outcome);
        if (outcome == status::end || outcome == status::failed) break;
        if (outcome == status::blocked) {
            auto news = co_await signal.readable();
            if (!news) break;
            continue;
        }
        const bool written = co_await write_all(*with, signal, got);
        if (!written) break;
    }
}

task<> read_back(io::stream& from, io::stream_signal& signal, std::size_t& got, bool& failed) {
    while (got < conversation_bytes) {
        status outcome;
        const std::string more = tests::read_some(from, &outcome);
        for (const char each : more) CHECK(each == static_cast<char>('a' + got++ % 26));
        if (outcome == status::ready) continue;
        failed = outcome != status::blocked;
        if (failed) co_return;
        auto news = co_await signal.readable();
        failed = !news;
        if (failed) co_return;
    }
}

task<> write_out(io::stream& to, io::stream_signal& signal, int& steps) {
    std::string text(conversation_bytes, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
    for (std::string_view left = text; !left.empty();) {
        ++steps;
        const std::string_view part = left.substr(0, 300);
        const bool written = co_await write_all(to, signal, part);
        if (!written) co_return;
        left.remove_prefix(part.size());
    }
}

struct outcome {
    std::size_t got = 0;
    int steps = 0;
    bool failed = false;
    bool ended = false;
};

task<> talk(owned<io::stream> with, outcome& of) {
    io::stream_signal signal(*with);
    scope both;
    both.spawn(read_back(*with, signal, of.got, of.failed));
    both.spawn(write_out(*with, signal, of.steps));
    co_await both.join();
}

task<> conversation(owned<io::stream> a, owned<io::stream> b, outcome& of) {
    scope both;
    both.spawn(talk(std::move(a), of));
    both.spawn(echo(std::move(b), of.steps));
    co_await both.join();
    of.ended = true;
}

// Listens, connects, accepts, and then talks; everything that can fail is counted.
task<> from_the_start(io::backend& events, outcome& of) {
    auto listening = events.listen(as_bytes("there"), {});
    if (!listening) co_return;
    auto client = events.connect(as_bytes("there"));
    if (!client) co_return;
    {
        io::stream_signal signal(**client);
        while ((*client)->connected() == status::blocked) {
            auto news = co_await signal.writable();
            if (!news) co_return;
        }
    }
    owned<io::stream> server;
    std::error_code failure;
    if ((*client)->connected() != status::ready || (*listening)->accept(server, failure) != status::ready) co_return;
    co_await conversation(std::move(*client), std::move(server), of);
}

// Goes on in the next round of the ready list.
class next_round : public awaitable<next_round> {
public:
    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        if (!x_waiter.suspend(who, in)) return false;
        x_waiter.wake();
        return true;
    }
    void await_resume() const noexcept {}

private:
    waiter x_waiter;
};

enum class disturbance { cancel, destroy };

// Runs a conversation step by step in a scope of its own, and disturbs it after some. Gives whether it was over by then.
task<> disturbed(tests::stream_fixture& in, disturbance how, int after, bool& over) {
    auto pair = in.pair();
    outcome of;
    {
        scope everything;
        everything.spawn(conversation(std::move(pair.first), std::move(pair.second), of));
        for (int step = 0; step < after && everything.size() > 0; ++step) {
            if (in.latency() > std::chrono::nanoseconds(0)) { // time has to pass as well
                (void)co_await sleep(std::chrono::milliseconds(1));
            } else {
                next_round once;
                co_await once;
            }
        }
        over = everything.size() == 0;
        if (how == disturbance::cancel) {
            everything.cancel();
            co_await everything.join();
            CHECK(of.ended);
        }
    }
    if (over) CHECK(of.got == conversation_bytes);
}

} // namespace

TEST_CASE("sweep: a conversation over anything comes through") {
    auto undisturbed = [](tests::stream_fixture& in) {
        outcome of;
        auto pair = in.pair();
        in.loop().run(conversation(std::move(pair.first), std::move(pair.second), of));
        CHECK(of.ended);
        CHECK(!of.failed);
        CHECK(of.got == conversation_bytes);
    };
    tests::memory_fixture memory;
    undisturbed(memory);
    tests::fragmented_memory_fixture fragmented;
    undisturbed(fragmented);
    tests::unix_fixture sockets;
    undisturbed(sockets);
    tests::tcp_fixture tcp;
    undisturbed(tcp);
}

TEST_CASE("sweep: failing at operation 0, 1, 2, ...") {
    for (const io::memory_options& options :
        {io::memory_options{}, io::memory_options{.pipe_bytes = 700, .fill_bytes = 250},
            io::memory_options{.pipe_bytes = 900, .fill_bytes = 500, .fragment = true, .latency = std::chrono::milliseconds(2)}}) {
        std::uint64_t at = 0;
        for (;; ++at) {
            tests::memory_loop loop(options);
            loop.network().fail_at(at);
            outcome of;
            loop.run(from_the_start(loop.network(), of));
            if (!loop.network().injected()) {
                CHECK(of.ended);
                CHECK(of.got == conversation_bytes);
                break;
            }
            REQUIRE(at < 10'000);
        }
        CHECK(at > 20);
    }
}

TEST_CASE_TEMPLATE("sweep: cancelled and destroyed after step 0, 1, 2, ...", Fixture, ALL_STREAM_FIXTURES) {
    for (const disturbance how : {disturbance::cancel, disturbance::destroy}) {
        bool over = false;
        int after = 0;
        for (; !over; after += after < 60 ? 1 : 1 + after / 10) {
            Fixture in;
            in.loop().run(disturbed(in, how, after, over));
            REQUIRE(after < 1'000'000);
        }
        CHECK(after > 5);
    }
}
