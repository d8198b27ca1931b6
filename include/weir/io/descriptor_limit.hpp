// How many descriptors this process may have open.
#pragma once

#include <weir/core/version.hpp>

#include <cstddef>

#include <sys/resource.h>

namespace weir::inline v0::io {

// The soft limit of RLIMIT_NOFILE (`ulimit -n`) at the time; about a million where there is none.
[[gnu::cold]] inline std::size_t descriptor_limit() noexcept {
    constexpr std::size_t most = 1024 * 1024;
    rlimit bound{};
    if (::getrlimit(RLIMIT_NOFILE, &bound) != 0 || bound.rlim_cur > most) return most;
    return static_cast<std::size_t>(bound.rlim_cur);
}

} // namespace weir::inline v0::io
