// `co_await weir::when_any(a(), b())`: awaits several operations at once, until one has ended.
//
// The first to end cancels the others, which are waited for: nothing runs on after the await. All results are given, so
// a loser that had its value before the cancellation reached it has lost nothing. They start in order, within the await;
// when one ends at once, those after it are not started, so the order is an order of preference.
//
// An exception of the first to end is rethrown when all have ended; exceptions of the others are dropped. When the
// awaiting coroutine is cancelled, all are, and the winner is one that ended all the same, if any did. Loop thread only.
#pragma once

#include <weir/coro/branch.hpp>

#include <tuple>

namespace weir::inline v0 {

// Which operation ended first, and what all of them gave: nothing for one that threw or was not started.
template <class... Results>
struct race {
    std::size_t index;
    std::tuple<std::optional<Results>...> results;
};

// Owns the operations. Movable until it is awaited.
template <class... Awaitables>
class [[nodiscard]] any_of : public awaitable<any_of<Awaitables...>> {
    static_assert(sizeof...(Awaitables) > 0, "a race needs somebody who runs");

public:
    using result_type = race<detail::kept_result<Awaitables>...>;

    explicit any_of(Awaitables&&... each) : x_awaitables(std::move(each)...) {}
    any_of(any_of&& other) : x_awaitables(std::move(other.x_awaitables)) {
        assert(!other.x_group.begun() && "an awaitable was moved while it was being awaited");
    }

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) {
        x_group.begin(who, in);
        start(std::index_sequence_for<Awaitables...>());
        return x_group.all_begun();
    }
    result_type await_resume() {
        x_group.rethrow();
        return result_type{x_group.winner(), std::move(x_kept)};
    }

    // Whether cancellation has cut all of them short. For `.within()`.
    bool interrupted() const noexcept { return x_group.interrupted(); }

private:
    template <std::size_t... Index>
    void start(std::index_sequence<Index...>) {
        (start_one<Index>(), ...);
    }
    template <std::size_t Index>
    void start_one() {
        if (x_group.winner() != x_group.nobody && !x_group.interrupted()) return;
        x_branches[Index] =
            detail::run_branch(x_group, Index, std::get<Index>(x_awaitables), std::get<Index>(x_kept));
        x_branches[Index].start();
    }

    detail::branch_group x_group{true}; // before the rest, which runs in its context
    std::tuple<std::optional<detail::kept_result<Awaitables>>...> x_kept;
    std::tuple<Awaitables...> x_awaitables;
    detail::branch x_branches[sizeof...(Awaitables)];
};

template <class... Awaitables>
any_of<Awaitables...> when_any(Awaitables... each) {
    return any_of<Awaitables...>(std::move(each)...);
}

} // namespace weir::inline v0
