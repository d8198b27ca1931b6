// A lazy coroutine: it starts when it is awaited, on the thread of the awaiting coroutine, and stays on it.
//
// A task is awaited at most once. Destroying it destroys its frame and, with it, everything that it was waiting for. It
// inherits the context of its awaiter, so it is cancelled with it. An exception that leaves the body is rethrown where
// the task is awaited; in a build without exceptions there are none.
//
// A child that completes without suspending continues its parent by returning from `await_suspend`, not by a transfer
// of control: a loop over a million such awaits uses constant stack on every compiler at every optimisation level.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/bounded.hpp>
#include <weir/coro/frame_pool.hpp>

#include <cassert>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

namespace weir::inline v0 {

template <class T = void>
class task;

namespace detail {

class task_promise_base : public pooled_frame {
public:
    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
            task_promise_base& promise = self.promise();
            if (promise.x_parent & starting) { // the parent is still inside its await_suspend, below us on the stack
                promise.x_parent -= starting;
                return std::noop_coroutine();
            }
            return promise.parent();
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }

    // Starts the coroutine. True when it suspended: `parent` will be resumed when it has finished.
    bool start(std::coroutine_handle<> self, std::coroutine_handle<> parent, context* in) {
        x_parent = reinterpret_cast<std::uintptr_t>(parent.address()) + starting;
        x_context = in;
        self.resume();
        const bool suspended = x_parent & starting;
        x_parent &= ~starting;
        return suspended;
    }

    // The context that it runs in, and who is resumed when it has finished; null before it is started.
    context* current_context() const noexcept { return x_context; }
    std::coroutine_handle<> parent() const noexcept {
        return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(x_parent & ~starting));
    }

private:
    static constexpr std::uintptr_t starting = 1;

    std::uintptr_t x_parent = 0; // its address, which is even, and `starting` while `start` has not returned
    context* x_context = nullptr;
};

template <class T>
class task_promise final : public task_promise_base {
public:
    task_promise() noexcept {}
    ~task_promise() {
        if (x_content == content::value) x_value.~T();
#if defined(__cpp_exceptions)
        if (x_content == content::exception) x_exception.~exception_ptr();
#endif
    }

    task<T> get_return_object() noexcept;

    template <class U = T>
        requires requires(U&& from, void (&to)(T)) { to(static_cast<U&&>(from)); }
    void return_value(U&& value) noexcept(__is_nothrow_constructible(T, U&&)) {
        ::new (static_cast<void*>(__builtin_addressof(x_value))) T(std::forward<U>(value));
        x_content = content::value;
    }

    void unhandled_exception() noexcept {
#if defined(__cpp_exceptions)
        if (x_content == content::value) x_value.~T(); // a local threw as it ended
        ::new (static_cast<void*>(&x_exception)) std::exception_ptr(std::current_exception());
        x_content = content::exception;
#endif
    }

    T take() {
#if defined(__cpp_exceptions)
        if (x_content == content::exception) std::rethrow_exception(x_exception);
#endif
        assert(x_content == content::value);
        return std::move(x_value);
    }

private:
    enum class content : unsigned char { nothing, value, exception };
    union {
        T x_value;
        std::exception_ptr x_exception;
    };
    content x_content = content::nothing;
};

template <>
class task_promise<void> final : public task_promise_base {
public:
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void unhandled_exception() noexcept {
#if defined(__cpp_exceptions)
        x_exception = std::current_exception();
#endif
    }
    void take() const {
#if defined(__cpp_exceptions)
        if (x_exception) std::rethrow_exception(x_exception);
#endif
    }

private:
    std::exception_ptr x_exception;
};

} // namespace detail

template <class T>
class [[nodiscard]] task : public awaitable<task<T>> {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task() noexcept = default;
    task(task&& other) noexcept : x_self(exchanged(other.x_self, nullptr)) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            if (x_self) x_self.destroy();
            x_self = exchanged(other.x_self, nullptr);
        }
        return *this;
    }
    ~task() {
        if (x_self) x_self.destroy();
    }

    explicit operator bool() const = delete; // a task is no result yet: co_await it

    // Whether there is a coroutine at all: false after a move.
    bool has_coroutine() const noexcept { return static_cast<bool>(x_self); }

    // Whether it has run to its end.
    bool done() const noexcept { return x_self && x_self.done(); }

    // The coroutine, for a loop that runs until it is done.
    std::coroutine_handle<> handle() const noexcept { return x_self; }

    // What is known of it; for those who start it. There must be a coroutine.
    promise_type& promise() const noexcept { return x_self.promise(); }

    bool await_ready() const noexcept {
        assert(x_self && !x_self.done() && "a task is awaited once");
        return false;
    }
    bool suspend(std::coroutine_handle<> parent, context* in) { return x_self.promise().start(x_self, parent, in); }
    T await_resume() { return x_self.promise().take(); }

private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> self) noexcept : x_self(self) {}

    std::coroutine_handle<promise_type> x_self;
};

template <class T>
task<T> detail::task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise<T>>::from_promise(*this));
}

inline task<void> detail::task_promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise<void>>::from_promise(*this));
}

} // namespace weir::inline v0
