// A log hook that prints, for programs that have nothing better.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/log.hpp>

#include <cstdio>

namespace weir::inline v0 {

// Prints what is of level info or above, a line an event, to stdout and flushes it: `{.log = weir::print_log}`.
inline constexpr log_hook print_log = {
    [](void*, const log_event& event) {
        if (event.level < log_level::info) return;
        const bool known = !event.where.empty();
        const std::string why = event.error ? concat({": ", event.error.message()}) : std::string();
        const std::string line = concat({"weir: ", event.what, known ? " [" : "", event.where, known ? "]" : "", why});
        std::puts(line.c_str());
        std::fflush(stdout);
    },
    nullptr,
};

} // namespace weir::inline v0
