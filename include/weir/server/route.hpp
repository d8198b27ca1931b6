// What a server does with the requests for one path.
//
// A route is made by `server::websocket` and `server::get` and lives as long as the server, and with it the handler: a
// coroutine made from a lambda may use what the lambda has captured. Everything runs on the server's loop.
#pragma once

#include <weir/coro/task.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/ws/origin.hpp>
#include <weir/server/response.hpp>
#include <weir/transport/websocket.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace weir::inline v0 {

namespace detail {

// A function object behind one virtual call, owned.
template <class Signature>
class handler;
template <class Result, class... Arguments>
class handler<Result(Arguments...)> {
public:
    virtual ~handler() = default;
    virtual Result operator()(Arguments... arguments) = 0;
};

template <class Function, class Result, class... Arguments>
class handler_of final : public handler<Result(Arguments...)> {
public:
    explicit handler_of(Function function) : x_function(std::move(function)) {}
    Result operator()(Arguments... arguments) override {
        if constexpr (std::is_invocable_r_v<Result, Function&, Arguments...>)
            return x_function(static_cast<Arguments&&>(arguments)...);
        else // a handler that does not care for the request
            return call(static_cast<Arguments&&>(arguments)...);
    }

private:
    template <class First, class... Rest>
    Result call(First&& first, Rest&&...) {
        if constexpr (std::is_invocable_r_v<Result, Function&, First>)
            return x_function(static_cast<First&&>(first));
        else
            return x_function();
    }

    Function x_function;
};

// What a function of a request returns, as a task: handlers may be plain functions or coroutines.
template <class Result, class Function>
task<Result> as_task(Function& function, const http::request_head& request) {
    using given = std::invoke_result_t<Function&, const http::request_head&>;
    if constexpr (std::is_convertible_v<given, Result>) {
        Result made = function(request);
        co_return made;
    } else {
        co_return co_await function(request);
    }
}

template <class Result, class Function>
class request_handler final : public handler<task<Result>(const http::request_head&)> {
public:
    explicit request_handler(Function function) : x_function(std::move(function)) {}
    task<Result> operator()(const http::request_head& request) override {
        return as_task<Result>(x_function, request);
    }

private:
    Function x_function;
};

} // namespace detail

// The settings of a WebSocket route; each setter returns the route.
class websocket_route {
public:
    using handler_type = detail::handler<task<>(websocket&, const http::request_head&)>;

    // `wants_request`: the handler is given the head of the handshake's request, which is kept for it.
    websocket_route(std::string path, std::unique_ptr<handler_type> handler, bool wants_request)
        : x_path(std::move(path)), x_handler(std::move(handler)), x_wants_request(wants_request) {}

    // The subprotocols that the handler speaks, the preferred one first. The first that the client offers too is
    // agreed upon (RFC 6455, section 1.9); none when there is no such.
    websocket_route& subprotocols(std::span<const std::string_view> names) {
        x_subprotocols.assign(names.begin(), names.end());
        return *this;
    }

    // Pages of which other origins may connect: "https://example.com". By default only those of the same host may
    // (RFC 6455, section 10.2). Programs that send no Origin may always.
    websocket_route& origins(std::span<const std::string_view> allowed) {
        x_origins.assign(allowed.begin(), allowed.end());
        return *this;
    }

    // Any page may connect. Right where a connection can do nothing that its user would mind.
    websocket_route& any_origin() {
        x_any_origin = true;
        return *this;
    }

    // Asks `check` about each handshake that is otherwise in order. It is given the request and returns nothing to
    // let it in or a `response` to refuse it: `std::optional<weir::response>`, or a task of that.
    template <class Function>
    websocket_route& admit(Function check) {
        x_check = std::make_unique<detail::request_handler<std::optional<response>, Function>>(std::move(check));
        return *this;
    }

    std::string_view path() const noexcept { return x_path; }

private:
    friend class server;

    bool welcomes(const http::request_head& request) const noexcept {
        if (x_any_origin || ws::same_origin(request)) return true;
        const std::string_view origin = request.fields.get("Origin").value_or("");
        for (const std::string& each : x_origins)
            if (origin == each) return true;
        return false;
    }

    std::string x_path;
    std::unique_ptr<handler_type> x_handler;
    std::vector<std::string> x_subprotocols;
    std::vector<std::string> x_origins;
    std::unique_ptr<detail::handler<task<std::optional<response>>(const http::request_head&)>> x_check;
    bool x_wants_request;
    bool x_any_origin = false;
};

} // namespace weir::inline v0
