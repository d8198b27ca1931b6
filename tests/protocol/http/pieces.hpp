// The sizes in which a test feeds its input: whole, byte by byte, and in chunks between.
#pragma once

#include <cstddef>

inline constexpr std::size_t piece_sizes[] = {static_cast<std::size_t>(-1), 1, 2, 3, 4, 5, 6, 7, 8, 16, 31};
