// A program of its own, since it replaces operator new: in steady state coroutines allocate nothing. Exit code 77, which
// means skipped, under AddressSanitizer, where frames are not recycled on purpose.
#include "../support/manual_scheduler.hpp"
#include <weir/coro/event.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/when_all.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/coro/yield.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace {
long allocations = 0;
}

[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* memory = std::malloc(bytes)) return memory;
    std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

weir::task<int> number(int value) { co_return value; }
weir::task<int> later(int value) {
    auto yielded = co_await weir::yield();
    co_return yielded ? value : 0;
}
weir::task<> echo(weir::queue<int>& in, weir::queue<int>& out) {
    while (auto value = co_await in.receive()) {
        auto sent = co_await out.send(*value);
        if (!sent) break;
    }
}
weir::task<> child() {
    int one = co_await later(1);
    if (one != 1) std::abort();
}

// One round of everything that takes a frame.
weir::task<> round(weir::queue<int>& there, weir::queue<int>& back, weir::event& never) {
    int sum = co_await number(1);
    sum += co_await later(2);
    auto sent = co_await there.send(sum);
    auto got = co_await back.receive();
    if (!sent || !got || *got != 3) std::abort();
    auto both = co_await weir::when_all(number(1), later(2));
    auto either = co_await weir::when_any(never.wait(), later(4));
    if (std::get<1>(both) != 2 || either.index != 1) std::abort();
    weir::scope some;
    some.spawn(child());
    some.spawn(child);
    co_await some.join();
}

[[maybe_unused]] weir::task<> rounds(int count, long& steady) {
    weir::queue<int> there(1), back(1);
    weir::event never;
    weir::scope helpers;
    helpers.spawn(echo(there, back));
    for (int i = 0; i < count; ++i) {
        if (i == 2) steady = allocations;
        co_await round(there, back, never);
    }
    steady = allocations - steady;
}

} // namespace

int main() {
#if defined(WEIR_DETAIL_ADDRESS_SANITIZER)
    std::puts("under AddressSanitizer memory is not recycled, on purpose");
    return 77;
#else
    long steady = -1;
    tests::manual_scheduler loop;
    weir::scope all;
    all.spawn(rounds(1000, steady));
    loop.run();
    std::printf("%ld allocations in 998 rounds\n", steady);
    return steady == 0 ? 0 : 1;
#endif
}
