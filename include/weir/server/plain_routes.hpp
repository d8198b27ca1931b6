// The plain routes of a server: finds the one for a request and has it answered.
//
// Of the routes whose patterns stand for the path and that take the method, the one whose pattern says most is meant: a
// literal segment says more than a parameter, and that more than one that takes all that is left. Paths that nobody has get
// 404, other methods 405 with an Allow, OPTIONS the same Allow. Routes are looked at one by one. Loop thread only.
#pragma once

#include <weir/core/list.hpp>
#include <weir/io/loop.hpp>
#include <weir/protocol/http/body_framing.hpp>
#include <weir/server/http_route.hpp>

namespace weir::inline v0::detail {

template <class = void>
class plain_routes final : public plain_requests {
public:
    ~plain_routes() override {
        while (http_route* each = x_routes.pop_front()) delete each;
    }

    http_route& add(owned<http_route> route) {
        assert(http::is_path_pattern(route->pattern()) && "a path begins with '/' and has no query; a segment of it may be "
            "a {name}, and the last one a {name...}; other characters are percent-encoded");
        assert((http::is_token(route->method())) && "a method is a token, such as GET, or * for all");
        for (http_route* each = x_routes.front(); each; each = x_routes.after(*each))
            assert((each->method() != route->method() || each->pattern() != route->pattern()) &&
                   "two handlers for one method at one path");
        http_route* const added = route.release();
        x_routes.push_back(*added);
        return *added;
    }

    bool shares(std::string_view path) const noexcept override {
        for (http_route* each = x_routes.front(); each; each = x_routes.after(*each))
            if (each->pattern() == path) return true;
        return false;
    }

    result<> check() const override {
        for (http_route* each = x_routes.front(); each; each = x_routes.after(*each)) {
            const result<> ready = each->handler().check();
            if (!ready) return error(ready.error(), concat({"serving ", each->pattern(), ": ", ready.error().context()}));
        }
        return {};
    }

    task<> serve(http_connection& on) override { return serve_on(on); }

    // What goes for routes that say nothing of it themselves.
    void cors(const http::cors_options& options) { x_cors = make_owned<http::cors_policy>(options); }

private:
    // What is to be done with a request.
    struct finding {
        const http_route* route = nullptr; // null: answered by what follows
        const http::cors_policy* cors = nullptr;
        http::status status = http::status::not_found;
        std::string allow; // for 405 and 204
    };

    task<> serve_on(http_connection& on) {
        supervised_for work(*co_await this_context(), on.server.options.cancel_grace);
        const result<http::body_framing> framing = http::framing_of(on.request);
        const finding found = find(on.request);
        exchange http(on, framing ? *framing : http::body_framing(), work, io::loop::current()->blocks(),
                      found.route ? found.route->pattern() : std::string_view(), found.route && found.route->watches());
        http.share(found.cors);
        const supervised::user before_the_exchange(work);
        supervised::outcome failed;
        if (!framing)
            http.refuse(framing.error());
        else if (!found.route)
            answer(http, found);
        else if (!http.decode_parameters())
            http.respond(response(http::status::bad_request, "A % in the path has no two hexadecimal digits behind it.\n"));
        else {
            work.look_after(found.route->handler().call(http));
            failed = co_await work;
        }
        http.conclude(failed.get());
        if (websocket* const ws = http.socket()) {
            ws->guard(nullptr);
            co_await open_websockets::say_goodbye(*ws, failed ? ws::close_code::internal_error : ws::close_code::normal);
        }
        while (http.has_rest()) {
            const result<bytes_view> piece = co_await http.read();
            if (!piece) break;
            http.drop(*piece);
        }
        http.hand_back();
    }

    finding find(const http::request_head& request) const {
        const std::string_view path = request.path();
        finding found;
        if (path == "*" && request.method == "OPTIONS") {
            found.status = http::status::no_content;
            return found;
        }
        const bool preflight = http::cors_policy::is_preflight(request);
        const std::string_view wanted = preflight ? *request.fields.get("Access-Control-Request-Method") : request.method;
        const http_route* meant = nullptr;
        for (http_route* each = x_routes.front(); each; each = x_routes.after(*each)) {
            if (!http::matches_path(each->pattern(), path)) continue;
            if (each->takes(wanted) && (!meant || http::compare_patterns(each->pattern(), meant->pattern()) > 0)) meant = each;
            add_method(found.allow, each->method());
        }
        found.cors = meant && meant->cors_policy() ? meant->cors_policy() : x_cors.get();
        if (!preflight || !found.cors) found.route = meant && meant->takes(request.method) ? meant : nullptr;
        if (found.route || found.allow.empty()) return found;
        found.status = request.method == "OPTIONS" ? http::status::no_content : http::status::method_not_allowed;
        add_method(found.allow, "OPTIONS");
        return found;
    }

    static void add_method(std::string& to, std::string_view method) {
        std::string_view rest = to, each;
        while (http::next_element(rest, each))
            if (each == method) return;
        to.append(to.empty() ? "" : ", ").append(method);
        if (method == "GET") add_method(to, "HEAD");
    }

    static void answer(exchange& http, const finding& found) {
        std::string why;
        if (found.status == http::status::not_found) why = "There is nothing at this path.\n";
        if (found.status == http::status::method_not_allowed) why = concat({"This path answers ", found.allow, " only.\n"});
        response made(found.status, std::move(why));
        if (!found.allow.empty()) made.fields.add("Allow", found.allow);
        if (found.cors && http::cors_policy::is_preflight(http.request())) {
            if (!found.cors->allows_origin(http.request()))
                made = response(http::status::forbidden, "Pages of this origin may not ask here.\n");
            found.cors->add_preflight(made.fields, http.request(), found.allow);
        }
        http.respond(std::move(made));
    }

    list<http_route> x_routes; // owned
    owned<http::cors_policy> x_cors;
};

} // namespace weir::inline v0::detail
