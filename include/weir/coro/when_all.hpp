// `co_await weir::when_all(a(), b())`: awaits several operations at once, until all have ended.
//
// Gives a `std::tuple` of their results, in order; `weir::nothing` for void. Results that are errors are results like
// others. The first exception cancels the rest, and is rethrown once all have ended; cancelling the awaiting coroutine
// cancels all. They start in order, within the await. A `.within()` around it that fires gives up all results unless all
// had succeeded; put it around the single operations to keep each. Loop thread only.
#pragma once

#include <weir/coro/branch.hpp>

#include <tuple>

namespace weir::inline v0 {

// Owns the operations. Movable until it is awaited.
template <class... Awaitables>
class [[nodiscard]] all_of : public awaitable<all_of<Awaitables...>> {
public:
    using result_type = std::tuple<detail::kept_result<Awaitables>...>;

    explicit all_of(Awaitables&&... each) : x_awaitables(std::move(each)...) {}
    all_of(all_of&& other) : x_awaitables(std::move(other.x_awaitables)) {
        assert(!other.x_group.begun() && "an awaitable was moved while it was being awaited");
    }

    bool await_ready() const noexcept { return sizeof...(Awaitables) == 0; }
    bool suspend(std::coroutine_handle<> who, context* in) {
        x_group.begin(who, in);
        start(std::index_sequence_for<Awaitables...>());
        return x_group.all_begun();
    }
    result_type await_resume() {
        x_group.rethrow();
        return std::apply([](auto&... kept) { return result_type(std::move(*kept)...); }, x_kept);
    }

    // Whether cancellation has cut one of them short. For `.within()`.
    bool interrupted() const noexcept { return x_group.interrupted(); }

private:
    template <std::size_t... Index>
    void start(std::index_sequence<Index...>) {
        (start_one<Index>(), ...);
    }
    template <std::size_t Index>
    void start_one() {
        x_branches[Index] =
            detail::run_branch(x_group, Index, std::get<Index>(x_awaitables), std::get<Index>(x_kept));
        x_branches[Index].start();
    }

    detail::branch_group x_group{false}; // before the rest, which runs in its context
    std::tuple<std::optional<detail::kept_result<Awaitables>>...> x_kept;
    std::tuple<Awaitables...> x_awaitables;
    detail::branch x_branches[sizeof...(Awaitables) + 1];
};

template <class... Awaitables>
all_of<Awaitables...> when_all(Awaitables... each) {
    return all_of<Awaitables...>(std::move(each)...);
}

} // namespace weir::inline v0
