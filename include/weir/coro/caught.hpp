// `co_await weir::caught(operation, what)`: the operation, with what it throws as a value.
//
//     std::string what;
//     const bool done = co_await weir::caught(handler(ws), what);      // of a task<>
//     std::optional<int> sum = co_await weir::caught(add(), what);     // of a task<int>
//
// False, or nothing, when it threw; `what` then has the exception's text and must live until the operation has ended. In
// a build without exceptions nothing is ever caught. A `.within()` belongs on the operation, inside. Loop thread only.
#pragma once

#include <weir/coro/awaitable.hpp>

#include <exception>
#include <string>
#include <utility>

namespace weir::inline v0 {

namespace detail {

// Does the work; false, and `what` has the text, when it threw.
template <class Work>
bool runs_through(Work work, std::string& what) {
#if defined(__cpp_exceptions)
    try {
        work();
        return true;
    } catch (const std::exception& thrown) {
        what = thrown.what();
    } catch (...) {
        what = "something that is no std::exception";
    }
    return false;
#else
    (void)what;
    work();
    return true;
#endif
}

} // namespace detail

// Movable until it is awaited.
template <class Inner>
class [[nodiscard]] catching : public awaitable<catching<Inner>> {
    using value = decltype(std::declval<Inner&>().await_resume());

public:
    using result_type = typename std::conditional_t<std::is_void_v<value>, std::type_identity<bool>,
                                                    std::type_identity<std::optional<value>>>::type;

    catching(Inner&& inner, std::string& what) : x_what(&what), x_inner(std::move(inner)) {}

    bool await_ready() { return x_inner.await_ready(); }
    bool suspend(std::coroutine_handle<> who, context* in) { return x_inner.suspend(who, in); }
    result_type await_resume() {
        if constexpr (std::is_void_v<value>) {
            return detail::runs_through([this] { x_inner.await_resume(); }, *x_what);
        } else {
            result_type made;
            detail::runs_through([this, &made] { made.emplace(x_inner.await_resume()); }, *x_what);
            return made;
        }
    }

private:
    std::string* x_what;
    Inner x_inner;
};

template <class Awaitable>
catching<Awaitable> caught(Awaitable operation, std::string& what) {
    return catching<Awaitable>(std::move(operation), what);
}

} // namespace weir::inline v0
