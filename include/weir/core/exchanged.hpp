// Gives what was in a place, and leaves something else there.
//
// What std::exchange does, at a quarter of its price: libstdc++ computes for each type whether that may throw, which
// takes 200 KB of g++'s memory. Here it may not.
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

} // namespace weir::inline v0
