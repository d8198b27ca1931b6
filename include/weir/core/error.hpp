// A failure, as a value: a code and, where it helps, a sentence about what was being done and where
// ("connecting to 127.0.0.1:9: Connection refused"). See core/errc.hpp for the codes.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/errc.hpp>
#include <weir/core/exchanged.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir::inline v0 {

// A code, and optionally a sentence about what was being done and where. Owns its text; a value without text
// allocates nothing. Converts to `std::error_code` and compares with `errc`, `condition` and `std::errc`.
class [[nodiscard]] error {
public:
    error() noexcept = default;
    error(std::error_code code) noexcept : x_code(code) {}
    error(errc code) noexcept : x_code(make_error_code(code)) {}

    // `context` says what was being done and where: "connecting to [::1]:9001". It may be empty.
    error(std::error_code code, std::string context)
        : x_code(code), x_context(keep(std::move(context))) {}

    error(const error& other)
        : x_code(other.x_code), x_context(other.x_context ? keep(*other.x_context) : nullptr) {}
    error(error&& other) noexcept : x_code(other.x_code), x_context(exchanged(other.x_context, nullptr)) {}
    error& operator=(error other) noexcept {
        swap_contents(x_code, other.x_code);
        swap_contents(x_context, other.x_context);
        return *this;
    }
    ~error() {
        if (x_context) drop(x_context);
    }

    std::error_code code() const noexcept { return x_code; }
    operator std::error_code() const noexcept { return x_code; }

    // What was being done and where; empty when nothing was said. Valid as long as this object.
    std::string_view context() const noexcept { return x_context ? std::string_view(*x_context) : std::string_view(); }

    // One sentence: the context, a colon, and what went wrong.
    [[gnu::cold]] std::string message() const {
        if (!x_context) return x_code.message();
        return concat({*x_context, ": ", x_code.message()});
    }

    // Whether there is an error at all.
    explicit operator bool() const noexcept { return static_cast<bool>(x_code); }

    friend bool operator==(const error& a, errc b) noexcept { return a.x_code == make_error_code(b); }
    friend bool operator==(const error& a, condition b) noexcept { return a.x_code == make_error_condition(b); }
    friend bool operator==(const error& a, std::errc b) noexcept { return a.x_code == b; }
    friend bool operator==(const error& a, const std::error_code& b) noexcept { return a.x_code == b; }
    friend bool operator==(const error& a, const error& b) noexcept { return a.x_code == b.x_code; }

private:
    // Out of line: errors are destroyed at every end of every wait, and hardly ever hold a text.
    [[gnu::cold, gnu::noinline]] static const std::string* keep(std::string text) {
        return text.empty() ? nullptr : new std::string(std::move(text));
    }
    [[gnu::cold, gnu::noinline]] static void drop(const std::string* text) noexcept { delete text; }

    std::error_code x_code;
    const std::string* x_context = nullptr;
};

// Prints its message: `std::cout << reply.error()`.
template <class Stream, std::same_as<error> Error>
auto operator<<(Stream& to, const Error& printed) -> decltype(to << printed.message()) {
    return to << printed.message();
}

} // namespace weir::inline v0
