// What `when_all` and `when_any` are made of: awaitables that run side by side within one awaiting coroutine.
//
// Each awaitable is driven by a small coroutine of its own, a branch, whose frame the awaiter owns. All branches run in
// one context, a child of the awaiting coroutine's. The last branch to end resumes the awaiting coroutine. Destroying the
// awaiter destroys branches and awaitables where they are suspended. Loop thread only.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/late.hpp>
#include <weir/coro/awaitable.hpp>
#include <weir/coro/frame_pool.hpp>

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace weir::inline v0 {

// The result of an awaitable that gives nothing, where something must stand for it.
struct nothing {
    friend constexpr bool operator==(nothing, nothing) noexcept = default;
};

namespace detail {

// What a branch keeps of an awaitable's result.
template <class Awaitable, class T = decltype(std::declval<Awaitable&>().await_resume())>
using kept_result = std::conditional_t<std::is_void_v<T>, nothing, std::remove_cvref_t<T>>;

class branch_group {
public:
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    // In a race the first to end cancels the others; otherwise only an exception does.
    explicit branch_group(bool race) noexcept : x_race(race) {}
    branch_group(const branch_group&) = delete;
    branch_group& operator=(const branch_group&) = delete;

    void begin(std::coroutine_handle<> who, context* in) {
        x_context.emplace(in ? in->runs_on() : *scheduler::current());
        if (in) x_context->adopt_by(*in);
        x_parent = who;
        x_running = 1; // for those who start the branches
    }
    bool begun() const noexcept { return static_cast<bool>(x_context); }
    void branch_begins() noexcept { ++x_running; }

    // Whether the awaiting coroutine has to wait for branches, now that all are started.
    bool all_begun() noexcept { return --x_running != 0; }

    // A branch has its result. `whole`: cancellation has not cut it short.
    void completed(std::size_t index, bool whole) noexcept {
        if (!x_race) {
            x_interrupted = x_interrupted || !whole;
        } else if (x_winner == nobody || (x_interrupted && whole)) {
            x_winner = index;
            x_interrupted = !whole;
#if defined(__cpp_exceptions)
            x_failure = nullptr;
#endif
        }
        if (x_race) x_context->cancel();
    }

    // An exception has left a branch, and is being handled.
    void failed(std::size_t index) noexcept {
#if defined(__cpp_exceptions)
        if (x_winner == nobody) x_failure = std::current_exception();
#endif
        if (x_winner == nobody) {
            x_winner = index;
            x_interrupted = x_context->canceled();
        }
        x_context->cancel();
    }

    // A branch has ended. Gives whom to resume now.
    std::coroutine_handle<> ended() noexcept {
        return --x_running == 0 ? x_parent : std::coroutine_handle<>(std::noop_coroutine());
    }

    void rethrow() const {
#if defined(__cpp_exceptions)
        if (x_failure) std::rethrow_exception(x_failure);
#endif
    }

    context& inner() noexcept { return *x_context; }
    std::size_t winner() const noexcept { return x_winner; }
    bool interrupted() const noexcept { return x_interrupted; }

private:
    late<context> x_context;
    std::coroutine_handle<> x_parent;
    std::size_t x_running = 0;
    std::size_t x_winner = nobody; // the first to end in a race; the first to throw otherwise
    std::exception_ptr x_failure;
    bool x_race;
    bool x_interrupted = false;
};

// Owns the frame of a branch.
class branch {
public:
    class promise_type final : public pooled_frame {
    public:
        template <class... Arguments>
        promise_type(branch_group& group, std::size_t index, Arguments&&...) noexcept
            : x_group(group), x_index(index) {}

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                return self.promise().x_group.ended();
            }
            void await_resume() const noexcept {}
        };

        branch get_return_object() noexcept {
            return branch(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { x_group.failed(x_index); }
        context* current_context() noexcept { return &x_group.inner(); }

    private:
        friend class branch;
        branch_group& x_group;
        std::size_t x_index;
    };

    branch() noexcept = default;
    branch(const branch&) = delete;
    branch& operator=(branch&& other) noexcept {
        swap_contents(x_self, other.x_self);
        return *this;
    }
    ~branch() {
        if (x_self) x_self.destroy();
    }

    void start() {
        x_self.promise().x_group.branch_begins();
        x_self.resume();
    }

private:
    explicit branch(std::coroutine_handle<promise_type> self) noexcept : x_self(self) {}

    std::coroutine_handle<promise_type> x_self;
};

// Whether `value` came about without being cut short by the cancellation of `in`, as far as one can tell.
template <class T>
bool whole(const T& value, const context& in) noexcept {
    if constexpr (fallible<T>)
        return static_cast<bool>(value) || static_cast<std::error_code>(value.error()) != errc::canceled;
    else
        return !in.canceled();
}

// Awaits `what`, which stays where it is, and keeps the result in `into`.
template <class Awaitable, class Kept>
branch run_branch(branch_group& group, std::size_t index, Awaitable& what, std::optional<Kept>& into) {
    if constexpr (std::is_void_v<decltype(what.await_resume())>) {
        co_await what;
        into.emplace();
    } else {
        into.emplace(co_await what);
    }
    const bool is_whole = whole(*into, group.inner());
    group.completed(index, is_whole);
}

} // namespace detail

} // namespace weir::inline v0
