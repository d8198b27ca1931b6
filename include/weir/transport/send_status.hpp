// What became of a send, ping or close.
#pragma once

#include <weir/core/error.hpp>

namespace weir::inline v0 {

// True, or why not. Unlike a `result` it may be ignored: a send that fails ends the connection, and the next read says
// so.
class send_status {
public:
    send_status() noexcept = default;
    send_status(errc code) noexcept : x_code(code) {}

    explicit operator bool() const noexcept { return x_code == errc{}; }
    weir::error error() const noexcept { return *this ? weir::error() : weir::error(x_code); }

private:
    errc x_code{};
};

} // namespace weir::inline v0
