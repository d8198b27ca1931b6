// Signals as interrupts of loops. The signals are real, sent to this process while handlers are installed.
#include <weir/io/signals.hpp>

#include "../support/stream_fixtures.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

using namespace weir;

namespace {

std::atomic<int> seen_before{0};
void count(int) { ++seen_before; }

// Our handlers for both signals while a test runs, so that one that nobody watches does no harm.
struct harmless {
    harmless() {
        struct sigaction action {};
        action.sa_handler = count;
        ::sigaction(SIGTERM, &action, &before[0]);
        ::sigaction(SIGINT, &action, &before[1]);
        seen_before = 0;
    }
    ~harmless() {
        ::sigaction(SIGTERM, &before[0], nullptr);
        ::sigaction(SIGINT, &before[1], nullptr);
    }
    struct sigaction before[2];
};

void add_one(void* to) noexcept { ++*static_cast<int*>(to); }

owned<io::backend> make_sockets() { return std::move(*tests::make_events()); }

} // namespace

TEST_CASE("signals: told on the loop's thread, in its turn; what was installed before comes back") {
    const harmless quiet;
    io::loop loop(make_sockets());
    int told = 0;
    {
        const io::signal_watch watch(loop, add_one, &told);
        for (const int number : {SIGTERM, SIGINT}) {
            const int before = told;
            ::raise(number);
            CHECK(told == before);
            loop.turn(); // woken by it
            CHECK(told == before + 1);
            loop.turn(std::chrono::nanoseconds(0));
            CHECK(told == before + 1);
        }
        ::raise(SIGTERM);
        ::raise(SIGTERM); // together they may be one
        loop.turn();
        loop.turn(std::chrono::nanoseconds(0));
        CHECK(told >= 3);
        CHECK(told <= 4);
        CHECK(seen_before == 0);
    }
    const int before = told;
    ::raise(SIGTERM);
    loop.turn(std::chrono::nanoseconds(0));
    CHECK(told == before);
    CHECK(seen_before == 1);
}

TEST_CASE("signals: several loops watch, and each ends when it likes") {
    const harmless quiet;
    io::loop first(make_sockets()), second(make_sockets());
    int told[2] = {0, 0};
    const io::signal_watch one(first, add_one, &told[0]);
    {
        const io::signal_watch two(second, add_one, &told[1]);
        ::raise(SIGINT);
        first.turn();
        second.turn();
        CHECK(told[0] == 1);
        CHECK(told[1] == 1);
        ::raise(SIGINT); // raised, and the watch is gone before the loop looks
    }
    second.turn(std::chrono::nanoseconds(0));
    first.turn();
    CHECK(told[0] == 2);
    CHECK(told[1] == 1);
    CHECK(seen_before == 0);
}

TEST_CASE("signals: while threads begin and end watching") {
    const harmless quiet;
    std::atomic<bool> over{false};
    std::vector<std::thread> watchers;
    std::atomic<int> told{0};
    for (int i = 0; i < 3; ++i)
        watchers.emplace_back([&] {
            while (!over) {
                io::loop loop(make_sockets());
                int here = 0;
                const io::signal_watch watch(loop, add_one, &here);
                loop.turn(std::chrono::milliseconds(1));
                told += here;
            }
        });
    while (told < 20) {
        ::raise(SIGTERM);
        std::this_thread::yield();
    }
    over = true;
    for (std::thread& each : watchers) each.join();
    CHECK(told >= 20);
}

namespace {

// How a process ends that is sent SIGTERM for three seconds, a hundred a second, while it turns a loop or does not.
pid_t bombarded(bool turns) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    io::loop loop(make_sockets());
    int told = 0;
    const io::signal_watch watch(loop, add_one, &told);
    for (int i = 0; i < 300; ++i) {
        ::raise(SIGTERM);
        if (turns) loop.turn();
        const timespec pause{0, 10'000'000};
        ::nanosleep(&pause, nullptr);
    }
    ::_exit(told == 300 ? 0 : 1);
}
int status_of(pid_t child) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

} // namespace

TEST_CASE("signals: the third one ends a process whose loop has not looked for a second") {
    const pid_t stuck = bombarded(false), at_work = bombarded(true);
    const int killed = status_of(stuck), ended = status_of(at_work);
    CHECK(WIFSIGNALED(killed));
    CHECK(WTERMSIG(killed) == SIGTERM);
    CHECK(WIFEXITED(ended));
    CHECK(WEXITSTATUS(ended) == 0);
}
