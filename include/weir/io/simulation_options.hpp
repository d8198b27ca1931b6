// How a simulated network behaves. See io/simulation.hpp.
#pragma once

#include <weir/core/log.hpp>
#include <weir/coro/duration.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace weir::inline v0 {

// How long something is under way from one host to another, one way; each piece takes a time of its own in this range.
struct latency_range {
    std::chrono::nanoseconds least = std::chrono::milliseconds(1);
    std::chrono::nanoseconds most = std::chrono::milliseconds(50);
};

// How likely each operation of that kind is to fail, 0 to 1. What an operation is says `simulation::inject`.
struct failure_rates {
    double connect = 0; // is refused
    double accept = 0;  // fails as if descriptors had run out: who connects waits until a later one succeeds
    double fill = 0;    // reading breaks the connection
    double write = 0;   // writing breaks the connection, and what is under way is lost: mostly amid a message
};

struct simulation_options {
    // What decides everything that is left to chance. The same seed gives the same run.
    std::uint64_t seed = 1;

    // Between each two hosts; `simulation::link` changes it for two of them. Within a host nothing takes any time.
    latency_range latency = {};

    // How much goes from one host to another, for all connections between them together, and each way. Without a value:
    // any amount at once.
    std::optional<std::uint64_t> bytes_per_second = {};

    // What a connection holds in one direction, sent and not read yet, before its writer has to wait.
    std::size_t pipe_bytes = 64 * 1024;

    // Whether reads and writes are cut at sizes that chance decides: short reads, short writes.
    bool fragment = true;

    // What fails by chance: nothing by default.
    failure_rates failures = {};

    // How much virtual time `run` may take before it gives up.
    std::chrono::nanoseconds longest = std::chrono::hours(1);

    // Who is told of everything that happens, a line each, at level info: `weir::print_log`. Nobody by default.
    log_hook trace = {};
};
static_assert(__is_trivially_copyable(simulation_options));

} // namespace weir::inline v0
