// What a server does with plain requests of one method for the paths of one pattern.
//
// A route is made by `server::route` and its like and lives as long as the server, and with it the handler. Everything runs on
// the server's loop.
#pragma once

#include <weir/core/list.hpp>
#include <weir/protocol/http/cors.hpp>
#include <weir/server/exchange.hpp>
#include <weir/server/handler.hpp>

#include <string>

namespace weir::inline v0 {

namespace detail {

// Answers an exchange.
class exchange_handler {
public:
    virtual ~exchange_handler() = default;
    virtual task<> call(exchange& http) = 0;

    // Whether it has what it needs, asked before the server listens.
    virtual result<> check() const { return {}; }
};

template <class Function>
class exchange_handler_of final : public exchange_handler {
public:
    explicit exchange_handler_of(Function function) : x_function(std::move(function)) {}

    task<> call(exchange& http) override {
        return call_guarded([&]() -> task<> { return x_function(http); });
    }

private:
    Function x_function;
};

// Has a request answered by what looks at its head only.
template <class Function>
class response_handler_of final : public exchange_handler {
public:
    explicit response_handler_of(Function function) : x_handler(std::move(function)) {}

    task<> call(exchange& http) override { return answer(http); }

private:
    task<> answer(exchange& http) {
        std::optional<response> said;
        co_await x_handler.call(http.request(), said);
        http.respond(std::move(*said));
    }

    request_handler_of<response, Function> x_handler;
};

} // namespace detail

// The settings of a plain route; each setter returns the route.
class http_route : public list_node<http_route> {
public:
    // Pages of other origins may ask here, as far as `options` says; everything in it is copied. Preflights are answered.
    template <class = void>
    http_route& cors(const http::cors_options& options) {
        x_cors = make_owned<http::cors_policy>(options);
        return *this;
    }

    // `watches`: the handler is cancelled when the client ends its stream.
    http_route(std::string method, std::string pattern, owned<detail::exchange_handler> handler, bool watches)
        : x_method(std::move(method)), x_pattern(std::move(pattern)), x_handler(std::move(handler)), x_watches(watches) {}

    std::string_view method() const noexcept { return x_method; }
    std::string_view pattern() const noexcept { return x_pattern; }

    // --- for the server ---

    detail::exchange_handler& handler() const noexcept { return *x_handler; }
    bool watches() const noexcept { return x_watches; }
    const http::cors_policy* cors_policy() const noexcept { return x_cors.get(); } // null: the server's

    // Whether it answers requests of that method: one for GET answers HEAD too, one for "*" all.
    template <class = void>
    bool takes(std::string_view method) const noexcept {
        return method == x_method || x_method == "*" || (method == "HEAD" && x_method == "GET");
    }

private:
    std::string x_method;
    std::string x_pattern;
    owned<detail::exchange_handler> x_handler;
    owned<http::cors_policy> x_cors;
    bool x_watches;
};

} // namespace weir::inline v0
