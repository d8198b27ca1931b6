// What an application gives a server to call, behind one virtual call.
//
// Owned by a route, and so by the server: a coroutine made from a lambda may use what the lambda has captured. What a
// handler throws before it has returned a task comes out of the task. One small class is instantiated for each
// handler, and for those of requests a coroutine that passes on the answer.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/coro/task.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/server/response.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace weir::inline v0 {

class websocket;

namespace detail {

#if defined(__cpp_exceptions)
[[gnu::cold]] inline task<> failed_task(std::exception_ptr thrown) {
    std::rethrow_exception(thrown);
    co_return;
}
#endif

// Calls what returns a task. What it throws meanwhile comes out of the task.
template <class Call>
task<> call_guarded(Call&& call) {
#if defined(__cpp_exceptions)
    try {
        return call();
    } catch (...) {
        return failed_task(std::current_exception());
    }
#else
    return call();
#endif
}

template <class>
inline constexpr bool always_false = false;

// Whether what a handler gives makes a Result, at once or as a task.
template <class Given, class Result>
inline constexpr bool makes = std::is_convertible_v<Given, Result>;
template <class T, class Result>
inline constexpr bool makes<task<T>, Result> = std::is_constructible_v<Result, T>;
template <class Result>
inline constexpr bool makes<task<void>, Result> = false;

// Answers requests, or judges them: with a value, with what makes one, or with a task of either.
class request_handler {
public:
    virtual ~request_handler() = default;

    // `answer`, which is empty, must live until the task has ended. It stays empty if there is nothing to say.
    virtual task<> call(const http::request_head& request, std::optional<response>& answer) = 0;
};

// Result: `response` where there must be an answer, else `std::optional<response>`.
template <class Result, class Function>
class request_handler_of final : public request_handler {
public:
    explicit request_handler_of(Function function) : x_function(std::move(function)) {}

    task<> call(const http::request_head& request, std::optional<response>& answer) override {
        return call_guarded([&]() -> task<> {
            using given = std::invoke_result_t<Function&, const http::request_head&>;
            static_assert(makes<given, Result>, "`get` wants a handler that returns a weir::response or what makes one, `admit` one "
                "that returns a std::optional<weir::response>; or a weir::task of it");
            if constexpr (!makes<given, Result>)
                return {};
            else if constexpr (std::is_convertible_v<given, Result>)
                return at_once(x_function(request), answer);
            else
                return later(x_function(request), answer);
        });
    }

private:
    static task<> at_once(Result made, std::optional<response>& answer) {
        answer = std::move(made);
        co_return;
    }
    template <class Other>
    static task<> later(task<Other> from, std::optional<response>& answer) {
        Other made = co_await std::move(from);
        answer = Result(std::move(made));
    }

    Function x_function;
};

// Serves a connection, a websocket or a channel; may care for the request or not.
template <class Connection>
class connection_handler {
public:
    virtual ~connection_handler() = default;

    // `request` is null for a handler that does not care for it.
    virtual task<> call(Connection& client, const http::request_head* request) = 0;
};
using websocket_handler = connection_handler<websocket>;

template <class Connection, class Function>
inline constexpr bool takes_request = std::is_invocable_r_v<task<>, Function&, Connection&, const http::request_head&>;

// Says what is wrong with a handler, where it can be seen.
template <class Function>
constexpr bool check_websocket_handler() {
    constexpr bool right = takes_request<websocket, Function> || std::is_invocable_r_v<task<>, Function&, websocket&>;
    if constexpr (!right) {
        constexpr bool called = std::is_invocable_v<Function&, websocket&> ||
                                std::is_invocable_v<Function&, websocket&, const http::request_head&>;
        constexpr bool by_value = !called && (std::is_invocable_v<Function&, websocket> ||
                                              std::is_invocable_v<Function&, websocket, const http::request_head&>);
        static_assert(!by_value, "a WebSocket handler takes the connection by reference: "
                                 "weir::task<> handler(weir::websocket& ws)");
        static_assert(!called, "a WebSocket handler is a coroutine that returns weir::task<>");
        static_assert(by_value || called, "a WebSocket handler is called as handler(ws) or handler(ws, request): "
            "weir::task<> handler(weir::websocket& ws, const weir::http::request_head& request)");
    }
    return right;
}

template <class Connection, class Function>
class connection_handler_of final : public connection_handler<Connection> {
public:
    explicit connection_handler_of(Function function) : x_function(std::move(function)) {}

    task<> call(Connection& client, [[maybe_unused]] const http::request_head* request) override {
        return call_guarded([&]() -> task<> {
            if constexpr (takes_request<Connection, Function>)
                return x_function(client, *request);
            else
                return x_function(client);
        });
    }

private:
    Function x_function;
};

} // namespace detail

} // namespace weir::inline v0
