// A message that is kept for those it was sent to, once for all of them, and is counted once.
//
// Loop thread only.
#pragma once

#include <weir/core/shared.hpp>
#include <weir/transport/message.hpp>

#include <cstddef>
#include <utility>

namespace weir::inline v0::detail {

// How many bytes those have in memory who share it.
using byte_tally = shared<std::size_t>;

// Its bytes stand in the tally of whoever counted it first, as long as it is there.
class kept_record : public owned_message {
public:
    explicit kept_record(owned_message of) noexcept : owned_message(std::move(of)) {}
    kept_record(const kept_record&) = delete;
    kept_record& operator=(const kept_record&) = delete;
    ~kept_record() {
        if (x_tally) *x_tally -= bytes();
    }

    std::size_t bytes() const noexcept { return data.size() + sizeof(kept_record); }
    bool is_counted() const noexcept { return static_cast<bool>(x_tally); }
    void count_in(const byte_tally& tally) const noexcept {
        if (is_counted()) return;
        x_tally = tally;
        *tally += bytes();
    }

private:
    mutable byte_tally x_tally;
};

using kept_message = shared<const kept_record>;

} // namespace weir::inline v0::detail
