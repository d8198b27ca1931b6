// How many connections there are from each address.
//
// A hash table in one array, at most half full, that shrinks again: at most eight slots of 16 bytes for each address
// (and sixteen at all). Clients choose their addresses, so the hash is keyed. Not synchronized.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/sequence.hpp>
#include <weir/core/version.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>

namespace weir::inline v0::detail {

class address_counts {
public:
    // `key` is unpredictable.
    explicit address_counts(std::uint64_t key) noexcept : x_key(key) {}

    std::uint32_t count(std::uint64_t address) const noexcept {
        return x_slots.empty() ? 0 : x_slots[find(address)].count;
    }

    [[gnu::cold]] void add(std::uint64_t address) {
        if ((x_used + 1) * 2 > x_slots.size()) resize(x_slots.empty() ? smallest : x_slots.size() * 2);
        slot& at = x_slots[find(address)];
        if (at.count++) return;
        at.address = address;
        ++x_used;
    }

    // Takes back an `add`.
    [[gnu::cold]] void remove(std::uint64_t address) {
        std::size_t gap = find(address);
        assert(x_slots[gap].count && "no connection is counted at this address");
        if (--x_slots[gap].count) return;
        --x_used;
        const std::size_t mask = x_slots.size() - 1;
        for (std::size_t at = gap;;) { // what stands behind a gap, and belongs before it, moves up
            at = (at + 1) & mask;
            if (!x_slots[at].count) break;
            if (((at - home(x_slots[at].address)) & mask) < ((at - gap) & mask)) continue;
            x_slots[gap] = exchanged(x_slots[at], slot());
            gap = at;
        }
        if (x_slots.size() > smallest && x_used * 8 < x_slots.size()) resize(x_slots.size() / 2);
    }

    // How many addresses there are, and how much memory is held for them.
    std::size_t size() const noexcept { return x_used; }
    std::size_t slots() const noexcept { return x_slots.size(); }

private:
    static constexpr std::size_t smallest = 16;

    struct slot {
        std::uint64_t address = 0;
        std::uint32_t count = 0; // 0: the slot is free
    };

    std::size_t home(std::uint64_t address) const noexcept {
        std::uint64_t hash = address ^ x_key; // the finish of MurmurHash3, keyed before and between
        hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCDu;
        hash = ((hash ^ x_key) ^ hash >> 33) * 0xC4CEB9FE1A85EC53u;
        return static_cast<std::size_t>(hash >> 33) & (x_slots.size() - 1);
    }

    // The slot of the address, or the free one where it would be.
    std::size_t find(std::uint64_t address) const noexcept {
        std::size_t at = home(address);
        while (x_slots[at].count && x_slots[at].address != address) at = (at + 1) & (x_slots.size() - 1);
        return at;
    }

    [[gnu::cold]] void resize(std::size_t size) {
        sequence<slot> old(size);
        old.swap(x_slots);
        for (const slot& each : old)
            if (each.count) x_slots[find(each.address)] = each;
    }

    std::uint64_t x_key;
    sequence<slot> x_slots;
    std::size_t x_used = 0;
};

} // namespace weir::inline v0::detail
