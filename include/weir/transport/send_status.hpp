// What became of a send, ping or close.
#pragma once

#include <weir/core/error.hpp>

#include <utility>

namespace weir::inline v0 {

// True, or why not. Unlike a `result` it may be ignored: a send that fails ends the connection, and the next read says
// so.
class send_status {
public:
    send_status() noexcept = default;
    send_status(weir::error reason) noexcept : x_error(std::move(reason)) {}
    send_status(errc code) noexcept : x_error(code) {}

    explicit operator bool() const noexcept { return !x_error; }
    const weir::error& error() const noexcept { return x_error; }

private:
    weir::error x_error;
};

} // namespace weir::inline v0
