// The messages that a session has sent and that may have to be sent again, numbered from 1.
//
// In front stand those that were handed to a carrier and are not known to have arrived, behind them those that were not
// handed out yet. A message that goes to many sessions is in memory once. What counts against the bounds of a session is the
// payload and what it takes to keep it. Loop thread only.
#pragma once

#include <weir/core/fifo.hpp>
#include <weir/core/sequence.hpp>
#include <weir/transport/kept_message.hpp>

#include <cassert>
#include <cstdint>
#include <utility>

namespace weir::inline v0::detail {

template <class = void>
kept_message keep_message(bytes_view payload, bool is_text) {
    return kept_message::make(owned_message{std::string(as_text(payload)), is_text});
}

template <class = void>
class message_log {
public:
    // What it holds is counted in `tally`, where there is one.
    explicit message_log(byte_tally tally = {}) noexcept : x_tally(std::move(tally)) {}
    message_log(const message_log&) = delete;
    message_log& operator=(const message_log&) = delete;
    ~message_log() { forget_all(); }

    // How much more the tally would say if that was pushed.
    static std::size_t tally_cost(const kept_record& of) noexcept {
        return place_bytes + (of.is_counted() ? 0 : of.bytes());
    }

    static std::size_t cost(const owned_message& of) noexcept { return of.data.size() + sizeof(owned_message); }

    void push(kept_message sent) {
        x_unsent_bytes += cost(*sent);
        x_bytes += cost(*sent);
        if (x_tally) {
            sent->count_in(x_tally);
            x_tally->take(place_bytes);
            if (x_yields) x_tally->reclaimable(place_bytes);
        }
        sent->hold(x_tally, x_yields);
        x_kept.push(std::move(sent));
    }

    // Whether everything may be forgotten when others need the memory. Takes a look at each message when that changes.
    void yields(bool now) noexcept {
        if (!x_tally || exchanged(x_yields, now) == now) return;
        const std::size_t places = x_kept.size() * place_bytes;
        now ? x_tally->reclaimable(places) : x_tally->not_reclaimable(places);
        for (std::size_t i = 0; i < x_kept.size(); ++i) x_kept[i]->now_yields(x_tally, now);
    }

    bool empty() const noexcept { return x_kept.empty(); }

    // The number of the newest message; of the newest that was handed out; of the oldest that is kept.
    std::uint64_t last() const noexcept { return x_forgotten + x_kept.size(); }
    std::uint64_t handed_out() const noexcept { return x_forgotten + x_sent; }
    std::uint64_t oldest() const noexcept { return x_forgotten + 1; }

    bool has_unsent() const noexcept { return x_sent < x_kept.size(); }
    std::size_t bytes() const noexcept { return x_bytes; }
    std::size_t unsent_bytes() const noexcept { return x_unsent_bytes; }

    // The next one that was not handed out, and its number. Valid until the next call that changes the log.
    const owned_message& front_unsent() const noexcept { return *x_kept[x_sent]; }
    std::uint64_t next_number() const noexcept { return handed_out() + 1; }
    void hand_out() noexcept {
        assert(has_unsent());
        x_unsent_bytes -= cost(*x_kept[x_sent++]);
    }

    // Copies of all that are kept, the oldest first.
    sequence<owned_message> kept() const {
        sequence<owned_message> all;
        for (std::size_t i = 0; i < x_kept.size(); ++i) all.push_back(*x_kept[i]);
        return all;
    }

    // Everything up to `number`, which was sent, has arrived.
    void forget_to(std::uint64_t number) noexcept {
        while (x_forgotten < number && !x_kept.empty()) forget_one();
    }

    // Whether they have arrived or not.
    void forget_all() noexcept { forget_to(last()); }

    // Forgets the oldest that were handed out, until those that were take no more than `most_bytes`.
    void forget_above(std::size_t most_bytes) noexcept {
        while (x_sent && x_bytes - x_unsent_bytes > most_bytes) forget_one();
    }

    // What comes after `number`, which must not be forgotten, is to be handed out again.
    void rewind(std::uint64_t number) noexcept {
        assert(number >= x_forgotten && number <= last());
        x_sent = static_cast<std::size_t>(number - x_forgotten);
        x_unsent_bytes = 0;
        for (std::size_t i = x_sent; i < x_kept.size(); ++i) x_unsent_bytes += cost(*x_kept[i]);
    }

private:
    static constexpr std::size_t place_bytes = sizeof(kept_message);

    void forget_one() noexcept {
        if (x_sent == 0) hand_out();
        const kept_message oldest = x_kept.pop();
        x_bytes -= cost(*oldest);
        --x_sent;
        ++x_forgotten;
        oldest->let_go(x_tally, x_yields);
        if (!x_tally) return;
        if (x_yields) x_tally->not_reclaimable(place_bytes);
        x_tally->give_back(place_bytes);
    }

    byte_tally x_tally;
    fifo<kept_message> x_kept;
    std::size_t x_sent = 0;        // how many of them were handed out
    std::uint64_t x_forgotten = 0; // the number of the last message that is not kept any more
    std::size_t x_bytes = 0;
    std::size_t x_unsent_bytes = 0;
    bool x_yields = false;
};

} // namespace weir::inline v0::detail
