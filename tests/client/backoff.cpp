// How long clients wait before they try again.
#include <weir/client/backoff.hpp>
#include <weir/core/seeded_entropy.hpp>

#include <doctest/doctest.h>

using namespace weir;
using namespace std::chrono_literals;
using time_span = std::chrono::nanoseconds;

TEST_CASE("backoff: grows by its factor, up to its ceiling") {
    const time_span expected[] = {1s, 2s, 4s, 8s, 16s, 30s, 30s};
    for (unsigned i = 0; i < std::size(expected); ++i) CHECK(detail::most_backoff(1s, 2, 30s, i + 1) == expected[i]);
    CHECK(detail::most_backoff(1s, 2, 30s, 4'000'000'000) == 30s);
    CHECK(detail::most_backoff(1s, 1, 30s, 4'000'000'000) == 1s);
    CHECK(detail::most_backoff(1s, 1.5, 30s, 3) == 2250ms);
    CHECK(detail::most_backoff(0s, 2, 30s, 4'000'000'000) == 0s);
    CHECK(detail::most_backoff(60s, 2, 30s, 1) == 30s);
    CHECK(detail::most_backoff(1s, 1e300, time_span::max(), 2) == time_span::max());
    CHECK(detail::most_backoff(1s, 2, time_span::max(), 1000) == time_span::max());
}

TEST_CASE("backoff: any time from the least to the most, each as likely") {
    seeded_entropy random(1);
    CHECK(detail::any_between(0s, 0s, random) == 0s);
    CHECK(detail::any_between(5s, 5s, random) == 5s);
    CHECK(detail::any_between(5s, 4s, random) == 5s);
    bool least = false, most = false;
    for (int i = 0; i < 100; ++i) {
        const time_span one = detail::any_between(time_span(7), time_span(9), random);
        CHECK(one >= time_span(7));
        CHECK(one <= time_span(9));
        least = least || one == time_span(7);
        most = most || one == time_span(9);
    }
    CHECK(least);
    CHECK(most);
    int parts[10] = {};
    for (int i = 0; i < 10'000; ++i) {
        const time_span one = detail::any_between(0s, 1s, random);
        REQUIRE(one >= 0s);
        REQUIRE(one <= 1s);
        ++parts[one == time_span(1s) ? 9 : one / 100ms];
    }
    for (const int each : parts) {
        CHECK(each > 850);
        CHECK(each < 1150);
    }
    (void)detail::any_between(0s, time_span::max(), random);
}
