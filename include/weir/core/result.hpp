// A value, or the reason why there is none.
//
// Every awaitable of weir that can fail gives a `result<T>`. It converts to bool (true: there is a value), gives the
// value by `*` and `->`, and the reason by `error()`. `value()` is for those who like exceptions: it throws
// `std::system_error`, and in a build without exceptions it ends the program.
#pragma once

#include <weir/core/error.hpp>

#include <cassert>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace weir::inline v0 {

namespace detail {

[[noreturn]] inline void throw_error(const error& reason) {
#if defined(__cpp_exceptions)
    if (reason.context().empty()) throw std::system_error(reason.code());
    throw std::system_error(reason.code(), std::string(reason.context()));
#else
    (void)reason;
    std::abort();
#endif
}

} // namespace detail

// Holds a T or an `error`; never neither. Moving from it leaves the same kind of content, moved from.
// Asking for the value of an error, or for the error of a value, by `*`, `->` or `error()` is misuse and asserts.
template <class T = void>
class [[nodiscard]] result {
public:
    using value_type = T;

    template <class U = T>
        requires(!std::is_same_v<std::remove_cvref_t<U>, result> && !std::is_same_v<std::remove_cvref_t<U>, weir::error> &&
                 !std::is_same_v<std::remove_cvref_t<U>, errc> && !std::is_same_v<std::remove_cvref_t<U>, std::error_code> &&
                 __is_constructible(T, U &&))
    result(U&& value) noexcept(__is_nothrow_constructible(T, U&&))
        : x_value(std::forward<U>(value)), x_has_value(true) {}

    result(weir::error reason) noexcept : x_error(std::move(reason)), x_has_value(false) {}
    result(errc code) noexcept : x_error(code), x_has_value(false) {}
    result(std::error_code code) noexcept : x_error(code), x_has_value(false) {}

    result(result&& other) noexcept(__is_nothrow_constructible(T, T&&)) : x_has_value(other.x_has_value) {
        if (x_has_value)
            ::new (static_cast<void*>(__builtin_addressof(x_value))) T(std::move(other.x_value));
        else
            ::new (static_cast<void*>(&x_error)) weir::error(std::move(other.x_error));
    }
    result(const result& other)
        requires (__is_constructible(T, const T&))
        : x_has_value(other.x_has_value) {
        if (x_has_value)
            ::new (static_cast<void*>(__builtin_addressof(x_value))) T(other.x_value);
        else
            ::new (static_cast<void*>(&x_error)) weir::error(other.x_error);
    }
    result& operator=(result other) noexcept(__is_nothrow_constructible(T, T&&)) {
        this->~result();
        return *::new (static_cast<void*>(this)) result(std::move(other));
    }
    ~result() {
        if (x_has_value)
            x_value.~T();
        else
            x_error.~error();
    }

    bool has_value() const noexcept { return x_has_value; }
    explicit operator bool() const noexcept { return x_has_value; }

    T& operator*() & noexcept { return assert(x_has_value), x_value; }
    const T& operator*() const& noexcept { return assert(x_has_value), x_value; }
    T&& operator*() && noexcept { return assert(x_has_value), std::move(x_value); }
    T* operator->() noexcept { return assert(x_has_value), __builtin_addressof(x_value); }
    const T* operator->() const noexcept { return assert(x_has_value), __builtin_addressof(x_value); }

    const weir::error& error() const& noexcept { return assert(!x_has_value), x_error; }
    weir::error&& error() && noexcept { return assert(!x_has_value), std::move(x_error); }

    // The value, or `std::system_error` thrown.
    T& value() & {
        if (!x_has_value) detail::throw_error(x_error);
        return x_value;
    }
    const T& value() const& {
        if (!x_has_value) detail::throw_error(x_error);
        return x_value;
    }
    T&& value() && {
        if (!x_has_value) detail::throw_error(x_error);
        return std::move(x_value);
    }

    // The value, or `other` where there is none.
    template <class U>
    T value_or(U&& other) const& {
        return x_has_value ? x_value : static_cast<T>(std::forward<U>(other));
    }

private:
    union {
        T x_value;
        weir::error x_error;
    };
    bool x_has_value;
};

// Success without a value, or the reason for failure.
template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;

    result() noexcept = default;
    result(weir::error reason) noexcept : x_error(std::move(reason)) {}
    result(errc code) noexcept : x_error(code) {}
    result(std::error_code code) noexcept : x_error(code) {}

    bool has_value() const noexcept { return !x_error; }
    explicit operator bool() const noexcept { return has_value(); }

    const weir::error& error() const& noexcept { return x_error; }
    weir::error&& error() && noexcept { return std::move(x_error); }

    // Nothing, or `std::system_error` thrown.
    void value() const {
        if (x_error) detail::throw_error(x_error);
    }

private:
    weir::error x_error;
};

// Refers to a T that belongs to somebody else, or has the reason why there is none.
template <class T>
class [[nodiscard]] result<T&> {
public:
    using value_type = T&;

    result(T& value) noexcept : x_value(&value) {}
    result(weir::error reason) noexcept : x_error(std::move(reason)) {}
    result(errc code) noexcept : x_error(code) {}

    bool has_value() const noexcept { return x_value != nullptr; }
    explicit operator bool() const noexcept { return has_value(); }

    T& operator*() const noexcept { return assert(x_value), *x_value; }
    T* operator->() const noexcept { return assert(x_value), x_value; }

    const weir::error& error() const& noexcept { return assert(!x_value), x_error; }
    weir::error&& error() && noexcept { return assert(!x_value), std::move(x_error); }

    // What is referred to, or `std::system_error` thrown.
    T& value() const {
        if (!x_value) detail::throw_error(x_error);
        return *x_value;
    }

private:
    T* x_value = nullptr;
    weir::error x_error;
};

// A result may be an error: test it, and print `*result`, or else `result.error()`.
template <class Stream, class T>
void operator<<(Stream& to, const result<T>& print_the_value_or_the_error_of_it) = delete;

} // namespace weir::inline v0
