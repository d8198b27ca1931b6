#include "network.hpp"

#include <fcntl.h>

#include <sys/stat.h>

#include <ostream>

namespace {

std::string temporary_path(const char* name) {
    return "/tmp/weir_test_" + std::to_string(::getpid()) + '_' + name;
}

} // namespace

TEST_CASE("listen: IPv4, IPv6, Unix, in memory") {
    struct row {
        std::string at;
        owned<io::backend> (*events)();
    };
    const std::string path = temporary_path("listen");
    const row rows[] = {
        {"127.0.0.1:0", make_sockets}, {"[::1]:0", make_sockets}, {"unix:" + path, make_sockets},
        {"unix:@" + path, make_sockets}, {"127.0.0.1:0", make_memory}, {"[::1]:0", make_memory},
    };
    for (const row& each : rows) {
        CAPTURE(each.at);
        if (each.at == "[::1]:0" && each.events == make_sockets && !has_ipv6()) continue;
        const std::size_t open = open_descriptors();
        auto work = [&]() -> task<> {
            const endpoint at = *endpoint::parse(each.at);
            result<net::listener> listener = net::listen(at);
            REQUIRE_MESSAGE(listener, listener.error().message());
            const endpoint local = listener->local_endpoint();
            CHECK(local.address() == at.address());
            CHECK((local.port() != 0) == (at.family() != net::family::local));
            co_await expect_serves(*listener, local);
            co_await expect_serves(*listener, local);
        };
        run_on(each.events(), work());
        CHECK(open_descriptors() == open);
    }
    CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("listen: all addresses serve both families") {
    for (const char* host : {"", "*"}) {
        auto work = [&]() -> task<> {
            result<net::listener> listener = net::listen(host, 0);
            REQUIRE_MESSAGE(listener, listener.error().message());
            const std::uint16_t port = listener->local_endpoint().port();
            CHECK(listener->local_endpoint() == (has_ipv6() ? endpoint::any_ipv6(port) : endpoint::any_ipv4(port)));
            co_await expect_serves(*listener, endpoint::loopback_ipv4(port));
            if (has_ipv6()) co_await expect_serves(*listener, endpoint::loopback_ipv6(port));

            stream_result client = co_await net::connect(endpoint::loopback_ipv4(port));
            stream_result server = co_await listener->accept();
            REQUIRE(server);
            CHECK(net::peer_endpoint(**server).address() == "127.0.0.1"); // not ::ffff:127.0.0.1
            CHECK(net::peer_endpoint(**client) == endpoint::loopback_ipv4(port));
        };
        run_on(make_sockets(), work());
    }
}

TEST_CASE("listen: hosts in textual form") {
    const std::string path = temporary_path("host");
    auto work = [&]() -> task<> {
        result<net::listener> listener = net::listen("localhost", 0);
        REQUIRE(listener);
        CHECK(listener->local_endpoint().address() == "127.0.0.1");
        listener = net::listen("127.0.0.2", 0);
        REQUIRE(listener);
        CHECK(listener->local_endpoint().address() == "127.0.0.2");
        listener = net::listen("unix:" + path, 0);
        REQUIRE(listener);
        CHECK(listener->local_endpoint().to_string() == "unix:" + path);
        if (has_ipv6()) {
            listener = net::listen("::1", 0);
            REQUIRE(listener);
            listener = net::listen("[::1]", 0);
            REQUIRE(listener);
            CHECK(listener->local_endpoint().address() == "::1");
            const net::listen_options only{.only_ipv6 = true};
            listener = net::listen("*", 0, only);
            REQUIRE(listener);
            const std::uint16_t port = listener->local_endpoint().port();
            const stream_result refused = co_await net::connect(endpoint::loopback_ipv4(port));
            REQUIRE_FALSE(refused);
            CHECK(refused.error() == std::errc::connection_refused);
        }
        listener = net::listen("example.test", 80);
        REQUIRE_FALSE(listener);
        CHECK(listener.error() == errc::bad_address);
        CHECK(listener.error().message() ==
              "listening on \"example.test\" (the host is an address of this machine, \"localhost\", or empty for all; not a "
              "name): malformed address");
        co_return;
    };
    run_on(make_sockets(), work());
}

TEST_CASE("listen: a port in use") {
    for (auto* events : {make_sockets, make_memory}) {
        auto work = []() -> task<> {
            const result<net::listener> first = net::listen("127.0.0.1", 0);
            REQUIRE(first);
            const endpoint at = first->local_endpoint();
            const result<net::listener> second = net::listen(at);
            REQUIRE_FALSE(second);
            CHECK(second.error() == std::errc::address_in_use);
            CHECK(second.error().message() == "listening on " + at.to_string() + ": Address already in use");
            co_return;
        };
        run_on(events(), work());
    }
}

TEST_CASE("listen: other failures") {
    const result<net::listener> nowhere = net::listen(endpoint::loopback_ipv4(0));
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error() == errc::no_loop);
    CHECK(net::adopt_listener(-1).error() == std::errc::bad_file_descriptor);
    auto work = []() -> task<> {
        CHECK(net::listen(endpoint()).error() == errc::bad_address);
        const result<net::listener> foreign = net::listen("192.0.2.1", 0); // not an address of this machine
        REQUIRE_FALSE(foreign);
        CHECK(foreign.error() == std::errc::address_not_available);
        const result<net::listener> no_folder = net::listen("unix:/no/such/folder/x", 0);
        REQUIRE_FALSE(no_folder);
        CHECK(no_folder.error().message() == "listening on unix:/no/such/folder/x: No such file or directory");
        co_return;
    };
    run_on(make_sockets(), work());
}

TEST_CASE("listen: a handed-in socket") {
    auto work = []() -> task<> {
        const int listening = ::socket(AF_INET, SOCK_STREAM, 0); // blocking, inheritable: as a supervisor gives it
        const endpoint any = endpoint::loopback_ipv4(0);
        REQUIRE(::bind(listening, reinterpret_cast<const sockaddr*>(any.bytes().data()), sizeof(sockaddr_in)) == 0);
        REQUIRE(::listen(listening, 10) == 0);
        result<net::listener> listener = net::adopt_listener(listening);
        REQUIRE_MESSAGE(listener, listener.error().message());
        CHECK(listener->local_endpoint().port() != 0);
        co_await expect_serves(*listener, listener->local_endpoint());
        listener->close();
        CHECK(::fcntl(listening, F_GETFD) == -1);

        const int silent = ::socket(AF_INET, SOCK_STREAM, 0);
        const result<net::listener> deaf = net::adopt_listener(silent);
        REQUIRE_FALSE(deaf);
        CHECK(deaf.error().message() == "listening on a handed-in socket: Invalid argument");
        CHECK(::fcntl(silent, F_GETFD) == -1);
    };
    run_on(make_sockets(), work());
}

TEST_CASE("listen: a handed-in Unix socket keeps its file") {
    const std::string path = temporary_path("adopted");
    auto work = [&]() -> task<> {
        const endpoint at = *endpoint::local(path);
        const int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
        REQUIRE(::bind(listening, reinterpret_cast<const sockaddr*>(at.bytes().data()),
                       static_cast<socklen_t>(at.bytes().size())) == 0);
        REQUIRE(::listen(listening, 10) == 0);
        result<net::listener> listener = net::adopt_listener(listening);
        REQUIRE(listener);
        co_await expect_serves(*listener, at);
    };
    run_on(make_sockets(), work());
    CHECK(::access(path.c_str(), F_OK) == 0);
    ::unlink(path.c_str());
}
