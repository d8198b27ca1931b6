// G7: a list of initialisers inside an expression with co_await, which g++ 12 does not compile. Only compiled.
#include "task.hpp"

#include <initializer_list>

task<int> sum(std::initializer_list<int> numbers);

task<int> listed();
task<int> listed() {
    const int got = co_await sum({1, 2, 3});
    co_return got;
}
