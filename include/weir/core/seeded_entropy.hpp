// Random bytes that are the same in each run, for simulations and tests. What they mask is masked for show only.
#pragma once

#include <weir/core/entropy.hpp>
#include <weir/core/pseudo_random.hpp>

namespace weir::inline v0 {

class seeded_entropy final : public entropy {
public:
    explicit seeded_entropy(std::uint64_t seed) noexcept : x_random(seed) {}

private:
    void refill(mutable_bytes batch) noexcept override {
        for (std::byte& each : batch) each = static_cast<std::byte>(x_random.next() >> 56);
    }

    pseudo_random x_random;
};

} // namespace weir::inline v0
