// Concurrent tasks with a common end.
//
//     weir::scope clients;
//     clients.spawn(watch(a));
//     clients.spawn(watch(b));
//     co_await clients.join();               // both have ended
//
// A scope is the only way to start a concurrent task, so every task has an owner. `join` waits for all; while it waits,
// cancelling the joining coroutine cancels the children. The first exception of a child cancels its siblings and is
// rethrown by `join`. A scope that dies with children destroys them where they are suspended: all awaitables of weir
// allow that at any moment. Loop thread only; a scope may not be destroyed by one of its own children.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/task.hpp>
#include <weir/coro/waiter.hpp>

#include <cstddef>

namespace weir::inline v0 {

class scope final : private ready_item {
public:
    // What a coroutine returns that is spawned by being called: its first parameter is the scope, or what converts to one, and must
    // be a reference. It is started as by `spawn`, of which it saves the frame that runs a task:
    //
    //     static scope::spawned serve(scope&, owned<io::stream> stream) { ... }
    struct spawned {
        class promise_type final : public pooled_frame, public list_node<promise_type> {
        public:
            template <class... Arguments>
            explicit promise_type(scope& owner, Arguments&&...) noexcept : x_owner(owner) {
                x_owner.begins(*this);
            }

            spawned get_return_object() const noexcept { return {}; }
            std::suspend_always initial_suspend() const noexcept { return {}; }
            std::suspend_never final_suspend() noexcept {
                list_node<promise_type>::unlink();
                x_owner.ended();
                return {};
            }
            void return_void() const noexcept {}
            void unhandled_exception() noexcept { x_owner.failed(); }
            context* current_context() noexcept { return &x_owner.x_context; }

            void resume() noexcept { std::coroutine_handle<promise_type>::from_promise(*this).resume(); }
            void destroy() noexcept { std::coroutine_handle<promise_type>::from_promise(*this).destroy(); }

        private:
            scope& x_owner;
        };
    };

    // On a thread that runs a loop.
    scope() noexcept : x_context(*scheduler::current()) {}
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    [[gnu::cold]] ~scope() {
        assert(!x_joiner && "a scope died while it was being joined");
        destroy_all();
    }

    // Starts `work` in the next turn of the ready list, behind those that are to be started before.
    void spawn(task<> work) { carry_out(*this, std::move(work)); }

    // Starts `function(arguments...)`, which returns a `task<>`. The scope keeps function and arguments alive until
    // the task has ended, so a lambda that captures may be given.
    template <class Function, class... Arguments>
        requires std::is_invocable_r_v<task<>, Function&, Arguments&...>
    void spawn(Function function, Arguments... arguments) {
        call(*this, std::move(function), std::move(arguments)...);
    }

    // The context of what runs in it.
    context& runs_in() noexcept { return x_context; }

    // How many tasks have not ended yet.
    std::size_t size() const noexcept { return x_count; }

    // Cancels what runs in the scope, now and later. `join` still has to be awaited to see it end.
    void cancel() noexcept { x_context.cancel(); }

    // Destroys the tasks that have not ended, where they are suspended, and has `join` complete. For those that do not heed
    // cancellation. Gives how many there were. Not to be called by one of them.
    std::size_t abandon() noexcept {
        const std::size_t abandoned = x_count;
        destroy_all(); // and what their destructors spawn
        x_count = 0;
        if (abandoned > 0 && x_joiner) x_joiner->wake();
        return abandoned;
    }

    class join_awaiter : public awaitable<join_awaiter> {
    public:
        explicit join_awaiter(scope& joined) noexcept : x_scope(&joined) {}
        join_awaiter(join_awaiter&& other) noexcept : x_scope(other.x_scope) {}

        bool await_ready() const noexcept { return x_scope->x_count == 0; }
        [[gnu::cold]] bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            assert(!x_scope->x_joiner && "a scope is joined by one coroutine at a time");
            if (in) x_scope->x_context.adopt_by(*in);
            x_scope->x_joiner = &x_waiter;
            return x_waiter.suspend(who, nullptr); // not cancelled itself: the children are, and it waits for them
        }
        void await_resume() {
            x_scope->x_joiner = nullptr;
#if defined(__cpp_exceptions)
            if (x_scope->x_failure) std::rethrow_exception(exchanged(x_scope->x_failure, nullptr));
#endif
        }
        ~join_awaiter() {
            if (x_scope->x_joiner == &x_waiter) x_scope->x_joiner = nullptr;
        }

    private:
        scope* x_scope;
        waiter x_waiter;
    };

    // Completes when all tasks have ended; throws the first exception that left one of them.
    [[nodiscard]] join_awaiter join() noexcept { return join_awaiter(*this); }

private:
    [[gnu::cold]] static spawned carry_out(scope&, task<> work) { co_await work; }

    template <class Function, class... Arguments>
    static spawned call(scope&, Function function, Arguments... arguments) {
        co_await function(arguments...);
    }

    // One place in the ready list for all that are to be started: a coroutine needs it once, and would have it for all of its life.
    void begins(spawned::promise_type& child) noexcept {
        x_new.push_back(child);
        ++x_count;
        if (!ready_item::linked()) x_context.runs_on().post(*this);
    }
    void run() noexcept override {
        x_starting.take_all(x_new); // what these spawn has its turn later
        while (spawned::promise_type* each = x_starting.pop_front()) {
            x_children.push_back(*each);
            each->resume();
        }
    }
    [[gnu::cold]] void destroy_all() noexcept {
        for (list<spawned::promise_type>* those : {&x_children, &x_starting, &x_new})
            while (spawned::promise_type* each = those->front()) each->destroy();
    }

    void ended() noexcept {
        --x_count;
        if (x_count == 0 && x_joiner) x_joiner->wake();
    }

    void failed() noexcept {
#if defined(__cpp_exceptions)
        if (!x_failure) x_failure = std::current_exception();
#endif
        x_context.cancel();
    }

    context x_context;
    list<spawned::promise_type> x_children; // that run
    list<spawned::promise_type> x_starting; // in this turn
    list<spawned::promise_type> x_new;      // in the next one
    std::size_t x_count = 0;
    waiter* x_joiner = nullptr;
    std::exception_ptr x_failure;
};

} // namespace weir::inline v0
