// A log hook that prints, for programs that have nothing better.
#pragma once

#include <weir/core/log.hpp>

#include <cstdio>

namespace weir::inline v0 {

// Prints what is of level info or above, a line an event, to stdout and flushes it: `{.log = weir::print_log}`.
inline constexpr log_hook print_log = {
    [](void*, const log_event& event) {
        if (event.level < log_level::info) return;
        std::string line("weir: ");
        line += event.what;
        if (!event.where.empty()) line.append(" [").append(event.where).append("]");
        if (event.error) line.append(": ").append(event.error.message());
        std::puts(line.c_str());
        std::fflush(stdout);
    },
    nullptr,
};

} // namespace weir::inline v0
