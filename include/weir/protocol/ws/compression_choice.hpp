// What the options of servers and clients say about compression: a method with its settings, or nothing.
//
// `weir::permessage_deflate` of the leaf header protocol/ws/deflate.hpp makes one. Settings alone do not become a choice, so
// that nobody sets a level and compresses nothing. Trivially copyable; the method has static duration.
#pragma once

#include <weir/protocol/ws/compression_options.hpp>

namespace weir::inline v0 {

namespace ws {
class compression_method;
}

class compression_choice {
public:
    // Messages go out as they are.
    constexpr compression_choice() noexcept = default;

    constexpr compression_choice(const ws::compression_method& by, const compression_options& how) noexcept
        : x_options(how), x_method(&by) {}

    // What compresses; null for nothing.
    constexpr const ws::compression_method* method() const noexcept { return x_method; }

    // Meaningless without a method.
    constexpr const compression_options& options() const noexcept { return x_options; }

private:
    compression_options x_options = {};
    const ws::compression_method* x_method = nullptr;
};

static_assert(__is_trivially_copyable(compression_choice));

} // namespace weir::inline v0
