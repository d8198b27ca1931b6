// What the tests of net/ share: a loop to run on, and streams that say something.
#pragma once

#include "../support/events.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/memory.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/connect.hpp>
#include <weir/net/listen.hpp>

#include <doctest/doctest.h>

#include <dirent.h>

#include <string>

using namespace weir;
using namespace std::chrono_literals;
using net::endpoint;

using stream_result = result<owned<io::stream>>;

inline owned<io::backend> make_sockets() { return std::move(*tests::make_events()); }
inline owned<io::backend> make_memory() { return make_owned<io::memory>(); }

// Runs `work` on a loop of its own.
inline void run_on(owned<io::backend> events, task<> work) {
    io::loop(std::move(events)).run(std::move(work));
}

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const all = ::opendir("/proc/self/fd");
    while (::readdir(all)) ++count;
    ::closedir(all);
    return count;
}

// Writes a text on one stream and has it come out of the other. False when the wait for it was cut short.
inline task<result<>> pass(io::stream& from, io::stream& to, std::string text) {
    io::stream_signal signal(to);
    const bytes_view piece = as_bytes(text);
    CHECK(from.write({&piece, 1}) == text.size());
    std::string got;
    while (got.size() < text.size()) {
        io::lease lease;
        const io::status came = to.fill(lease);
        if (came == io::status::ready) {
            got += as_text(lease.bytes);
            to.release(std::move(lease));
            continue;
        }
        REQUIRE(came == io::status::blocked);
        const result<> told = co_await signal.readable().within(5s);
        if (!told) co_return told;
    }
    CHECK(got == text);
    co_return result<>();
}
inline task<> expect_passes(io::stream& from, io::stream& to, std::string text) {
    const result<> passed = co_await pass(from, to, std::move(text));
    REQUIRE(passed);
}

// Connects to what a listener listens on, accepts, and passes a text in both directions.
inline task<> expect_serves(net::listener& listener, endpoint to) {
    stream_result client = co_await net::connect(to).within(5s);
    REQUIRE_MESSAGE(client, client.error().message());
    stream_result server = co_await listener.accept().within(5s);
    REQUIRE_MESSAGE(server, server.error().message());
    co_await expect_passes(**client, **server, "to the server");
    co_await expect_passes(**server, **client, "to the client");
}

inline bool has_ipv6() {
    static const bool has = [] {
        io::loop loop(make_sockets());
        const result<owned<io::acceptor>> made =
            loop.events().listen(endpoint::loopback_ipv6(0).bytes(), io::listen_options());
        return made.has_value();
    }();
    return has;
}
