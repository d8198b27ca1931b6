// The smallest lazy task, and a value that counts its living copies: what the programs beside it need to show what a
// compiler makes of coroutines. It is not weir's, so that a mistake here is the compiler's.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

// Each construction adds one, each destruction takes one away: 0 at the end, unless something is destroyed twice.
struct counted {
    static inline int living = 0;
    int number = 0;

    explicit counted(int value = 0) : number(value) { ++living; }
    counted(const counted& other) : number(other.number) { ++living; }
    counted& operator=(const counted&) = default;
    ~counted() { --living; }
};

template <class T>
class task {
public:
    struct promise_type {
        T value{};
        std::coroutine_handle<> parent = std::noop_coroutine();

        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct finish {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
                return done.promise().parent;
            }
            void await_resume() noexcept {}
        };
        finish final_suspend() noexcept { return {}; }
        void return_value(T result) { value = std::move(result); }
        void unhandled_exception() { std::terminate(); }
    };

    struct awaiter {
        std::coroutine_handle<promise_type> child;

        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
            child.promise().parent = waiting;
            return child;
        }
        T await_resume() { return std::move(child.promise().value); }
    };

    explicit task(std::coroutine_handle<promise_type> frame) : x_frame(frame) {}
    task(task&& other) noexcept : x_frame(std::exchange(other.x_frame, nullptr)) {}
    ~task() {
        if (x_frame) x_frame.destroy();
    }

    awaiter operator co_await() noexcept { return {x_frame}; }

    void start() { x_frame.resume(); }
    bool done() const { return x_frame.done(); }
    const T& value() const { return x_frame.promise().value; }

private:
    std::coroutine_handle<promise_type> x_frame;
};

inline task<int> number(int value) { co_return value; }

// Runs a coroutine that never waits for anything outside; -1 when it did not reach its end.
inline int run(task<int> whole) {
    whole.start();
    return whole.done() ? whole.value() : -1;
}
