// io_uring's completion mode's own: the buffers running out, output and input that nobody takes, what lingers, operations
// in flight when their streams die, and each kernel feature off. What it shares with every other backend is tested by
// running io/, net/ and server/ on it.
#include <doctest/doctest.h>

#if defined(WEIR_WITH_LIBURING)

#include "../support/stream_fixtures.hpp"

#include <weir/io/uring.hpp>

#include <optional>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

using namespace weir;
using namespace std::chrono_literals;
using namespace tests;
using io::status;

namespace {

owned<io::uring_completion> make(const io::uring_options& options = {}) {
    auto made = io::uring_completion::make(options);
    REQUIRE_MESSAGE(made, made.error().message());
    return owned<io::uring_completion>(static_cast<io::uring_completion*>(made->release()));
}

// A stream, and the bare socket at its other end.
struct half {
    owned<io::stream> ours;
    io::unique_descriptor theirs;
};

half half_on(io::backend& events) {
    int sockets[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    auto ours = events.adopt_stream(sockets[0]);
    REQUIRE(ours);
    return {std::move(*ours), io::unique_descriptor(sockets[1])};
}

// A connection over TCP, whose other end is bare.
half tcp_half_on(io::backend& events, int receive_buffer = 0) {
    io::unique_descriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer) ::setsockopt(listening.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listening.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(listening.get(), 1) == 0);
    REQUIRE(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    auto ours = events.connect(bytes_of(&at, sizeof at));
    REQUIRE(ours);
    for (int turns = 0; turns < 1000 && (*ours)->connected() == status::blocked; ++turns) {
        (void)events.wait(10ms);
        while (events.dispatch()) {}
    }
    REQUIRE((*ours)->connected() == status::ready);
    return {std::move(*ours), io::unique_descriptor(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

void turn(io::backend& events, std::chrono::nanoseconds most = 1ms) {
    (void)events.wait(most);
    while (events.dispatch()) {}
}

template <class Condition>
bool until(io::backend& events, Condition&& met) {
    for (int turns = 0; turns < 5000; ++turns) {
        if (met()) return true;
        turn(events);
    }
    return met();
}

std::string pattern(std::size_t count, unsigned seed = 1) {
    std::string text(count, '\0');
    std::uint32_t state = seed;
    for (char& each : text) each = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    return text;
}

bool send_now(const half& to, std::string_view text) {
    return ::send(to.theirs.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(text.size());
}

// What the bare end can receive now. `ended`: it has come to the end; `broken`: by a reset.
std::string receive_now(int number, bool* ended = nullptr, bool* broken = nullptr) {
    std::string text;
    char room[16384];
    for (;;) {
        const ssize_t got = ::recv(number, room, sizeof room, MSG_DONTWAIT);
        if (got > 0) {
            text.append(room, static_cast<std::size_t>(got));
            continue;
        }
        if (ended && got == 0) *ended = true;
        if (broken && got < 0 && errno == ECONNRESET) *broken = true;
        return text;
    }
}

// Writes until nothing is taken any more.
std::size_t write_until_full(io::backend& events, io::stream& to, std::string_view text) {
    std::size_t taken = 0;
    for (int idle = 0; idle < 20 && taken < text.size();) {
        const std::size_t more = write_some(to, text.substr(taken));
        taken += more;
        idle = more ? 0 : idle + 1;
        turn(events, 0ns);
    }
    return taken;
}

// Fills unused blocks of the pool with what no test sends, as the next user would.
void scribble(block_pool& pool) {
    std::vector<block> taken;
    for (const std::size_t size : {1024u, 4096u, 16384u, 65536u, 262144u})
        for (int i = 0; i < 8; ++i) {
            taken.push_back(pool.take(size));
            std::memset(taken.back().data, 0xee, size);
        }
    for (const block& each : taken) pool.give(each);
}

// Takes what comes as it is told, one lease at a time.
struct reader : told {
    void on_readable() noexcept override {
        ++readable;
        while (from) {
            status outcome;
            const std::string more = read_some(*from, &outcome);
            text += more;
            if (outcome == status::end || outcome == status::failed) last = outcome;
            if (outcome != status::ready) break;
        }
    }
    io::stream* from = nullptr;
    std::string text;
    status last = status::ready;
};

} // namespace

TEST_CASE("uring_completion: takes what the kernel has, and does without what is turned off") {
    const auto best = make();
    CHECK(best->name() == "io_uring-completion");
    for (const io::uring_options& options :
        {io::uring_options{}, io::uring_options{.deferred_task_work = false},
            io::uring_options{.deferred_task_work = false, .cooperative_task_work = false}, io::uring_options{.submit_all = false},
            io::uring_options{.skip_success = false}, io::uring_options{.multishot_receive = false},
            io::uring_options{.multishot_accept = false}, io::uring_options{.submissions = 2, .completions = 8},
            io::uring_options{.buffers = 1, .buffer_bytes = 64}}) {
        const auto events = make(options);
        CHECK(events->features().deferred_task_work == (options.deferred_task_work && best->features().deferred_task_work));
        CHECK(events->features().multishot_receive == (options.multishot_receive && best->features().multishot_receive));
        CHECK(events->features().skip_success == (options.skip_success && best->features().skip_success));
        auto [ours, theirs] = tcp_half_on(*events);
        reader of_it;
        of_it.from = ours.get();
        ours->observe(&of_it);
        const std::string text = pattern(100'000);
        std::size_t there = 0, back = 0;
        std::string echo;
        CHECK(until(*events, [&] {
            const ssize_t sent = ::send(theirs.get(), text.data() + there, text.size() - there, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) there += static_cast<std::size_t>(sent);
            back += write_some(*ours, std::string_view(of_it.text).substr(back));
            echo += receive_now(theirs.get());
            return echo.size() == text.size();
        }));
        CHECK(echo == text);
        ours->observe(nullptr);
    }
}

TEST_CASE("uring_completion: buffers that run out come back, and nobody waits for ever") {
    for (const bool multishot : {true, false}) {
        const auto events = make({.submissions = 8, .completions = 16, .buffers = 2, .buffer_bytes = 64, .multishot_receive = multishot});
        constexpr std::size_t count = 100;
        std::vector<half> all;
        std::vector<reader> observers(count);
        for (std::size_t i = 0; i < count; ++i) {
            all.push_back(half_on(*events));
            observers[i].from = all[i].ours.get();
            all[i].ours->observe(&observers[i]);
        }
        turn(*events);
        for (int round = 0; round < 10; ++round) {
            for (std::size_t i = 0; i < count; ++i) CHECK(send_now(all[i], pattern(200, static_cast<unsigned>(i))));
            const std::size_t each = 200 * static_cast<std::size_t>(round + 1);
            CHECK(until(*events, [&] {
                for (const reader& one : observers)
                    if (one.text.size() < each) return false;
                return true;
            }));
        }
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(observers[i].text.substr(0, 200) == pattern(200, static_cast<unsigned>(i)));
            CHECK(observers[i].text.substr(1800) == pattern(200, static_cast<unsigned>(i)));
            all[i].ours->observe(nullptr);
        }
    }
}

TEST_CASE("uring_completion: who keeps leases, and who does not read, starve nobody") {
    const auto events = make({.buffers = 8, .buffer_bytes = 1024});
    std::vector<half> keepers, silent;
    std::vector<io::lease> kept(20);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        keepers.push_back(half_on(*events));
        CHECK(read_some(*keepers[i].ours).empty());
        CHECK(send_now(keepers[i], "kept"));
        CHECK(until(*events, [&] { return keepers[i].ours->fill(kept[i]) == status::ready; }));
        silent.push_back(half_on(*events));
        CHECK(send_now(silent[i], pattern(5000)));
        turn(*events);
    }
    auto busy = half_on(*events);
    reader of_it;
    of_it.from = busy.ours.get();
    busy.ours->observe(&of_it);
    for (unsigned round = 0; round < 50; ++round) {
        of_it.text.clear();
        CHECK(send_now(busy, pattern(3000, round)));
        CHECK(until(*events, [&] { return of_it.text.size() == 3000; }));
        CHECK(of_it.text == pattern(3000, round));
    }
    for (std::size_t i = 0; i < kept.size(); ++i) {
        CHECK(as_text(kept[i].bytes) == "kept");
        keepers[i].ours->release(std::move(kept[i]));
        std::string text;
        CHECK(until(*events, [&] { return text += read_some(*silent[i].ours), text.size() == 5000; }));
        CHECK(text == pattern(5000));
    }
    busy.ours->observe(nullptr);
}

TEST_CASE("uring_completion: who does not read holds the peer back, and then gets everything") {
    for (const bool multishot : {true, false}) {
        const auto events = make({.multishot_receive = multishot});
        auto [ours, theirs] = tcp_half_on(*events);
        told of_it;
        ours->observe(&of_it);
        const std::string text = pattern(24'000'000);
        std::size_t sent = 0;
        for (int idle = 0; idle < 50;) {
            const ssize_t more = ::send(theirs.get(), text.data() + sent, text.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (more > 0) sent += static_cast<std::size_t>(more);
            idle = more > 0 ? 0 : idle + 1;
            turn(*events, 0ns);
        }
        CHECK(sent < text.size()); // the kernel's socket and ours are full
        CHECK(events->blocks().lent() <= 64); // 256 KiB at the most, however many came before the cancel
        CHECK(of_it.readable == 1);
        std::string got;
        CHECK(until(*events, [&] {
            const ssize_t more = ::send(theirs.get(), text.data() + sent, text.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (more > 0) sent += static_cast<std::size_t>(more);
            for (std::string some; !(some = read_some(*ours)).empty();) got += some;
            return got.size() == text.size();
        }));
        CHECK(got == text);
        ours->observe(nullptr);
    }
}

TEST_CASE("uring_completion: the end and the failure of the peer are told to who does not read") {
    for (const bool resets : {false, true}) {
        for (const std::size_t unread : {std::size_t{0}, std::size_t{100}, std::size_t{200'000}}) {
            const auto events = make();
            auto [ours, theirs] = tcp_half_on(*events);
            told of_it;
            ours->observe(&of_it);
            const std::string text = pattern(unread);
            std::size_t sent = 0;
            CHECK(until(*events, [&] {
                const ssize_t more = ::send(theirs.get(), text.data() + sent, text.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (more > 0) sent += static_cast<std::size_t>(more);
                return sent == text.size();
            }));
            for (int turns = 0; turns < 10; ++turns) turn(*events);
            of_it = told();
            if (resets) {
                const linger at_once{1, 0};
                ::setsockopt(theirs.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            }
            theirs.close();
            CHECK(until(*events, [&] { return of_it.readable > 0; }));
            status last = status::ready;
            std::string got;
            CHECK(until(*events, [&] {
                do got += read_some(*ours, &last);
                while (last == status::ready);
                return last != status::blocked;
            }));
            CHECK(last == (resets ? status::failed : status::end));
            if (!resets) CHECK(got == text);
            CHECK(text.starts_with(got));
            ours->observe(nullptr);
        }
    }
}

TEST_CASE("uring_completion: a peer that never reads costs the limit and no more, and is written to exactly") {
    const auto events = make({.send_bytes = 50'000});
    auto [ours, theirs] = tcp_half_on(*events, 4096);
    told of_it;
    ours->observe(&of_it);
    const std::string text = pattern(8'000'000);
    const std::size_t taken = write_until_full(*events, *ours, text);
    REQUIRE(taken < text.size());
    CHECK(write_some(*ours, "x") == 0);
    CHECK(!ours->failure());
    of_it = told();
    for (int turns = 0; turns < 10; ++turns) turn(*events);
    CHECK(of_it.writable == 0);
    std::string got;
    std::size_t more = taken;
    CHECK(until(*events, [&] { // short sends all the way
        got += receive_now(theirs.get());
        more += write_some(*ours, std::string_view(text).substr(more, 70'000));
        return got.size() == text.size();
    }));
    CHECK(of_it.writable > 0);
    CHECK(got == text);
    ours->observe(nullptr);
}

TEST_CASE("uring_completion: what was taken and does not fit leaves after the close, from memory that nobody else gets") {
    for (const bool destroys : {false, true}) {
        const auto events = make();
        auto [ours, theirs] = tcp_half_on(*events, 4096);
        const std::string text = pattern(24'000'000);
        const std::size_t taken = write_until_full(*events, *ours, text);
        REQUIRE(taken < text.size());
        if (destroys)
            ours.reset();
        else
            ours->close();
        std::string got;
        bool ended = false;
        CHECK(until(*events, [&] {
            scribble(events->blocks());
            got += receive_now(theirs.get(), &ended);
            return ended;
        }));
        CHECK(got.size() == taken);
        CHECK(text.starts_with(got));
        CHECK(events->blocks().lent() == 0);
    }
}

TEST_CASE("uring_completion: a reset drops what was taken, and the kernel sends nothing of the memory's next user") {
    const auto events = make();
    auto [ours, theirs] = tcp_half_on(*events, 4096);
    const std::string text = pattern(8'000'000);
    REQUIRE(write_until_full(*events, *ours, text) < text.size());
    ours->reset();
    scribble(events->blocks());
    for (int turns = 0; turns < 10; ++turns) turn(*events);
    CHECK(events->blocks().lent() == 0);
    bool ended = false, broken = false;
    const std::string got = receive_now(theirs.get(), &ended, &broken);
    CHECK(text.starts_with(got));
    CHECK(broken);
    CHECK(!ended);
}

TEST_CASE("uring_completion: what lingers when the backend goes is a reset to the peer, not an end") {
    std::optional<owned<io::uring_completion>> events(make());
    auto [ours, theirs] = tcp_half_on(**events, 4096);
    const std::string text = pattern(8'000'000);
    REQUIRE(write_until_full(**events, *ours, text) < text.size());
    ours.reset();
    events.reset();
    bool ended = false, broken = false;
    CHECK(text.starts_with(receive_now(theirs.get(), &ended, &broken)));
    CHECK(broken);
    CHECK(!ended);
}

TEST_CASE("uring_completion: written and closed in one breath, it all arrives before anybody turns") {
    const auto events = make();
    for (int round = 0; round < 10; ++round) {
        auto [ours, theirs] = tcp_half_on(*events);
        if (round % 2) turn(*events);
        CHECK(write_some(*ours, "first, ") == 7);
        if (round % 3 == 0) turn(*events);
        CHECK(write_some(*ours, "and last") == 8);
        ours->close();
        bool ended = false;
        CHECK(receive_now(theirs.get(), &ended) == "first, and last");
        CHECK(ended);
    }
}

TEST_CASE("uring_completion: streams die with every operation in flight, and nothing is written to after that") {
    // The buffers' memory is the pool's and the allocator's again when the backend has gone; what the peers still send must
    // not appear in it.
    for (const bool deferred : {true, false}) {
        std::vector<io::unique_descriptor> peers;
        {
            const auto events = make({.submissions = 8, .completions = 16, .deferred_task_work = deferred});
            for (int round = 0; round < 300; ++round) {
                auto [ours, theirs] = half_on(*events);
                CHECK(write_some(*ours, pattern(3000)) == 3000);
                if (round % 2) turn(*events, 0ns);
                if (round % 3 == 0) CHECK(::send(theirs.get(), "for nobody", 10, MSG_NOSIGNAL) == 10);
                if (round % 5 == 0) (void)events->wait(0ns);
                if (round % 7 == 0) ours->reset();
                ours.reset();
                peers.push_back(std::move(theirs));
            }
            scribble(events->blocks());
            turn(*events);
            CHECK(events->blocks().lent() == 0);
        }
        std::vector<std::string> memory;
        for (int i = 0; i < 40; ++i) memory.emplace_back(8 * 1024 + 100, '\x5a');
        for (const auto& each : peers) (void)::send(each.get(), "KERNEL WROTE HERE", 17, MSG_NOSIGNAL | MSG_DONTWAIT);
        for (const std::string& each : memory) CHECK(each == std::string(each.size(), '\x5a'));
    }
}

TEST_CASE("uring_completion: more events than it has room for lose nothing") {
    for (const bool deferred : {true, false}) {
        const auto events = make({.submissions = 4, .completions = 8, .deferred_task_work = deferred});
        std::vector<half> all;
        std::vector<reader> observers(100);
        for (reader& each : observers) {
            all.push_back(half_on(*events));
            each.from = all.back().ours.get();
            all.back().ours->observe(&each);
        }
        for (std::size_t round = 1; round <= 20; ++round) {
            for (const half& each : all) CHECK(send_now(each, "x"));
            for (const half& each : all) CHECK(write_some(*each.ours, "y") == 1);
            CHECK(until(*events, [&] {
                for (const reader& each : observers)
                    if (each.text.size() < round) return false;
                return true;
            }));
        }
        for (const half& each : all) {
            CHECK(receive_now(each.theirs.get()) == std::string(20, 'y'));
            each.ours->observe(nullptr);
        }
    }
}

TEST_CASE("uring_completion: all who wait are accepted, by one submission or one each, and in order") {
    for (const bool multishot : {true, false}) {
        const auto events = make({.multishot_accept = multishot});
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto listening = events->listen(bytes_of(&any, sizeof any), {});
        REQUIRE(listening);
        told of_it;
        (*listening)->observe(&of_it);
        owned<io::stream> next;
        std::error_code failure;
        CHECK((*listening)->accept(next, failure) == status::blocked);
        turn(*events);
        std::vector<io::unique_descriptor> clients;
        for (int round = 0; round < 3; ++round) {
            const std::size_t before = clients.size();
            for (int i = 0; i < 50; ++i) {
                clients.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
                const auto* at = reinterpret_cast<const sockaddr*>((*listening)->local_address().data());
                CHECK(::connect(clients.back().get(), at, sizeof any) == 0);
                const char number = static_cast<char>(i);
                CHECK(::send(clients.back().get(), &number, 1, MSG_NOSIGNAL) == 1);
            }
            if (round == 2) break; // nobody asks for these
            std::vector<owned<io::stream>> accepted;
            of_it = told();
            CHECK(until(*events, [&] { return of_it.acceptable > 0; }));
            CHECK(until(*events, [&] {
                while ((*listening)->accept(next, failure) == status::ready) accepted.push_back(std::move(next));
                return accepted.size() == 50;
            }));
            CHECK((*listening)->accept(next, failure) == status::blocked);
            for (std::size_t i = 0; i < accepted.size(); ++i) {
                std::string got;
                CHECK(until(*events, [&] { return !(got = read_some(*accepted[i])).empty(); }));
                CHECK(got[0] == static_cast<char>(i));
            }
            CHECK(clients.size() == before + 50);
        }
        turn(*events);
        turn(*events);
        (*listening)->observe(nullptr);
        listening->reset();
        for (int i = 0; i < 50; ++i) { // turned away
            pollfd one{clients[clients.size() - 1 - static_cast<std::size_t>(i)].get(), POLLIN, 0};
            CHECK(::poll(&one, 1, 1000) == 1);
        }
    }
}

TEST_CASE("uring_completion: the port of a killed program is free at once") {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int round = 0; round < 5; ++round) {
        int pipe[2];
        REQUIRE(::pipe(pipe) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            auto events = io::uring_completion::make();
            auto listening = events ? (*events)->listen(bytes_of(&at, sizeof at), {}) : error(std::error_code());
            if (!listening) ::_exit(1);
            told of_it;
            (*listening)->observe(&of_it);
            owned<io::stream> next;
            std::error_code failure;
            (void)(*listening)->accept(next, failure);
            turn(**events);
            const bytes_view where = (*listening)->local_address();
            if (::write(pipe[1], where.data(), sizeof at) != sizeof at) ::_exit(1);
            for (;;) turn(**events, 100ms);
        }
        ::close(pipe[1]);
        REQUIRE(::read(pipe[0], &at, sizeof at) == sizeof at);
        ::close(pipe[0]);
        io::unique_descriptor client(::socket(AF_INET, SOCK_STREAM, 0));
        CHECK(::connect(client.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        const auto events = make();
        auto again = events->listen(bytes_of(&at, sizeof at), {});
        CHECK_MESSAGE(again, again.error().message());
        at.sin_port = 0;
    }
}

#endif
