// The HTTP side of a server's connection: reads requests and answers them, until the connection ends or is upgraded.
//
// Each head has one deadline as a whole, and each 64 KiB of an answer has one, so a client that sends or reads by
// trickles is not kept. Whatever is wrong with a request is answered by a status and a sentence. Nothing is kept of a
// body: after a request with one the connection is closed. Loop thread only.
//
// All waiting is done by one coroutine, `run`; what is to be done next is decided between its waits by plain functions,
// which prepare a `step`.
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
#include <weir/protocol/ws/message_codec.hpp>
#include <weir/protocol/ws/server_handshake.hpp>
#include <weir/server/routes.hpp>

namespace weir::inline v0::detail {

// What the HTTP side of a connection leaves to the WebSocket side.
struct upgrade {
    websocket_route* route = nullptr; // null: there was no handshake, or it was refused
    owned<http::request_head> request;
    std::string subprotocol;
    owned<ws::message_codec> codec; // null: messages are not compressed
    io::lease lease; // of the stream, with what came behind the handshake in `rest`
    mutable_bytes rest;
};

class http_phase {
public:
    // Waits for requests take place in `waiting`, which is cancelled when the server stops. Everything that is given
    // must live until the task has ended.
    [[gnu::cold]] static task<> run(const server_setup& of, io::stream& stream, context& waiting, upgrade& to) {
        http_phase self(of, stream, waiting, to);
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
                const bool done = co_await caught(self.x_step.asked->call(self.x_head, self.x_said), self.x_thrown);
                self.told(done);
            }
            while (!self.write()) {
                const result<> told = co_await self.x_signal.writable().within(self.left());
                if (!told) stream.reset();
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
        request_handler* asked = nullptr; // for the answer, or whether the handshake is welcome
        websocket_route* route = nullptr; // what the handshake is for
        http::response_options how = {};
        bool again = false;    // another request may follow
        bool answered = false; // what is written is an answer, which the client is to have
        bool upgraded = false; // what is written accepts the handshake
    };

    http_phase(const server_setup& of, io::stream& stream, context& waiting, upgrade& to) noexcept
        : x_server(of), x_stream(stream), x_waiting(waiting), x_signal(stream), x_parser(of.options.head), x_to(to) {}
    [[gnu::cold]] ~http_phase() { x_stream.release(std::move(x_lease)); }

    // --- reading and writing: each does what can be done now ---

    void begin(std::chrono::nanoseconds patience) noexcept {
        x_step = {};
        x_parser.reset();
        wait_at_most(patience);
    }

    // False while more is to come; then it is decided what to do.
    [[gnu::cold]] bool read() {
        for (;;) {
            bytes_view input = x_rest;
            const http::parse_status status = x_parser.parse(input);
            x_rest = x_rest.last(input.size());
            if (status == http::parse_status::done) {
                x_head = x_parser.take();
                judge();
                return true;
            }
            if (status == http::parse_status::failed) return could_not_read(x_parser.error()), true;
            x_stream.release(exchanged(x_lease, {}));
            x_rest = {};
            switch (x_stream.fill(x_lease)) {
            case io::status::ready: x_rest = x_lease.bytes; break;
            case io::status::blocked: return false;
            case io::status::end:
                could_not_read(x_parser.started() ? error(errc::end_of_stream, "in the middle of an HTTP head")
                                                  : error(errc::end_of_stream));
                return true;
            case io::status::failed: return could_not_read(x_stream.failure()), true;
            }
        }
    }

    // True when everything is out, or the client is gone.
    [[gnu::cold]] bool write() noexcept {
        while (!x_text.empty() && !x_stream.failure()) {
            if (x_written == x_step_end) {
                x_step_end = x_text.size() - x_written > write_step_bytes ? x_written + write_step_bytes : x_text.size();
                wait_at_most(x_server.options.handshake_timeout);
            }
            const bytes_view next = as_bytes(x_text).subspan(x_written, x_step_end - x_written);
            x_written += x_stream.write_piece(next);
            if (x_written == x_text.size()) return forget_text(), true;
            if (x_written < x_step_end && !x_stream.failure()) return false;
        }
        if (!x_text.empty()) x_step = {};
        forget_text();
        return true;
    }

    void forget_text() noexcept {
        x_text.clear();
        x_written = x_step_end = 0;
    }

    // After the last request: true when the connection now is a WebSocket's, or of nobody any more.
    [[gnu::cold]] bool hand_over() {
        if (x_step.upgraded) {
            x_signal.detach();
            x_to.rest = x_rest;
            x_to.lease = exchanged(x_lease, {});
            x_to.request = make_owned<http::request_head>(std::move(x_head));
            x_to.route = x_step.route;
            return true;
        }
        if (!x_step.answered) return true;
        x_stream.shutdown_write();
        wait_at_most(finish_timeout);
        return false;
    }

    // Throws away what has come.
    io::status discard() noexcept {
        x_stream.release(exchanged(x_lease, {}));
        return x_stream.fill(x_lease);
    }

    void wait_at_most(std::chrono::nanoseconds time) noexcept {
        constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365); // as the loop's
        x_until = x_waiting.runs_on().now() + (time < longest ? time : longest);
    }
    std::chrono::nanoseconds left() const noexcept { return x_until - x_waiting.runs_on().now(); }

    // --- deciding: each prepares x_step, and x_text if there is something to say ---

    // No request could be read. Says why, where there is somebody to hear it.
    [[gnu::cold]] void could_not_read(const error& why) {
        const bool started = x_parser.started();
        const bool half = why == errc::end_of_stream && started;
        if (why == condition::protocol || why == condition::limit || half) {
            note(log_level::warning, concat({"not a request: ", why.message()}), why);
            refuse(http::status_for(why), why.message());
        } else if (why == errc::timed_out && started) {
            refuse(http::status::request_timeout, "The request took too long.");
        }
    }

    [[gnu::cold]] void judge() {
        const std::string_view path = x_head.path();
        websocket_route* const route = x_server.table.websocket_at(path);
        const get_route* const get = x_server.table.get_at(path);
        if (route && (!get || x_head.fields.has_token("Upgrade", "websocket"))) return judge_handshake(*route);

        const result<http::body_framing> framing = http::framing_of(x_head);
        if (!framing) return could_not_read(framing.error());
        x_step.how.keep_alive = x_head.version_minor > 0 && x_head.keep_alive() &&
                                framing->kind == http::body_kind::none && !x_waiting.canceled();
        x_step.how.head_only = x_head.method == "HEAD";
        if (!get) return respond(response(http::status::not_found, "There is nothing at this path.\n"));
        if (x_head.method != "GET" && x_head.method != "HEAD") {
            response refused(http::status::method_not_allowed, "This path answers GET and HEAD only.\n");
            refused.fields.add("Allow", "GET, HEAD");
            return respond(std::move(refused));
        }
        x_step.asked = get->handler.get();
    }

    // The application has said what it has to, or has thrown.
    void told(bool done) {
        if (x_step.route)
            checked(done);
        else
            handled(done);
        x_said.reset();
    }

    [[gnu::cold]] void handled(bool done) {
        if (done) return respond_for_application(std::move(*x_said));
        note(log_level::error, concat({"a handler threw: ", x_thrown}), {}, x_head.path());
        respond(response(http::status::internal_server_error, "The server failed to answer.\n"));
    }

    // RFC 6455, section 4.2: judges the handshake.
    [[gnu::cold]] void judge_handshake(websocket_route& route) {
        if (const ws::handshake_refusal refusal = ws::check_request(x_head)) {
            note(log_level::warning, refusal.sentence, refusal.reason, route.path());
            response refused(refusal.status, concat({refusal.sentence, "\n"}));
            refused.fields = refusal.head().fields;
            x_step.how.head_only = x_head.method == "HEAD";
            return respond(std::move(refused));
        }
        if (!route.welcomes(x_head)) {
            note(log_level::warning, concat({"origin refused: ", x_head.fields.get("Origin").value_or("")}),
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
        const std::string_view subprotocol = ws::choose_subprotocol(x_head, x_step.route->supported());
        const compression_choice& compressed = x_server.websocket->compression;
        if (compressed.method()) x_to.codec = compressed.method()->accept(x_head.fields, compressed.options());
        const result<http::response_head> accepted =
            ws::make_response(x_head, subprotocol, {}, x_to.codec ? x_to.codec->agreed() : std::string_view());
        if (!accepted || !http::append_head(x_text, *accepted)) return;
        x_to.subprotocol = subprotocol;
        x_step.upgraded = true;
    }

    [[gnu::cold]] void refuse(http::status code, std::string_view why) {
        x_step.how = {};
        respond(response(code, concat({why, "\n"})));
    }

    // What an application answers, without what is not its own to say.
    [[gnu::cold]] void respond_for_application(response made) {
        const unsigned code = http::to_number(made.status);
        if (code < 200 || code > 599) {
            note(log_level::error, concat({"an answer with the status ", number_text(code)}), {});
            made = response(http::status::internal_server_error, "The server failed to answer.\n");
        }
        for (const std::string_view own : {"Content-Length", "Transfer-Encoding", "Connection"})
            made.fields.remove(own);
        if (made.fields.count("Content-Type") > 0) made.content_type.clear();
        respond(std::move(made));
    }

    [[gnu::cold]] void respond(const response& answer) {
        http::response_options how = x_step.how;
        how.content_type = answer.content_type;
        how.extra = &answer.fields;
        if (!http::append_response(x_text, answer.status, answer.body, how))
            return note(log_level::error, "a response that cannot be sent", {});
        x_step.answered = true;
        x_step.again = how.keep_alive;
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
    http::request_head x_head; // of the request that is being answered
    io::lease x_lease;
    mutable_bytes x_rest; // what of the lease has not been used
    std::string x_text;   // what is being written
    std::size_t x_written = 0;
    std::size_t x_step_end = 0; // where in x_text the deadline is renewed
    std::chrono::nanoseconds x_until{0};
    std::string x_thrown;
    std::optional<response> x_said; // by the application
    step x_step;
    upgrade& x_to;
};

} // namespace weir::inline v0::detail
