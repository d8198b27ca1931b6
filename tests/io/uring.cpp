// The io_uring backend's own: kernel features one by one, overflow, events of the dead, and errors that say what to do.
// What it shares with every other backend is tested by running io/, net/ and server/ on it.
#include <doctest/doctest.h>

#if defined(WEIR_WITH_LIBURING)

#include "../support/stream_fixtures.hpp"

#include <weir/io/uring.hpp>

#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

using namespace weir;
using namespace std::chrono_literals;
using namespace tests;
using io::status;

namespace {

owned<io::uring> make(const io::uring_options& options = {}) {
    auto made = io::uring::make(options);
    REQUIRE_MESSAGE(made, made.error().message());
    return owned<io::uring>(static_cast<io::uring*>(made->release()));
}

stream_pair pair_on(io::backend& events) {
    int sockets[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    auto a = events.adopt_stream(sockets[0]), b = events.adopt_stream(sockets[1]);
    REQUIRE(a);
    REQUIRE(b);
    return {std::move(*a), std::move(*b)};
}

void turn(io::backend& events) {
    (void)events.wait(1ms);
    while (events.dispatch()) {}
}

// Runs `work` on a thread of its own, where io_uring_setup fails with `number` as a container would have it.
template <class Work>
void where_setup_fails(int number, Work work) {
    std::thread other([&] {
        sock_filter program[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), // the number of the call
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(number)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        sock_fprog filter{4, program};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
            MESSAGE("no seccomp here");
            return;
        }
        work();
    });
    other.join();
}

} // namespace

TEST_CASE("uring: takes what the kernel has, and does without what is turned off") {
    const auto best = make();
    CHECK(best->name() == "io_uring");
    for (const io::uring_options& options :
        {io::uring_options{.deferred_task_work = false}, io::uring_options{.deferred_task_work = false, .cooperative_task_work = false},
            io::uring_options{.submit_all = false}, io::uring_options{.skip_success = false},
            io::uring_options{.submissions = 2, .completions = 8}}) {
        const auto events = make(options);
        CHECK(events->features().deferred_task_work == (options.deferred_task_work && best->features().deferred_task_work));
        CHECK(events->features().skip_success == (options.skip_success && best->features().skip_success));
        told of_a;
        auto [a, b] = pair_on(*events);
        a->observe(&of_a);
        for (int round = 0; round < 10; ++round) {
            of_a.readable = 0;
            CHECK(write_some(*b, "x") == 1);
            for (int turns = 0; turns < 1000 && of_a.readable == 0; ++turns) turn(*events);
            CHECK(of_a.readable == 1);
            CHECK(read_some(*a) == "x");
            CHECK(read_some(*a).empty());
        }
        a->observe(nullptr);
    }
}

TEST_CASE("uring: more events than it has room for are all told, and what the kernel gave up is watched anew") {
    for (const bool deferred : {true, false}) {
        const auto events = make({.submissions = 4, .completions = 8, .deferred_task_work = deferred});
        constexpr std::size_t count = 100;
        std::vector<stream_pair> pairs;
        std::vector<told> observers(count);
        for (std::size_t i = 0; i < count; ++i) {
            pairs.push_back(pair_on(*events));
            pairs[i].first->observe(&observers[i]);
        }
        for (int round = 0; round < 20; ++round) {
            for (std::size_t i = 0; i < count; ++i) {
                observers[i] = told();
                CHECK(write_some(*pairs[i].second, "x") == 1);
            }
            for (int turns = 0; turns < 1000; ++turns) {
                std::size_t silent = 0;
                for (const told& each : observers) silent += each.readable == 0;
                if (silent == 0) break;
                turn(*events);
            }
            for (std::size_t i = 0; i < count; ++i) {
                CHECK(observers[i].readable > 0);
                CHECK(read_some(*pairs[i].first) == "x");
                CHECK(read_some(*pairs[i].first).empty());
            }
        }
        for (stream_pair& each : pairs) each.first->observe(nullptr);
    }
}

TEST_CASE("uring: thousands of streams come and go on few slots, with their last events under way") {
    const auto events = make();
    for (int round = 0; round < 3000; ++round) {
        auto [a, b] = pair_on(*events);
        CHECK(write_some(*b, "for nobody") > 0);
        if (round % 3 == 0) (void)events->wait(0ns);
        if (round % 3 == 1) turn(*events);
        told of_a;
        a->observe(&of_a);
        a->observe(nullptr);
    }
    told of_a;
    auto [a, b] = pair_on(*events);
    a->observe(&of_a);
    for (int turns = 0; turns < 20; ++turns) turn(*events);
    CHECK(of_a.readable == 0);
    a->observe(nullptr);
}

TEST_CASE("uring: where it is forbidden or missing the error says so, and automatic is epoll") {
    struct row {
        int number;
        const char* says;
    };
    for (const row each : {row{EPERM, "seccomp"}, row{ENOSYS, "kernel has none"}, row{ENOMEM, "ulimit -l"}, row{EINVAL, "too old"}}) {
        where_setup_fails(each.number, [&] {
            const auto made = io::uring::make();
            REQUIRE(!made);
            const std::string said = made.error().message();
            CAPTURE(said);
            CHECK(said.starts_with("io_uring ("));
            CHECK((said.find(each.says) != said.npos || said.find("io_uring_disabled") != said.npos));
            CHECK(made.error().code().value() == each.number);
            const auto insisted = io::make_backend(backend_kind::io_uring);
            REQUIRE(!insisted);
            CHECK(insisted.error().message() == "asked for by the program: " + said);
            const char* const variable = std::getenv("WEIR_BACKEND");
            const std::string had = variable ? variable : "";
            ::unsetenv("WEIR_BACKEND");
            const auto automatic = io::make_backend();
            ::setenv("WEIR_BACKEND", had.c_str(), 1);
            REQUIRE(automatic);
            CHECK((*automatic)->name() == "epoll");
            CHECK((*automatic)->reason() == "automatic, since " + said);
        });
    }
}

#endif
