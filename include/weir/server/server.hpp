// A server of WebSocket connections and plain HTTP routes on one port.
//
//     weir::server server;
//     server.websocket("/echo", echo);                  // task<> echo(weir::websocket&)
//     server.get("/healthz", "ok");
//     return server.run({.port = 9001});
//
// One loop, one thread. Each connection is a coroutine in the server's scope; its handler runs in a context of its own,
// which is cancelled when the peer is lost while nobody reads. When a handler returns, its connection is closed with
// 1000; when it throws, with 1011. Only `stop` may be called from other threads and from signal handlers.
#pragma once

#include <weir/coro/in_context.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/shield.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/io/interrupt.hpp>
#include <weir/io/signals.hpp>
#include <weir/net/listen.hpp>
#include <weir/protocol/http/body_framing.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/server_handshake.hpp>
#include <weir/server/options.hpp>
#include <weir/server/route.hpp>
#include <weir/transport/byte_source.hpp>

#include <atomic>
#include <cstdio>

namespace weir::inline v0 {

class server {
public:
    server() = default;
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() { assert(!x_service.load() && "a server was destroyed while it was running"); }

    // --- routes; to be added before the server runs ---

    // Connections to `path` are handed to `handler`, which is called as `handler(ws)` or `handler(ws, request)` and
    // returns a `task<>`. It is kept as long as the server. The websocket is valid until the task has ended.
    template <class Handler>
        requires(std::is_invocable_r_v<task<>, Handler&, weir::websocket&> ||
                 std::is_invocable_r_v<task<>, Handler&, weir::websocket&, const http::request_head&>)
    websocket_route& websocket(std::string_view path, Handler handler) {
        using made = detail::handler_of<Handler, task<>, weir::websocket&, const http::request_head&>;
        constexpr bool wants_request =
            std::is_invocable_r_v<task<>, Handler&, weir::websocket&, const http::request_head&>;
        x_websockets.push_back(std::make_unique<websocket_route>(
            std::string(path), std::make_unique<made>(std::move(handler)), wants_request));
        return *x_websockets.back();
    }

    // GET and HEAD requests for `path` are answered by `handler(request)`, which returns a `response` (or what makes
    // one) or a task of it; or always by the same response.
    template <class Handler>
        requires std::is_invocable_v<Handler&, const http::request_head&>
    void get(std::string_view path, Handler handler) {
        x_gets.push_back({std::string(path),
                          std::make_unique<detail::request_handler<response, Handler>>(std::move(handler))});
    }
    void get(std::string_view path, response always) {
        get(path, [always = std::move(always)](const http::request_head&) { return always; });
    }

    // --- running ---

    // Listens and serves on a loop of its own until `stop`, or a signal, and until every handler has ended. Gives the
    // program's exit code: 0, or 1 after a line on stderr that says why it could not listen.
    int run(const server_options& options = {}) {
        result<std::unique_ptr<io::backend>> events = io::make_backend(options.backend);
        if (!events) return std::fprintf(stderr, "weir: %s\n", events.error().message().c_str()), 1;
        io::loop loop(std::move(*events));
        return loop.run(main(options));
    }

    // Opens the port, on the loop of this thread. Errors say where: "listening on [::]:80: Permission denied".
    result<> listen(const server_options& options) {
        x_options = options;
        if (options.port < 0 || options.port > 65535)
            return error(errc::bad_port, "listening on port " + std::to_string(options.port));
        result<net::listener> made =
            options.descriptor
                ? net::adopt_listener(*options.descriptor)
                : net::listen(options.host, static_cast<std::uint16_t>(options.port), options.listening);
        if (!made) return made.error();
        x_listener.emplace(std::move(*made));
        x_listener->on_trouble(
            [](void* self, std::error_code why, std::chrono::nanoseconds) {
                static_cast<server*>(self)->note(log_level::warning, "accepting pauses", {}, why);
            },
            this);
        websocket_options shared = options.websocket;
        if (!shared.log) shared.log = options.log;
        x_websocket_options = std::make_shared<const websocket_options>(shared);
        note(log_level::info, "listening on " + where());
        return {};
    }

    // Accepts and serves connections until `stop`, and until every handler has ended. `listen` must have succeeded.
    // Cancelling it stops at once.
    task<> serve() {
        assert(x_listener && "serve() without listen()");
        io::loop& loop = *io::loop::current();
        context& outer = *co_await this_context();
        scope clients;
        service running(*this, loop, clients);
        if (x_stop_requested.load()) running.begin_stop();
        for (;;) {
            result<std::unique_ptr<io::stream>> stream = co_await x_listener->accept();
            if (!stream) break;
            clients.spawn(serve_connection(std::move(*stream)));
        }
        if (outer.canceled()) running.break_off();
        running.begin_stop();
        co_await clients.join();
        x_listener.reset();
        note(log_level::info, "stopped");
    }

    // Has the server end: it accepts nobody any more, closes every connection with 1001, and after `grace` cancels the
    // handlers and breaks off what is left. From any thread; async-signal-safe. Calling it again begins a new grace.
    // Before `run` it makes `run` end at once.
    void stop(std::chrono::nanoseconds grace = std::chrono::seconds(5)) noexcept {
        x_stop_grace.store(grace.count());
        x_stop_requested.store(true);
        x_stoppers.fetch_add(1); // the service does not go while somebody may look at it
        if (service* running = x_service.load()) running->raise();
        x_stoppers.fetch_sub(1);
    }

    // Where it listens; no address before `listen` and after the end.
    net::endpoint local_endpoint() const noexcept { return x_listener ? x_listener->local_endpoint() : net::endpoint(); }

    // How many WebSocket connections are open.
    std::size_t connections() const noexcept { return x_open_count; }

private:
    struct get_route {
        std::string path;
        std::unique_ptr<detail::handler<task<response>(const http::request_head&)>> handler;
    };

    // A WebSocket connection whose handler runs or which is being closed.
    class open_connection : public list_node<open_connection> {
    public:
        open_connection(server& of, weir::websocket& ws) noexcept : x_server(of), x_ws(ws) {
            of.x_open.push_back(*this);
            ++of.x_open_count;
        }
        ~open_connection() { --x_server.x_open_count; }
        weir::websocket& ws() const noexcept { return x_ws; }

    private:
        server& x_server;
        weir::websocket& x_ws;
    };

    // What there is while the server serves, and how it is stopped.
    class service final : private io::interrupt, private timer {
    public:
        service(server& of, io::loop& on, scope& clients) noexcept
            : x_server(of), x_loop(on), x_clients(clients), x_waiting(on) {
            on.add(*this);
            of.x_waiting = &x_waiting;
            of.x_service.store(this);
        }
        ~service() {
            x_server.x_service.store(nullptr);
            while (x_server.x_stoppers.load()) {} // another thread is inside stop(): a matter of nanoseconds
            x_server.x_waiting = nullptr;
            x_server.x_stop_requested.store(false);
        }

        // From any thread.
        void raise() noexcept { x_loop.raise(*this); }

        void begin_stop() noexcept {
            x_loop.arm(*this, std::chrono::nanoseconds(x_server.x_stop_grace.load()));
            if (std::exchange(x_stopping, true)) return;
            x_server.x_listener->close();
            x_waiting.cancel();
            for (open_connection* each = x_server.x_open.front(); each; each = x_server.x_open.after(*each))
                each->ws().close(ws::close_code::going_away, "the server is stopping");
        }

        void break_off() noexcept {
            x_clients.cancel();
            for (open_connection* each = x_server.x_open.front(); each; each = x_server.x_open.after(*each))
                each->ws().reset();
        }

    private:
        void on_interrupt() noexcept override { begin_stop(); }
        void expire() noexcept override { break_off(); }

        server& x_server;
        io::loop& x_loop;
        scope& x_clients;
        context x_waiting; // of those who wait for a request, and need not be waited for
        bool x_stopping = false;
    };

    // What the HTTP side of a connection leaves to the WebSocket side.
    struct upgrade {
        websocket_route* route = nullptr;
        std::unique_ptr<http::request_head> request;
        std::string subprotocol;
        io::lease lease;
        mutable_bytes rest;
    };

    task<int> main(server_options options) {
        const result<> listening = listen(options);
        if (!listening) {
            std::fprintf(stderr, "weir: %s\n", listening.error().message().c_str());
            co_return 1;
        }
        std::optional<io::signal_watch> signals;
        if (options.handle_signals) signals.emplace(*io::loop::current(), on_signal, this);
        co_await serve();
        co_return 0;
    }

    static void on_signal(void* self) noexcept {
        server& of = *static_cast<server*>(self);
        const bool again = of.x_stop_requested.load();
        of.stop(again ? std::chrono::nanoseconds(0) : of.x_options.stop_grace);
    }

    task<> serve_connection(std::unique_ptr<io::stream> stream) {
        upgrade to;
        co_await talk_http(*stream, to);
        if (!to.route) co_return;
        io::loop& loop = *io::loop::current();
        weir::websocket ws(ws::role::server, std::move(stream), std::move(to.lease), to.rest,
                           {loop, loop.blocks(), loop.random()}, x_websocket_options);
        ws.agreed(to.subprotocol, to.request->target);
        to.subprotocol = {};
        if (!to.route->x_wants_request) to.request.reset();
        const open_connection here(*this, ws);
        context own(*co_await this_context());
        ws.guard(&own);
        ws::close_code code = ws::close_code::normal;
#if defined(__cpp_exceptions)
        try {
            co_await in_context(own, (*to.route->x_handler)(ws, *to.request));
        } catch (const std::exception& thrown) {
            note(log_level::error, "a handler threw: " + std::string(thrown.what()), to.route->x_path);
            code = ws::close_code::internal_error;
        } catch (...) {
            note(log_level::error, "a handler threw", to.route->x_path);
            code = ws::close_code::internal_error;
        }
#else
        co_await in_context(own, (*to.route->x_handler)(ws, *to.request));
#endif
        ws.guard(nullptr);
        co_await shield(ws.close(code));
    }

    // Answers requests until the connection is to be closed or has been upgraded.
    task<> talk_http(io::stream& stream, upgrade& to) {
        byte_source source(stream);
        std::chrono::nanoseconds patience = x_options.handshake_timeout;
        for (bool again = true; again; patience = x_options.keep_alive_timeout) {
            http::request_parser parser(x_options.head);
            const result<http::request_head> head =
                co_await in_context(*x_waiting, source.read_head(parser).within(patience));
            if (head) {
                again = co_await answer(source, *head, to);
            } else {
                co_await refuse_head(source, head.error(), parser.started());
                again = false;
            }
        }
        if (to.route) {
            to.rest = source.rest();
            to.lease = source.take_lease();
            co_return;
        }
        co_await source.finish().within(std::chrono::seconds(2));
    }

    // No request could be read. Says why, where there is somebody to hear it.
    task<> refuse_head(byte_source& source, const error& why, bool started) {
        if (why == condition::protocol || why == condition::limit) {
            note(log_level::warning, "not a request: " + why.message(), {}, why);
            co_await respond(source, response(http::status_for(why), sentence(why.message())), {});
        } else if (why == errc::timed_out && started) {
            co_await respond(source, response(http::status::request_timeout, "The request took too long.\n"), {});
        }
    }

    // True when another request may follow on this connection.
    task<bool> answer(byte_source& source, const http::request_head& head, upgrade& to) {
        const std::string_view path = head.path();
        websocket_route* route = nullptr;
        for (const auto& each : x_websockets)
            if (each->x_path == path) route = each.get();
        get_route* get = nullptr;
        for (get_route& each : x_gets)
            if (each.path == path) get = &each;

        if (route && (!get || head.fields.has_token("Upgrade", "websocket"))) {
            co_await accept_upgrade(source, head, *route, to);
            co_return false;
        }
        const result<http::body_framing> framing = http::framing_of(head);
        if (!framing) {
            co_await refuse_head(source, framing.error(), true);
            co_return false;
        }
        const bool again = head.keep_alive() && framing->kind == http::body_kind::none && !x_waiting->canceled();
        const http::response_options how{.keep_alive = again, .head_only = head.method == "HEAD"};
        if (!get) {
            co_return co_await respond(source, response(http::status::not_found, "There is nothing at this path.\n"),
                                       how);
        }
        if (head.method != "GET" && head.method != "HEAD") {
            response refused(http::status::method_not_allowed, "This path answers GET and HEAD only.\n");
            refused.fields.add("Allow", "GET, HEAD");
            co_return co_await respond(source, std::move(refused), how);
        }
        response made(http::status::internal_server_error, "The server failed to answer.\n");
#if defined(__cpp_exceptions)
        try {
            made = co_await (*get->handler)(head);
        } catch (const std::exception& thrown) {
            note(log_level::error, "a handler threw: " + std::string(thrown.what()), path);
        } catch (...) {
            note(log_level::error, "a handler threw", path);
        }
#else
        made = co_await (*get->handler)(head);
#endif
        co_return co_await respond(source, std::move(made), how);
    }

    // RFC 6455, section 4.2: judges the handshake, and accepts or refuses it.
    task<> accept_upgrade(byte_source& source, const http::request_head& head, websocket_route& route, upgrade& to) {
        if (const ws::handshake_refusal refusal = ws::check_request(head)) {
            note(log_level::warning, refusal.sentence, route.x_path, refusal.reason);
            response refused(refusal.status, sentence(refusal.sentence));
            refused.fields = refusal.head().fields;
            co_await respond(source, std::move(refused), {.head_only = head.method == "HEAD"});
            co_return;
        }
        if (!route.welcomes(head)) {
            note(log_level::warning, "origin refused: " + std::string(head.fields.get("Origin").value_or("")),
                 route.x_path, errc::origin_refused);
            response refused(http::status::forbidden, "Pages of this origin may not connect here.\n");
            co_await respond(source, std::move(refused), {});
            co_return;
        }
        if (route.x_check) {
            std::optional<response> refused(std::in_place, http::status::internal_server_error);
#if defined(__cpp_exceptions)
            try {
                refused = co_await (*route.x_check)(head);
            } catch (const std::exception& thrown) {
                note(log_level::error, "a check threw: " + std::string(thrown.what()), route.x_path);
            } catch (...) {
                note(log_level::error, "a check threw", route.x_path);
            }
#else
            refused = co_await (*route.x_check)(head);
#endif
            if (refused) {
                note(log_level::info, "handshake refused by the application", route.x_path);
                co_await respond(source, std::move(*refused), {});
                co_return;
            }
        }
        const std::vector<std::string_view> supported(route.x_subprotocols.begin(), route.x_subprotocols.end());
        to.subprotocol = ws::choose_subprotocol(head, supported);
        const result<http::response_head> accepted = ws::make_response(head, to.subprotocol);
        std::string text;
        if (!accepted || !http::append_head(text, *accepted)) co_return;
        const result<> written = co_await source.write(as_bytes(text)).within(x_options.handshake_timeout);
        if (!written || x_waiting->canceled()) co_return;
        to.request = std::make_unique<http::request_head>(head);
        to.route = &route;
    }

    // True when the connection may be used again.
    task<bool> respond(byte_source& source, response answer, http::response_options how) {
        how.content_type = answer.content_type;
        how.extra = &answer.fields;
        std::string text;
        if (!http::append_response(text, answer.status, answer.body, how)) {
            note(log_level::error, "a response that cannot be sent");
            co_return false;
        }
        const result<> written = co_await source.write(as_bytes(text)).within(x_options.handshake_timeout);
        co_return written && how.keep_alive;
    }

    static std::string sentence(std::string_view text) {
        std::string line(text);
        line += '\n';
        return line;
    }

    std::string where() const {
        const net::endpoint at = x_listener->local_endpoint();
        std::string text = at.to_string();
        if (at.port() != 0 && (x_options.host.empty() || x_options.host == "*"))
            text = "http://localhost:" + std::to_string(at.port()) + " (all addresses)";
        else if (at.port() != 0)
            text = "http://" + text;
        return text;
    }

    void note(log_level level, std::string_view what, std::string_view at = {}, std::error_code why = {}) const {
        x_options.log({level, what, at, why, 0});
    }

    server_options x_options;
    std::shared_ptr<const websocket_options> x_websocket_options;
    std::vector<std::unique_ptr<websocket_route>> x_websockets;
    std::vector<get_route> x_gets;
    std::optional<net::listener> x_listener;
    list<open_connection> x_open;
    std::size_t x_open_count = 0;
    context* x_waiting = nullptr;
    std::atomic<service*> x_service{nullptr};
    std::atomic<int> x_stoppers{0};
    std::atomic<bool> x_stop_requested{false};
    std::atomic<std::int64_t> x_stop_grace{0}; // nanoseconds
};

} // namespace weir::inline v0
