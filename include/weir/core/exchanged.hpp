// Gives what was in a place, and leaves something else there.
//
// What std::exchange does, and std::swap, at a quarter of their price: libstdc++ computes for each type whether that may throw,
// which takes 200 KB of g++'s memory. Here it may not.
#pragma once

#include <weir/core/version.hpp>

#include <type_traits>
#include <utility>

namespace weir::inline v0 {

template <class T>
constexpr T exchanged(T& place, std::type_identity_t<T> next) noexcept {
    T before = std::move(place);
    place = std::move(next);
    return before;
}

template <class T>
constexpr void swap_contents(T& one, T& other) noexcept {
    T before = std::move(one);
    one = std::move(other);
    other = std::move(before);
}

} // namespace weir::inline v0
