// A server while it serves: accepts, has each connection served, and stops.
//
// Each connection is a coroutine in one scope; the tasks beside them, which are cancelled when the last connection has
// ended, have another. Stopping goes in three steps: first nobody is accepted any more, who waits
// for a request is let go, and every WebSocket connection is closed with 1001; after the grace, contexts are cancelled
// and sockets reset; and after `cancel_grace`, handlers that have not heeded that are destroyed where they are
// suspended. Loop thread only.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/net/listener.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/http_phase.hpp>
#include <weir/server/open_websockets.hpp>
#include <weir/server/stop_switch.hpp>
#include <weir/server/supervised.hpp>

namespace weir::inline v0::detail {

class service final : private stop_switch::target, private timer, private cancel_hook, private open_websockets {
public:
    // On a loop's thread. `open` is where the number of WebSocket connections stands.
    [[gnu::cold]] service(const server_setup& of, stop_switch& stops, net::listener listening, std::size_t& open)
        : open_websockets(*io::loop::current(), open), x_server(of), x_stops(stops), x_listener(std::move(listening)),
          x_loop(*io::loop::current()), x_waiting(x_loop), x_admission(of, x_loop, x_loop.random()) {
        open_websockets::adopt_by(x_clients.runs_in());
        x_listener.on_trouble(accepting_pauses, this);
        x_stops.attach(x_loop, *this);
        for (companion* each = of.beside.front(); each; each = of.beside.after(*each)) each->begin(x_clients);
    }
    [[gnu::cold]] ~service() {
        for (companion* each = x_server.beside.front(); each; each = x_server.beside.after(*each)) each->end();
        x_stops.detach();
    }

    // Starts a task that lasts, at most, as long as the server serves.
    [[gnu::cold]] void spawn(task<> work) {
        assert(io::loop::current() == &x_loop && "spawn() from another thread than the running server's");
        x_tasks.spawn(std::move(work));
    }

    // Serves until it is stopped and every handler has ended. Cancelling it breaks everything off at once. Fails when
    // nobody can be accepted any more.
    [[gnu::cold]] task<result<>> run() {
        context* const outer = co_await this_context();
        if (outer && !outer->canceled()) outer->add(*this);
        if (x_stops.requested()) begin_stop();
        if (outer && outer->canceled()) on_cancel();
        result<> outcome;
        for (;;) {
            result<owned<io::stream>> stream = co_await x_listener.accept();
            if (!stream) {
                if (stream.error() != errc::closed && stream.error() != errc::canceled)
                    outcome = std::move(stream).error();
                break;
            }
            if ((x_server.options.tls || x_server.options.layer) && !cover(*stream)) continue;
            admission::place here = x_admission.admit(*stream);
            if (here) serve(*this, std::move(*stream), std::move(here));
        }
        if (!outcome) x_server.note(log_level::error, "no longer accepting", {}, outcome.error());
        if (!x_stopping) begin_stop();
        co_await x_clients.join();
        if (x_tasks.size() > 0) break_off(); // only they are left
        co_await x_tasks.join();
        co_return outcome;
    }

    operator scope&() noexcept { return x_clients; } // of which connections are coroutines

private:
    // TLS, and what the program puts over all streams. False when there is no memory for it.
    [[gnu::cold]] bool cover(owned<io::stream>& stream) {
        if (x_server.options.tls) stream = x_server.options.tls->begin(std::move(stream));
        if (stream && x_server.options.layer) stream = x_server.options.layer->put_over(std::move(stream));
        return static_cast<bool>(stream);
    }

    // The HTTP side of a connection. Its frame is gone before the WebSocket side begins, which may last for days.
    [[gnu::cold]] static scope::spawned serve(service& of, owned<io::stream> stream, admission::place here) {
        std::string thrown;
        upgrade to;
        const bool talked = co_await caught(http_phase::run(of.x_server, stream, of, of.x_waiting, to), thrown);
        if (!talked) of.x_server.note(log_level::error, concat({"a connection was given up: ", thrown}));
        if (!talked || !to.route) co_return;
        websocket ws = make_websocket(std::move(stream), to, to.request->target, of.x_loop, of.x_server.websocket);
        converse({of, std::move(ws), std::move(to.request), std::move(here)});
    }

    // Whose connection it is, a pointer to that once; and what its handler needs. An idle connection has it as well, so it is small.
    // It may be moved until there is a handler.
    class conversation final : public entry, public supervised {
    public:
        conversation(service& among, websocket&& made, owned<const http::request_head>&& request, admission::place&& here) noexcept
            : entry(std::move(made)), supervised(among), x_request(std::move(request)), x_place(here.keep()) {
            among.add(*this);
        }
        conversation(conversation&& other) noexcept
            : entry(std::move(other.ws)), supervised(other.of()), x_request(std::move(other.x_request)),
              x_place(exchanged(other.x_place, admission::no_place)) {
            of().add(*this);
        }
        ~conversation() {
            look_after({}); // first of all: the handler uses the rest
            of().remove(*this);
            of().x_admission.leave(x_place);
        }

        service& of() const noexcept { return static_cast<service&>(static_cast<open_websockets&>(*parent())); }
        operator scope&() const noexcept { return of().x_clients; }

        // Begins with what is to be awaited next: the handler of the route that the request has led to; and, after that, the end.
        [[gnu::cold]] void begin() {
            websocket_route& route = *of().x_server.table.websocket_at(x_request->path());
            if (!route.wants_request()) x_request.reset();
            ws.guard(this);
            look_after(route.handler().call(ws, x_request.get()));
        }
        [[gnu::cold]] void begin_end() {
            ws.guard(nullptr);
            look_after(say_goodbye(ws, x_failed ? ws::close_code::internal_error : ws::close_code::normal));
        }
        void await_resume() {
            const outcome failed = supervised::await_resume();
            if (failed) of().x_server.note(log_level::error, *failed, ws.where());
            x_failed = static_cast<bool>(failed);
        }

    private:
        std::chrono::nanoseconds patience() const noexcept override { return of().x_server.options.cancel_grace; }

        owned<const http::request_head> x_request; // from `begin` on null for a handler that does not care for it
        std::uint64_t x_place; // of the admission's
    };

    // The WebSocket side.
    [[gnu::cold]] static scope::spawned converse(conversation held) {
        held.begin();
        co_await held;
        held.begin_end();
        co_await held;
    }

    // The first step; once it is done, a new time until the next one.
    [[gnu::cold]] void begin_stop() noexcept {
        x_loop.arm(*this, x_stops.requested() ? x_stops.grace() : x_server.options.stop_grace);
        if (exchanged(x_stopping, true)) return;
        x_listener.close();
        for (companion* each = x_server.beside.front(); each; each = x_server.beside.after(*each)) each->stop();
        x_waiting.cancel();
        open_websockets::close();
    }

    [[gnu::cold]] void break_off() noexcept {
        x_broken_off = true;
        x_loop.arm(*this, x_server.options.cancel_grace);
        x_clients.cancel();
        x_tasks.cancel();
        open_websockets::reset();
    }

    [[gnu::cold]] void give_up() noexcept {
        give_up(x_clients, "handler", open_websockets::where());
        give_up(x_tasks, "task", {});
    }
    [[gnu::cold]] void give_up(scope& those, std::string_view what, std::string_view where) noexcept {
        const std::size_t left = those.size();
        if (left == 0) return;
        x_server.note(log_level::error, concat({"gave up ", number_text(left), " ", what, left == 1 ? "" : "s",
                                                " that did not end when cancelled"}), where);
        those.abandon();
    }

    void stop_requested() noexcept override { begin_stop(); }
    [[gnu::cold]] void expire() noexcept override { x_broken_off ? give_up() : break_off(); }
    [[gnu::cold]] void on_cancel() noexcept override {
        begin_stop();
        break_off();
    }

    [[gnu::cold]] static void accepting_pauses(void* self, std::error_code why, std::chrono::nanoseconds) {
        static_cast<service*>(self)->x_server.note(log_level::warning, "accepting pauses", {}, why);
    }

    const server_setup& x_server;
    stop_switch& x_stops;
    net::listener x_listener;
    io::loop& x_loop;
    context x_waiting; // of those who wait for a request, and need not be waited for
    admission x_admission;
    bool x_stopping = false;
    bool x_broken_off = false;
    scope x_tasks;
    scope x_clients; // last: its coroutines use the rest
};

} // namespace weir::inline v0::detail
