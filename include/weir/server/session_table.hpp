// The sessions of a channel's route, by their ids.
//
// A hash table in one array, at most half full. Ids are drawn here and are unpredictable, so their first bytes are as good as
// a hash, and nobody can choose where a session stands. Has an owner's share in each. Loop thread only.
#pragma once

#include <weir/core/base64.hpp>
#include <weir/core/entropy.hpp>
#include <weir/core/sequence.hpp>
#include <weir/core/shared.hpp>
#include <weir/transport/session.hpp>

#include <cstring>

namespace weir::inline v0::detail {

inline constexpr std::size_t session_id_bytes = 22;

// 128 random bits, in base64 that needs no encoding in a URL (RFC 4648, section 5).
template <class = void>
[[gnu::cold]] std::string make_session_id(entropy& random) {
    std::byte bits[16];
    random.fill(bits);
    std::string id = base64_encode(bits);
    for (char& each : id) each = each == '+' ? '-' : each == '/' ? '_' : each;
    id.resize(session_id_bytes); // without the padding
    return id;
}

template <class Tag = void>
class session_table final : private session_owner<Tag> {
    using session = basic_session<Tag>;

public:
    session_table() noexcept = default;
    session_table(const session_table&) = delete;
    session_table& operator=(const session_table&) = delete;
    ~session_table() { clear(); }

    std::size_t size() const noexcept { return x_size; }

    // What all of them may have in memory together.
    typename session::budget& budget() noexcept { return x_budget; }

    // A new session. `options` must outlive it.
    [[gnu::cold]] shared<session> open(scheduler& on, entropy& random, const session_options& options) {
        if ((x_size + 1) * 2 > x_slots.size()) resize(x_slots.empty() ? smallest : x_slots.size() * 2);
        shared<session> made =
            shared<session>::make(on, options, static_cast<session_owner<Tag>&>(*this), make_session_id<Tag>(random), &x_budget);
        x_slots[find_slot(made->id())] = made;
        ++x_size;
        return made;
    }

    // Empty where there is none of that id.
    shared<session> find(std::string_view id) const noexcept {
        if (x_slots.empty() || id.size() != session_id_bytes) return {};
        return x_slots[find_slot(id)];
    }

    // Calls `what(share)` for each; it may not open or strike any.
    template <class What>
    void for_each(What what) {
        for (const shared<session>& each : x_slots)
            if (each) what(each);
    }

    // Strikes all off, without a word to those who have a share in them.
    [[gnu::cold]] void clear() noexcept {
        sequence<shared<session>> gone;
        gone.swap(x_slots);
        x_size = 0;
        for (const shared<session>& each : gone)
            if (each) each->disown();
    }

private:
    static constexpr std::size_t smallest = 16;

    std::size_t home(std::string_view id) const noexcept {
        std::uint64_t bits;
        std::memcpy(&bits, id.data(), sizeof bits);
        return static_cast<std::size_t>((bits * 0x9E3779B97F4A7C15u) >> 32) & (x_slots.size() - 1);
    }

    // The slot of the session, or the free one where it would be.
    std::size_t find_slot(std::string_view id) const noexcept {
        std::size_t at = home(id);
        while (x_slots[at] && x_slots[at]->id() != id) at = (at + 1) & (x_slots.size() - 1);
        return at;
    }

    [[gnu::cold]] void strike(session& which) noexcept override {
        std::size_t gap = find_slot(which.id());
        const shared<session> last_share = std::move(x_slots[gap]);
        --x_size;
        const std::size_t mask = x_slots.size() - 1;
        for (std::size_t at = gap;;) { // what stands behind a gap, and belongs before it, moves up
            at = (at + 1) & mask;
            if (!x_slots[at]) break;
            if (((at - home(x_slots[at]->id())) & mask) < ((at - gap) & mask)) continue;
            x_slots[gap] = std::move(x_slots[at]);
            gap = at;
        }
        if (x_slots.size() > smallest && x_size * 8 < x_slots.size()) resize(x_slots.size() / 2);
    }

    [[gnu::cold]] void resize(std::size_t size) {
        sequence<shared<session>> old(size);
        old.swap(x_slots);
        for (shared<session>& each : old)
            if (each) {
                const std::size_t at = find_slot(each->id());
                x_slots[at] = std::move(each);
            }
    }

    typename session::budget x_budget; // the sessions use it
    sequence<shared<session>> x_slots;
    std::size_t x_size = 0;
};

} // namespace weir::inline v0::detail
