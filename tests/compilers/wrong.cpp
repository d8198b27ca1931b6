// What g++ 12 compiles wrongly without a warning, and weir's interface therefore never asks for. Each row runs in a
// process of its own, since a wrong one may crash or never end. Prints 'right' or 'WRONG' for each row; exits with 0.
#include "task.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

struct options {
    counted name;
    int timeout = 0;
};

task<int> take(options given) { co_return given.timeout + given.name.number; }
task<int> take_number(counted given) { co_return given.number; }

template <class Function>
task<int> call(Function function) {
    co_return function();
}

struct aggregate_awaiter {
    counted held;
    bool await_ready() { return true; }
    void await_suspend(std::coroutine_handle<>) {}
    int await_resume() { return held.number; }
};

// G1: no local variable at all, and a co_await in a condition
task<int> bare_if() {
    if (co_await number(1)) co_return 1;
    co_return 7;
}
int left = 0;
task<int> next_one() { co_return left-- > 0; }
task<int> bare_while() {
    while (co_await next_one()) {}
    co_return 1;
}

// G2: an aggregate with a destructor, made inside the expression
task<int> aggregate() {
    const int got = co_await take({.name = counted(1), .timeout = 0});
    co_return got;
}

// G3: a lambda that captures something with a destructor, made inside the expression
task<int> lambda() {
    counted kept(1);
    const int got = co_await call([kept] { return kept.number; });
    co_return got;
}

// G4: an awaiter that is such an aggregate
task<int> awaiter() {
    const int got = co_await aggregate_awaiter{counted(1)};
    co_return got;
}

// G5: a choice between two such values
task<int> choice() {
    const bool first = left == 0;
    const int got = co_await take_number(first ? counted(1) : counted(2));
    co_return got;
}

// G6: new, with a co_await among the arguments
task<counted> one() { co_return counted(1); }
task<int> made_by_new() {
    auto* made = new counted(co_await one());
    const int got = made->number;
    delete made;
    co_return got;
}

void row(const char* name, const char* what, task<int> (*coroutine)()) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(2);
        left = 0;
        const int got = run(coroutine());
        std::_Exit(got == 1 && counted::living == 0 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    std::printf("%s %s: %s\n", name, status == 0 ? "right" : "WRONG", what);
}

} // namespace

int main() {
    row("G1", "if (co_await ...) in a coroutine without a local variable", bare_if);
    row("G1", "while (co_await ...) in a coroutine without a local variable", bare_while);
    row("G2", "an aggregate with a destructor inside the expression", aggregate);
    row("G3", "a lambda with captures inside the expression", lambda);
    row("G4", "an awaiter that is an aggregate with a destructor", awaiter);
    row("G5", "a choice between two values with a destructor inside the expression", choice);
    row("G6", "new with a co_await among its arguments", made_by_new);
    return 0;
}
