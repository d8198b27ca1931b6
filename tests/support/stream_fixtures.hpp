// The kinds of streams that one and the same test runs on: pipes in memory, Unix sockets and TCP, both over whichever
// backend support/events.hpp says.
//
// Each has a loop, a pair of connected streams whose peer is in the same loop, and addresses to listen on. `until` turns
// the loop until something has come true; nothing waits longer than for an event that is under way.
#pragma once

#include "events.hpp"
#include "memory_loop.hpp"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/un.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tests {

using stream_pair = std::pair<weir::owned<weir::io::stream>, weir::owned<weir::io::stream>>;

inline weir::bytes_view bytes_of(const void* address, std::size_t size) {
    return {static_cast<const std::byte*>(address), size};
}

class stream_fixture {
public:
    explicit stream_fixture(weir::owned<weir::io::backend> events)
        : x_loop(std::make_unique<weir::io::loop>(std::move(events), &x_entropy)) {}
    virtual ~stream_fixture() = default;

    weir::io::loop& loop() { return *x_loop; }
    weir::io::backend& events() { return x_loop->events(); }

    virtual stream_pair pair() = 0;
    virtual weir::bytes_view listening_address() = 0; // a port, if there are any, is given out
    virtual bool resets() const { return true; }      // a reset is seen as such
    virtual std::chrono::nanoseconds latency() const { return std::chrono::nanoseconds(0); }
    virtual std::size_t overhead() const { return 0; } // of a byte, and the end, on their way

    template <class Condition>
    bool until(Condition&& met) {
        for (int turns = 0; turns < 1000; ++turns) {
            if (met()) return true;
            x_loop->turn(std::chrono::milliseconds(20));
        }
        return met();
    }

    // Turns until nothing happens any more.
    void settle() {
        for (int turns = 0; turns < 4; ++turns) x_loop->turn(std::chrono::nanoseconds(0));
    }

protected:
    static weir::owned<weir::io::backend> sockets() {
        auto made = make_events();
        REQUIRE(made);
        return std::move(*made);
    }

private:
    weir::seeded_entropy x_entropy{1};
    std::unique_ptr<weir::io::loop> x_loop;
};

class memory_fixture : public stream_fixture {
public:
    explicit memory_fixture(const weir::io::memory_options& options = {})
        : stream_fixture(weir::make_owned<weir::io::memory>(options)) {}
    weir::io::memory& network() { return static_cast<weir::io::memory&>(events()); }
    stream_pair pair() override { return network().pair(); }
    weir::bytes_view listening_address() override { return weir::as_bytes("somewhere"); }
};

class fragmented_memory_fixture final : public memory_fixture {
public:
    fragmented_memory_fixture()
        : memory_fixture({.pipe_bytes = 1000, .fill_bytes = 500, .fragment = true, .latency = std::chrono::milliseconds(3)}) {}
    std::chrono::nanoseconds latency() const override { return std::chrono::milliseconds(3); }
};

class unix_fixture final : public stream_fixture {
public:
    unix_fixture() : stream_fixture(sockets()) {
        char path[] = "/tmp/weir-test-XXXXXX";
        REQUIRE(::mkdtemp(path));
        x_directory = path;
        x_address.sun_family = AF_UNIX;
        std::memcpy(x_address.sun_path, (x_directory + "/socket").c_str(), x_directory.size() + sizeof "/socket");
    }
    ~unix_fixture() {
        ::unlink(x_address.sun_path);
        ::rmdir(x_directory.c_str());
    }
    stream_pair pair() override {
        int sockets[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
        auto a = events().adopt_stream(sockets[0]), b = events().adopt_stream(sockets[1]);
        REQUIRE(a);
        REQUIRE(b);
        return {std::move(*a), std::move(*b)};
    }
    weir::bytes_view listening_address() override { return bytes_of(&x_address, sizeof x_address); }
    bool resets() const override { return false; }
    const char* path() const { return x_address.sun_path; }

private:
    std::string x_directory;
    sockaddr_un x_address{};
};

class tcp_fixture : public stream_fixture {
public:
    tcp_fixture() : stream_fixture(sockets()) {
        x_address.sin_family = AF_INET;
        x_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    stream_pair pair() override {
        auto listening = events().listen(listening_address(), {});
        REQUIRE(listening);
        auto client = events().connect((*listening)->local_address());
        REQUIRE(client);
        weir::owned<weir::io::stream> server;
        std::error_code failure;
        REQUIRE(until([&] { return (*listening)->accept(server, failure) == weir::io::status::ready; }));
        REQUIRE(until([&] { return (*client)->connected() == weir::io::status::ready; }));
        return {std::move(*client), std::move(server)};
    }
    weir::bytes_view listening_address() override { return bytes_of(&x_address, sizeof x_address); }

private:
    sockaddr_in x_address{};
};

#define ALL_STREAM_FIXTURES tests::memory_fixture, tests::fragmented_memory_fixture, tests::unix_fixture, tests::tcp_fixture

// Counts what an observer is told.
struct told : weir::io::stream_observer, weir::io::acceptor_observer {
    virtual ~told() = default;
    void on_readable() noexcept override { ++readable; }
    void on_writable() noexcept override { ++writable; }
    void on_acceptable() noexcept override { ++acceptable; }
    int readable = 0, writable = 0, acceptable = 0;
};

// What a fill gave, as text; empty unless it gave `ready`.
inline std::string read_some(weir::io::stream& from, weir::io::status* outcome = nullptr) {
    weir::io::lease got;
    const weir::io::status came = from.fill(got);
    if (outcome) *outcome = came;
    if (came != weir::io::status::ready) return {};
    std::string text(weir::as_text(got.bytes));
    from.release(std::move(got));
    return text;
}

inline std::size_t write_some(weir::io::stream& to, std::string_view text) {
    const weir::bytes_view piece = weir::as_bytes(text);
    return to.write({&piece, 1});
}

} // namespace tests
