// A channel's plain requests: polling, long polling, event streams, and what their clients send.
//
// A GET opens a session or fetches from one, a POST sends, a DELETE closes: protocol/channel/README.md says how. What is wrong
// is answered by a status and an `e` record with the same number. Each request is a task that is destroyed or cancelled when
// its client goes away; what it had not delivered stays in the session. Loop thread only.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/utf8.hpp>
#include <weir/coro/yield.hpp>
#include <weir/server/channel_service.hpp>
#include <weir/server/exchange.hpp>
#include <weir/transport/session_room.hpp>
#include <weir/transport/waiting_carrier.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class channel_requests {
    using session = basic_session<Tag>;
    using taken = taken_up<Tag>;
    using request_for = carrier_request<Tag>;
    using waiting_carrier = basic_waiting_carrier<Tag>;

public:
    explicit channel_requests(channel_service<Tag>& of) noexcept : x_of(of) {}

    // Answers one request.
    task<> serve(exchange& http) {
        const std::string_view method = http.request().method;
        http.share(nullptr); // who may read the answers says the channel's route
        if (!x_of.route().welcomes(http.request())) return refuse(http, 403, "pages of this origin may not use this channel");
        if (method == "OPTIONS") return preflight(http);
        if (x_of.route().check()) return serve_if_admitted(http);
        return serve_method(http);
    }

private:
    static constexpr std::size_t answer_bytes = 256 * 1024; // more is left for the next answer
    static constexpr std::size_t event_bytes = 64 * 1024;   // that are written to an event stream at a time

    // --- answers ---

    // Says who may read what is answered, and that nobody may keep it.
    void add_fields(const exchange& http, http::fields& to) const {
        to.add("Cache-Control", "no-store");
        to.add("X-Content-Type-Options", "nosniff");
        const auto origin = http.request().fields.get("Origin");
        if (!origin || ws::same_origin(http.request()) || !x_of.route().welcomes(http.request())) return;
        const bool any = x_of.route().takes_any_origin();
        to.add("Access-Control-Allow-Origin", any ? std::string_view("*") : *origin);
        if (!any) to.add("Access-Control-Allow-Credentials", "true");
        to.add("Vary", "Origin");
    }

    void answer(exchange& http, unsigned status, std::string text) const {
        response made(static_cast<http::status>(status), std::move(text));
        add_fields(http, made.fields);
        if (status == 503) made.fields.add("Retry-After", "5");
        if (status == 405) made.fields.add("Allow", "GET, POST, DELETE, OPTIONS");
        http.respond(std::move(made));
    }

    task<> refuse(exchange& http, unsigned number, std::string_view why) const {
        std::string text;
        envelope::append_sentence(text, envelope::kind::failed, number, why);
        text += '\n';
        answer(http, number, std::move(text));
        return nothing_more();
    }
    static task<> nothing_more() { co_return; }

    // --- what is asked ---

    task<> preflight(exchange& http) const {
        response made(http::status::no_content);
        add_fields(http, made.fields);
        made.fields.add("Allow", "GET, POST, DELETE, OPTIONS");
        made.fields.add("Access-Control-Allow-Methods", "GET, POST, DELETE");
        made.fields.add("Access-Control-Allow-Headers", "Content-Type, Last-Event-ID");
        made.fields.add("Access-Control-Max-Age", "600");
        http.respond(std::move(made));
        return nothing_more();
    }

    task<> serve_if_admitted(exchange& http) {
        std::optional<response> refused;
        co_await x_of.route().check()->call(http.request(), refused);
        if (refused) {
            add_fields(http, refused->fields);
            http.respond(std::move(*refused));
        } else {
            co_await serve_method(http);
        }
    }

    task<> serve_method(exchange& http) {
        const http::request_head& request = http.request();
        const std::string_view last_event_id = request.fields.get("Last-Event-ID").value_or("");
        const request_for asked(request.query(), last_event_id);
        if (request.method == "GET") return get(http, asked);
        if (request.method != "POST" && request.method != "DELETE")
            return refuse(http, 405, "a channel answers GET, POST and DELETE");
        if (!asked.wrong.empty()) return refuse(http, 400, asked.wrong);
        if (asked.session.empty()) return refuse(http, 400, "no 'session': a GET opens one");
        shared<session> held = x_of.find(asked.session, http.security());
        if (!held) return refuse(http, 404, "there is no such session, or not any more");
        held->heard();
        if (request.method == "POST") return post(http, std::move(held));
        held->close(close_cause::peer, ws::close_code::normal, {});
        std::string text;
        append_closed(text, *held);
        answer(http, 200, std::move(text += '\n'));
        held->client_knows();
        return nothing_more();
    }

    // --- fetching ---

    task<> get(exchange& http, const request_for& asked) {
        transport_kind kind = transport_kind::polling;
        if (asked.transport) {
            kind = *asked.transport;
            if (kind == transport_kind::websocket) return refuse(http, 400, "'transport=websocket' without a handshake");
        } else if (http.request().fields.get("Accept").value_or("").find("text/event-stream") != std::string_view::npos) {
            kind = transport_kind::event_stream;
        } else if (const shared<session> known = x_of.find(asked.session, http.security())) {
            if (known->transport() == transport_kind::long_polling) kind = transport_kind::long_polling;
        }
        taken made = x_of.take_up(asked, kind, &http.request(), http.security());
        if (!made.held) return refuse(http, made.refusal, made.why);
        if (kind == transport_kind::event_stream) return stream(http, std::move(made), asked.names_session);
        if (made.is_new) return open(http, std::move(made), kind);
        return fetch(http, std::move(made.held), kind);
    }

    // A session that was opened is fetched from by the next request.
    task<> open(exchange& http, taken made, transport_kind kind) const {
        const waiting_carrier here(*made.held, kind);
        answer(http, 200, x_of.greeting(made) += '\n');
        return nothing_more();
    }

    task<> fetch(exchange& http, shared<session> from, transport_kind kind) const {
        waiting_carrier here(*from, kind);
        if (!here.has_news()) (void)co_await yield(); // senders that waited for what was just acknowledged go on
        if (!here.has_news() && kind == transport_kind::long_polling) {
            const result<> told = co_await here.news().within(from->options().heartbeat);
            if (!told && told.error() == errc::canceled) co_return;
        }
        if (here.is_superseded()) {
            co_await refuse(http, 409, "another request has taken over this session");
            co_return;
        }
        std::string lines = take_lines(*from);
        if (lines.empty() && kind == transport_kind::long_polling) lines = "h\n";
        answer(http, 200, std::move(lines));
    }

    // All that waits, as far as it fits into one answer.
    std::string take_lines(session& from) const {
        std::string lines;
        while (from.has_next() && lines.size() < answer_bytes) {
            const owned_message& next = from.next();
            envelope::append_message_line(lines, from.next_number(), next.is_text, as_bytes(next.data));
            lines += '\n';
            from.hand_out();
        }
        from.handed_out();
        if (!from.has_next() && !from.is_open()) {
            append_closed(lines, from);
            lines += '\n';
        }
        return lines;
    }

    // --- event streams ---

    task<> stream(exchange& http, taken made, bool short_ids) const {
        session& from = *made.held;
        waiting_carrier here(from, transport_kind::event_stream);
        std::string events = concat({"data: ", x_of.greeting(made), "\n\n"});
        response_stream& out = begin_stream(http);
        for (bool over = false; !over;) {
            if (events.empty()) {
                const result<> told = co_await here.news().within(from.options().heartbeat);
                if (!told && told.error() == errc::canceled) co_return;
                over = take_events(events, from, here.is_superseded(), short_ids);
            }
            const send_status written = co_await out.write(as_bytes(events));
            if (!written) co_return;
            events = std::string();
        }
        if (!here.is_superseded() && !from.is_open() && from.queued_bytes() == 0) from.client_knows();
    }

    response_stream& begin_stream(exchange& http) const {
        response head(std::string(), "text/event-stream");
        add_fields(http, head.fields);
        head.fields.add("X-Accel-Buffering", "no"); // some proxies would keep it until it is over
        return http.stream(std::move(head));
    }

    // What is to be said, at least a heartbeat. True when nothing comes after it.
    bool take_events(std::string& events, session& from, bool superseded, bool short_ids) const {
        if (superseded) {
            events = "data: e409 another request has taken over this session\n\n";
            return true;
        }
        while (from.has_next() && events.size() < event_bytes) {
            const owned_message& next = from.next();
            events += "id: ";
            if (!short_ids) events.append(from.id()).append(".");
            events.append(number_text(from.next_number())).append("\ndata: ");
            envelope::append_message_line(events, from.next_number(), next.is_text, as_bytes(next.data));
            events += "\n\n";
            from.hand_out();
        }
        from.handed_out();
        if (from.has_next()) return false;
        if (from.is_silent())
            from.close_for_silence();
        if (from.is_open()) {
            if (events.empty()) events = "data: h\n\n";
            return false;
        }
        events += "data: ";
        append_closed(events, from);
        events += "\n\n";
        return true;
    }

    // --- sending ---

    // What became of a body so far.
    struct posting {
        std::string_view rest; // lines that were not taken
        unsigned refusal = 0;
        std::string why;
        bool wants_room = false; // for the first of them
        bool closes = false;     // the client has closed the session
    };

    task<> post(exchange& http, shared<session> to) {
        const result<std::string_view> body = co_await http.body(x_of.limit_bytes());
        if (!body) {
            if (body.error() == errc::body_too_large) {
                const std::string why = concat({"a body of more than ", number_text(x_of.limit_bytes()), " bytes"});
                co_await refuse(http, 413, why);
            }
            co_return; // the exchange says the rest
        }
        posting all;
        all.rest = *body;
        while (!take(*to, all)) {
            const result<> told = co_await room_for_more(*to).within(x_of.patience());
            if (told) continue;
            if (told.error() == errc::canceled) co_return;
            if (told.error() == errc::timed_out) {
                all.refusal = 503;
                all.why = "the handler takes nothing at the moment";
                break;
            }
        }
        finish(http, *to, all);
    }

    void finish(exchange& http, session& to, const posting& all) const {
        std::string text;
        envelope::append_number(text, envelope::kind::acknowledged, to.received());
        text += '\n';
        unsigned status = all.refusal ? all.refusal : 200;
        if (all.refusal) {
            envelope::append_sentence(text, envelope::kind::failed, all.refusal, all.why);
            text += '\n';
        } else if (!to.is_open()) {
            if (!all.closes) status = 410;
            if (all.closes || to.queued_bytes() == 0) { // it comes behind all messages, and those a GET fetches
                append_closed(text, to);
                text += '\n';
            }
        }
        answer(http, status, std::move(text));
        if (all.closes) to.client_knows();
    }

    // Takes lines, until all are taken or one is wrong (true), or there is no room for one.
    bool take(session& to, posting& all) const {
        while (!all.rest.empty() && to.is_open()) {
            const std::size_t end = all.rest.find('\n') == all.rest.npos ? all.rest.size() : all.rest.find('\n');
            std::string_view line = all.rest.substr(0, end);
            if (line.ends_with('\r')) line.remove_suffix(1);
            if (!line.empty() && !take_line(to, line, all)) return !exchanged(all.wants_room, false);
            all.rest.remove_prefix(end == all.rest.size() ? end : end + 1);
        }
        return true;
    }

    bool take_line(session& to, std::string_view line, posting& all) const {
        const result<envelope::record> read = envelope::parse(line);
        if (!read) return wrong(all, 400, read.error().context());
        switch (read->what) {
        case envelope::kind::text:
        case envelope::kind::binary: return take_message(to, *read, all);
        case envelope::kind::acknowledged:
            return to.acknowledge(*read->number) == errc{} || wrong(all, 400, "what is acknowledged was never sent");
        case envelope::kind::heartbeat: return true;
        case envelope::kind::closed: {
            const std::optional<ws::close_code> code = envelope::close_code_of(*read);
            if (!code) return wrong(all, 400, "a close code that may not be sent");
            to.close(close_cause::peer, *code, read->rest);
            return all.closes = true;
        }
        default: return wrong(all, 400, "a record that only a server sends");
        }
    }

    bool take_message(session& to, const envelope::record& read, posting& all) const {
        const bool is_text = read.what == envelope::kind::text;
        std::optional<std::string> payload = envelope::payload_of_line(read);
        if (!payload) return wrong(all, 400, is_text ? "'\\' is followed by '\\', 'n' or 'r'" : "'b' with what is no base64");
        if (is_text && !is_utf8(as_bytes(*payload))) return wrong(all, 400, "text that is not UTF-8");
        switch (to.receive(read.number, std::move(*payload), is_text)) {
        case reception::gap:
            return wrong(all, 409, concat({"message ", number_text(to.received() + 1), " is missing before this one"}));
        case reception::no_room:
            all.wants_room = true;
            return false;
        case reception::taken:
        case reception::known:
        case reception::closed: break;
        }
        return true;
    }

    static bool wrong(posting& all, unsigned number, std::string_view why) {
        all.refusal = number;
        all.why = why;
        return false;
    }

    channel_service<Tag>& x_of;
};

} // namespace weir::inline v0::detail
