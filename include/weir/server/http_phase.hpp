// The HTTP side of a server's connection: reads requests and answers them, until the connection ends or is upgraded.
//
// Each head has one deadline as a whole, and each 64 KiB of an answer has one, so a client that sends or reads by
// trickles is not kept. Whatever is wrong with a request is answered by a status and a sentence. Handshakes are judged here;
// plain requests are handed on to the server's `plain_requests`, with the connection, until they are answered. Loop thread
// only.
//
// All waiting but theirs is done by one coroutine, `run`; what is to be done next is decided between its waits by plain
// functions, which prepare a `step`.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/caught.hpp>
#include <weir/coro/in_context.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/protocol/http/body_framing.hpp>
#include <weir/protocol/http/head_parser.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/server/routes.hpp>
#include <weir/server/upgrade.hpp>

namespace weir::inline v0::detail {

class http_phase {
public:
    // Waits for requests take place in `waiting`, which is cancelled when the server stops. Everything that is given
    // must live until the task has ended. The stream has no owner after it when the handler of a plain request has made it a
    // WebSocket's.
    [[gnu::cold]] static task<> run(const server_setup& of, owned<io::stream>& stream, open_websockets& sockets, context& waiting,
                                    upgrade& to) {
        http_phase self(of, stream, sockets, waiting, to);
        std::chrono::nanoseconds patience = of.options.handshake_timeout;
        for (;;) {
            self.begin(patience);
            while (!self.read()) {
                const result<> told = co_await in_context(waiting, self.x_signal.readable().within(self.left()));
                if (!told) {
                    self.could_not_read(told.error());
                    break;
                }
            }
            if (self.x_step.asked) {
                const bool done = co_await caught(self.x_step.asked->call(self.x_on.request, self.x_said), self.x_thrown);
                self.checked(done);
            } else if (self.x_step.is_plain) {
                self.x_signal.detach();
                co_await of.plain->serve(self.x_on);
                self.served();
            }
            while (!self.write()) {
                const result<> told = co_await self.x_signal.writable().within(self.left());
                if (!told) stream->reset();
            }
            if (!self.x_step.again) break;
            patience = of.options.keep_alive_timeout;
            (void)co_await yield(); // one client's pipeline does not keep others waiting
        }
        if (self.hand_over()) co_return;
        for (;;) { // a socket that is closed with bytes unread would take back what was just written
            const io::status what = self.discard();
            if (what == io::status::ready && self.left().count() > 0) {
                (void)co_await yield();
            } else if (what == io::status::blocked) {
                const result<> told = co_await self.x_signal.readable().within(self.left());
                if (!told) break;
            } else {
                break;
            }
        }
    }

private:
    static constexpr std::chrono::nanoseconds finish_timeout = std::chrono::seconds(2);
    static constexpr std::size_t write_step_bytes = 64 * 1024;

    // What is to be done about a request.
    struct step {
        request_handler* asked = nullptr; // whether the handshake is welcome
        websocket_route* route = nullptr; // what the handshake is for
        bool is_plain = false;            // it is for those who answer plain requests
        bool head_only = false;
        bool again = false;    // another request may follow
        bool answered = false; // what is written is an answer, which the client is to have
        bool upgraded = false; // what is written accepts the handshake
    };

    http_phase(const server_setup& of, owned<io::stream>& stream, open_websockets& sockets, context& waiting, upgrade& to) noexcept
        : x_server(of), x_stream(*stream), x_waiting(waiting), x_signal(*stream), x_parser(of.options.head),
          x_on{of, *stream, stream, sockets, waiting, {}, {}, {}, {}}, x_to(to) {}
    [[gnu::cold]] ~http_phase() {
        if (x_on.owner) x_stream.release(std::move(x_on.lease));
    }

    // --- reading and writing: each does what can be done now ---

    void begin(std::chrono::nanoseconds patience) noexcept {
        x_step = {};
        x_parser.reset();
        wait_at_most(patience);
    }

    // False while more is to come; then it is decided what to do.
    [[gnu::cold]] bool read() {
        for (;;) {
            bytes_view input = x_on.rest;
            const http::parse_status status = x_parser.parse(input);
            x_on.rest = x_on.rest.last(input.size());
            if (status == http::parse_status::done) {
                x_on.request = x_parser.take();
                judge();
                return true;
            }
            if (status == http::parse_status::failed) return could_not_read(x_parser.error()), true;
            x_stream.release(exchanged(x_on.lease, {}));
            x_on.rest = {};
            switch (x_stream.fill(x_on.lease)) {
            case io::status::ready: x_on.rest = x_on.lease.bytes; break;
            case io::status::blocked: return false;
            case io::status::end:
                could_not_read(x_parser.started() ? error(errc::end_of_stream, "in the middle of an HTTP head")
                                                  : error(errc::end_of_stream));
                return true;
            case io::status::failed: return could_not_read(error(x_stream.failure(), x_stream.failure_detail())), true;
            }
        }
    }

    // True when everything is out, or the client is gone.
    [[gnu::cold]] bool write() noexcept {
        while (!x_on.text.empty() && !x_stream.failure()) {
            if (x_written == x_step_end) {
                x_step_end = x_on.text.size() - x_written > write_step_bytes ? x_written + write_step_bytes : x_on.text.size();
                wait_at_most(x_server.options.handshake_timeout);
            }
            const bytes_view next = as_bytes(x_on.text).subspan(x_written, x_step_end - x_written);
            x_written += x_stream.write_piece(next);
            if (x_written == x_on.text.size()) return forget_text(), true;
            if (x_written < x_step_end && !x_stream.failure()) return false;
        }
        if (!x_on.text.empty()) x_step = {};
        forget_text();
        return true;
    }

    void forget_text() noexcept {
        x_on.text.clear();
        x_written = x_step_end = 0;
    }

    // After the last request: true when the connection now is a WebSocket's, or of nobody any more.
    [[gnu::cold]] bool hand_over() {
        if (x_step.upgraded) {
            x_signal.detach();
            x_to.rest = x_on.rest;
            x_to.lease = exchanged(x_on.lease, {});
            x_to.request = make_owned<http::request_head>(std::move(x_on.request));
            x_to.route = x_step.route;
            return true;
        }
        if (!x_step.answered) return true;
        x_stream.shutdown_write();
        wait_at_most(finish_timeout);
        return false;
    }

    // Throws away what has come.
    [[gnu::cold]] io::status discard() noexcept {
        x_stream.release(exchanged(x_on.lease, {}));
        return x_stream.fill(x_on.lease);
    }

    void wait_at_most(std::chrono::nanoseconds time) noexcept {
        constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365); // as the loop's
        x_until = x_waiting.runs_on().now() + (time < longest ? time : longest);
    }
    std::chrono::nanoseconds left() const noexcept { return x_until - x_waiting.runs_on().now(); }

    // --- deciding: each prepares x_step, and the text if there is something to say ---

    // No request could be read. Says why, where there is somebody to hear it.
    [[gnu::cold]] void could_not_read(const error& why) {
        const bool started = x_parser.started();
        const bool half = why == errc::end_of_stream && started;
        if (x_stream.failure() && x_stream.failure() == why.code()) {
            if (why.context().empty()) return;
            note(why == condition::disconnected ? log_level::debug : log_level::warning, why.context(), why); // of TLS
        } else if (why == condition::protocol || why == condition::limit || half) {
            note(log_level::warning, concat({"not a request: ", why.message()}), why);
            refuse(http::status_for(why), why.message());
        } else if (why == errc::timed_out && started) {
            refuse(http::status::request_timeout, "The request took too long.");
        }
    }

    [[gnu::cold]] void judge() {
        const std::string_view path = x_on.request.path();
        websocket_route* const route = x_server.table.websocket_at(path);
        const bool shared = route && x_server.plain && x_server.plain->shares(path);
        if (route && (!shared || x_on.request.fields.has_token("Upgrade", "websocket"))) return judge_handshake(*route);
        x_step.is_plain = static_cast<bool>(x_server.plain);
        x_step.head_only = x_on.request.method == "HEAD";
        if (!x_step.is_plain) respond(response(http::status::not_found, "There is nothing at this path.\n"));
    }

    // A plain request is answered, or its client is gone, or the stream is a WebSocket's.
    void served() noexcept {
        if (!x_on.owner) return void(x_step = {});
        x_signal.attach(x_stream);
        x_step.again = x_on.again;
        x_step.answered = x_on.answered;
    }

    // RFC 6455, section 4.2: judges the handshake.
    [[gnu::cold]] void judge_handshake(websocket_route& route) {
        if (const ws::handshake_refusal refusal = ws::check_request(x_on.request)) {
            note(log_level::warning, refusal.sentence, refusal.reason, route.path());
            response refused(refusal.status, concat({refusal.sentence, "\n"}));
            refused.fields = refusal.head().fields;
            x_step.head_only = x_on.request.method == "HEAD";
            return respond(std::move(refused));
        }
        if (!route.welcomes(x_on.request)) {
            note(log_level::warning, concat({"origin refused: ", x_on.request.fields.get("Origin").value_or("")}),
                 errc::origin_refused, route.path());
            return refuse(http::status::forbidden, "Pages of this origin may not connect here.");
        }
        x_step.route = &route;
        x_step.asked = route.check();
        if (!x_step.asked) accept();
    }

    [[gnu::cold]] void checked(bool done) {
        if (!done) {
            note(log_level::error, concat({"a check threw: ", x_thrown}), {}, x_step.route->path());
            return refuse(http::status::internal_server_error, "The server failed to answer.");
        }
        if (!x_said) return accept();
        note(log_level::info, "handshake refused by the application", {}, x_step.route->path());
        respond_for_application(std::move(*x_said));
    }

    [[gnu::cold]] void accept() {
        if (x_waiting.canceled()) return refuse(http::status::service_unavailable, "The server is stopping.");
        const result<http::response_head> accepted =
            accept_handshake(x_on.request, x_step.route->supported(), x_server.websocket->compression, {}, x_to);
        if (!accepted || !http::append_head(x_on.text, *accepted)) return;
        x_step.upgraded = true;
    }

    [[gnu::cold]] void refuse(http::status code, std::string_view why) {
        x_step = {};
        respond(response(code, concat({why, "\n"})));
    }

    // What an application answers, without what is not its own to say.
    [[gnu::cold]] void respond_for_application(response made) {
        if (const std::string wrong = tidy(made); !wrong.empty()) note(log_level::error, wrong, {});
        respond(made);
    }

    [[gnu::cold]] void respond(const response& answer) {
        http::response_options how;
        how.head_only = x_step.head_only;
        how.content_type = answer.content_type;
        how.extra = &answer.fields;
        if (!http::append_response(x_on.text, answer.status, answer.body, how))
            return note(log_level::error, "a response that cannot be sent", {});
        x_step.answered = true;
    }

    // `at` is a route; without one it says who the client is.
    [[gnu::cold]] void note(log_level level, std::string_view what, std::error_code why,
                            std::string_view at = {}) const {
        if (!x_server.options.log) return;
        const std::string who = net::peer_name(x_stream);
        x_server.note(level, what, concat({at, at.empty() || who.empty() ? "" : ", ", who}), why);
    }

    const server_setup& x_server;
    io::stream& x_stream;
    context& x_waiting;
    io::stream_signal x_signal;
    http::request_parser x_parser;
    http_connection x_on;
    std::size_t x_written = 0;
    std::size_t x_step_end = 0; // where in its text the deadline is renewed
    std::chrono::nanoseconds x_until{0};
    std::string x_thrown;
    std::optional<response> x_said; // by the application
    step x_step;
    upgrade& x_to;
};

} // namespace weir::inline v0::detail
