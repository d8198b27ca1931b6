// What every stream and acceptor owes its user: the same cases over pipes in memory, Unix sockets and TCP.
#include "../support/stream_fixtures.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace weir;
using namespace tests;
using io::status;

namespace {

// Reads exactly `count` bytes, or what comes before the end or a failure.
std::string read_all(stream_fixture& in, io::stream& from, std::size_t count, status* last = nullptr) {
    std::string text;
    status outcome = status::blocked;
    in.until([&] {
        do
            text += read_some(from, &outcome);
        while (outcome == status::ready && text.size() < count);
        return text.size() >= count || outcome == status::end || outcome == status::failed;
    });
    if (last) *last = outcome;
    return text;
}

// Writes all of it, in as many turns as it takes.
bool write_all(stream_fixture& in, io::stream& to, std::string_view text) {
    return in.until([&] {
        text.remove_prefix(write_some(to, text));
        return text.empty() || to.failure();
    }) && !to.failure();
}

status state_of(io::stream& which) {
    status outcome;
    read_some(which, &outcome);
    return outcome;
}

std::string pattern(std::size_t count) {
    std::string text(count, '\0');
    std::uint32_t state = 1;
    for (char& each : text) each = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    return text;
}

// Destroys another stream when it is told.
struct destroyer : told {
    void on_readable() noexcept override {
        ++readable;
        if (victim) victim->reset();
    }
    owned<io::stream>* victim = nullptr;
};

} // namespace

TEST_CASE_TEMPLATE("stream: blocked, then told, then bytes", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    told of_a;
    auto [a, b] = in.pair();
    a->observe(&of_a);
    CHECK(a->connected() == status::ready);
    CHECK(!a->failure());
    in.settle();
    for (int round = 1; round <= 3; ++round) {
        of_a = told();
        CHECK(state_of(*a) == status::blocked);
        CHECK(state_of(*a) == status::blocked);
        in.settle();
        CHECK(of_a.readable == 0);
        CHECK(write_some(*b, "x") == 1);
        CHECK(of_a.readable == 0); // never from within an operation
        CHECK(in.until([&] { return of_a.readable > 0; }));
        in.settle();
        CHECK(of_a.readable == 1);
        CHECK(read_some(*a) == "x");
    }
    a->observe(nullptr);
}

TEST_CASE_TEMPLATE("stream: who is told that everything was lent need not ask again", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    told of_a;
    auto [a, b] = in.pair();
    a->observe(&of_a);
    in.settle();
    for (int round = 1; round <= 3; ++round) {
        CHECK(write_some(*b, "x") == 1);
        CHECK(in.until([&] { return read_some(*a) == "x"; }));
        if (!a->drained()) CHECK(state_of(*a) == status::blocked);
        of_a = told();
        in.settle();
        CHECK(write_some(*b, "y") == 1);
        CHECK(in.until([&] { return of_a.readable > 0; }));
        CHECK(read_some(*a) == "y");
        if (!a->drained()) CHECK(state_of(*a) == status::blocked);
        of_a = told();
    }
    b.reset();
    CHECK(in.until([&] { return of_a.readable > 0; }));
    CHECK(state_of(*a) == status::end);
}

TEST_CASE_TEMPLATE("stream: pieces come out in order, empty ones do no harm", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto [a, b] = in.pair();
    std::vector<bytes_view> pieces;
    const std::string letters = "abcdefghijklmnopqrstuvwxyz";
    for (int i = 0; i < 200; ++i) {
        pieces.push_back(as_bytes(letters).subspan(static_cast<std::size_t>(i % 26), 1));
        pieces.push_back({});
    }
    std::span<const bytes_view> left = pieces;
    CHECK(in.until([&] {
        std::size_t taken = a->write(left);
        while (!left.empty() && (left.front().empty() || taken > 0)) {
            taken -= left.front().size();
            left = left.subspan(1);
        }
        return left.empty();
    }));
    const std::string text = read_all(in, *b, 200);
    REQUIRE(text.size() == 200);
    for (std::size_t i = 0; i < 200; ++i) CHECK(text[i] == letters[i % 26]);
}

TEST_CASE_TEMPLATE("stream: a writer is held back, and told when there is room", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    told of_a;
    auto [a, b] = in.pair();
    a->observe(&of_a);
    const std::string text = pattern(1 << 20);
    std::size_t written = 0, idle = 0;
    while (idle < 20 && written < 64 * text.size()) { // until nothing is taken any more
        const std::size_t taken = write_some(*a, std::string_view(text).substr(written % text.size()));
        written += taken;
        idle = taken ? 0 : idle + 1;
        in.loop().turn(std::chrono::milliseconds(1));
    }
    REQUIRE(written < 64 * text.size());
    CHECK(!a->failure());
    CHECK(write_some(*a, "x") == 0);
    CHECK(a->bytes_under_way() > 0);
    CHECK(b->bytes_under_way() == 0);
    in.settle();
    of_a = told();
    std::string got;
    CHECK(in.until([&] {
        for (std::string more; !(more = read_some(*b)).empty();) got += more;
        return got.size() >= written;
    }));
    CHECK(in.until([&] { return of_a.writable > 0; }));
    CHECK(got.size() == written);
    bool exact = true;
    for (std::size_t i = 0; i < got.size(); ++i) exact = exact && got[i] == text[i % text.size()];
    CHECK(exact);
    CHECK(in.until([&] { return a->bytes_under_way() == 0; }));
    CHECK(write_some(*a, "x") == 1);
    a->close();
    CHECK(a->bytes_under_way() <= 1);
    a->observe(nullptr);
}

TEST_CASE_TEMPLATE("stream: megabytes both ways at once, exactly", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto [a, b] = in.pair();
    const std::size_t size = std::is_same_v<Fixture, fragmented_memory_fixture> ? 50'000 : 3'000'000;
    const std::string text = pattern(size);
    std::size_t sent_a = 0, sent_b = 0;
    std::string got_a, got_b;
    for (int turns = 0; turns < 100'000 && (got_a.size() < size || got_b.size() < size); ++turns) {
        sent_a += write_some(*a, std::string_view(text).substr(sent_a));
        sent_b += write_some(*b, std::string_view(text).substr(sent_b));
        for (std::string more; !(more = read_some(*a)).empty();) got_a += more;
        for (std::string more; !(more = read_some(*b)).empty();) got_b += more;
        in.loop().turn(std::chrono::milliseconds(1));
    }
    CHECK(got_a == text);
    CHECK(got_b == text);
}

TEST_CASE_TEMPLATE("stream: the end comes after the bytes, and the other direction stays open", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    told of_b;
    auto [a, b] = in.pair();
    b->observe(&of_b);
    CHECK(state_of(*b) == status::blocked);
    CHECK(write_all(in, *a, "last words"));
    a->shutdown_write();
    a->shutdown_write();
    CHECK(in.until([&] { return of_b.readable > 0; }));
    status last;
    CHECK(read_all(in, *b, 1000, &last) == "last words");
    CHECK(last == status::end);
    CHECK(state_of(*b) == status::end); // and stays
    CHECK(!b->failure());
    CHECK(write_all(in, *b, "still here"));
    CHECK(read_all(in, *a, 10) == "still here");
    CHECK(write_some(*a, "no more") == 0);
    CHECK(a->failure() == std::errc::broken_pipe);
    b->observe(nullptr);
}

TEST_CASE_TEMPLATE("stream: destroyed, it ends after its bytes", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto [a, b] = in.pair();
    CHECK(write_all(in, *a, "farewell"));
    SUBCASE("destroyed") { a.reset(); }
    SUBCASE("closed") {
        a->close();
        CHECK(state_of(*a) == status::failed);
        CHECK(write_some(*a, "x") == 0);
        CHECK(a->failure() == condition::disconnected);
    }
    status last;
    CHECK(read_all(in, *b, 1000, &last) == "farewell");
    CHECK(last == status::end);
    CHECK(in.until([&] { // writing to nobody fails, sooner or later
        write_some(*b, "anybody?");
        return static_cast<bool>(b->failure());
    }));
    CHECK(b->failure() == condition::disconnected);
}

TEST_CASE_TEMPLATE("stream: a reset breaks both ends", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    told of_b;
    auto [a, b] = in.pair();
    b->observe(&of_b);
    CHECK(state_of(*b) == status::blocked);
    a->reset();
    a->reset();
    CHECK(a->connected() == status::failed);
    CHECK(state_of(*a) == status::failed);
    CHECK(write_some(*a, "x") == 0);
    a->shutdown_write();
    CHECK(in.until([&] { return of_b.readable > 0; }));
    if (in.resets()) {
        CHECK(state_of(*b) == status::failed);
        CHECK(b->failure() == std::errc::connection_reset);
    } else {
        CHECK(state_of(*b) == status::end);
    }
    b->observe(nullptr);
}

TEST_CASE_TEMPLATE("stream: a reader that is not reading is told of a broken connection", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    told of_b;
    auto [a, b] = in.pair();
    CHECK(write_all(in, *a, "unread"));
    in.settle();
    b->observe(&of_b);
    a->reset();
    CHECK(in.until([&] { return of_b.readable > 0; }));
    b->observe(nullptr);
}

TEST_CASE_TEMPLATE("stream: a lease may be kept, changed, and outlive a reset", Fixture, ALL_STREAM_FIXTURES) {
    Fixture in;
    auto [a, b] = in.pair();
    CHECK(write_all(in, *a, "first"));
    io::lease first;
    CHECK(in.until([&] { return b->fill(first) == status::ready; }));
    const std::string had(as_text(first.bytes));
    CHECK(had == std::string("first").substr(0, had.size()));
    for (std::byte& each : first.bytes) each = std::byte{'y'};
    CHECK(write_all(in, *a, "second"));
    io::lease second;
    CHECK(in.until([&] { return b->fill(second) == status::ready; }));
    CHECK(as_text(first.bytes) == std::string(had.size(), 'y'));
    b->release(std::move(second));
    b->reset();
    b->release(std::move(first));
    b->release(io::lease());
    CHECK(first.backing.data == nullptr);
}

TEST_CASE_TEMPLATE("stream: destroyed while another one's observer is told", Fixture, ALL_STREAM_FIXTURES) {
    // Both are told in the same turn, whichever comes first destroys the other.
    Fixture in;
    destroyer of_a, of_b;
    auto [a, far_a] = in.pair();
    auto [b, far_b] = in.pair();
    a->observe(&of_a);
    b->observe(&of_b);
    of_a.victim = &b;
    of_b.victim = &a;
    CHECK(state_of(*a) == status::blocked);
    CHECK(state_of(*b) == status::blocked);
    in.settle();
    CHECK(write_some(*far_a, "x") == 1);
    CHECK(write_some(*far_b, "x") == 1);
    CHECK(in.until([&] { return of_a.readable + of_b.readable > 0; }));
    in.settle();
    CHECK(of_a.readable + of_b.readable == 1);
    CHECK((a == nullptr) != (b == nullptr));
    if (a) a->observe(nullptr);
    if (b) b->observe(nullptr);
}

TEST_CASE_TEMPLATE("stream: no news of a dead stream reaches its successor", Fixture, ALL_STREAM_FIXTURES) {
    // The successor has the same descriptor, and may have the same address.
    Fixture in;
    for (int round = 0; round < 50; ++round) {
        auto [a, b] = in.pair();
        in.settle();
        CHECK(write_some(*b, "for the dead") > 0);
        in.loop().events().wait(std::chrono::milliseconds(0)); // found, not told
        a.reset();
        b.reset();
        auto [c, d] = in.pair();
        told of_c;
        c->observe(&of_c);
        while (in.loop().events().dispatch()) {}
        CHECK(state_of(*c) == status::blocked);
        in.settle();
        CHECK(of_c.readable == 0);
        CHECK(write_some(*d, "x") == 1);
        CHECK(in.until([&] { return of_c.readable == 1; }));
        c->observe(nullptr);
    }
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
