// How many bytes several have in memory together, how many of these could be given up, and who waits for less.
//
// Shared by those who count in it. Nobody is resumed inside a call. Loop thread only.
#pragma once

#include <weir/core/list.hpp>
#include <weir/core/shared.hpp>

#include <cstddef>
#include <cstdint>

namespace weir::inline v0::detail {

// Somebody who waits until something fits. Leaves when it is destroyed.
class room_seeker : public list_node<room_seeker> {
public:
    // How many bytes are waited for; 0 when nobody waits any more.
    virtual std::size_t wanted() const noexcept = 0;
    virtual void there_is_room() noexcept = 0;

protected:
    ~room_seeker() = default;
};

class memory_tally {
public:
    std::size_t bytes() const noexcept { return x_bytes; }
    std::size_t most() const noexcept { return x_most; }
    void limit(std::size_t most_bytes) noexcept { x_most = most_bytes; }

    // Whether so many more bytes would fit if all were given up that can be.
    bool could_fit(std::size_t more) const noexcept { return more <= x_most && x_bytes - x_reclaimable <= x_most - more; }
    bool fits(std::size_t more) const noexcept { return more <= x_most && x_bytes <= x_most - more; }

    void take(std::size_t more) noexcept { x_bytes += more; }
    void give_back(std::size_t bytes) noexcept {
        x_bytes -= bytes;
        if (!x_seekers.empty()) tell_seekers();
    }

    // So many of the bytes could be given up, or cannot any more. To be called before these are given back.
    void reclaimable(std::size_t more) noexcept { x_reclaimable += more; }
    void not_reclaimable(std::size_t bytes) noexcept { x_reclaimable -= bytes; }

    // Who waits already keeps its place.
    void seek(room_seeker& who) noexcept {
        if (!who.linked()) x_seekers.push_back(who);
    }

    // Tells those who wait that there is room, in the order in which they came, until one would not fit. Each tries again by
    // itself, and seeks again if others were faster.
    [[gnu::cold]] void tell_seekers() noexcept {
        std::size_t promised = 0;
        while (room_seeker* const first = x_seekers.front()) {
            const std::size_t wanted = first->wanted();
            if (wanted && !could_fit(promised + wanted)) return;
            first->unlink();
            promised += wanted;
            if (wanted) first->there_is_room();
        }
    }

private:
    std::size_t x_bytes = 0;
    std::size_t x_reclaimable = 0;
    std::size_t x_most = SIZE_MAX; // at first there is no bound to speak of
    list<room_seeker> x_seekers;
};

using byte_tally = shared<memory_tally>;

} // namespace weir::inline v0::detail
