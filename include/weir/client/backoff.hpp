// How long to wait before the next attempt: longer after each failure, and how long exactly is left to chance, so that the clients
// of a server that comes back do not all come at once.
//
// For all that reconnects by itself: channels, which leave half of it to chance, and reconnecting sessions, which leave all of it.
// Functions of their arguments, randomness included.
#pragma once

#include <weir/core/entropy.hpp>
#include <weir/coro/duration.hpp>

#include <cstdint>

namespace weir::inline v0::detail {

// The most to wait after that many failures, one or more: `first`, and `factor` times as much for each further one, up to `ceiling`.
template <class = void>
std::chrono::nanoseconds most_backoff(std::chrono::nanoseconds first, double factor, std::chrono::nanoseconds ceiling,
                                      unsigned failures) noexcept {
    const double limit = static_cast<double>(ceiling.count());
    double most = static_cast<double>(first.count());
    for (unsigned i = 1; i < failures && most > 0 && most < limit && factor > 1; ++i) most *= factor;
    return most < limit ? std::chrono::nanoseconds(static_cast<std::int64_t>(most)) : ceiling;
}

// A time from `least` to `most`, each as likely as the others.
template <class = void>
std::chrono::nanoseconds any_between(std::chrono::nanoseconds least, std::chrono::nanoseconds most, entropy& random) noexcept {
    if (most <= least) return least;
    const std::uint64_t span = static_cast<std::uint64_t>((most - least).count());
    return least + std::chrono::nanoseconds(static_cast<std::int64_t>(random.next_64() % (span + 1)));
}

} // namespace weir::inline v0::detail
