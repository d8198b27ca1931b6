// `co_await weir::offload(function, arguments...)`: runs a blocking function on a helper thread.
//
//     auto text = co_await weir::offload(read_file, std::string("motd.txt"));      // std::string read_file(std::string)
//
// Gives `result<R>` (an R that carries errors already stays as it is); an exception that leaves the function is
// rethrown. The function and its arguments belong to the operation and end on the helper thread, before the result is
// handed over. When the wait is cancelled or its frame destroyed, it leaves at once: a function that has not begun never
// does; one that has runs on, and what it gives is dropped on its thread.
//
// The threads are the process's: started on demand, at most `max_offload_threads` of them (functions queue when all are
// busy), they end after a second without work. Nothing waits for them at exit: do not return from main while a function
// runs that uses static objects. The awaiting frame must be destroyed before its loop, as always.
//
// g++ 12 destroys what a lambda captures twice when the lambda is written within an await: pass a function and arguments,
// or name the lambda first and pass the name, which copies it. Others are refused at compile time there.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/awaitable.hpp>
#include <weir/coro/helper_threads.hpp>
#include <weir/coro/waiter.hpp>

#include <cassert>
#include <exception>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weir::inline v0 {

namespace detail {

// The link between a waiting coroutine and a helper thread; each holds a share of it.
//
// x_home is not null only while the coroutine waits, and the thread hands the result over under x_mutex, so it never
// touches a loop that nobody of ours waits on any more.
class offload_link : public helper_work, private remote_item {
public:
    // From the loop's thread, at most once. False: no thread could be started, and `who` is not going to be woken.
    bool begin(waiter& who) {
        x_waiter = &who;
        x_home = &who.runs_on();
        hold();
        if (helper_threads::instance().submit(*this)) return true;
        x_home = nullptr;
        release();
        return false;
    }

    // The coroutine's share ends, whatever the thread is doing.
    void leave() noexcept {
        if (x_waiter) {
            if (helper_threads::instance().withdraw(*this)) release(); // it has not begun and never will
            x_mutex.lock();
            scheduler* home = exchanged(x_home, nullptr);
            const bool posted = x_posted;
            x_mutex.unlock();
            if (posted && home) home->revoke(*this);
        }
        release();
    }

protected:
    virtual void call() noexcept = 0;

private:
    void perform() noexcept final {
        call();
        x_mutex.lock();
        if (x_home) {
            x_posted = true;
            x_home->post_remote(*this);
        }
        x_mutex.unlock();
    }
    void run() noexcept final {
        if (!x_waiter->canceled()) x_waiter->wake();
    }

    waiter* x_waiter = nullptr; // the loop's thread only
    std::mutex x_mutex;
    scheduler* x_home = nullptr; // guarded by x_mutex, as the next
    bool x_posted = false;
};

// Where the function leaves its value.
template <class Value>
class offload_outcome : public offload_link {
public:
    using result_type = typename as_fallible<Value>::type;

    result_type take() {
#if defined(__cpp_exceptions)
        if (x_exception) std::rethrow_exception(exchanged(x_exception, nullptr));
#endif
        if constexpr (std::is_void_v<Value>)
            return {};
        else
            return result_type(std::move(*x_value));
    }

protected:
    struct empty {};
    std::optional<std::conditional_t<std::is_void_v<Value>, empty, Value>> x_value;
    std::exception_ptr x_exception;
};

template <class Value, class Function, class... Arguments>
class offload_call final : public offload_outcome<Value> {
public:
    template <class F, class... A>
    explicit offload_call(F&& function, A&&... arguments)
        : x_function(std::forward<F>(function)), x_arguments(std::in_place, std::forward<A>(arguments)...) {}

private:
    void call() noexcept override {
#if defined(__cpp_exceptions)
        try {
            invoke();
        } catch (...) {
            this->x_exception = std::current_exception();
        }
#else
        invoke();
#endif
        x_arguments.reset();
        x_function.reset();
    }
    void invoke() {
        if constexpr (std::is_void_v<Value>)
            std::apply(*x_function, std::move(*x_arguments));
        else
            this->x_value.emplace(std::apply(*x_function, std::move(*x_arguments)));
    }

    std::optional<Function> x_function;
    std::optional<std::tuple<Arguments...>> x_arguments;
};

} // namespace detail

// Movable until it is awaited.
template <class Value>
class [[nodiscard]] offload_awaiter : public awaitable<offload_awaiter<Value>> {
public:
    using result_type = typename detail::as_fallible<Value>::type;

    explicit offload_awaiter(detail::offload_outcome<Value>* work) noexcept : x_work(work) {}
    offload_awaiter(offload_awaiter&& other) noexcept : x_work(exchanged(other.x_work, nullptr)) {
        assert(!other.x_waiter.waiting() && "an awaitable was moved while it was being awaited");
    }
    ~offload_awaiter() { leave(); }

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) {
        if (x_waiter.suspend(who, in) && !x_work->begin(x_waiter)) x_waiter.wake(errc::no_thread);
        return true;
    }
    result_type await_resume() {
        if (x_waiter.outcome() == errc{}) return x_work->take();
        leave();
        return x_waiter.outcome();
    }

private:
    void leave() noexcept {
        if (x_work) exchanged(x_work, nullptr)->leave();
    }

    detail::offload_outcome<Value>* x_work;
    waiter x_waiter;
};

template <class Function, class... Arguments>
    requires std::is_invocable_v<std::decay_t<Function>&, std::decay_t<Arguments>...>
auto offload(Function&& function, Arguments&&... arguments) {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
    static_assert(std::is_lvalue_reference_v<Function> || std::is_trivially_destructible_v<Function>,
        "g++ 12 would destroy what the lambda captures twice: name the lambda and pass the name, or pass arguments");
#endif
    using value = std::decay_t<std::invoke_result_t<std::decay_t<Function>&, std::decay_t<Arguments>...>>;
    using work = detail::offload_call<value, std::decay_t<Function>, std::decay_t<Arguments>...>;
    return offload_awaiter<value>(new work(std::forward<Function>(function), std::forward<Arguments>(arguments)...));
}

} // namespace weir::inline v0
