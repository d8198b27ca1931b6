// What every stream and acceptor owes its user: the same cases over pipes in memory, Unix sockets and TCP.
#include "stream_contract.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace weir;
using namespace tests;
using namespace tests::stream_contract;
using io::status;

TEST_CASE_TEMPLATE("stream: blocked, then told, then bytes", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::blocked_then_told<Fixture>();
}
TEST_CASE_TEMPLATE("stream: who is told that everything was lent need not ask again", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::drained<Fixture>();
}
TEST_CASE_TEMPLATE("stream: pieces come out in order, empty ones do no harm", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::pieces<Fixture>();
}
TEST_CASE_TEMPLATE("stream: a writer is held back, and told when there is room", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::held_back<Fixture>();
}
TEST_CASE_TEMPLATE("stream: megabytes both ways at once, exactly", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::megabytes<Fixture>();
}
TEST_CASE_TEMPLATE("stream: bytes go to the memory of whoever is in the middle of something long", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::filled_first<Fixture>();
}
TEST_CASE_TEMPLATE("stream: the end comes after the bytes, and the other direction stays open", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::ends<Fixture>();
}
TEST_CASE_TEMPLATE("stream: destroyed, it ends after its bytes", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::destroyed<Fixture>();
}
TEST_CASE_TEMPLATE("stream: a reset breaks both ends", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::reset<Fixture>();
}
TEST_CASE_TEMPLATE("stream: a reader that is not reading is told of a broken connection", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::told_unasked<Fixture>();
}
TEST_CASE_TEMPLATE("stream: a lease may be kept, changed, and outlive a reset", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::kept_lease<Fixture>();
}
TEST_CASE_TEMPLATE("stream: destroyed while another one's observer is told", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::destroyed_meanwhile<Fixture>();
}
TEST_CASE_TEMPLATE("stream: no news of a dead stream reaches its successor", Fixture, ALL_STREAM_FIXTURES) {
    tests::stream_contract::successor<Fixture>();
}

TEST_CASE_TEMPLATE("socket streams: one that has failed to write leaves the loop in peace", Fixture, unix_fixture, tcp_fixture) {
    Fixture in;
    auto [one, other] = in.pair();
    in.settle();
    one->shutdown_write();
    const std::byte any{};
    CHECK(in.until([&, &of = one] { return of->write_piece({&any, 1}) == 0 && of->failure(); }));
    CHECK(other->write_piece({&any, 1}) == 1);
    in.settle();
    CHECK_FALSE(in.events().wait(std::chrono::nanoseconds(0)));
    io::lease got;
    CHECK(in.until([&, &of = one] { // what had arrived, and then what is wrong
        const status came = of->fill(got);
        if (came == status::ready) of->release(std::move(got));
        return came == status::failed;
    }));
    CHECK(other->write_piece({&any, 1}) == 1);
    in.settle();
    CHECK_FALSE(in.events().wait(std::chrono::nanoseconds(0)));
}

TEST_CASE("socket streams: a writer that waits is told of a reset that a reader has found first") {
    tcp_fixture in;
    auto [one, other] = in.pair();
    struct : io::stream_observer {
        void on_readable() noexcept override {}
        void on_writable() noexcept override { told = true; }
        bool told = false;
    } writer;
    one->observe(&writer);
    const std::vector<std::byte> much(1 << 20);
    CHECK(other->write_piece({much.data(), 64 * 1024}) > 0);
    in.settle();
    while (one->write_piece(much) == much.size()) {}
    writer.told = false;
    other->reset();
    for (io::lease got; one->fill(got) == status::ready;) one->release(std::move(got));
    CHECK(in.until([&] { return writer.told; }));
    one->observe(nullptr);
}

TEST_CASE_TEMPLATE("acceptor: connecting, accepting, talking", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto listening = in.events().listen(in.listening_address(), {});
    REQUIRE(listening);
    told of_it, of_client;
    (*listening)->observe(&of_it);
    owned<io::stream> server;
    std::error_code failure;
    CHECK((*listening)->accept(server, failure) == status::blocked);
    in.settle();
    for (int round = 1; round <= 3; ++round) {
        of_it = told();
        auto client = in.events().connect((*listening)->local_address());
        REQUIRE(client);
        (*client)->observe(&of_client);
        CHECK(in.until([&] { return of_it.acceptable > 0; }));
        CHECK((*listening)->accept(server, failure) == status::ready);
        CHECK((*listening)->accept(server, failure) == status::blocked);
        CHECK(in.until([&] { return (*client)->connected() == status::ready; }));
        CHECK(write_all(in, **client, "hello"));
        CHECK(read_all(in, *server, 5) == "hello");
        CHECK(write_all(in, *server, "and hello"));
        CHECK(read_all(in, **client, 9) == "and hello");
        (*client)->observe(nullptr);
    }
    (*listening)->observe(nullptr);
}

TEST_CASE_TEMPLATE("acceptor: an address in use", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto first = in.events().listen(in.listening_address(), {});
    REQUIRE(first);
    const std::vector<std::byte> at((*first)->local_address().begin(), (*first)->local_address().end());
    auto second = in.events().listen(at, {});
    REQUIRE(!second);
    CHECK(second.error() == std::errc::address_in_use);
    first->reset();
    auto third = in.events().listen(at, {});
    CHECK(third);
}

TEST_CASE_TEMPLATE("connecting where nobody listens is refused", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto listening = in.events().listen(in.listening_address(), {});
    REQUIRE(listening);
    const std::vector<std::byte> at((*listening)->local_address().begin(), (*listening)->local_address().end());
    listening->reset();
    told of_client;
    auto client = in.events().connect(at);
    if (!client) { // a Unix socket knows at once
        CHECK(client.error() == condition::unreachable);
        return;
    }
    (*client)->observe(&of_client);
    CHECK((*client)->connected() == status::blocked);
    CHECK(write_some(**client, "x") == 0);
    CHECK(in.until([&] { return of_client.writable > 0; }));
    CHECK((*client)->connected() == status::failed);
    CHECK((*client)->failure() == std::errc::connection_refused);
    CHECK(state_of(**client) == status::failed);
    (*client)->observe(nullptr);
}

TEST_CASE_TEMPLATE("connecting may be given up at any time", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto listening = in.events().listen(in.listening_address(), {});
    REQUIRE(listening);
    for (int turns = 0; turns < 4; ++turns) {
        auto client = in.events().connect((*listening)->local_address());
        REQUIRE(client);
        for (int i = 0; i < turns; ++i) in.loop().turn(std::chrono::nanoseconds(0));
        client->reset();
        owned<io::stream> server;
        std::error_code failure;
        CHECK(in.until([&] { return (*listening)->accept(server, failure) == status::ready; }));
        CHECK(in.until([&] { return state_of(*server) != status::blocked; }));
    }
}

TEST_CASE("socket_backend: an address that is none") {
    unix_fixture in;
    CHECK(in.events().connect({}).error() == errc::bad_address);
    CHECK(in.events().listen(as_bytes("x"), {}).error() == errc::bad_address);
    CHECK(in.events().connect(as_bytes(std::string(200, 'x'))).error() == errc::bad_address);
}

TEST_CASE("socket_backend: a Unix socket's file that a killed program left is replaced, others are not") {
    unix_fixture in;
    struct stat found;
    SUBCASE("left") {
        const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
        const bytes_view at = in.listening_address();
        REQUIRE(::bind(dead, reinterpret_cast<const sockaddr*>(at.data()), static_cast<socklen_t>(at.size())) == 0);
        ::close(dead);
        REQUIRE(::lstat(in.path(), &found) == 0);
        auto listening = in.events().listen(at, {});
        CHECK(listening);
    }
    SUBCASE("no socket at all") {
        const int file = ::open(in.path(), O_CREAT | O_WRONLY, 0600);
        ::close(file);
        CHECK(in.events().listen(in.listening_address(), {}).error() == std::errc::address_in_use);
        CHECK(::lstat(in.path(), &found) == 0);
        return;
    }
    SUBCASE("a path that ends without a zero") {
        bytes_view at = in.listening_address();
        const auto size = offsetof(sockaddr_un, sun_path) + std::strlen(in.path());
        const std::vector<std::byte> exact(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(size));
        for (int i = 0; i < 2; ++i) {
            auto listening = in.events().listen(exact, {});
            REQUIRE(listening);
            auto client = in.events().connect(exact);
            CHECK(client);
        }
    }
    CHECK(::lstat(in.path(), &found) != 0); // gone with the acceptor
}

TEST_CASE("socket_acceptor: out of descriptors, whoever waits is accepted later") {
    tcp_fixture in;
    auto listening = in.events().listen(in.listening_address(), {});
    REQUIRE(listening);
    auto client = in.events().connect((*listening)->local_address());
    REQUIRE(client);
    CHECK(in.until([&] { return (*client)->connected() == status::ready; }));
    rlimit before;
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::dup(0); // the lowest number that is free
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    owned<io::stream> server;
    std::error_code failure;
    const status refused = (*listening)->accept(server, failure);
    const bool no_events = !tests::make_events();
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(refused == status::failed);
    CHECK(failure == std::errc::too_many_files_open);
    CHECK(no_events);
    CHECK((*listening)->accept(server, failure) == status::ready);
}
