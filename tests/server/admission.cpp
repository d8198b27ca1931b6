// Limits of connections: at all, and by address.
#include "serving.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace {

std::optional<std::uint64_t> block_of(std::string_view text) {
    const auto made = net::endpoint::parse(text);
    REQUIRE_MESSAGE(made, made.error().message());
    return net::address_block(*made);
}

constexpr std::string_view plain_request = "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n";

task<std::string> answer_of(raw_peer& peer) {
    co_await peer.send(std::string(plain_request));
    co_return co_await peer.read_response();
}

task<std::vector<std::unique_ptr<websocket>>> open_many(net::endpoint at, int count) {
    std::vector<std::unique_ptr<websocket>> all;
    for (int i = 0; i < count; ++i) {
        auto ws = co_await weir::connect(url_of(at));
        REQUIRE_MESSAGE(ws, ws.error().message());
        all.push_back(std::make_unique<websocket>(std::move(*ws)));
    }
    co_return all;
}

// A client of this machine with another address than the rest.
std::unique_ptr<raw_peer> dial_from(const char* address, net::endpoint to) {
    const int number = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(number >= 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, address, &at.sin_addr) == 1);
    REQUIRE(::bind(number, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::connect(number, reinterpret_cast<const sockaddr*>(to.bytes().data()), static_cast<socklen_t>(to.bytes().size())) == 0);
    auto stream = io::loop::current()->events().adopt_stream(number);
    REQUIRE(stream);
    return std::make_unique<raw_peer>(std::move(*stream));
}

} // namespace

TEST_CASE("address_block: which addresses are one client") {
    CHECK(block_of("192.0.2.1:1") == block_of("192.0.2.1:2"));
    CHECK(block_of("192.0.2.1:1") == block_of("[::ffff:192.0.2.1]:1"));
    CHECK(block_of("192.0.2.1:1") != block_of("192.0.2.2:1"));
    CHECK(block_of("[2001:db8:1:2::1]:1") == block_of("[2001:db8:1:2:ffff:1:2:3]:9"));
    CHECK(block_of("[2001:db8:1:2::1]:1") != block_of("[2001:db8:1:3::1]:1"));
    CHECK(*block_of("[2001:db8:1:2::1]:1") == 0x20010db800010002u);
    CHECK(block_of("[::1]:1").has_value());
    CHECK_FALSE(block_of("unix:/run/x").has_value());
    CHECK_FALSE(net::address_block({}).has_value());
}

TEST_CASE("address_counts: counts like a map, and gives its memory back") {
    for (const std::uint64_t key : {0u, 1u, 77u}) {
        detail::address_counts counts(key);
        std::map<std::uint64_t, std::uint32_t> model;
        std::vector<std::uint64_t> all;
        std::mt19937_64 random(key);
        for (int i = 0; i < 30'000; ++i) {
            const bool grows = i < 12'000 ? i % 4 != 0 : i % 4 == 0;
            if (grows || all.empty()) {
                all.push_back(random() % 2 ? random() % 3000 : random() % 3000 << 32);
                counts.add(all.back());
                ++model[all.back()];
            } else {
                std::swap(all[random() % all.size()], all.back());
                counts.remove(all.back());
                if (!--model[all.back()]) model.erase(all.back());
                all.pop_back();
            }
            if (!all.empty()) {
                const std::uint64_t some = all[random() % all.size()];
                CHECK(counts.count(some) == model[some]);
            }
            CHECK(counts.size() == model.size());
            CHECK(counts.slots() <= 16 + 8 * model.size());
        }
        for (const auto& [address, count] : model) CHECK(counts.count(address) == count);
        while (!all.empty()) {
            counts.remove(all.back());
            all.pop_back();
        }
        CHECK(counts.size() == 0);
        CHECK(counts.slots() == 16);
        CHECK(counts.count(5) == 0);
    }
}

TEST_CASE("connections: one more is answered 503, and let in when somebody has left") {
    journal log;
    server of;
    of.websocket("/echo", echo);
    of.get("/healthz", "ok");
    auto work = [&](net::endpoint at) -> task<> {
        auto all = co_await open_many(at, 3);
        CHECK(of.connections() == 3);
        auto refused = co_await weir::connect(url_of(at));
        CHECK(refused.error() == errc::unexpected_status);
        CHECK(contains(refused.error().message(), "503"));
        bool over = false;
        const std::string said = co_await ask(at, std::string(plain_request), over);
        CHECK(said.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        CHECK(contains(said, "\r\nRetry-After: 5\r\n"));
        CHECK(contains(said, "\r\nConnection: close\r\n"));
        CHECK(said.ends_with("\r\n\r\nThis server has as many connections as it can have. Try again in a while.\n"));
        CHECK(over);
        for (auto& each : all) { // the others do not notice
            co_await each->send("x");
            auto got = co_await each->read();
            CHECK((got && got->text() == "x"));
        }
        co_await all.back()->close();
        for (int i = 0; of.connections() == 3 && i < 1000; ++i) (void)co_await yield();
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        const std::string served = co_await answer_of(*peer);
        CHECK(served.ends_with("ok"));
        peer->end();
        const std::string end = co_await peer->read_all();
        CHECK(end.empty());
        for (auto& each : all) co_await each->close();
    };
    in_memory(of, work, {.connections = 3, .log = log.hook()});
    CHECK(log.has("2 1 refused: there are 3 connections, which is the limit\n"));
    over_sockets(of, work, {.connections = 3});
}

TEST_CASE("connections: a crowd that is refused costs little, and one that stays is not kept") {
    journal log;
    server of;
    of.websocket("/echo", echo);
    auto work = [&](net::endpoint at) -> task<> {
        auto all = co_await open_many(at, 1);
        const auto start = io::loop::current()->now();
        std::vector<std::unique_ptr<raw_peer>> crowd;
        for (int i = 0; i < 100; ++i) crowd.push_back(co_await dial(at));
        int answered = 0, ended = 0;
        for (auto& each : crowd) { // none of them says anything, or ends
            const std::string said = co_await each->read_all();
            answered += said.starts_with("HTTP/1.1 503 ") && said.ends_with("\n");
            ended += each->over();
        }
        CHECK(answered == 100);
        CHECK(ended == 100);
        CHECK(io::loop::current()->now() - start < 1s);
        auto slept = co_await sleep(3s); // those who were heard out are gone
        (void)slept;
        // One that never stops talking is not listened to for ever.
        std::unique_ptr<raw_peer> loud = co_await dial(at);
        bool heard = true;
        for (int i = 0; heard && i < 1000; ++i) {
            const auto sent = co_await loud->send(std::string(100'000, 'x')).within(1s);
            heard = sent && *sent;
        }
        CHECK_FALSE(heard);
        for (auto& each : all) co_await each->close();
    };
    in_memory(of, work, {.connections = 1, .log = log.hook()});
    CHECK(std::count(log.text.begin(), log.text.end(), '\n') <= 6);
}

TEST_CASE("connections: by default as many as descriptors allow, with some left over") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit few = before;
    few.rlim_cur = 40;
    server of;
    of.websocket("/echo", echo);
    auto work = [&](net::endpoint at) -> task<> { // over memory, where no descriptor is used
        auto all = co_await open_many(at, 30);
        auto refused = co_await weir::connect(url_of(at));
        CHECK(refused.error() == errc::unexpected_status);
        for (auto& each : all) co_await each->close();
    };
    tests::memory_loop loop;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    loop.run(serving(of, {}, work));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST_CASE("connections_per_address: each address has its own, and a Unix socket has none") {
    journal log;
    server of;
    of.websocket("/echo", echo);
    of.get("/healthz", "ok");
    auto work = [&](net::endpoint at) -> task<> {
        std::vector<std::unique_ptr<raw_peer>> all;
        for (const char* from : {"127.0.0.2", "127.0.0.3"})
            for (int i = 0; i < 2; ++i) {
                all.push_back(dial_from(from, at));
                const std::string said = co_await answer_of(*all.back());
                CHECK(said.ends_with("ok"));
            }
        for (const char* from : {"127.0.0.2", "127.0.0.3"}) {
            std::unique_ptr<raw_peer> third = dial_from(from, at);
            const std::string said = co_await answer_of(*third);
            CHECK(said.starts_with("HTTP/1.1 503 "));
            CHECK(contains(said, "Retry-After"));
            CHECK(said.ends_with("\r\n\r\nYour address has as many connections to this server as it may have.\n"));
        }
        auto ws = co_await weir::connect(url_of(at)); // from 127.0.0.1
        CHECK(ws);
        co_await ws->close();
        all[0]->end();
        const std::string rest = co_await all[0]->read_all();
        CHECK(rest.empty());
        std::unique_ptr<raw_peer> again = dial_from("127.0.0.2", at);
        const std::string said = co_await answer_of(*again);
        CHECK(said.ends_with("ok"));
    };
    over_sockets(of, work, {.connections_per_address = 2, .log = log.hook()});
    CHECK(log.has("2 1 refused: there are 2 connections from 127.0.0.2, which is the limit\n"));

    auto many = [&](net::endpoint at) -> task<> {
        auto all = co_await open_many(at, 5);
        for (auto& each : all) co_await each->close();
    };
    in_memory(of, many, {.connections_per_address = 1}); // no address that is known
}
