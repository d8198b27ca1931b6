// What all sessions of an owner may have in memory together, and whose session is given up when that is not enough: that whose
// client has been away for longest.
//
// Every message is counted once, when it comes and when it goes, and every place that it has in the queue of a session. Loop
// thread only.
#pragma once

#include <weir/core/list.hpp>
#include <weir/transport/kept_message.hpp>

#include <cstdint>

namespace weir::inline v0::detail {

// `Session`: a node of a list of its own.
template <class Session>
class session_budget {
public:
    // At first there is no bound to speak of.
    void limit(std::size_t most_bytes) noexcept { x_most = most_bytes; }

    const byte_tally& tally() const noexcept { return x_tally; }
    std::size_t bytes() const noexcept { return *x_tally; }

    // Nothing is heard of its client, from now on or any more.
    void note_absence(Session& of) noexcept {
        of.list_node<Session>::unlink();
        x_away.push_back(of);
    }

    // Sees to it that so many more bytes fit, by giving up sessions whose clients are away, but not `spared`. False where that
    // would not help.
    bool make_room(std::size_t more, const Session* spared) noexcept {
        if (more > x_most) return false;
        while (bytes() > x_most - more) {
            Session* const oldest = x_away.front();
            if (!oldest || oldest == spared) return false;
            oldest->give_up();
        }
        return true;
    }

    // Whether hardly anything is left, and nobody is away who could be given up.
    bool is_used_up() const noexcept { return x_away.empty() && bytes() > x_most - x_most / 8; }

private:
    byte_tally x_tally = byte_tally::make(std::size_t(0));
    std::size_t x_most = SIZE_MAX;
    list<Session> x_away; // since when, the longest first
};

} // namespace weir::inline v0::detail
