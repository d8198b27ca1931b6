// std::chrono's durations and clocks, without what else <chrono> is about.
//
// In libstdc++ that is calendars and, through <sstream>, all of iostreams: more for the compiler than the largest header
// of weir. Its <mutex> declares waiting with a timeout, and for that durations, clocks and literals.
#pragma once

#include <cstddef>

#if defined(__GLIBCXX__)
#include <mutex>
#else
#include <chrono>
#endif
