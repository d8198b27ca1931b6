// What all sessions of an owner may have in memory together, and whose sessions are given up when that is not enough: those
// that hold something and whose clients have been away for longest.
//
// Counted are the messages that are kept for clients, with every place that they have in the queue of a session, and those
// that came in and that handlers have not read; not what waits in the ports of handles. A message that goes to sessions of
// several owners is counted once, in the tally of the one whose session took it first. Loop thread only.
#pragma once

#include <weir/core/list.hpp>
#include <weir/transport/memory_tally.hpp>

namespace weir::inline v0::detail {

// `Session`: a node of a list of its own.
template <class Session>
class session_budget {
public:
    void limit(std::size_t most_bytes) noexcept { x_tally->limit(most_bytes); }

    const byte_tally& tally() const noexcept { return x_tally; }
    std::size_t bytes() const noexcept { return x_tally->bytes(); }

    // Nothing is heard of its client, from now on or any more.
    void note_absence(Session& of) noexcept {
        const bool was_away = of.list_node<Session>::linked();
        of.list_node<Session>::unlink();
        x_away.push_back(of);
        if (was_away) return;
        of.yields(true);
        x_tally->tell_seekers();
    }
    void note_presence(Session& of) noexcept {
        of.list_node<Session>::unlink();
        of.yields(false);
    }

    // Sees to it that so many more bytes fit for `wanting`, by giving up sessions of others whose clients are away and that hold
    // something, the one that has been away for longest first. False where that would not help, and nobody is given up then.
    // Takes one pass over the sessions that are away, if it helps; and a look at each message of `wanting` if that is one.
    bool make_room(std::size_t more, Session& wanting) noexcept {
        if (x_tally->fits(more)) return true;
        if (!x_tally->could_fit(more)) return false;
        const bool is_away = wanting.list_node<Session>::linked();
        if (is_away) wanting.yields(false);
        if (x_tally->could_fit(more))
            for (Session* each = x_away.front(); each && !x_tally->fits(more);) {
                Session* const next = x_away.after(*each);
                if (each != &wanting && each->holds_messages()) each->give_up();
                each = next;
            }
        if (is_away) wanting.yields(true);
        return x_tally->fits(more);
    }

    // Whether hardly anything is left, whoever was given up.
    bool is_used_up() const noexcept { return !x_tally->could_fit(x_tally->most() / 8); }

private:
    byte_tally x_tally = byte_tally::make();
    list<Session> x_away; // since when, the longest first
};

} // namespace weir::inline v0::detail
