// What io_uring's two backends are made with.
#pragma once

#include <weir/core/version.hpp>

#include <cstddef>
#include <type_traits>

namespace weir::inline v0::io {

// Trivially copyable. A kernel feature that is false is done without, as on a kernel that lacks it: for tests.
struct uring_options {
    unsigned submissions = 256;      // what can be handed over in one call, 1 to 32,768
    unsigned completions = 1024;     // events that the kernel holds before it has to put more of them aside
    bool deferred_task_work = true;  // 6.1: completions come while the loop waits, and its thread alone submits
    bool cooperative_task_work = true; // 5.19, else: the kernel does not interrupt the thread for a completion
    bool submit_all = true;          // 5.18: one bad submission does not hold up those behind it
    bool skip_success = true;        // 5.17: taking back tells nothing when it has worked

    // Of completion mode alone. The buffers take turns, and only what is received of them takes memory: all that they hold
    // together is best within the L2 cache.
    unsigned buffers = 32;           // that the kernel receives into; a power of two, 1 to 32,768
    std::size_t buffer_bytes = 64 * 1024 - 64; // of each, 64 to 1 MiB: the size of a lease; with what stands before it, 64 KiB
    std::size_t send_bytes = 256 * 1024; // taken of a socket's output and not yet with the kernel, at the most
    std::size_t receive_bytes = 128 * 1024; // received and not yet asked for, before the kernel has to keep the rest
    bool multishot_receive = true;   // 6.6: one submission receives until further notice
    bool multishot_accept = true;    // 6.10: one submission accepts all who wait
};
static_assert(__is_trivially_copyable(uring_options));

} // namespace weir::inline v0::io
