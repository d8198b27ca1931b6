// What is particular to the in-memory backend; what all streams have in common is in stream.cpp.
#include "../support/memory_loop.hpp"

#include <weir/coro/offload.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/stream_signal.hpp>

#include <thread>

using namespace weir;
using namespace std::chrono_literals;

namespace {

task<> sleep_long() {
    auto slept = co_await sleep(48h);
    CHECK(slept);
}

task<> wait_for_nothing(io::stream& of, errc& outcome) {
    io::stream_signal signal(of);
    auto told = co_await signal.readable();
    outcome = told ? errc{} : static_cast<errc>(told.error().code().value());
}

std::string read_once(io::stream& from) {
    io::lease got;
    if (from.fill(got) != io::status::ready) return {};
    std::string text(as_text(got.bytes));
    from.release(std::move(got));
    return text;
}

std::size_t write_text(io::stream& to, std::string_view text) {
    const bytes_view piece = as_bytes(text);
    return to.write({&piece, 1});
}

struct counter : io::stream_observer, io::acceptor_observer {
    void on_readable() noexcept override { ++readable; }
    void on_writable() noexcept override { ++writable; }
    void on_acceptable() noexcept override { ++acceptable; }
    int readable = 0, writable = 0, acceptable = 0;
};

} // namespace

TEST_CASE("memory: two days pass at once") {
    tests::memory_loop loop;
    const auto before = loop.now();
    loop.run(sleep_long());
    CHECK(loop.now() - before >= 48h);
    CHECK(loop.now() - before < 48h + 1ms);
}

TEST_CASE("memory: a stall cancels the task, and is noticed again in the next run") {
    tests::memory_loop loop({.stall_after = 1ms});
    auto [a, b] = loop.network().pair();
    for (int i = 0; i < 2; ++i) {
        errc outcome{};
        CHECK(loop.run_stalling(wait_for_nothing(*a, outcome)));
        CHECK(outcome == errc::canceled);
    }
}

TEST_CASE("memory: latency") {
    tests::memory_loop loop({.latency = 30ms});
    auto [a, b] = loop.network().pair();
    counter told;
    a->observe(&told);
    CHECK(read_once(*a).empty());
    CHECK(write_text(*b, "one") == 3);
    loop.loop().turn(10ms);
    CHECK(read_once(*a).empty());
    CHECK(write_text(*b, "two") == 3);
    b->shutdown_write();
    loop.loop().turn();
    CHECK(told.readable == 1);
    CHECK(read_once(*a) == "one");
    CHECK(read_once(*a).empty());
    loop.loop().turn();
    CHECK(told.readable == 2);
    CHECK(read_once(*a) == "two");
    io::lease nothing;
    CHECK(a->fill(nothing) == io::status::end);
    CHECK(loop.now() == 1h + 40ms);

    a->observe(nullptr);
}

TEST_CASE("memory: a reset loses what is under way, not what has arrived") {
    tests::memory_loop loop({.latency = 30ms});
    auto [a, b] = loop.network().pair();
    CHECK(write_text(*b, "one") == 3);
    loop.network().advance(30ms);
    CHECK(write_text(*b, "two") == 3);
    b->reset();
    loop.network().advance(29ms);
    CHECK(read_once(*a) == "one");
    CHECK(read_once(*a).empty());
    CHECK(!a->failure());
    CHECK(write_text(*a, "into the void") == 13);
    loop.network().advance(1ms);
    io::lease nothing;
    CHECK(a->fill(nothing) == io::status::failed);
    CHECK(a->failure() == std::errc::connection_reset);
    CHECK(a->connected() == io::status::failed);
}

TEST_CASE("memory: bytes are cut as asked, the same way each time") {
    std::string sizes[2];
    for (std::string& each : sizes) {
        tests::memory_loop loop({.fill_bytes = 10, .write_bytes = 100, .fragment = true, .seed = 7});
        auto [a, b] = loop.network().pair();
        const std::string text(300, 'x');
        for (std::size_t left = text.size(); left > 0;) {
            const std::size_t taken = write_text(*a, std::string_view(text).substr(0, left));
            CHECK(taken >= 1);
            CHECK(taken <= 100);
            left -= taken;
        }
        for (std::size_t got = 0; got < text.size();) {
            const std::size_t size = read_once(*b).size();
            REQUIRE(size >= 1);
            REQUIRE(size <= 10);
            each += std::to_string(size) + ' ';
            got += size;
        }
    }
    CHECK(sizes[0] == sizes[1]);
}

TEST_CASE("memory: addresses are any bytes, and ports are given out") {
    tests::memory_loop loop;
    io::memory& network = loop.network();
    sockaddr_in any{};
    any.sin_family = AF_INET;
    auto listening = network.listen({reinterpret_cast<std::byte*>(&any), sizeof any}, {});
    REQUIRE(listening);
    sockaddr_in local;
    REQUIRE((*listening)->local_address().size() == sizeof local);
    std::memcpy(&local, (*listening)->local_address().data(), sizeof local);
    CHECK(local.sin_port != 0);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK); // the unspecified address serves all
    auto client = network.connect({reinterpret_cast<std::byte*>(&local), sizeof local});
    REQUIRE(client);
    loop.loop().turn(0ms);
    CHECK((*client)->connected() == io::status::ready);
    local.sin_port = htons(1);
    auto refused = network.connect({reinterpret_cast<std::byte*>(&local), sizeof local});
    REQUIRE(refused);
    CHECK((*refused)->connected() == io::status::blocked);
    loop.loop().turn(0ms);
    CHECK((*refused)->connected() == io::status::failed);
    CHECK((*refused)->failure() == std::errc::connection_refused);
    auto no_descriptor = network.adopt_stream(-1);
    CHECK(no_descriptor.error() == errc::unsupported);
}

TEST_CASE("memory: who connects to a full backlog waits, and is refused when the acceptor goes") {
    tests::memory_loop loop;
    io::memory& network = loop.network();
    auto listening = network.listen(as_bytes("here"), {.backlog = 1});
    REQUIRE(listening);
    counter told;
    (*listening)->observe(&told);
    owned<io::stream> clients[3];
    for (auto& each : clients) {
        auto made = network.connect(as_bytes("here"));
        REQUIRE(made);
        each = std::move(*made);
    }
    loop.loop().turn(0ms);
    CHECK(told.acceptable == 1);
    CHECK(clients[0]->connected() == io::status::ready);
    CHECK(clients[1]->connected() == io::status::blocked);
    owned<io::stream> server;
    std::error_code failure;
    network.fail_next_accept(EMFILE);
    CHECK((*listening)->accept(server, failure) == io::status::failed);
    CHECK(failure == std::errc::too_many_files_open);
    CHECK((*listening)->accept(server, failure) == io::status::ready);
    loop.loop().turn(0ms);
    CHECK(told.acceptable == 2);
    CHECK(clients[1]->connected() == io::status::ready);
    listening->reset();
    loop.loop().turn(0ms);
    CHECK(clients[0]->connected() == io::status::ready);
    io::lease nothing;
    CHECK(clients[1]->fill(nothing) == io::status::failed);
    CHECK(clients[1]->failure() == std::errc::connection_reset);
    CHECK(clients[2]->failure() == std::errc::connection_refused);
}

TEST_CASE("memory: an injected failure breaks a stream, and the peer sees a reset") {
    tests::memory_loop loop;
    io::memory& network = loop.network();
    auto [a, b] = network.pair();
    counter told_a, told_b;
    a->observe(&told_a);
    b->observe(&told_b);
    io::lease nothing;
    CHECK(a->fill(nothing) == io::status::blocked);
    CHECK(b->fill(nothing) == io::status::blocked);
    CHECK(network.operations() == 2);
    network.fail_at(2);
    CHECK(!network.injected());
    CHECK(write_text(*a, "x") == 0);
    CHECK(network.injected());
    CHECK(a->failure() == errc::injected);
    loop.loop().turn(0ms);
    CHECK(told_a.readable == 1);
    CHECK(told_b.readable == 1);
    CHECK(a->fill(nothing) == io::status::failed);
    CHECK(b->fill(nothing) == io::status::failed);
    CHECK(b->failure() == std::errc::connection_reset);
    network.fail_at(network.operations());
    CHECK(network.connect(as_bytes("anywhere")).error() == errc::injected);
    network.fail_at(network.operations());
    CHECK(network.listen(as_bytes("anywhere"), {}).error() == errc::injected);
    a->observe(nullptr);
    b->observe(nullptr);
}

TEST_CASE("memory: an operation of a kind fails, the Nth from now or by chance") {
    tests::memory_loop loop;
    io::memory& network = loop.network();
    auto [a, b] = network.pair();
    io::lease nothing;
    network.fail_next(io::memory_operation::fill, 2);
    CHECK(write_text(*a, "x") == 1);
    CHECK(b->fill(nothing) == io::status::ready);
    b->release(std::move(nothing));
    CHECK(b->fill(nothing) == io::status::blocked);
    CHECK(!network.injected());
    CHECK(b->fill(nothing) == io::status::failed);
    CHECK(b->failure() == errc::injected);
    network.fail_sometimes(io::memory_operation::listen, 0.5);
    int failed = 0;
    for (int i = 0; i < 100; ++i) failed += !network.listen(as_bytes("here"), {});
    CHECK(failed > 30);
    CHECK(failed < 70);
}

TEST_CASE("memory: what is due at the same time is told in any order, if asked for") {
    std::string orders[3];
    for (const bool shuffle : {false, true, true}) {
        tests::memory_loop loop({.shuffle = shuffle});
        std::string& order = orders[shuffle ? orders[1].empty() ? 1 : 2 : 0];
        for (int round = 0; round < 10; ++round) {
            struct teller : io::stream_observer {
                void on_readable() noexcept override { *into += name; }
                void on_writable() noexcept override {}
                std::string* into;
                char name;
            } told[3];
            std::pair<owned<io::stream>, owned<io::stream>> pairs[3];
            for (int i = 0; i < 3; ++i) {
                pairs[i] = loop.network().pair();
                told[i].into = &order;
                told[i].name = static_cast<char>('a' + i);
                pairs[i].first->observe(&told[i]);
                CHECK(read_once(*pairs[i].first).empty());
                CHECK(write_text(*pairs[i].second, "x") == 1);
            }
            loop.loop().turn(0ms);
            for (auto& each : pairs) each.first->observe(nullptr);
        }
        loop.loop().turn(0ms);
    }
    CHECK(orders[0] == "abcabcabcabcabcabcabcabcabcabc");
    CHECK(orders[1].size() == 30);
    CHECK(orders[1] != orders[0]);
    CHECK(orders[1] == orders[2]);
}

namespace {

int answer(int of) {
    std::this_thread::yield();
    return of + 1;
}

task<> ask_helper() {
    auto got = co_await offload(answer, 41).within(1ms);
    REQUIRE(got);
    CHECK(*got == 42);
}

class knock final : public remote_item {
public:
    void run() noexcept override { knocked = true; }
    bool knocked = false;
};

} // namespace

TEST_CASE("memory: the clock waits for other threads") {
    tests::memory_loop loop;
    SUBCASE("of offload by itself") {
        const auto before = loop.now();
        for (int i = 0; i < 20; ++i) loop.run(ask_helper());
        CHECK(loop.now() == before);
    }
    SUBCASE("of others while it is held") {
        knock item;
        const auto before = loop.now();
        {
            const auto held = loop.network().hold();
            std::thread other([&] { loop.loop().post_remote(item); });
            while (!item.knocked) loop.loop().turn(1s);
            other.join();
        }
        CHECK(loop.now() == before);
        loop.loop().turn(1s);
        CHECK(loop.now() == before + 1s);
    }
}
