// How a loop waits: what it asks of its backend under each policy, on a scripted one; and over sockets, that nothing is lost.
#include "../support/no_sockets.hpp"
#include "../support/stream_fixtures.hpp"

#include <atomic>
#include <thread>

using namespace weir;
using namespace std::chrono_literals;

namespace {

// A backend that finds something when the test says so. Looking takes a microsecond; sleeping lasts until something is
// there, or the timeout.
class scripted final : public tests::no_sockets {
    using time = std::chrono::nanoseconds;

public:
    bool wait(time timeout) noexcept override {
        if (timeout == time(0)) {
            ++looks;
            clock += 1us;
        } else {
            ++sleeps;
            last_timeout = timeout;
            const time wakes_at = timeout == forever || event_at < clock + timeout ? event_at : clock + timeout;
            if (wakes_at > clock) clock = wakes_at;
        }
        if (on_wait && clock >= post_at) std::exchange(on_wait, nullptr)->home->post_remote(*posted);
        if (clock < event_at) return false;
        event_at = forever;
        return true;
    }
    bool dispatch() noexcept override { return false; }
    void wake() noexcept override { ++wakes; }
    time now() noexcept override { return clock; }

    struct poster {
        io::loop* home;
    };
    time clock = 1h, event_at = forever, last_timeout{0}, post_at = forever;
    int looks = 0, sleeps = 0, wakes = 0;
    poster* on_wait = nullptr; // posts `posted` when `post_at` has come
    remote_item* posted = nullptr;
};

struct tick final : remote_item {
    void run() noexcept override {
        ++count;
        done.store(true, std::memory_order_release);
    }
    int count = 0;
    std::atomic<bool> done{false};
};

struct alarm_clock final : timer {
    void expire() noexcept override { ++rings; }
    int rings = 0;
};

struct stage {
    explicit stage(wait_policy waiting) : events(new scripted), loop(owned<io::backend>(events), nullptr, waiting) {}
    scripted* events;
    io::loop loop;
};

} // namespace

TEST_CASE("wait_policy: block sleeps at once") {
    CHECK(wait_policy().spins_for() == 0ns);
    stage on(wait_policy::block());
    on.events->event_at = on.events->clock + 100us;
    on.loop.turn();
    CHECK(on.events->looks == 0);
    CHECK(on.events->sleeps == 1);
    CHECK(on.events->last_timeout == io::backend::forever);
    on.loop.turn(0ns);
    CHECK(on.events->looks == 1); // asked for
}

TEST_CASE("wait_policy: spin looks until there is something, and no longer than it may") {
    stage on(wait_policy::spin());
    on.events->event_at = on.events->clock + 5ms;
    on.loop.turn();
    CHECK(on.events->sleeps == 0);
    CHECK(on.events->looks == 5000);
    on.loop.turn(50us);
    CHECK(on.events->sleeps == 0);
    CHECK(on.events->looks == 5050);
    alarm_clock soon;
    on.loop.arm(soon, 2ms);
    const auto before = on.events->clock;
    while (soon.rings == 0) on.loop.turn();
    CHECK(on.events->sleeps == 0);
    CHECK(on.events->clock - before <= 4ms);
}

TEST_CASE("wait_policy: adaptive looks for a while after each event, then sleeps for what is left") {
    stage on(wait_policy::adaptive(50us));
    on.events->event_at = on.events->clock + 1s;
    on.loop.turn();
    CHECK(on.events->looks == 50); // after its beginning
    CHECK(on.events->sleeps == 1);
    on.events->event_at = on.events->clock + 30us; // while it looks
    on.loop.turn();
    CHECK(on.events->looks == 80);
    CHECK(on.events->sleeps == 1);
    on.events->event_at = on.events->clock + 70us; // just after it has given up
    on.loop.turn(1ms);
    CHECK(on.events->looks == 130);
    CHECK(on.events->sleeps == 2);
    CHECK(on.events->last_timeout == 950us);
    on.loop.turn(1ms); // nothing comes
    on.loop.turn(1ms);
    CHECK(on.events->looks == 180); // once after the last event
    CHECK(on.events->sleeps == 4);
}

TEST_CASE("wait_policy: who posts to a loop that looks need not wake it, one that sleeps must") {
    for (const bool spins : {true, false}) {
        stage on(spins ? wait_policy::spin() : wait_policy::block());
        tick item;
        scripted::poster by{&on.loop};
        on.events->on_wait = &by;
        on.events->posted = &item;
        on.events->post_at = on.events->clock + 20us;
        on.events->event_at = spins ? io::backend::forever : on.events->clock + 20us; // the wake-up, on a real one
        on.loop.turn();
        CHECK(item.count == 1);
        CHECK(on.events->wakes == (spins ? 0 : 1));
        if (spins) CHECK(on.events->looks == 20);
    }
}

TEST_CASE("wait_policy: on a virtual clock nobody spins") {
    io::loop loop(make_owned<io::memory>(), nullptr, wait_policy::spin());
    alarm_clock soon;
    loop.arm(soon, 1h);
    for (int turns = 0; soon.rings == 0 && turns < 6; ++turns) loop.turn();
    CHECK(soon.rings == 1);
}

TEST_CASE("wait_policy: no post from another thread is lost, and no event") {
    for (const wait_policy waiting : {wait_policy::spin(), wait_policy::adaptive(5us), wait_policy::adaptive(1ms)}) {
        auto made = tests::make_events();
        REQUIRE(made);
        io::loop loop(std::move(*made), nullptr, waiting);
        int numbers[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, numbers) == 0);
        auto ours = loop.events().adopt_stream(numbers[0]);
        REQUIRE(ours);
        tests::told of_it;
        (*ours)->observe(&of_it);
        tick item;
        std::thread other([&] { // each answered before the next: a lost one would hang here
            for (int round = 0; round < 500; ++round) {
                item.done.store(false);
                loop.post_remote(item);
                while (!item.done.load(std::memory_order_acquire)) std::this_thread::yield();
                char answer = 0;
                if (::send(numbers[1], "x", 1, MSG_NOSIGNAL) != 1 || ::recv(numbers[1], &answer, 1, 0) != 1) break;
            }
        });
        int answered = 0;
        while (answered < 500) {
            if (tests::read_some(**ours) == "x") {
                ++answered;
                CHECK(tests::write_some(**ours, "y") == 1);
                continue;
            }
            loop.turn();
        }
        loop.turn(0ns); // a backend may let the last answer out with the next wait
        other.join();
        CHECK(item.count == 500);
        (*ours)->observe(nullptr);
        ::close(numbers[1]);
    }
}
