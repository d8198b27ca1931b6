// The io_uring backend: sockets that a ring watches. Needs liburing 2.3; in the single header: WEIR_WITH_LIBURING.
//
//     #include <weir/io/uring.hpp>        // in one file of the program; link liburing
//
// With that `automatic` means io_uring where it can be had, from kernel 6.1 (io/backend_choice.hpp). Every descriptor is
// watched by one multishot poll for both directions; bytes are received and sent by direct calls, as over epoll. An echo
// takes 0.90 to 1.01 of the processor time that it takes over epoll (kernel 6.18; 1, 64 and 1,000 connections, 128 B and
// 16 KiB; `tests/bench/run cpu` has it beside bare servers). What is to be watched is handed over with the next wait, so that accepting
// connections takes no call of its own for that; what is no longer to be watched is taken back at once, so that closing a
// socket closes it. Memory: 64 bytes for each of 256 submissions, 16 for each of 1,024 completions, 16 for each descriptor.
// Sockets that listen are watched by an epoll descriptor that the ring watches: a ring outlives a killed process by up to 40
// ms, and would keep the port so long from the next one.
//
// Kernels from 5.13 do for who insists; from 6.1 completions come only while the loop waits, which is what makes it pay.
// The loop's thread is the first that waits. A container often forbids io_uring: the error says so.
#pragma once

#include <weir/io/backend_choice.hpp>
#include <weir/io/uring_completion.hpp>

#include <vector>

namespace weir::inline v0::io {

class uring final : public socket_backend {
public:
    static result<owned<backend>> make() { return make(uring_options()); }

    // Fails where io_uring is forbidden, missing or too old, and when the process is out of descriptors or memory.
    [[gnu::cold]] static result<owned<backend>> make(const uring_options& options) {
        owned<uring> made(new uring(options));
        if (result<> ready = made->x_ring.set_up(); !ready) return ready.error();
        made->arm(wake_slot);
        return owned<backend>(std::move(made));
    }

    // The one that `automatic` and io/backend_choice.hpp make.
    [[gnu::cold]] static result<owned<backend>> make_chosen(bool insists) {
        result<owned<backend>> made = make();
        if (insists || !made || static_cast<uring&>(**made).features().deferred_task_work) return made;
        return error(errc::unsupported, "io_uring (this kernel's has no advantage: it takes 6.1)");
    }

    std::string_view name() const noexcept override { return "io_uring"; }

    // Which of the options this kernel has given.
    const uring_options& features() const noexcept { return x_ring.features(); }

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
        const std::error_code failed = watch_listening(which.number(), index);
        if (failed) forget(index);
        return failed;
    }

    void unwatch(watched& which) noexcept override {
        const auto index = static_cast<std::uint32_t>(which.mark);
        if (which.listens()) {
            x_listening.remove(which.number());
            return forget(index);
        }
        io_uring_sqe* const entry = x_ring.next_entry();
        ::io_uring_prep_cancel64(entry, key_of(index), 0);
        ::io_uring_sqe_set_data64(entry, nobody);
        if (features().skip_success) entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
        forget(index);
        if (x_ring.started()) x_ring.submit_and_look();
    }

    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        x_ring.start();
        if (!x_lost.empty() && watch_lost()) timeout = std::chrono::nanoseconds(0);
        x_ring.submit_and_wait(timeout);
        io_uring_cqe* first;
        x_found_one = false;
        if (!x_ring.peek(first)) return false;
        const unsigned ready = ::io_uring_cq_ready(x_ring.get());
        x_found = ready < max_events ? ready : max_events;
        x_found_one = ready == 1;
        return true;
    }

    bool dispatch() noexcept override {
        for (int told = 0; told < events_at_once && x_found > 0;) {
            io_uring_cqe* found;
            if (!x_ring.peek(found)) break;
            const io_uring_cqe event = *found;
            x_ring.advance();
            --x_found;
            const auto index = static_cast<std::uint32_t>(event.user_data);
            if (event.user_data == nobody || event.user_data != key_of(index)) continue; // unwatched meanwhile
            const bool broken = event.res < 0 && !passes(-event.res);
            if (!(event.flags & IORING_CQE_F_MORE) && !broken) x_lost.push_back(event.user_data); // let go by the kernel
            if (index == listening_slot) tell_listening();
            watched* const who = x_slots[index].who;
            if (!who || (event.res < 0 && !broken)) continue; // a descriptor of ours
            who->on_ready(broken ? POLLERR : static_cast<unsigned>(event.res));
            ++told;
        }
        if (x_found == 0 && !x_lost.empty() && x_at_once) { // the descriptor has to say that there is more to do
            io_uring_sqe* const entry = x_ring.next_entry();
            ::io_uring_prep_nop(entry);
            ::io_uring_sqe_set_data64(entry, nobody);
            x_ring.submit();
        }
        return x_found > 0;
    }

    lone_end take_lone_turns(lone_turns& of, std::chrono::nanoseconds most) noexcept override {
        const auto look = [&] { return !wait(most) ? lone_end::nothing : found_one() ? lone_end::told : lone_end::found; };
        return lone_turns::take(*this, of, look, [&] { (void)dispatch(); });
    }

    void wake() noexcept override { x_ring.wake(); }

    // From the first call on everything is handed to the kernel at once: somebody else may wait.
    int descriptor() noexcept override {
        x_at_once = true;
        x_ring.start();
        x_ring.submit();
        return x_ring.descriptor();
    }

private:
    static constexpr unsigned max_events = 64; // a turn: what they are answered with is still warm when it is sent, at its end
    static constexpr int events_at_once = 4; // as many leases as the pool keeps
    static constexpr std::uint32_t none = ~std::uint32_t{0};
    static constexpr std::uint64_t nobody = ~std::uint64_t{0};
    static constexpr std::uint32_t wake_slot = 0, listening_slot = 1;

    // A descriptor that is watched, or was. Its generation is part of what the ring says about it.
    struct slot {
        watched* who; // null for descriptors of ours, and for what is watched no longer
        std::uint32_t generation;
        std::uint32_t next_free;
    };

    explicit uring(const uring_options& options) : x_ring(options), x_slots(2, slot{nullptr, 0, none}) { x_takes_lone_turns = true; }

    std::uint64_t key_of(std::uint32_t index) const noexcept {
        return index < x_slots.size() ? std::uint64_t{x_slots[index].generation} << 32 | index : nobody;
    }

    // Failures to watch that another try can mend.
    static bool passes(int number) noexcept {
        return number == ENOMEM || number == EAGAIN || number == EINTR || number == ECANCELED;
    }

    void arm(std::uint32_t index) noexcept {
        const bool ours = index <= listening_slot;
        const int number = !ours ? x_slots[index].who->number() : index == wake_slot ? x_ring.wake_number() : x_listening.number();
        x_ring.watch(number, ours ? POLLIN : POLLIN | POLLOUT | POLLRDHUP, key_of(index));
        if (x_at_once) x_ring.submit();
    }

    // Nobody watches with this slot any more: what the ring still says of it is for nobody.
    void forget(std::uint32_t index) noexcept {
        slot& at = x_slots[index];
        at.who = nullptr;
        ++at.generation;
        at.next_free = std::exchange(x_free, index);
    }

    [[gnu::cold]] std::error_code watch_listening(int number, std::uint32_t index) noexcept {
        const bool first = x_listening.number() < 0;
        const std::error_code failed = x_listening.add(number, key_of(index));
        if (first && !failed) arm(listening_slot);
        return failed;
    }

    void tell_listening() noexcept {
        x_listening.look([this](std::uint64_t key) {
            const auto index = static_cast<std::uint32_t>(key);
            if (key == key_of(index)) x_slots[index].who->on_ready(POLLIN);
        });
    }

    // Watches anew what the kernel has let go of because events overflowed; true when some are left. Not while some of
    // those are yet to come in, or it would let go at once, for ever; and only as many as there is room for.
    [[gnu::cold]] bool watch_lost() noexcept {
        if (x_ring.has_overflowed()) return true;
        for (unsigned count = 0; count < features().completions / 2 && !x_lost.empty(); ++count) {
            const std::uint64_t key = x_lost.back();
            x_lost.pop_back();
            const auto index = static_cast<std::uint32_t>(key);
            if (key == key_of(index)) arm(index);
        }
        return !x_lost.empty();
    }

    uring_ring x_ring;
    uring_listening x_listening;
    bool x_at_once = false;
    unsigned x_found = 0; // completions that `wait` has seen and `dispatch` has not told of
    std::uint32_t x_free = none;
    std::vector<slot> x_slots;
    std::vector<std::uint64_t> x_lost; // keys of what the kernel watches no longer, and should
};

} // namespace weir::inline v0::io

namespace weir::inline v0::detail {

// Has `automatic` know of it in the whole program, in whichever file this header is included.
inline const bool uring_is_there = (uring_maker.store(&io::uring::make_chosen),
    uring_completion_maker.store(&io::uring_completion::make), true);

} // namespace weir::inline v0::detail
