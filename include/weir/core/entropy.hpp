// Where unpredictable bytes come from: an interface, so that the protocol has no randomness of its own.
//
// io/os_entropy.hpp takes them from the kernel; a test injects a fixed sequence. Bytes are drawn in batches, so a
// masking key costs a copy and, every now and then, a refill.
#pragma once

#include <weir/core/bytes.hpp>

#include <array>

namespace weir::inline v0 {

class entropy {
public:
    entropy() noexcept = default;
    entropy(const entropy&) = delete;
    entropy& operator=(const entropy&) = delete;
    virtual ~entropy() = default;

    // Fills `to`.
    void fill(mutable_bytes to) noexcept {
        for (std::byte& each : to) each = take<std::byte>();
    }

    // 32 unpredictable bits: a masking key (RFC 6455 section 5.3).
    std::uint32_t next_32() noexcept { return take<std::uint32_t>(); }

    // 64 unpredictable bits.
    std::uint64_t next_64() noexcept { return take<std::uint64_t>(); }

protected:
    // Fills all of `batch` with fresh bytes; called whenever the last batch is used up.
    virtual void refill(mutable_bytes batch) noexcept = 0;

private:
    template <class Value>
    Value take() noexcept {
        if (x_batch.size() - x_used < sizeof(Value)) {
            refill(x_batch);
            x_used = 0;
        }
        Value value;
        std::memcpy(&value, x_batch.data() + x_used, sizeof value);
        x_used += sizeof value;
        return value;
    }

    std::array<std::byte, 1024> x_batch;
    std::size_t x_used = sizeof x_batch;
};

} // namespace weir::inline v0
