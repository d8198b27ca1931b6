// The HTTP side of a server's connection: reads requests and answers them, until the connection ends or is upgraded.
//
// Each head has one deadline as a whole, and each 64 KiB of an answer has one, so a client that sends or reads by
// trickles is not kept. Whatever is wrong with a request is answered by a status and a sentence. Nothing is kept of a
// body: after a request with one the connection is closed. Loop thread only.
#pragma once

#include <weir/coro/caught.hpp>
#include <weir/coro/in_context.hpp>
#include <weir/coro/yield.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/protocol/http/body_framing.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/server_handshake.hpp>
#include <weir/server/routes.hpp>
#include <weir/transport/byte_source.hpp>

namespace weir::inline v0::detail {

// What the HTTP side of a connection leaves to the WebSocket side.
struct upgrade {
    websocket_route* route = nullptr; // null: there was no handshake, or it was refused
    std::unique_ptr<http::request_head> request;
    std::string subprotocol;
    io::lease lease; // of the stream, with what came behind the handshake in `rest`
    mutable_bytes rest;
};

class http_phase {
public:
    // Waits for requests take place in `waiting`, which is cancelled when the server stops. Everything that is given
    // must live until the task has ended.
    static task<> run(const server_setup& of, io::stream& stream, context& waiting, upgrade& to) {
        http_phase self(of, stream, waiting, to);
        std::chrono::nanoseconds patience = of.options.handshake_timeout;
        bool again = true;
        while (again) {
            http::request_parser parser(of.options.head);
            self.x_answered = false;
            result<http::request_head> head =
                co_await in_context(waiting, self.x_source.read_head(parser).within(patience));
            if (head)
                again = co_await self.answer(*head);
            else
                again = co_await self.refuse_head(head.error(), parser.started());
            patience = of.options.keep_alive_timeout;
            if (again) (void)co_await yield(); // one client's pipeline does not keep others waiting
        }
        if (to.route) {
            to.rest = self.x_source.rest();
            to.lease = self.x_source.take_lease();
        } else if (self.x_answered) {
            (void)co_await self.x_source.finish().within(finish_timeout);
        }
    }

private:
    static constexpr std::chrono::nanoseconds finish_timeout = std::chrono::seconds(2);
    static constexpr std::size_t write_step_bytes = 64 * 1024;

    http_phase(const server_setup& of, io::stream& stream, context& waiting, upgrade& to) noexcept
        : x_server(of), x_stream(stream), x_waiting(waiting), x_source(stream), x_to(to) {}

    // --- each of these gives whether another request may follow ---

    // No request could be read. Says why, where there is somebody to hear it.
    task<bool> refuse_head(const error& why, bool started) {
        const bool half = why == errc::end_of_stream && started;
        if (why == condition::protocol || why == condition::limit || half) {
            note(log_level::warning, "not a request: " + why.message(), why);
            co_return co_await refuse(http::status_for(why), why.message());
        }
        if (why == errc::timed_out && started)
            co_return co_await refuse(http::status::request_timeout, "The request took too long.");
        co_return false;
    }

    task<bool> answer(http::request_head& head) {
        const std::string_view path = head.path();
        websocket_route* const route = x_server.table.websocket_at(path);
        const get_route* const get = x_server.table.get_at(path);
        if (route && (!get || head.fields.has_token("Upgrade", "websocket")))
            co_return co_await shake_hands(head, *route);

        const result<http::body_framing> framing = http::framing_of(head);
        if (!framing) co_return co_await refuse_head(framing.error(), true);
        const bool again = head.version_minor > 0 && head.keep_alive() && framing->kind == http::body_kind::none &&
                           !x_waiting.canceled();
        const http::response_options how{.keep_alive = again, .head_only = head.method == "HEAD"};
        if (!get)
            co_return co_await respond(response(http::status::not_found, "There is nothing at this path.\n"), how);
        if (head.method != "GET" && head.method != "HEAD") {
            response refused(http::status::method_not_allowed, "This path answers GET and HEAD only.\n");
            refused.fields.add("Allow", "GET, HEAD");
            co_return co_await respond(std::move(refused), how);
        }
        std::string thrown;
        std::optional<response> made = co_await caught(get->handler->call(head), thrown);
        if (!made) {
            note(log_level::error, "a handler threw: " + thrown, {}, path);
            made.emplace(http::status::internal_server_error, "The server failed to answer.\n");
        }
        co_return co_await respond(proper(std::move(*made)), how);
    }

    // RFC 6455, section 4.2: judges the handshake, and accepts or refuses it. Gives false in any case.
    task<bool> shake_hands(http::request_head& head, websocket_route& route) {
        if (const ws::handshake_refusal refusal = ws::check_request(head)) {
            note(log_level::warning, refusal.sentence, refusal.reason, route.path());
            response refused(refusal.status, sentence(refusal.sentence));
            refused.fields = refusal.head().fields;
            const http::response_options how{.head_only = head.method == "HEAD"};
            co_return co_await respond(std::move(refused), how);
        }
        if (!route.welcomes(head)) {
            note(log_level::warning, "origin refused: " + std::string(head.fields.get("Origin").value_or("")),
                 errc::origin_refused, route.path());
            co_return co_await refuse(http::status::forbidden, "Pages of this origin may not connect here.");
        }
        if (route.check()) {
            std::string thrown;
            std::optional<std::optional<response>> checked = co_await caught(route.check()->call(head), thrown);
            if (!checked) {
                note(log_level::error, "a check threw: " + thrown, {}, route.path());
                co_return co_await refuse(http::status::internal_server_error, "The server failed to answer.");
            }
            if (*checked) {
                note(log_level::info, "handshake refused by the application", {}, route.path());
                const http::response_options last;
                co_return co_await respond(proper(std::move(**checked)), last);
            }
        }
        if (x_waiting.canceled())
            co_return co_await refuse(http::status::service_unavailable, "The server is stopping.");

        const std::vector<std::string_view> supported = route.supported();
        const std::string_view subprotocol = ws::choose_subprotocol(head, supported);
        const result<http::response_head> accepted = ws::make_response(head, subprotocol);
        std::string text;
        if (!accepted || !http::append_head(text, *accepted)) co_return false;
        const bool written = co_await write(text);
        if (!written) co_return false;
        x_to.subprotocol = subprotocol;
        x_to.request = std::make_unique<http::request_head>(std::move(head));
        x_to.route = &route;
        co_return false;
    }

    task<bool> refuse(http::status code, std::string_view why) {
        const http::response_options last;
        response made(code, sentence(why));
        co_return co_await respond(std::move(made), last);
    }

    task<bool> respond(response answer, http::response_options how) {
        how.content_type = answer.content_type;
        how.extra = &answer.fields;
        std::string text;
        if (!http::append_response(text, answer.status, answer.body, how)) {
            note(log_level::error, "a response that cannot be sent", {});
            co_return false;
        }
        answer.body = {};
        const bool written = co_await write(text);
        x_answered = written;
        co_return written && how.keep_alive;
    }

    // --- the rest ---

    // What an application answers, without what is not its own to say.
    response proper(response made) const {
        const unsigned code = http::to_number(made.status);
        if (code < 200 || code > 599) {
            note(log_level::error, "an answer with the status " + std::to_string(code), {});
            made = response(http::status::internal_server_error, "The server failed to answer.\n");
        }
        for (const std::string_view own : {"Content-Length", "Transfer-Encoding", "Connection"})
            made.fields.remove(own);
        if (made.fields.count("Content-Type") > 0) made.content_type.clear();
        return made;
    }

    // False when the client is gone, or does not take it: then the connection is broken off.
    task<bool> write(std::string_view text) {
        while (!text.empty()) {
            const std::string_view step = text.substr(0, write_step_bytes);
            const result<> written = co_await x_source.write(as_bytes(step)).within(x_server.options.handshake_timeout);
            if (!written) {
                x_stream.reset();
                co_return false;
            }
            text.remove_prefix(step.size());
        }
        co_return true;
    }

    static std::string sentence(std::string_view text) {
        std::string line(text);
        line += '\n';
        return line;
    }

    // `at` is a route; without one it says who the client is.
    void note(log_level level, std::string_view what, std::error_code why, std::string_view at = {}) const {
        if (!x_server.options.log) return;
        std::string where(at);
        if (const net::endpoint peer = net::peer_endpoint(x_stream)) {
            if (!where.empty()) where += ", ";
            where += peer.to_string();
        }
        x_server.note(level, what, where, why);
    }

    const server_setup& x_server;
    io::stream& x_stream;
    context& x_waiting;
    byte_source x_source;
    upgrade& x_to;
    bool x_answered = false; // to the last request that was read; the client is to have it
};

} // namespace weir::inline v0::detail
