// What all fuzz targets share: how they read their input, how they cut it, and how they say that an invariant is broken.
//
// The bytes under test stand at the front of the input and what steers the target is taken from its end, so that the
// fuzzer's insertions and its dictionaries meet the bytes under test as they are. Reading past the end gives zeros.
#pragma once

#include <weir/core/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

// Ends the program, so that the fuzzer keeps the input, unless `holds`.
inline void require(bool holds, const char* invariant,
                    const std::source_location& where = std::source_location::current()) {
    if (holds) [[likely]]
        return;
    std::fprintf(stderr, "%s:%u: broken: %s\n", where.file_name(), where.line(), invariant);
    std::abort();
}

class input {
public:
    input(const std::uint8_t* data, std::size_t size) noexcept : x_rest(reinterpret_cast<const char*>(data), size) {}

    bool empty() const noexcept { return x_rest.empty(); }
    std::size_t left() const noexcept { return x_rest.size(); }

    // From the end.
    std::uint8_t byte() noexcept {
        if (x_rest.empty()) return 0;
        const auto last = static_cast<std::uint8_t>(x_rest.back());
        x_rest.remove_suffix(1);
        return last;
    }
    bool flag() noexcept { return byte() & 1; }
    template <class Unsigned>
    Unsigned number() noexcept {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(Unsigned); ++i) value = value << 8 | byte();
        return static_cast<Unsigned>(value);
    }
    // From 0 to `most`, in as few bytes as that takes.
    std::size_t up_to(std::size_t most) noexcept {
        std::uint64_t value = 0;
        for (std::size_t range = most; range > 0; range >>= 8) value = value << 8 | byte();
        return most + 1 == 0 ? value : static_cast<std::size_t>(value % (most + 1));
    }

    // From the front, at most as many as there are.
    std::string_view take(std::size_t count) noexcept {
        const std::string_view taken = x_rest.substr(0, count);
        x_rest.remove_prefix(taken.size());
        return taken;
    }
    std::string_view take_all() noexcept { return take(x_rest.size()); }

private:
    std::string_view x_rest;
};

// Small pseudo-random numbers, for what only needs variety.
class dice {
public:
    explicit dice(std::uint64_t seed) noexcept : x_state(seed * 2 + 1) {}
    std::uint32_t roll() noexcept {
        x_state = x_state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>(x_state >> 33);
    }

private:
    std::uint64_t x_state;
};

// Sizes of pieces. The seed says of what kind: 0 to 15 so many bytes and one each, others anything, small ones often.
class cutter {
public:
    explicit cutter(std::uint8_t seed) noexcept : x_dice(seed), x_fixed(seed < 16 ? seed + 1u : 0) {}
    std::size_t next(std::size_t left) noexcept {
        std::size_t size = x_fixed;
        if (!size) {
            const std::uint32_t rolled = x_dice.roll();
            size = 1 + (rolled >> 2) % (rolled & 1 ? 8u : rolled & 2 ? 64u : 2000u);
        }
        return size < left ? size : left;
    }

private:
    dice x_dice;
    std::size_t x_fixed;
};

// Calls `use(std::string_view piece)` for each piece until it gives false.
template <class Use>
void cut_up(std::string_view text, std::uint8_t seed, Use&& use) {
    cutter sizes(seed);
    while (!text.empty()) {
        const std::size_t size = sizes.next(text.size());
        if (!use(text.substr(0, size))) return;
        text.remove_prefix(size);
    }
}

// Valid UTF-8 without end, of which pieces may be cut anywhere.
class endless_text {
public:
    std::string next(std::size_t size, bool ends) {
        std::string piece;
        while (piece.size() < size || (ends && (static_cast<unsigned char>(pattern[x_at]) & 0xC0) == 0x80)) {
            piece += pattern[x_at];
            x_at = (x_at + 1) % pattern.size();
        }
        return piece;
    }

private:
    static constexpr std::string_view pattern = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\x9F\xBF\xF4\x8F\xBF\xBFxyz";
    std::size_t x_at = 0;
};

// A copy that ends where its memory ends, so that the address sanitizer sees each byte that is touched behind it.
class exact {
public:
    explicit exact(std::string_view text) : x_size(text.size()), x_data(new std::byte[text.size()]) {
        if (x_size) std::memcpy(x_data, text.data(), x_size);
    }
    explicit exact(std::size_t size) : x_size(size), x_data(new std::byte[size]) {}
    exact(const exact&) = delete;
    exact& operator=(const exact&) = delete;
    ~exact() { delete[] x_data; }
    weir::mutable_bytes bytes() const noexcept { return {x_data, x_size}; }

private:
    std::size_t x_size;
    std::byte* x_data;
};

} // namespace fuzz
