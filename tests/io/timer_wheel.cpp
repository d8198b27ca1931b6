// The wheel against a naive reference that keeps all deadlines in a sorted map.
#include <weir/io/timer_wheel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

struct recorder final : timer {
    explicit recorder(std::vector<int>& to, int which) : log(to), number(which) {}
    void expire() noexcept override {
        CHECK(!armed());
        log.push_back(number);
        if (then) then(*this);
    }
    std::vector<int>& log;
    int number;
    void (*then)(recorder&) = nullptr;
    timer_wheel* wheel = nullptr;
    nanoseconds due{};
};

nanoseconds rounded_up(nanoseconds due) {
    return std::chrono::ceil<std::chrono::milliseconds>(due);
}

} // namespace

TEST_CASE("timer_wheel: nothing is due in an empty wheel") {
    timer_wheel wheel;
    CHECK(wheel.next() == nanoseconds::max());
    wheel.advance(500h);
    CHECK(wheel.next() == nanoseconds::max());
}

TEST_CASE("timer_wheel: a deadline is rounded up to the tick and never early") {
    for (const nanoseconds start : {0ns, 5ns, 63'999'999ns, nanoseconds(64ms), nanoseconds(4096ms) - 1ns, nanoseconds(1000h)}) {
        for (const nanoseconds after : {1ns, 999'999ns, 1'000'000ns, 1'000'001ns, 63ms + 0ns, 64ms + 1ns, 4096ms + 0ns}) {
            timer_wheel wheel;
            wheel.advance(start);
            std::vector<int> fired;
            recorder one(fired, 1);
            const nanoseconds due = start + after;
            wheel.add(one, due);
            CHECK(wheel.next() <= rounded_up(due));
            wheel.advance(rounded_up(due) - 1ns);
            CHECK(fired.empty());
            CHECK(one.armed());
            CHECK(wheel.next() == rounded_up(due));
            wheel.advance(rounded_up(due));
            CHECK(fired.size() == 1);
            CHECK(!one.armed());
        }
    }
}

TEST_CASE("timer_wheel: what is due in the past fires at once") {
    timer_wheel wheel;
    wheel.advance(1h);
    std::vector<int> fired;
    recorder one(fired, 1), two(fired, 2);
    wheel.add(one, 1min);
    wheel.add(two, -1min);
    wheel.advance(1h);
    CHECK(fired == std::vector<int>{1, 2});
}

TEST_CASE("timer_wheel: a destroyed timer does not fire") {
    timer_wheel wheel;
    std::vector<int> fired;
    auto gone = std::make_unique<recorder>(fired, 1);
    recorder stays(fired, 2);
    wheel.add(*gone, 10ms);
    wheel.add(stays, 10ms);
    gone.reset();
    wheel.advance(20ms);
    CHECK(fired == std::vector<int>{2});
}

TEST_CASE("timer_wheel: a timer may arm, disarm and destroy others while it fires") {
    timer_wheel wheel;
    std::vector<int> fired;
    static std::unique_ptr<recorder> victim;
    victim = std::make_unique<recorder>(fired, 9);
    recorder first(fired, 1);
    first.then = [](recorder&) { victim.reset(); };
    wheel.add(first, 5ms);
    wheel.add(*victim, 5ms); // the same slot, after it
    wheel.advance(6ms);
    CHECK(fired == std::vector<int>{1});
}

TEST_CASE("timer_wheel: a timer that arms itself anew fires once in each period") {
    for (const nanoseconds period : {1ms + 0ns, 7ms + 0ns, 64ms + 0ns, 1000ms + 0ns}) {
        timer_wheel wheel;
        wheel.advance(123ms);
        std::vector<int> fired;
        recorder each(fired, 1);
        each.wheel = &wheel;
        each.due = 123ms + period;
        each.then = [](recorder& self) {
            const nanoseconds step = self.due - 123ms;
            self.wheel->add(self, 123ms + step * static_cast<std::int64_t>(self.log.size() + 1));
        };
        wheel.add(each, each.due);
        wheel.advance(123ms + period * 100); // in one go: all hundred, one after the other
        CHECK(fired.size() == 100);
        each.disarm();
    }
}

TEST_CASE("timer_wheel: deadlines over a year away fire then") {
    timer_wheel wheel;
    for (const nanoseconds start : {nanoseconds(0), nanoseconds(24h * 700), nanoseconds(24h * 2000)}) {
        wheel.advance(start);
        std::vector<int> fired;
        recorder one(fired, 1);
        wheel.add(one, start + 24h * 365);
        wheel.advance(start + 24h * 365 - 1ms);
        CHECK(fired.empty());
        wheel.advance(start + 24h * 365);
        CHECK(fired.size() == 1);
    }
}

TEST_CASE("timer_wheel: random arming, disarming and advancing agree with a sorted map") {
    for (const unsigned seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
        std::mt19937_64 random(seed);
        timer_wheel wheel;
        nanoseconds now = seed % 2 ? nanoseconds(0) : nanoseconds(random() % nanoseconds(24h * 3000).count());
        wheel.advance(now);
        std::vector<int> fired;
        std::vector<std::unique_ptr<recorder>> timers;
        for (int i = 0; i < 300; ++i) timers.push_back(std::make_unique<recorder>(fired, i));
        std::multimap<std::int64_t, int> reference; // tick and number
        auto forget = [&](int number) {
            for (auto at = reference.begin(); at != reference.end(); ++at)
                if (at->second == number) return void(reference.erase(at));
        };
        bool right = true;
        for (int step = 0; step < 6000 && right; ++step) {
            const int number = static_cast<int>(random() % timers.size());
            recorder& one = *timers[static_cast<std::size_t>(number)];
            // Spans of all magnitudes, from a nanosecond to a year.
            const auto span = nanoseconds(static_cast<std::int64_t>(random() & ((std::uint64_t{2} << random() % 54) - 1)));
            switch (random() % 5) {
            case 0:
            case 1:
            case 2: { // arm, or arm anew
                one.disarm();
                forget(number);
                wheel.add(one, now + span);
                reference.emplace(std::max(rounded_up(now + span) / 1ms, now / 1ms), number);
                break;
            }
            case 3: one.disarm(); forget(number); break;
            default: {
                now += random() % 2 ? span : span / 100'000;
                fired.clear();
                wheel.advance(now);
                std::vector<int> expected;
                std::vector<std::int64_t> ticks;
                while (!reference.empty() && reference.begin()->first <= now / 1ms) {
                    expected.push_back(reference.begin()->second);
                    ticks.push_back(reference.begin()->first);
                    reference.erase(reference.begin());
                }
                // The order within one tick is not promised.
                std::vector<int> sorted_fired = fired, sorted_expected = expected;
                std::sort(sorted_fired.begin(), sorted_fired.end());
                std::sort(sorted_expected.begin(), sorted_expected.end());
                right = right && sorted_fired == sorted_expected;
                for (std::size_t i = 0; right && i < fired.size(); ++i) {
                    const auto at = static_cast<std::size_t>(std::find(expected.begin(), expected.end(), fired[i]) - expected.begin());
                    right = ticks[at] == ticks[i];
                }
            }
            }
            const nanoseconds next = wheel.next();
            if (reference.empty())
                right = right && next == nanoseconds::max();
            else // never too late, and never in the past
                right = right && next <= std::max(nanoseconds(1ms * reference.begin()->first), now) &&
                        next + 1ms > now;
            CAPTURE(seed);
            CAPTURE(step);
            REQUIRE(right);
        }
    }
}

TEST_CASE("timer_wheel: waiting for next() reaches a far deadline in a few steps") {
    timer_wheel wheel;
    nanoseconds now = 12345678ms;
    wheel.advance(now);
    std::vector<int> fired;
    recorder one(fired, 1);
    wheel.add(one, now + 8000h);
    int steps = 0;
    for (; fired.empty(); ++steps) {
        REQUIRE(wheel.next() >= now);
        now = wheel.next();
        wheel.advance(now);
    }
    CHECK(steps <= 6);
}

TEST_CASE("timer_wheel: a hundred thousand deadlines") {
    timer_wheel wheel;
    std::vector<int> fired;
    std::vector<std::unique_ptr<recorder>> timers;
    for (int i = 0; i < 100'000; ++i) {
        timers.push_back(std::make_unique<recorder>(fired, i));
        wheel.add(*timers.back(), 1ms * (i * 7919 % 100'000));
    }
    for (int i = 0; i < 100'000; i += 2) timers[static_cast<std::size_t>(i)]->disarm();
    wheel.advance(100s);
    REQUIRE(fired.size() == 50'000);
    bool ordered = true;
    for (std::size_t i = 1; i < fired.size(); ++i)
        ordered = ordered && fired[i - 1] * 7919ll % 100'000 <= fired[i] * 7919ll % 100'000;
    CHECK(ordered);
}
