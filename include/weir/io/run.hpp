// Running a program's main task.
#pragma once

#include <weir/io/backend_choice.hpp>
#include <weir/io/loop.hpp>

#include <cstdio>

namespace weir::inline v0 {

struct run_options {
    // Where events come from.
    backend_choice backend = {};

    // How the loop waits while it has nothing to do.
    wait_policy waiting = {};
};
static_assert(__is_trivially_copyable(run_options));

namespace detail {

template <class T>
int run_here(task<T>&& main, const run_options& options) {
    result<owned<io::backend>> events = io::make_backend(options.backend);
    if (!events) return std::fprintf(stderr, "weir: %s\n", events.error().message().c_str()), 1;
    io::loop on(std::move(*events), nullptr, options.waiting);
    if constexpr (std::is_void_v<T>)
        return on.run(std::move(main)), 0;
    else
        return on.run(std::move(main));
}

} // namespace detail

// Runs `main` on a loop of its own, on this thread, until it has ended and every connection that was dropped on the way
// is closed. Gives 0, or what the task returns, for `main` to return; 1 with a line on stderr when there is no
// backend. What the task throws is thrown.
inline int run(task<> main, const run_options& options = {}) { return detail::run_here(std::move(main), options); }
inline int run(task<int> main, const run_options& options = {}) { return detail::run_here(std::move(main), options); }

} // namespace weir::inline v0
