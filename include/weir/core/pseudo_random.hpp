// Numbers that look random and are the same in each run: for simulations and tests, never for secrets.
//
// It is splitmix64, written out here, and nothing of <random>: what a seed gives is the same with every compiler and
// library, and stays so.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>

namespace weir::inline v0 {

class pseudo_random {
public:
    explicit constexpr pseudo_random(std::uint64_t seed) noexcept : x_state(seed) {}

    // 64 bits.
    constexpr std::uint64_t next() noexcept {
        std::uint64_t bits = x_state += 0x9e3779b97f4a7c15u;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
        return bits ^ (bits >> 31);
    }

    // 0 to `bound` - 1; `bound` is at least 1. For bounds far below 2^64, where all are about as likely.
    constexpr std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }

    // True with this probability: never for 0, always for 1.
    constexpr bool chance(double probability) noexcept {
        return static_cast<double>(next() >> 11) < probability * 9007199254740992.0; // 2^53: exact
    }

private:
    std::uint64_t x_state;
};

} // namespace weir::inline v0
