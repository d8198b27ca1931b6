// A server of WebSocket connections and plain HTTP routes on one port.
//
//     weir::server server;
//     server.websocket("/echo", echo);                  // task<> echo(weir::websocket&)
//     server.get("/healthz", "ok");
//     return server.run({.port = 9001});
//
// One loop, one thread. Each connection is a coroutine; its handler runs in a context of its own, which is cancelled
// when the peer is lost while nobody reads. When a handler returns, its connection is closed with 1000; when it throws,
// with 1011. A plain request to a WebSocket path is answered by 426, a strange path by 404, another method by 405, and
// what is no request by 400 and its like, each with a sentence. Only `stop` may be called from other threads and from
// signal handlers. A server may run again after it has ended.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/io/run.hpp>
#include <weir/io/signals.hpp>
#include <weir/net/listen.hpp>
#include <weir/server/files.hpp>
#include <weir/server/plain_routes.hpp>
#include <weir/server/service.hpp>

#include <cstdio>

namespace weir::inline v0 {

class channel_route;

class server {
public:
    server() = default;
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    [[gnu::cold]] ~server() {
        assert(!x_stops.attached() && "a server was destroyed while it was running");
        while (waiting_task* each = x_tasks.pop_front()) delete each;
    }

    // --- routes; to be added before the server runs ---
    //
    // A path begins with '/'. It is compared letter for letter with that of the request as it was sent, which is
    // percent-encoded: "/caf%C3%A9"; the query does not matter, and "/a" is not "/a/". One path may have a WebSocket
    // handler and one for GET: which is meant says the request's Upgrade field.

    // Connections to `path` are handed to `handler`, which is called as `handler(ws)` or `handler(ws, request)` and
    // returns a `task<>`. It is kept as long as the server. The websocket and the request are valid until the task has
    // ended; the websocket may not be moved from.
    template <class Handler>
    [[gnu::cold]] websocket_route& websocket(std::string_view path, Handler handler) {
        if constexpr (detail::check_websocket_handler<Handler>())
            return x_setup.table.add(make_owned<websocket_route>(
                std::string(path), make_owned<detail::connection_handler_of<weir::websocket, Handler>>(std::move(handler)),
                detail::takes_request<weir::websocket, Handler>));
    }

    // GET and HEAD requests for `path` are answered by `handler(request)`, which returns a `response` (or what makes
    // one) or a task of it; or always by the same response. The request is valid until the task has ended. What a
    // handler throws becomes 500. A task may wait; while it does the client is not watched, so bound what it waits for.
    template <class Handler>
        requires std::is_invocable_v<Handler&, const http::request_head&>
    http_route& get(std::string_view path, Handler handler) {
        return add("GET", path, make_owned<detail::response_handler_of<Handler>>(std::move(handler)), false);
    }
    template <class Answer = response>
        requires(!std::is_invocable_v<Answer&, const http::request_head&> && std::is_convertible_v<Answer, response>)
    http_route& get(std::string_view path, Answer always) {
        return get(path, [answer = response(std::move(always))](const http::request_head&) { return answer; });
    }
    template <class Other>
        requires(!std::is_invocable_v<Other&, const http::request_head&> && !std::is_convertible_v<Other, response>)
    void get(std::string_view, Other) {
        static_assert(detail::always_false<Other>, "server.get(path, what): `what` is a response, or is called as "
            "what(request): weir::response what(const weir::http::request_head& request)");
    }

    // Requests of that method ("GET" answers HEAD as well, "*" is all) for the paths of `pattern` are answered by
    // `handler(exchange)`, which returns a `task<>`; see server/exchange.hpp. A segment of the pattern may be a `{name}`, and
    // the last one a `{name...}`, which takes all that is left: "/rooms/{room}/log". Where several patterns stand for a path, the
    // one is meant that is literal where the others have a parameter.
    template <class Handler>
    http_route& route(std::string_view method, std::string_view pattern, Handler handler) {
        static_assert(std::is_invocable_r_v<task<>, Handler&, exchange&>, "server.route(method, path, handler): the handler "
            "takes the exchange by reference: weir::task<> handler(weir::exchange& http)");
        return add(method, pattern, make_owned<detail::exchange_handler_of<Handler>>(std::move(handler)), true);
    }

    // Clients that reach `path` by polling, long polling, an event stream or a WebSocket are handed to `handler`, all the
    // same, as `handler(channel)` or `handler(channel, request)`, which returns a `task<>`. It is called once for each session,
    // which outlives the connections that carry it: see transport/channel.hpp, and protocol/channel/README.md for the envelope.
    // Needs <weir/server/channel.hpp> where only parts of weir are included.
    template <class Handler>
    channel_route& channel(std::string_view path, Handler handler) {
        static_assert(requires { add_channel(*this, x_setup, path, std::move(handler)); },
                      "server.channel needs #include <weir/server/channel.hpp>, or all of weir");
        return add_channel(*this, x_setup, path, std::move(handler));
    }

    // The files of a folder are served below `path`: "/static" has "/static/app.js", and "/" everything. Only GET and HEAD, and
    // nothing outside of the folder; see server/files.hpp. `listen` fails if the folder is not there.
    template <class = void>
    http_route& files(std::string_view path, std::string_view folder, const files_options& options = {}) {
        while (path.ends_with('/')) path.remove_suffix(1);
        if (!path.empty()) add("GET", path, make_owned<detail::slash_handler<>>(), false);
        return add("GET", concat({path, "/{path...}"}), make_owned<detail::file_handler<>>(folder, options), false);
    }

    // Pages of other origins may ask for the plain routes, as far as `options` says; everything in it is copied. What a route
    // says of it itself goes before this.
    template <class = void>
    void cors(const http::cors_options& options) {
        plain().cors(options);
    }

    // --- tasks beside the connections ---

    // Has `work` run while the server serves: a ticker, a feed, a program that ends with `stop`.
    //
    //     server.spawn(tick(lobby));                    // task<> tick(weir::room&)
    //
    // It starts with `run`, or at once when the server runs, and then this is for the loop's thread. When the server stops,
    // it is cancelled as soon as the last handler has ended, or with the handlers; and given up like them if it does not
    // heed that. The server waits for it. It may end before. If an exception leaves it, the server stops, and fails with
    // `errc::task_threw`: nobody would do its work any more. What it was given by reference must outlive the server.
    template <std::same_as<task<>> Task>
    void spawn(Task work) {
        task<> attended = attend(std::move(work));
        if (x_running)
            x_running->spawn(std::move(attended));
        else
            x_tasks.push_back(*new waiting_task(std::move(attended)));
    }

    // The same with a function, for instance a lambda that captures, and its arguments, which are kept as long.
    template <class Function, class... Arguments>
        requires std::is_invocable_r_v<task<>, Function&, Arguments&...>
    void spawn(Function function, Arguments... arguments) {
        spawn(call(std::move(function), std::move(arguments)...));
    }

    // --- running ---

    // Listens and serves on a loop of its own until `stop`, or a signal, and until every handler has ended. Gives the
    // program's exit code: 0, or 1 after a line on stderr that says why it could not listen, or not any more.
    [[gnu::cold]] int run(const server_options& options = {}) {
        result<owned<io::backend>> events = io::make_backend(options.backend);
        if (!events) return fail(events.error());
        io::loop loop(std::move(*events), nullptr, options.waiting);
        return loop.run(main(options));
    }

    // Opens the port, on the loop of this thread, which must not end before `serve` has or the server is destroyed.
    // Errors say where: "listening on [::]:80: Permission denied".
    [[gnu::cold]] result<> listen(const server_options& options) {
        assert(!x_stops.attached() && "listen() on a server that is running");
        const bool bad_port = !options.descriptor && (options.port < 0 || options.port > 65535);
        if (bad_port) {
            char where[40];
            std::snprintf(where, sizeof where, "listening on port %d", options.port);
            return error(errc::bad_port, where);
        }
        const result<> ready = x_setup.plain ? x_setup.plain->check() : result<>();
        if (!ready) return ready.error();
        if (const result<> secured = options.tls ? options.tls->check() : result<>(); !secured) return secured.error();
        x_listener = nullptr;
        result<net::listener> made =
            options.descriptor
                ? net::adopt_listener(*options.descriptor)
                : net::listen(options.host, static_cast<std::uint16_t>(options.port), options.listening);
        if (!made) return made.error();
        x_listener = make_owned<net::listener>(std::move(*made));
        x_local = x_listener->local_endpoint();
        x_setup.options = options;
        x_setup.options.host = {}; // it is not ours
        websocket_options settings = options.websocket;
        if (!settings.log) settings.log = options.log;
        if (!settings.peer_name) settings.peer_name = net::peer_name;
        x_setup.websocket = shared<const websocket_options>::make(settings);
        x_setup.note(log_level::info, concat({"listening on ", where(), with()}));
        return {};
    }

    // Accepts and serves connections until `stop`, and until every handler has ended. `listen` must have succeeded.
    // Fails when accepting does for good, or a task throws. Cancelling it breaks every connection off and cancels the handlers at once; it
    // ends when they have, after `cancel_grace` at the latest.
    [[gnu::cold]] task<result<>> serve() {
        assert(x_listener && "serve() without listen()");
        x_task_threw = {};
        result<> outcome;
        {
            const closing_time afterwards(*this);
            detail::service running(x_setup, x_stops, std::move(*x_listener), x_open_count);
            x_listener = nullptr;
            x_running = &running;
            while (const owned<waiting_task> each{x_tasks.pop_front()}) running.spawn(std::move(each->work));
            outcome = co_await running.run();
        }
        if (x_task_threw) outcome = exchanged(x_task_threw, {});
        x_setup.note(log_level::info, "stopped");
        co_return outcome;
    }

    // Has the server end: it accepts nobody any more, closes every connection with 1001, and after `grace` cancels the
    // handlers and breaks off what is left. Handlers that have not ended `cancel_grace` after that are destroyed where
    // they wait. From any thread; async-signal-safe. Calling it again puts `grace` in the place of what is left: until
    // the handlers are cancelled or, when they are, until they are destroyed. Before `run` it makes the next `run` end
    // at once.
    void stop(std::chrono::nanoseconds grace = std::chrono::seconds(5)) noexcept { x_stops.request(grace); }

    // Where it listens; no address before `listen` and after the end.
    net::endpoint local_endpoint() const noexcept { return x_local; }

    // How many WebSocket connections are open.
    std::size_t connections() const noexcept { return x_open_count; }

private:
    struct waiting_task : list_node<waiting_task> {
        explicit waiting_task(task<>&& starts_later) noexcept : work(std::move(starts_later)) {}
        task<> work;
    };

    // The plain routes, which are there from the first on.
    template <class = void>
    detail::plain_routes<>& plain() {
        if (!x_setup.plain) x_setup.plain = make_owned<detail::plain_routes<>>();
        return static_cast<detail::plain_routes<>&>(*x_setup.plain);
    }
    template <class = void>
    http_route& add(std::string_view method, std::string_view pattern, owned<detail::exchange_handler> handler, bool watches) {
        return plain().add(
            make_owned<http_route>(std::string(method), std::string(pattern), std::move(handler), watches));
    }

    // However serving ends, the server listens nowhere after it.
    struct closing_time {
        explicit closing_time(server& of) noexcept : x_server(of) {}
        ~closing_time() {
            x_server.x_local = {};
            x_server.x_running = nullptr;
        }
        server& x_server;
    };

    template <std::same_as<task<>> Task>
    Task attend(Task work) {
        std::string thrown;
        const bool done = co_await caught(std::move(work), thrown);
        if (done) co_return;
        x_setup.note(log_level::error, concat({"a task threw: ", thrown}));
        if (!x_task_threw) x_task_threw = error(errc::task_threw, thrown);
        if (!x_stops.requested()) stop(x_setup.options.stop_grace);
    }
    template <class Function, class... Arguments>
    static task<> call(Function function, Arguments... arguments) {
        co_await function(arguments...);
    }

    [[gnu::cold]] static int fail(const error& why) {
        std::fprintf(stderr, "weir: %s\n", why.message().c_str());
        return 1;
    }

    [[gnu::cold]] task<int> main(server_options options) {
        const result<> listening = listen(options);
        if (!listening) co_return fail(listening.error());
        owned<io::signal_watch> signals;
        if (options.handle_signals) signals = make_owned<io::signal_watch>(*io::loop::current(), on_signal, this);
        const result<> served = co_await serve();
        if (!served) co_return fail(served.error());
        co_return 0;
    }

    // A second signal ends the grace at once, a third one the patience with handlers that do not heed that.
    [[gnu::cold]] static void on_signal(void* self) noexcept {
        server& of = *static_cast<server*>(self);
        of.stop(of.x_stops.requested() ? std::chrono::nanoseconds(0) : of.x_setup.options.stop_grace);
    }

    [[gnu::cold]] std::string where() const {
        if (x_local.port() == 0) return x_local.to_string();
        if (x_local == net::endpoint::any_ipv6(x_local.port()) || x_local == net::endpoint::any_ipv4(x_local.port()))
            return concat({scheme(), "localhost:", number_text(x_local.port()), " (all addresses)"});
        return concat({scheme(), x_local.to_string()});
    }

    [[gnu::cold]] std::string_view scheme() const noexcept { return x_setup.options.tls ? "https://" : "http://"; }

    // Where the loop has its events from; why, if that needs saying.
    [[gnu::cold]] static std::string with() {
        const io::loop& on = *io::loop::current();
        const std::string_view why = on.backend_reason();
        if (why.empty() || why == "automatic") return concat({" with ", on.backend_name()});
        return concat({" with ", on.backend_name(), " (", why, ")"});
    }

    detail::server_setup x_setup;
    detail::stop_switch x_stops;
    owned<net::listener> x_listener; // between `listen` and `serve`
    net::endpoint x_local;
    std::size_t x_open_count = 0;
    list<waiting_task> x_tasks; // that are to start; owned
    detail::service* x_running = nullptr;
    error x_task_threw;
};

} // namespace weir::inline v0
