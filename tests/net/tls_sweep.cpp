// An echo over TLS, disturbed at every place: a failure at operation 0, 1, 2, ..., a cancellation and a destruction after
// step 0, 1, 2, ..., from before the handshake to after the end.
//
// It must always come to an end, in bounded time: with all bytes exchanged if nothing disturbed it, with an error otherwise,
// with no buffer left lent, and (the sanitizers see to that) with no memory touched that has gone.
#include "certificates.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/secure.hpp>

#include <functional>

using namespace weir;
using io::status;
using tests::credentials;

namespace {

constexpr std::size_t conversation_bytes = 40'000;

struct outcome {
    std::size_t got = 0;
    bool ended = false; // both sides have come to an end
    bool in_order = false;
    std::string failure;
};

task<bool> write_all(io::stream& to, io::stream_signal& signal, std::string_view text) {
    while (!text.empty()) {
        const bytes_view piece = as_bytes(text);
        text.remove_prefix(to.write({&piece, 1}));
        if (to.failure()) co_return false;
        if (text.empty()) break;
        const auto room = co_await signal.writable();
        if (!room) co_return false;
    }
    co_return true;
}

task<> echo(owned<io::stream> with) {
    io::stream_signal signal(*with);
    for (;;) {
        io::lease got;
        const status came = with->fill(got);
        if (came == status::end) with->shutdown_write();
        if (came == status::end || came == status::failed) co_return;
        if (came == status::blocked) {
            const auto news = co_await signal.readable();
            if (!news) co_return;
            continue;
        }
        const std::string text(as_text(got.bytes));
        with->release(std::move(got));
        const bool written = co_await write_all(*with, signal, text);
        if (!written) co_return;
    }
}

task<> read_back(io::stream& from, io::stream_signal& signal, outcome& of) {
    for (;;) {
        io::lease got;
        const status came = from.fill(got);
        bool right = true;
        for (const char each : as_text(got.bytes)) right = right && each == static_cast<char>('a' + of.got++ % 26);
        CHECK(right);
        from.release(std::move(got));
        of.in_order = came == status::end;
        if (came == status::end) co_return;
        if (came == status::failed) {
            of.failure = from.failure().message();
            co_return;
        }
        if (came == status::ready) continue;
        const auto news = co_await signal.readable();
        if (!news) co_return;
    }
}

task<> write_out(io::stream& to, io::stream_signal& signal) {
    std::string text(conversation_bytes, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
    for (const std::size_t size : {std::size_t(100), std::size_t(3000), std::size_t(20'000), text.size()}) {
        const bool written = co_await write_all(to, signal, std::string_view(text).substr(0, size));
        if (!written) co_return;
        text.erase(0, size);
    }
    to.shutdown_write();
}

task<> talk(owned<io::stream> with, tls_client& by, outcome& of) {
    result<owned<io::stream>> secured = co_await net::secure(std::move(with), "localhost", 443, &by);
    if (!secured) {
        of.failure = secured.error().message();
        CHECK(!of.failure.empty());
        co_return;
    }
    io::stream_signal signal(**secured);
    scope all;
    all.spawn(read_back(**secured, signal, of));
    all.spawn(write_out(**secured, signal));
    co_await all.join();
}

task<> conversation(tests::memory_loop& in, tls_client& client, tls_server& server, outcome& of) {
    auto below = in.network().pair();
    {
        scope all;
        all.spawn(echo(server.begin(std::move(below.second))));
        all.spawn(talk(std::move(below.first), client, of));
        co_await all.join();
    }
    of.ended = true;
}

void check_whole(const outcome& of) {
    CHECK(of.ended);
    CHECK(of.in_order);
    CHECK(of.got == conversation_bytes);
    CHECK(of.failure.empty());
}

enum class disturbance { cancel, destroy };

task<> disturbed(tests::memory_loop& in, tls_client& client, tls_server& server, disturbance how, int after, bool& over) {
    outcome of;
    {
        scope everything;
        everything.spawn(conversation(in, client, server, of));
        for (int step = 0; step < after && everything.size() > 0; ++step) (void)co_await yield();
        over = everything.size() == 0;
        if (how == disturbance::cancel) {
            everything.cancel();
            co_await everything.join();
            CHECK(of.ended);
        }
    }
    if (over) check_whole(of);
}

constexpr io::memory_options networks[] = {
    {},
    {.pipe_bytes = 3000, .fill_bytes = 1000},
    {.pipe_bytes = 9000, .fill_bytes = 5000, .fragment = true, .shuffle = true},
};

} // namespace

TEST_CASE("sweep: a conversation over TLS fails at operation 0, 1, 2, ...") {
    tls_client client(credentials::common().trusting());
    tls_server server(credentials::common().serving());
    for (const io::memory_options& options : networks) {
        std::uint64_t at = 0;
        for (;; ++at) {
            CAPTURE(at);
            tests::memory_loop loop(options);
            loop.network().fail_at(at);
            outcome of;
            loop.run(conversation(loop, client, server, of));
            CHECK(of.ended);
            CHECK(loop.blocks().lent() == 0);
            if (!loop.network().injected()) {
                check_whole(of);
                break;
            }
            REQUIRE(at < 10'000);
        }
        CHECK(at > 15);
    }
}

TEST_CASE("sweep: a conversation over TLS is cancelled, and destroyed, after step 0, 1, 2, ...") {
    tls_client client(credentials::common().trusting());
    tls_server server(credentials::common().serving());
    for (const io::memory_options& options : networks)
        for (const disturbance how : {disturbance::cancel, disturbance::destroy}) {
            bool over = false;
            int after = 0;
            for (; !over; after += after < 60 ? 1 : 1 + after / 10) {
                CAPTURE(after);
                tests::memory_loop loop(options);
                loop.run(disturbed(loop, client, server, how, after, over));
                CHECK(loop.blocks().lent() == 0);
                REQUIRE(after < 1'000'000);
            }
            CHECK(after > 5);
        }
}

TEST_CASE("sweep: what is under way is cut after byte 1, 2, 3, ...") {
    tls_client client(credentials::common().trusting());
    tls_server server(credentials::common().serving());
    for (std::uint64_t cut = 1;; cut += cut < 3000 ? 7 : 1001) {
        CAPTURE(cut);
        tests::memory_loop loop({.cut_at = cut});
        outcome of;
        loop.run(conversation(loop, client, server, of));
        check_whole(of);
        if (!loop.network().was_cut()) break;
    }
}
