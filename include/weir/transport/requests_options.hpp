// The bounds of requests over a connection. See requests.hpp.
#pragma once

#include <weir/core/version.hpp>

#include <cstddef>

namespace weir::inline v0 {

struct requests_options {
    // How many requests may wait for their answers at a time; one more is refused. As many that were given up are remembered, so
    // that their answers are known when they come after all.
    std::size_t in_flight = 1024;

    // How much of what answers nothing is kept for `read`. When there is as much, nothing more is read from the connection, and
    // who waits for an answer goes on waiting, until somebody reads. A message that exceeds it is kept as well.
    std::size_t unread_bytes = 1024 * 1024;

    // Drops the oldest of these instead. It is done in any case as long as `read` has not been called: a program that only asks
    // need not know that there is anything else.
    bool drop_unread = false;
};

} // namespace weir::inline v0
