// Running a program's main task.
#pragma once

#include <weir/io/epoll.hpp>
#include <weir/io/loop.hpp>

#include <cstdio>

namespace weir::inline v0 {

// Which source of events a loop uses.
enum class backend_kind : unsigned char {
    automatic, // the best that this system has
    epoll,
};

namespace io {

// A backend of the kind asked for, or why there is none.
inline result<owned<backend>> make_backend(backend_kind) { return epoll::make(); }

} // namespace io

// Runs `main` on a loop of its own, on this thread, until it has ended and every connection that was dropped on the way
// is closed. Gives 0, or what the task returns, for `main` to return; 1 with a line on stderr when there is no
// backend. What the task throws is thrown.
inline int run(task<> main, backend_kind kind = backend_kind::automatic) {
    result<owned<io::backend>> events = io::make_backend(kind);
    if (!events) return std::fprintf(stderr, "weir: %s\n", events.error().message().c_str()), 1;
    io::loop(std::move(*events)).run(std::move(main));
    return 0;
}
inline int run(task<int> main, backend_kind kind = backend_kind::automatic) {
    result<owned<io::backend>> events = io::make_backend(kind);
    if (!events) return std::fprintf(stderr, "weir: %s\n", events.error().message().c_str()), 1;
    return io::loop(std::move(*events)).run(std::move(main));
}

} // namespace weir::inline v0
