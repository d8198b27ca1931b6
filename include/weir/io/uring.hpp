// The io_uring backend: sockets that a ring watches. Needs liburing 2.3; in the single header: WEIR_WITH_LIBURING.
//
//     #include <weir/io/uring.hpp>        // in one file of the program; link liburing
//
// With that `automatic` means io_uring where it can be had, from kernel 6.1 (io/backend_choice.hpp). Every descriptor is
// watched by one multishot poll for both directions; bytes are received and sent by direct calls, as over epoll. An echo
// takes 0.90 to 1.01 of the processor time that it takes over epoll (kernel 6.18; 1, 64 and 1,000 connections, 128 B and
// 16 KiB; `tests/load/figures.cpp all`). What is to be watched is handed over with the next wait, so that accepting
// connections takes no call of its own for that; what is no longer to be watched is taken back at once, so that closing a
// socket closes it. Memory: 64 bytes for each of 256 submissions, 16 for each of 1,024 completions, 16 for each descriptor.
// Sockets that listen are watched by an epoll descriptor that the ring watches: a ring outlives a killed process by up to 40
// ms, and would keep the port so long from the next one.
//
// Kernels from 5.13 do for who insists; from 6.1 completions come only while the loop waits, which is what makes it pay.
// The loop's thread is the first that waits. A container often forbids io_uring: the error says so.
#pragma once

#include <weir/io/backend_choice.hpp>

#include <cstdio>
#include <cstring>
#include <vector>

#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

namespace weir::inline v0::io {

// For tests: a kernel feature that is false is done without, as on a kernel that lacks it.
struct uring_options {
    unsigned submissions = 256;      // what can be handed over in one call, 1 to 32,768
    unsigned completions = 1024;     // events that the kernel holds before it has to put more of them aside
    bool deferred_task_work = true;  // 6.1: completions come while the loop waits, and its thread alone submits
    bool cooperative_task_work = true; // 5.19, else: the kernel does not interrupt the thread for a completion
    bool submit_all = true;          // 5.18: one bad submission does not hold up those behind it
    bool skip_success = true;        // 5.17: taking back tells nothing when it has worked
};
static_assert(std::is_trivially_copyable_v<uring_options>);

class uring final : public socket_backend {
public:
    static result<owned<backend>> make() { return make(uring_options()); }

    // Fails where io_uring is forbidden, missing or too old, and when the process is out of descriptors or memory.
    [[gnu::cold]] static result<owned<backend>> make(const uring_options& options) {
        owned<uring> made(new uring(options));
        if (!made->x_wake) return error(last_error(), "io_uring: eventfd");
        const int failed = made->set_up();
        if (failed == 0) return owned<backend>(std::move(made));
        return error(std::error_code(failed, std::system_category()), "io_uring" + hint(failed));
    }

    // The one that `automatic` and io/backend_choice.hpp make.
    [[gnu::cold]] static result<owned<backend>> make_chosen(bool insists) {
        result<owned<backend>> made = make();
        if (insists || !made || static_cast<uring&>(**made).features().deferred_task_work) return made;
        return error(errc::unsupported, "io_uring (this kernel's has no advantage: it takes 6.1)");
    }

    ~uring() {
        if (x_ring.ring_fd >= 0) ::io_uring_queue_exit(&x_ring);
    }

    std::string_view name() const noexcept override { return "io_uring"; }

    // Which of the options this kernel has given.
    const uring_options& features() const noexcept { return x_options; }

    std::error_code watch(watched& which) noexcept override {
        if (x_free == none) {
            if (x_slots.size() >= none) return std::make_error_code(std::errc::not_enough_memory);
            x_slots.push_back({nullptr, 0, none});
            x_free = static_cast<std::uint32_t>(x_slots.size() - 1);
        }
        const std::uint32_t index = x_free;
        slot& at = x_slots[index];
        x_free = at.next_free;
        at.who = &which;
        which.mark = index;
        if (!which.listens()) return arm(index), std::error_code();
        const std::error_code failed = watch_listening(which.number(), key_of(index));
        if (failed) forget(index);
        return failed;
    }

    void unwatch(watched& which) noexcept override {
        const auto index = static_cast<std::uint32_t>(which.mark);
        if (which.listens()) {
            ::epoll_ctl(x_listening.get(), EPOLL_CTL_DEL, which.number(), nullptr);
            return forget(index);
        }
        io_uring_sqe* const entry = next_entry();
        ::io_uring_prep_cancel64(entry, key_of(index), 0);
        ::io_uring_sqe_set_data64(entry, nobody);
        if (x_options.skip_success) entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
        forget(index);
        if (x_started) ::io_uring_submit_and_get_events(&x_ring);
    }

    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        if (!x_started) start();
        if (!x_lost.empty() && watch_lost()) timeout = std::chrono::nanoseconds(0);
        [[maybe_unused]] int outcome;
        if (timeout <= std::chrono::nanoseconds(0)) {
            outcome = ::io_uring_submit_and_get_events(&x_ring);
        } else if (timeout == forever) {
            outcome = ::io_uring_submit_and_wait(&x_ring, 1);
        } else {
            const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
            __kernel_timespec most{seconds.count(), (timeout - seconds).count()};
            io_uring_cqe* first;
            outcome = ::io_uring_submit_and_wait_timeout(&x_ring, &first, 1, &most, nullptr);
        }
        assert(outcome != -EEXIST && "a loop over io_uring belongs to the thread that first waits");
        io_uring_cqe* some[1];
        if (::io_uring_peek_batch_cqe(&x_ring, some, 1) == 0) return false; // takes in what overflowed as well
        x_found = ::io_uring_cq_ready(&x_ring);
        return true;
    }

    bool dispatch() noexcept override {
        for (int told = 0; told < events_at_once && x_found > 0;) {
            io_uring_cqe* found;
            if (::io_uring_peek_batch_cqe(&x_ring, &found, 1) == 0) break;
            const io_uring_cqe event = *found;
            ::io_uring_cq_advance(&x_ring, 1);
            --x_found;
            const auto index = static_cast<std::uint32_t>(event.user_data);
            if (event.user_data == nobody || event.user_data != key_of(index)) continue; // unwatched meanwhile
            const bool broken = event.res < 0 && !passes(-event.res);
            if (!(event.flags & IORING_CQE_F_MORE) && !broken) x_lost.push_back(event.user_data); // let go by the kernel
            if (index == listening_slot) tell_listening();
            watched* const who = x_slots[index].who;
            if (!who || (event.res < 0 && !broken)) continue; // a descriptor of ours
            const auto what = static_cast<unsigned>(event.res);
            const bool hangup = broken || what & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
            who->on_ready(hangup || what & POLLIN, hangup || what & POLLOUT, hangup);
            ++told;
        }
        if (x_found == 0 && !x_lost.empty() && x_at_once) { // the descriptor has to say that there is more to do
            io_uring_sqe* const entry = next_entry();
            ::io_uring_prep_nop(entry);
            ::io_uring_sqe_set_data64(entry, nobody);
            ::io_uring_submit(&x_ring);
        }
        return x_found > 0;
    }

    void wake() noexcept override {
        const std::uint64_t one = 1; // each write is an event, the counter need not be read
        const int saved = errno;     // of what a signal interrupted
        [[maybe_unused]] const ssize_t ignored = ::write(x_wake.get(), &one, sizeof one);
        errno = saved;
    }

    // From the first call on everything is handed to the kernel at once: somebody else may wait.
    int descriptor() noexcept override {
        x_at_once = true;
        if (!x_started) start();
        ::io_uring_submit(&x_ring);
        return x_ring.ring_fd;
    }

private:
    static constexpr int events_at_once = 4; // as many leases as the pool keeps
    static constexpr int most_listening = 8; // told of at a time
    static constexpr std::uint32_t none = ~std::uint32_t{0};
    static constexpr std::uint64_t nobody = ~std::uint64_t{0};
    static constexpr std::uint32_t wake_slot = 0, listening_slot = 1;

    // A descriptor that is watched, or was. Its generation is part of what the ring says about it.
    struct slot {
        watched* who; // null for descriptors of ours, and for what is watched no longer
        std::uint32_t generation;
        std::uint32_t next_free;
    };

    explicit uring(const uring_options& options)
        : x_options(options), x_wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), x_slots(2, slot{nullptr, 0, none}) {
        std::memset(&x_ring, 0, sizeof x_ring);
        x_ring.ring_fd = -1;
    }

    // 0 or an errno. The ring begins disabled: the thread that enables it is the one that submits.
    int set_up() {
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
        if (!(x_ring.features & IORING_FEAT_RSRC_TAGS)) return EINVAL; // older than 5.13: no multishot polls
        arm(wake_slot);
        return 0;
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

    void start() noexcept {
        x_started = true;
        // io_uring_enable_rings, which liburing 2.3 declares and does not have.
        ::syscall(__NR_io_uring_register, x_ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    }

    std::uint64_t key_of(std::uint32_t index) const noexcept {
        return index < x_slots.size() ? std::uint64_t{x_slots[index].generation} << 32 | index : nobody;
    }

    // Failures to watch that another try can mend.
    static bool passes(int number) noexcept {
        return number == ENOMEM || number == EAGAIN || number == EINTR || number == ECANCELED;
    }

    io_uring_sqe* next_entry() noexcept {
        for (;;) {
            if (io_uring_sqe* const entry = ::io_uring_get_sqe(&x_ring)) return entry;
            if (!x_started) start();
            ::io_uring_submit_and_get_events(&x_ring);
        }
    }

    // What is ready already comes as an event too, as does every wake-up of the descriptor's after that.
    void arm(std::uint32_t index) noexcept {
        io_uring_sqe* const entry = next_entry();
        const bool ours = index <= listening_slot;
        const int number = !ours ? x_slots[index].who->number() : index == wake_slot ? x_wake.get() : x_listening.get();
        ::io_uring_prep_poll_multishot(entry, number, ours ? POLLIN : POLLIN | POLLOUT | POLLRDHUP);
        ::io_uring_sqe_set_data64(entry, key_of(index));
        if (x_at_once) ::io_uring_submit(&x_ring);
    }

    // Nobody watches with this slot any more: what the ring still says of it is for nobody.
    void forget(std::uint32_t index) noexcept {
        slot& at = x_slots[index];
        at.who = nullptr;
        ++at.generation;
        at.next_free = std::exchange(x_free, index);
    }

    [[gnu::cold]] std::error_code watch_listening(int number, std::uint64_t key) noexcept {
        if (!x_listening) {
            x_listening = unique_descriptor(::epoll_create1(EPOLL_CLOEXEC));
            if (!x_listening) return last_error();
            arm(listening_slot);
        }
        epoll_event interest{};
        interest.events = EPOLLIN | EPOLLET;
        interest.data.u64 = key;
        if (::epoll_ctl(x_listening.get(), EPOLL_CTL_ADD, number, &interest) != 0) return last_error();
        return {};
    }

    void tell_listening() noexcept {
        for (int found = most_listening; found == most_listening;) {
            epoll_event events[most_listening];
            found = ::epoll_wait(x_listening.get(), events, most_listening, 0);
            for (int i = 0; i < found; ++i) {
                const auto index = static_cast<std::uint32_t>(events[i].data.u64);
                if (events[i].data.u64 == key_of(index)) x_slots[index].who->on_ready(true, false, false);
            }
        }
    }

    // Watches anew what the kernel has let go of because events overflowed; true when some are left. Not while some of
    // those are yet to come in, or it would let go at once, for ever; and only as many as there is room for.
    [[gnu::cold]] bool watch_lost() noexcept {
        if (IO_URING_READ_ONCE(*x_ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) return true;
        for (unsigned count = 0; count < x_options.completions / 2 && !x_lost.empty(); ++count) {
            const std::uint64_t key = x_lost.back();
            x_lost.pop_back();
            const auto index = static_cast<std::uint32_t>(key);
            if (key == key_of(index)) arm(index);
        }
        return !x_lost.empty();
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
    unique_descriptor x_listening; // made for the first acceptor
    io_uring x_ring;
    bool x_started = false; // some thread has become the one that submits
    bool x_at_once = false;
    unsigned x_found = 0; // completions that `wait` has seen and `dispatch` has not told of
    std::uint32_t x_free = none;
    std::vector<slot> x_slots;
    std::vector<std::uint64_t> x_lost; // keys of what the kernel watches no longer, and should
};

} // namespace weir::inline v0::io

namespace weir::inline v0::detail {

// Has `automatic` know of it in the whole program, in whichever file this header is included.
inline const bool uring_is_there = (uring_maker.store(&io::uring::make_chosen), true);

} // namespace weir::inline v0::detail
