// A loop over the in-memory backend, for tests of whatever runs on streams.
//
//     tests::memory_loop loop({.pipe_bytes = 100});
//     auto [a, b] = loop.network().pair();
//     loop.run(talk(*a, *b));                  // gives what the task returns
//
// Time is virtual and random numbers are the same in each run. When every coroutine waits for something that nobody is
// going to do, the task is cancelled, so that all of it ends, and the test fails and says so; a second such stall ends
// the program.
#pragma once

#include <weir/core/seeded_entropy.hpp>
#include <weir/coro/task.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/memory.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <utility>

namespace tests {

class memory_loop final : private weir::io::stall_observer {
public:
    explicit memory_loop(const weir::io::memory_options& options = {}, std::uint64_t seed = 1)
        : x_entropy(seed), x_network(new weir::io::memory(options)),
          x_loop(weir::owned<weir::io::backend>(x_network), &x_entropy) {}

    weir::io::loop& loop() noexcept { return x_loop; }
    weir::io::memory& network() noexcept { return *x_network; }
    weir::entropy& random() noexcept { return x_entropy; }
    weir::block_pool& blocks() noexcept { return x_loop.blocks(); }

    // Virtual time.
    std::chrono::nanoseconds now() noexcept { return x_network->now(); }

    // Runs `main` to its end; a stall cancels it and fails the test.
    template <class T>
    T run(weir::task<T> main) {
        x_stalled = false;
        x_network->observe_stall(this);
        struct quiet {
            weir::io::memory& network;
            ~quiet() { network.observe_stall(nullptr); }
        } const afterwards{*x_network};
        return x_loop.run(watched(*this, std::move(main)));
    }

    // The same for a test that expects a stall: true if there was one.
    bool run_stalling(weir::task<> main) {
        x_expected = true;
        run(std::move(main));
        x_expected = false;
        return x_stalled;
    }

private:
    // Awaits the task in a context that a stall cancels.
    template <class T>
    class within_stalls : public weir::awaitable<within_stalls<T>> {
    public:
        within_stalls(memory_loop& of, weir::task<T>&& main) noexcept : x_of(of), x_main(std::move(main)) {}
        bool await_ready() const noexcept { return false; }
        bool suspend(std::coroutine_handle<> who, weir::context* in) {
            x_context.emplace(*in);
            x_of.x_context = &*x_context;
            return x_main.suspend(who, &*x_context);
        }
        T await_resume() {
            x_of.x_context = nullptr;
            return x_main.await_resume();
        }

    private:
        memory_loop& x_of;
        std::optional<weir::context> x_context;
        weir::task<T> x_main;
    };
    template <class T>
    static within_stalls<T> under(memory_loop& of, weir::task<T>&& main) noexcept {
        return within_stalls<T>(of, std::move(main));
    }

    template <class T>
    static weir::task<T> watched(memory_loop& of, weir::task<T> main) {
        co_return co_await under(of, std::move(main));
    }

    void on_stall() noexcept override {
        x_stalled = true;
        x_network->observe_stall(nullptr);
        if (!x_expected) FAIL_CHECK("the loop stalls: every coroutine waits for something that nobody is going to do");
        if (x_context) x_context->cancel();
    }

    weir::seeded_entropy x_entropy;
    weir::io::memory* x_network;
    weir::io::loop x_loop;
    weir::context* x_context = nullptr;
    bool x_stalled = false;
    bool x_expected = false;
};

} // namespace tests
