// A message that is kept for those it was sent to, once for all of them, and is counted once.
//
// Loop thread only.
#pragma once

#include <weir/transport/memory_tally.hpp>
#include <weir/transport/message.hpp>

#include <cstddef>
#include <utility>

namespace weir::inline v0::detail {

// Its bytes stand in the tally of whoever counted it first, as long as it is there. They could be given up while all who
// hold it are of that tally and may be given up themselves.
class kept_record : public owned_message {
public:
    explicit kept_record(owned_message of) noexcept : owned_message(std::move(of)) {}
    kept_record(const kept_record&) = delete;
    kept_record& operator=(const kept_record&) = delete;
    ~kept_record() {
        if (x_tally) x_tally->give_back(bytes());
    }

    std::size_t bytes() const noexcept { return data.size() + sizeof(kept_record); }
    bool is_counted() const noexcept { return static_cast<bool>(x_tally); }
    void count_in(const byte_tally& tally) const noexcept {
        if (is_counted()) return;
        x_tally = tally;
        tally->take(bytes());
    }

    // Somebody holds it from now on, or no longer, who may be given up if `yields`; or who held it changes in that.
    void hold(const byte_tally& by, bool yields) const noexcept { change(1, yields && is_in(by) ? 1 : 0); }
    void let_go(const byte_tally& by, bool yields) const noexcept { change(-1, yields && is_in(by) ? -1 : 0); }
    void now_yields(const byte_tally& by, bool yields) const noexcept {
        if (is_in(by)) change(0, yields ? 1 : -1);
    }

private:
    bool is_in(const byte_tally& tally) const noexcept { return x_tally && x_tally.get() == tally.get(); }
    bool yields() const noexcept { return x_tally && x_holders && x_yielding == x_holders; }

    void change(int holders, int yielding) const noexcept {
        const bool before = yields();
        x_holders += static_cast<unsigned>(holders);
        x_yielding += static_cast<unsigned>(yielding);
        if (before == yields()) return;
        before ? x_tally->not_reclaimable(bytes()) : x_tally->reclaimable(bytes());
    }

    mutable byte_tally x_tally;
    mutable unsigned x_holders = 0;
    mutable unsigned x_yielding = 0; // of them
};

using kept_message = shared<const kept_record>;

} // namespace weir::inline v0::detail
