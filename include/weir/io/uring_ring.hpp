// The ring itself, which both modes of the io_uring backend are built on: set up as the kernel allows, submitted to,
// waited for, and woken from other threads.
//
// It begins disabled: the thread that first waits enables it, and is the one that submits. Only `wake` may be called from
// other threads, and from signal handlers.
#pragma once

#include <weir/core/result.hpp>
#include <weir/coro/duration.hpp>
#include <weir/io/unique_descriptor.hpp>
#include <weir/io/uring_options.hpp>

#include <cassert>
#include <cstdio>
#include <cstring>
#include <string>

#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

namespace weir::inline v0::io {

class uring_ring {
public:
    static constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

    explicit uring_ring(const uring_options& options) noexcept
        : x_options(options), x_wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        std::memset(&x_ring, 0, sizeof x_ring);
        x_ring.ring_fd = -1;
    }
    uring_ring(const uring_ring&) = delete;
    uring_ring& operator=(const uring_ring&) = delete;
    ~uring_ring() { exit(); }

    // Fails where io_uring is forbidden, missing or too old, and when the process is out of descriptors or memory.
    [[gnu::cold]] result<> set_up() {
        if (!x_wake) return error(last_error(), "io_uring: eventfd");
        const int failed = try_all_flags();
        if (failed == 0) return {};
        return error(std::error_code(failed, std::system_category()), "io_uring" + hint(failed));
    }

    void exit() noexcept {
        if (x_ring.ring_fd >= 0) ::io_uring_queue_exit(&x_ring);
        x_ring.ring_fd = -1;
    }

    io_uring* get() noexcept { return &x_ring; }
    int descriptor() const noexcept { return x_ring.ring_fd; }

    // Which of the options this kernel has given.
    const uring_options& features() const noexcept { return x_options; }

    bool started() const noexcept { return x_started; }

    // From here on this thread is the one that submits.
    void start() noexcept {
        if (std::exchange(x_started, true)) return;
        // io_uring_enable_rings, which liburing 2.3 declares and does not have.
        ::syscall(__NR_io_uring_register, x_ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    }

    // An entry to be filled in. Hands over what is there already if that takes all the room.
    io_uring_sqe* next_entry() noexcept {
        for (;;) {
            if (io_uring_sqe* const entry = ::io_uring_get_sqe(&x_ring)) return entry;
            start();
            ::io_uring_submit_and_get_events(&x_ring);
        }
    }

    bool has_entries() const noexcept { return ::io_uring_sq_ready(&x_ring) > 0; }

    void submit() noexcept { ::io_uring_submit(&x_ring); }

    // Also lets the kernel bring in what has completed.
    int submit_and_look() noexcept { return ::io_uring_submit_and_get_events(&x_ring); }

    // Hands everything over and waits until something completes. False when a signal or a failure has ended it.
    bool submit_and_wait(std::chrono::nanoseconds timeout) noexcept {
        int outcome;
        if (timeout <= std::chrono::nanoseconds(0)) {
            outcome = submit_and_look();
        } else if (timeout == forever) {
            outcome = ::io_uring_submit_and_wait(&x_ring, 1);
        } else {
            const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
            __kernel_timespec most{seconds.count(), (timeout - seconds).count()};
            io_uring_cqe* first;
            outcome = ::io_uring_submit_and_wait_timeout(&x_ring, &first, 1, &most, nullptr);
        }
        assert(outcome != -EEXIST && "a loop over io_uring belongs to the thread that first waits");
        return outcome >= 0 || outcome == -ETIME;
    }

    // The next completion; false if there is none. Takes in what overflowed as well.
    bool peek(io_uring_cqe*& found) noexcept { return ::io_uring_peek_batch_cqe(&x_ring, &found, 1) == 1; }
    void advance() noexcept { ::io_uring_cq_advance(&x_ring, 1); }

    // Whether completions wait that there was no room for.
    bool has_overflowed() const noexcept { return IO_URING_READ_ONCE(*x_ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW; }

    // Watches a descriptor of the backend's own. What is ready already comes as an event too, as does every wake-up of
    // the descriptor's after that.
    void watch(int number, unsigned events, std::uint64_t key) noexcept {
        io_uring_sqe* const entry = next_entry();
        ::io_uring_prep_poll_multishot(entry, number, events);
        ::io_uring_sqe_set_data64(entry, key);
    }

    // The descriptor that `wake` makes readable again and again: it need not be read.
    int wake_number() const noexcept { return x_wake.get(); }

    void wake() noexcept {
        const std::uint64_t one = 1;
        const int saved = errno; // of what a signal interrupted
        [[maybe_unused]] const ssize_t ignored = ::write(x_wake.get(), &one, sizeof one);
        errno = saved;
    }

private:
    // 0 or an errno.
    int try_all_flags() noexcept {
        int failed = EINVAL;
        if (x_options.deferred_task_work)
            failed = try_flags(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
        if (failed == EINVAL) x_options.deferred_task_work = false;
        if (failed == EINVAL && x_options.cooperative_task_work) failed = try_flags(IORING_SETUP_COOP_TASKRUN);
        if (failed == EINVAL) {
            x_options.cooperative_task_work = x_options.submit_all = false;
            failed = try_flags(0);
        }
        if (failed) return failed;
        if (!(x_ring.features & IORING_FEAT_CQE_SKIP)) x_options.skip_success = false;
        return x_ring.features & IORING_FEAT_RSRC_TAGS ? 0 : EINVAL; // older than 5.13: no multishot polls
    }

    int try_flags(unsigned flags) noexcept {
        io_uring_params wish;
        std::memset(&wish, 0, sizeof wish);
        wish.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | (x_options.submit_all ? IORING_SETUP_SUBMIT_ALL : 0);
        wish.cq_entries = x_options.completions;
        const int failed = -::io_uring_queue_init_params(x_options.submissions, &x_ring, &wish);
        if (failed) x_ring.ring_fd = -1;
        return failed;
    }

    // What to do about it, in brackets.
    [[gnu::cold]] static std::string hint(int failed) {
        if (failed == EPERM || failed == EACCES) {
            std::FILE* const file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re");
            const int disabled = file ? std::fgetc(file) : '0';
            if (file) std::fclose(file);
            if (disabled == '1' || disabled == '2')
                return concat({" (the sysctl kernel.io_uring_disabled is ", disabled == '1' ? "1)" : "2)"});
            return " (forbidden here, by a container's seccomp profile probably)";
        }
        if (failed == ENOSYS) return " (this kernel has none, or a seccomp profile hides it)";
        if (failed == EINVAL) return " (this kernel's is too old: it takes 5.13)";
        if (failed == ENOMEM) return " (before 5.12 the limit of locked memory counts: ulimit -l)";
        return {};
    }

    uring_options x_options;
    unique_descriptor x_wake;
    io_uring x_ring;
    bool x_started = false;
};

} // namespace weir::inline v0::io
