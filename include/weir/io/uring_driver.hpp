// What everything over one ring in completion mode shares: the ring, its buffers, and who has work for the kernel or news
// for its user.
//
// Completions are taken from the ring into the state of who asked for them; telling is another step. So an operation may
// look for completions at any time without telling anybody. Otherwise they are taken when it is their turn to be told of, so
// that what has been received is used up, and its buffer free again, before the next one is.
#pragma once

#include <weir/core/list.hpp>
#include <weir/io/socket_calls.hpp>
#include <weir/io/uring_buffers.hpp>
#include <weir/io/uring_listening.hpp>
#include <weir/io/uring_ring.hpp>

namespace weir::inline v0::io {

// Who has something to submit.
class uring_work : public list_node<uring_work> {
public:
    // Fills in entries. Before the next wait, once.
    virtual void prepare() noexcept = 0;

protected:
    ~uring_work() = default;
};

// Who has something to tell.
class uring_news : public list_node<uring_news> {
public:
    // From within `dispatch`.
    virtual void tell() noexcept = 0;

protected:
    ~uring_news() = default;
};

// Whose operations the kernel works on. It lives until the last of them has completed. Aligned, so that the address and the
// operation's number fit into one word.
class alignas(8) uring_owner {
public:
    // One of the owner's operations has completed; `more` completions of it will come.
    virtual void completed(unsigned operation, int result, unsigned flags, bool more) noexcept = 0;

protected:
    ~uring_owner() = default;
};

// Whose socket is still sending what was taken of a stream that is closed.
class uring_lingering : public list_node<uring_lingering> {
public:
    // The loop ends: the rest is dropped, and the peer sees a reset.
    virtual void give_up() noexcept = 0;

protected:
    ~uring_lingering() = default;
};

class uring_driver {
public:
    static constexpr unsigned operations = 8; // of one owner
    static constexpr unsigned acceptable = 7; // no operation: a socket that listens has somebody
    static constexpr std::uint64_t nobody = ~std::uint64_t{0};

    uring_driver(const uring_options& options, block_pool& blocks) noexcept : ring(options), x_blocks(blocks) {}

    block_pool& blocks() noexcept { return x_blocks; }
    const uring_options& options() const noexcept { return ring.features(); }

    // The entry, filled in, is an operation of `owner`, in flight until its last completion.
    void begin(io_uring_sqe* entry, uring_owner& owner, unsigned operation) noexcept {
        ++x_in_flight;
        ::io_uring_sqe_set_data64(entry, reinterpret_cast<std::uintptr_t>(&owner) | operation);
    }

    // How many operations the kernel works on, the driver's own aside.
    std::size_t in_flight() const noexcept { return x_in_flight; }

    // Has `who` prepared before the next wait, or at once where somebody else may wait.
    void add_work(uring_work& who) noexcept {
        who.unlink();
        x_work.push_back(who);
        if (x_at_once && !x_looking) hand_over();
    }

    // The same for who has found no buffer to receive into: when it is its turn to get one. All at once would find none again.
    void add_starved(uring_work& who) noexcept {
        if (!who.linked()) x_starved.push_back(who);
    }
    void add_news(uring_news& who) noexcept {
        if (!who.linked()) x_news.push_back(who);
    }
    void prepare_all() noexcept {
        for (unsigned spare = buffers.spare(); spare > 0 && !x_starved.empty(); --spare)
            x_work.push_back(*x_starved.pop_front());
        while (uring_work* const next = x_work.pop_front()) next->prepare();
    }

    // Cancels everything that the kernel does with `number`, and looks for what comes of it.
    void cancel_all_of(int number) noexcept {
        io_uring_sqe* const entry = ring.next_entry();
        ::io_uring_prep_cancel_fd(entry, number, IORING_ASYNC_CANCEL_ALL);
        ::io_uring_sqe_set_data64(entry, nobody);
        if (options().skip_success) entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
        ring.submit_and_look();
        look();
        if (!x_at_once || x_news.empty()) return;
        io_uring_sqe* const more = ring.next_entry(); // the descriptor has to say that there is more to do
        ::io_uring_prep_nop(more);
        ::io_uring_sqe_set_data64(more, nobody);
        ring.submit();
    }

    // Takes in what has completed. Tells nobody.
    void look() noexcept {
        const bool nested = std::exchange(x_looking, true);
        while (take_one()) {
        }
        x_looking = nested;
        if (x_at_once && !nested) hand_over();
    }

    // Waits until there is news or somebody wakes it. False when nothing of that has happened.
    bool wait(std::chrono::nanoseconds timeout) noexcept {
        if (!ring.started()) start();
        const bool ends = timeout > std::chrono::nanoseconds(0) && timeout != uring_ring::forever;
        const std::chrono::nanoseconds until = ends ? socket_calls::now() + timeout : timeout;
        if (!x_news.empty() || x_woken) timeout = std::chrono::nanoseconds(0);
        for (;;) {
            prepare_all();
            // What is handed over mostly completes at once, and is no reason to end a wait.
            const bool waits = timeout > std::chrono::nanoseconds(0) && !ring.has_entries();
            const bool whole = ring.submit_and_wait(waits ? timeout : std::chrono::nanoseconds(0));
            x_to_take = completions_a_turn;
            look_for_news();
            if (!x_news.empty() || x_woken || timeout <= std::chrono::nanoseconds(0) || (waits && !whole)) break;
            if (ends && waits) {
                timeout = until - socket_calls::now();
                if (timeout <= std::chrono::nanoseconds(0) && x_work.empty() && x_starved.empty()) break;
            }
        }
        return std::exchange(x_woken, false) || !x_news.empty();
    }

    // Tells a few; true when there is more to tell.
    bool tell_some(int most) noexcept {
        for (; most > 0; --most) {
            look_for_news();
            uring_news* const next = x_news.pop_front();
            if (!next) return false;
            next->tell();
        }
        look_for_news();
        return !x_news.empty();
    }

    // Hands over what has to be begun without waiting. Before the first wait nobody may.
    void hand_over() noexcept {
        if (!ring.started()) return;
        prepare_all();
        if (ring.has_entries()) ring.submit();
    }

    // From now on everything is handed to the kernel at once: somebody else may wait.
    void at_once() noexcept {
        if (!ring.started()) start();
        x_at_once = true;
        hand_over();
    }

    // Tells `who` of `acceptable`.
    [[gnu::cold]] std::error_code listen_at(int number, uring_owner& who) noexcept {
        const bool first = x_listening.number() < 0;
        if (const std::error_code failed = x_listening.add(number, reinterpret_cast<std::uintptr_t>(&who))) return failed;
        if (first) {
            ring.watch(x_listening.number(), POLLIN, listening_key);
            if (x_at_once) ring.submit();
        }
        return {};
    }
    void listen_no_more_at(int number) noexcept { x_listening.remove(number); }

    // Ends everything: afterwards the kernel works on nothing, and touches no memory of ours.
    [[gnu::cold]] void shut_down() noexcept {
        while (uring_lingering* const next = lingering.pop_front()) next->give_up();
        if (ring.started()) {
            io_uring_sqe* const entry = ring.next_entry();
            ::io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
            ::io_uring_sqe_set_data64(entry, nobody);
            ring.submit_and_look();
            look();
            for (int tries = 0; x_in_flight > 0 && tries < 1000; ++tries) {
                ring.submit_and_wait(std::chrono::milliseconds(1));
                look();
            }
        }
        if (x_in_flight > 0) buffers.abandon();
        ring.exit();
    }

    uring_buffers buffers;
    uring_ring ring;
    list<uring_lingering> lingering;

private:
    static constexpr std::uint64_t wake_key = 0, listening_key = 1;
    static constexpr unsigned completions_a_turn = 256; // what they are answered with is still warm when it is sent

    void start() noexcept {
        ring.start();
        ring.watch(ring.wake_number(), POLLIN, wake_key);
    }

    // Takes completions in until there is news, or no more of this turn's.
    void look_for_news() noexcept {
        const bool nested = std::exchange(x_looking, true);
        while (x_news.empty() && x_to_take > 0) x_to_take = take_one() ? x_to_take - 1 : 0;
        x_looking = nested;
        if (x_at_once && !nested) hand_over();
    }

    // The next completion; false if there is none.
    bool take_one() noexcept {
        io_uring_cqe* found;
        if (!ring.peek(found)) return false;
        const io_uring_cqe event = *found;
        ring.advance();
        take(event);
        return true;
    }

    void take(const io_uring_cqe& event) noexcept {
        const bool more = event.flags & IORING_CQE_F_MORE;
        if (event.user_data == nobody) return;
        if (event.user_data == wake_key) {
            x_woken = true;
            if (!more) ring.watch(ring.wake_number(), POLLIN, wake_key); // let go because events overflowed
        } else if (event.user_data == listening_key) {
            if (!more) ring.watch(x_listening.number(), POLLIN, listening_key);
            x_listening.look([](std::uint64_t key) { reinterpret_cast<uring_owner*>(key)->completed(acceptable, 0, 0, true); });
        } else {
            if (!more) --x_in_flight;
            auto* const owner = reinterpret_cast<uring_owner*>(event.user_data & ~std::uint64_t{operations - 1});
            owner->completed(static_cast<unsigned>(event.user_data % operations), event.res, event.flags, more);
        }
    }

    block_pool& x_blocks;
    uring_listening x_listening;
    list<uring_work> x_work;
    list<uring_work> x_starved;
    list<uring_news> x_news;
    std::size_t x_in_flight = 0;
    unsigned x_to_take = 0; // completions of this turn
    bool x_woken = false;
    bool x_looking = false;
    bool x_at_once = false;
};

} // namespace weir::inline v0::io
