// A value that several threads, or a signal handler and its thread, read and write.
//
// What std::atomic is for integers and pointers, by the same built-in functions: libstdc++'s <atomic> also declares waiting,
// floating-point numbers and views, which cost each program 6 MB of g++'s memory. There is no lock behind it: what would need
// one does not compile.
#pragma once

#include <weir/core/version.hpp>

namespace weir::inline v0::detail {

// What of a thread's other reads and writes the others see in order (as std::memory_order).
enum class order : int { relaxed = __ATOMIC_RELAXED, acquire = __ATOMIC_ACQUIRE, both = __ATOMIC_ACQ_REL, total = __ATOMIC_SEQ_CST };

template <class T>
class atomic {
public:
    constexpr atomic() noexcept = default;
    constexpr atomic(T value) noexcept : x_value(value) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    T load(order with = order::total) const noexcept { return __atomic_load_n(&x_value, static_cast<int>(with)); }
    void store(T value, order with = order::total) noexcept { __atomic_store_n(&x_value, value, static_cast<int>(with)); }

    // Each of these gives the value from before.
    T exchange(T value) noexcept { return __atomic_exchange_n(&x_value, value, __ATOMIC_SEQ_CST); }
    T fetch_add(T more, order with = order::total) noexcept { return __atomic_fetch_add(&x_value, more, static_cast<int>(with)); }
    T fetch_sub(T less, order with = order::total) noexcept { return __atomic_fetch_sub(&x_value, less, static_cast<int>(with)); }

    // Stores `next` where the value is `expected`; says whether it was.
    bool replace(T expected, T next) noexcept {
        return __atomic_compare_exchange_n(&x_value, &expected, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }

private:
    T x_value{};
    static_assert(__atomic_always_lock_free(sizeof(T), nullptr), "a signal handler may not take a lock");
};

} // namespace weir::inline v0::detail
