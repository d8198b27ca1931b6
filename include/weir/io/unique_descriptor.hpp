// A file descriptor that closes itself.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/version.hpp>

#include <system_error>
#include <utility>

#include <errno.h>
#include <unistd.h>

#if !defined(__linux__)
#error "weir runs on Linux only"
#endif

namespace weir::inline v0::io {

class unique_descriptor {
public:
    unique_descriptor() noexcept = default;
    // Takes over `number`; a negative one is no descriptor.
    explicit unique_descriptor(int number) noexcept : x_number(number) {}
    unique_descriptor(unique_descriptor&& other) noexcept : x_number(exchanged(other.x_number, -1)) {}
    unique_descriptor& operator=(unique_descriptor&& other) noexcept {
        swap_contents(x_number, other.x_number);
        return *this;
    }
    ~unique_descriptor() { close(); }

    int get() const noexcept { return x_number; }
    explicit operator bool() const noexcept { return x_number >= 0; }

    void close() noexcept {
        if (x_number >= 0) ::close(exchanged(x_number, -1));
    }

    // Gives the descriptor away.
    int release() noexcept { return exchanged(x_number, -1); }

private:
    int x_number = -1;
};

// The error that the last system call of this thread left.
inline std::error_code last_error() noexcept { return {errno, std::system_category()}; }

} // namespace weir::inline v0::io
