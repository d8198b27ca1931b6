// Messages put together from texts and numbers.
//
// Kept out of line and away from the hot path: sentences are for people, and a library that builds many of them should
// not make its users compile string arithmetic at each place.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weir::inline v0 {

// A number as digits, without an allocation. Converts to a view that is valid as long as the object.
class number_text {
public:
    explicit number_text(std::uint64_t value, unsigned base = 10) noexcept {
        do {
            x_digits[--x_begin] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
    }
    operator std::string_view() const noexcept { return {x_digits + x_begin, sizeof x_digits - x_begin}; }

private:
    char x_digits[20];
    std::size_t x_begin = sizeof x_digits;
};

// All texts, one behind the other. Not inside an expression that awaits: g++ 12 cannot compile a list there.
[[gnu::cold, gnu::noinline]] inline std::string concat(std::initializer_list<std::string_view> texts) {
    std::size_t size = 0;
    for (const std::string_view each : texts) size += each.size();
    std::string all;
    all.reserve(size);
    for (const std::string_view each : texts) all.append(each);
    return all;
}

} // namespace weir::inline v0
