// One request that waits for its answer.
//
//     weir::task<> create(weir::exchange& http) {                 // server.route("POST", "/rooms/{room}", create)
//         const auto text = co_await http.body();
//         if (!text) co_return;                                   // too large, too slow, or the client is gone: it is told
//         http.respond({weir::http::status::created, std::string(http.parameter("room"))});
//     }
//
// A handler answers by `respond`, by `stream` or by `upgrade`, once: a second answer is dropped. Valid until its task has ended,
// which is cancelled when the client is gone: when the end of its stream, or a reset, is seen while the handler waits. For that
// the connection is read meanwhile: up to 64 KiB of what a client sends are kept, the next requests among it. A handler that
// returns without an answer gives 413, 408 or 400 when `read` or `body` has failed, and else 500 and a note in the log. One that
// throws gives 500, and where the answer had begun the connection is reset. Loop thread only.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/protocol/http/cors.hpp>
#include <weir/protocol/http/query.hpp>
#include <weir/server/body_reading.hpp>
#include <weir/server/exchange_upgrade.hpp>
#include <weir/server/path_parameters.hpp>
#include <weir/server/request_body.hpp>
#include <weir/server/response.hpp>
#include <weir/server/response_stream.hpp>
#include <weir/server/routes.hpp>
#include <weir/server/supervised.hpp>

namespace weir::inline v0 {

class exchange : private io::stream_observer, private timer, private cancel_hook {
public:
    static constexpr std::size_t default_body_bytes = 64 * 1024;

    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;
    ~exchange() {
        if (!x_socket) x_on.stream.observe(nullptr);
    }

    // --- the request ---

    const http::request_head& request() const noexcept { return x_on.request; }

    // What the path has where the route's pattern has `{name}`, decoded; empty if there is no such parameter.
    template <class = void>
    std::string_view parameter(std::string_view name) const noexcept {
        return x_parameters.get(x_pattern, x_on.request.path(), name);
    }

    // The first parameter of that name in the query, decoded; nothing if there is none.
    template <class = void>
    std::optional<std::string_view> query(std::string_view name) {
        const std::string_view all = x_on.request.query();
        if (x_query.empty()) x_query = http::decode_query(all);
        return http::query_parameter(all, x_query, name);
    }

    // The next piece of the body, valid until the next read; empty at its end. Fails with `errc::end_of_stream`, with
    // `errc::timed_out` when the client does not send 64 KiB, or the rest, within `handshake_timeout` of waiting, or with what is
    // wrong with its chunks. A client that waits for it is told to go on (100). One read at a time; what a read that was
    // cancelled or timed out has not taken is there for the next.
    using reading = detail::body_reading<exchange>;
    reading read() noexcept { return reading(*this); }

    // The whole body, kept until the task has ended; as `read`, and `errc::body_too_large` when it is larger than `most_bytes`.
    template <class = void>
    task<result<std::string_view>> body(std::size_t most_bytes = default_body_bytes) {
        const http::body_framing framing = x_body.framing();
        if (framing.kind == http::body_kind::length && framing.length > most_bytes) co_return body_failed(errc::body_too_large);
        for (;;) {
            const result<bytes_view> piece = co_await read();
            if (!piece) co_return piece.error();
            if (piece->empty()) co_return std::string_view(x_text);
            if (piece->size() > most_bytes - x_text.size()) co_return body_failed(errc::body_too_large);
            x_text += as_text(*piece);
        }
    }

    // How the connection is secured, and who has proved to be the client; null without TLS.
    const connection_security* security() const { return x_socket ? x_socket->ws.security() : x_on.stream.security(); }

    // --- the answer ---

    // Answers with a complete response.
    template <class = void>
    void respond(response made) {
        if (is_answered()) return;
        tidy(made);
        detail::complete_refusal(made, x_refusal);
        http::response_options how;
        how.content_type = made.content_type;
        how.extra = &made.fields;
        how.keep_alive = x_keeps = may_keep();
        how.head_only = head_only();
        [[maybe_unused]] const bool fits = http::append_response(x_out.x_queue, made.status, made.body, how);
        assert(fits);
        x_answered = true;
        x_out.schedule();
    }

    // Answers with a body that is written piece by piece, after that of `head`. With `length` it is announced, and exactly so
    // many bytes must be written: more are dropped, and if there are fewer the connection is broken off.
    template <class = void>
    response_stream& stream(response head, std::optional<std::uint64_t> length = {}) {
        if (is_answered()) return x_out;
        tidy(head);
        const bool chunked = !length && x_on.request.version_minor > 0;
        const bool bare = !http::detail::may_have_body(head.status);
        x_keeps = may_keep() && (length || chunked || bare);
        http::response_head made;
        made.status = head.status;
        if (!head.content_type.empty() && !bare) made.fields.add("Content-Type", head.content_type);
        if (length && !bare) made.fields.add("Content-Length", number_text(*length));
        if (chunked && !bare) made.fields.add("Transfer-Encoding", "chunked");
        if (!x_keeps) made.fields.add("Connection", "close");
        for (const http::field each : head.fields) made.fields.add(each.name, each.value);
        [[maybe_unused]] const bool fits = http::append_head(x_out.x_queue, made);
        assert(fits);
        x_answered = true;
        using form = response_stream::form;
        x_out.x_how = chunked ? form::chunked : length ? form::length : form::until_close;
        x_out.x_left = length.value_or(0);
        x_out.x_head_only = head_only() || bare;
        x_out.x_complete = false;
        x_out.schedule();
        x_out.put(as_bytes(head.body));
        return x_out;
    }

    // Makes the connection a WebSocket, where the request is a handshake: one as of a WebSocket route, with the settings of
    // `how`. It is the exchange's and lives until the handler has ended, and is closed then; the time limits of the exchange are
    // over. Never waits. A request that is no handshake gives `errc::not_an_upgrade` or the like, that of a page that may not
    // connect `errc::origin_refused`: the handler may answer it, and if it does not the client is told by 426, 403 or the like.
    // `errc::bad_field` for a header that cannot be sent, `errc::closed` when the server is stopping, the client is gone, or
    // there is an answer already.
    template <class Socket = websocket>
    task<result<Socket&>> upgrade(upgrade_options how = {}) {
        if (x_answered || x_out.x_gone) co_return errc::closed;
        x_refusal = detail::judge_upgrade<Socket>(x_on, how);
        if (x_refusal) co_return error(x_refusal.reason, std::string(x_refusal.sentence));
        detail::upgrade to;
        const auto head = detail::accept_upgrade<Socket>(x_on, how, to);
        if (!head) co_return head.error();
        to.lease = take_rest();
        to.rest = to.lease.bytes;
        x_socket = detail::take_over<Socket>(x_on, how.websocket, to, *head, x_out.x_work);
        x_answered = true;
        co_return x_socket->ws;
    }

    // Whether the client is there, as far as is known, and has not got its answer.
    bool is_open() const noexcept { return !x_out.x_gone && (!x_answered || x_out.is_open()); }
    bool answered() const noexcept { return x_answered; }

    // A context for what may take long: it is cancelled when the client is gone and, other than the task, as soon as the
    // server begins to stop.
    context& until_stop() noexcept { return x_held; }

    // --- for the server ---

    // `pattern`, which must outlive it: of the route. With `watches` the task is cancelled when the client ends its stream.
    exchange(detail::http_connection& on, http::body_framing framing, context& work, block_pool& pool,
             std::string_view pattern, bool watches) noexcept
        : x_on(on), x_pool(pool), x_pattern(pattern), x_watches(watches), x_held(on.waiting), x_body(pool, framing),
          x_patience(on.server.options.handshake_timeout),
          x_out(on.stream, pool, work.runs_on(), x_patience, work, x_held) {
        x_expects = framing.kind != http::body_kind::none && on.request.version_minor > 0 && on.rest.empty() &&
                    on.request.fields.has_token("Expect", "100-continue");
        x_body.append(on.rest);
        on.stream.release(exchanged(on.lease, {}));
        on.rest = {};
        on.stream.observe(this);
        if (work.canceled())
            on_cancel();
        else
            work.add(*this);
        if (watches) look();
    }

    // Decodes the parameters of the path. False if they are not encoded as they should be.
    template <class = void>
    bool decode_parameters() { return x_parameters.decode(x_pattern, x_on.request.path()); }

    // Has the answer say what pages of other origins may do with it. Null: nothing.
    void share(const http::cors_policy* by) noexcept { x_cors = by; }

    // Answers a request whose body cannot be made out.
    template <class = void>
    void refuse(const error& why) {
        note(log_level::warning, concat({"not a request: ", why.message()}));
        x_failure = why;
        respond(response(http::status_for(why), concat({why.message(), "\n"})));
    }

    // The handler has ended, in order or as `failed` says: sees to it that there is an answer.
    template <class = void>
    void conclude(const std::string* failed) {
        if (failed) note(log_level::error, *failed);
        if (x_socket) return;
        if (!x_answered) {
            if (x_out.x_gone && !failed) return;
            if (x_refusal && !failed) {
                note(log_level::warning, x_refusal.sentence);
                return respond(response(x_refusal.status, concat({x_refusal.sentence, "\n"})));
            }
            if (x_failure && !failed)
                return respond(response(http::status_for(x_failure), concat({x_failure.message(), "\n"})));
            if (!failed) note(log_level::error, "a handler has not answered (is a co_await missing?)");
            return respond(response(http::status::internal_server_error, "The server failed to answer.\n"));
        }
        if (!failed) x_out.end();
        if (!x_out.x_complete) x_out.abort();
    }

    // Whether there is a rest of the body to be taken before the connection can be used again.
    template <class = void>
    bool has_rest() noexcept {
        return x_keeps && !x_failure && !x_out.x_gone && x_dropped <= most_dropped_bytes &&
               !(find() && x_found.what != http::body_event::data);
    }
    void drop(bytes_view piece) noexcept { x_dropped += piece.size(); }

    // The WebSocket that the connection has become; null if it has not.
    websocket* socket() const noexcept { return x_socket ? &x_socket->ws : nullptr; }

    // Hands the connection back, if it has not become a WebSocket.
    template <class = void>
    void hand_back() {
        if (x_socket) return;
        x_out.flush();
        x_on.stream.observe(nullptr);
        x_on.text.assign(as_text(std::as_const(x_out.x_queue).view()));
        x_on.answered = x_answered && !x_out.x_broken;
        x_on.again = x_keeps && x_on.answered && find() && x_found.what == http::body_event::done;
        if (!x_on.again) return;
        x_on.lease = take_rest();
        x_on.rest = x_on.lease.bytes;
    }

    [[gnu::cold]] void note(log_level level, std::string_view what) const {
        if (!x_on.server.options.log) return;
        const std::string who = net::peer_name(x_on.stream);
        x_on.server.note(level, what, concat({x_on.request.path(), who.empty() ? "" : ", ", who}));
    }

private:
    friend reading;

    static constexpr std::size_t most_ahead_bytes = 64 * 1024, most_dropped_bytes = 64 * 1024, patient_bytes = 64 * 1024;

    // Whether there is an answer already: a mistake of the handler's.
    [[gnu::cold]] bool is_answered() const {
        assert(!x_answered && "respond, stream or upgrade: an exchange is answered once");
        if (x_answered) note(log_level::error, "a second answer to a request is dropped");
        return x_answered;
    }
    template <class = void>
    void tidy(response& made) const {
        if (x_cors) x_cors->add_to(made.fields, x_on.request);
        if (const std::string wrong = detail::tidy(made); !wrong.empty()) note(log_level::error, wrong);
    }

    // What has come behind the request, which must have been taken.
    template <class = void>
    io::lease take_rest() {
        const std::size_t left = find() ? x_body.kept_bytes() : 0;
        if (left == 0) return {};
        const block room = x_pool.take(left);
        x_body.take_rest(room.data);
        return {{room.data, left}, room};
    }

    bool head_only() const noexcept { return x_on.request.method == "HEAD"; }

    // Whether the connection can be used again after this answer.
    bool may_keep() noexcept {
        if (x_on.request.version_minor == 0 || !x_on.request.keep_alive() || x_on.waiting.canceled() || x_failure) return false;
        const http::body_framing framing = x_body.framing();
        if (framing.kind == http::body_kind::none || (find() && x_found.what == http::body_event::done)) return true;
        if (x_expects) return false; // it may send the body now, or not
        return framing.kind != http::body_kind::length || framing.length - x_received <= most_dropped_bytes;
    }

    // --- what the client sends ---

    // Receives what there is, as far as it may be kept.
    void receive() noexcept {
        while (!x_ended && x_body.kept_bytes() < most_ahead_bytes) {
            io::lease some;
            const io::status what = x_on.stream.fill(some);
            if (what == io::status::blocked) return;
            if (what == io::status::ready) {
                x_expects = false;
                x_patient_for = some.bytes.size() < x_patient_for ? x_patient_for - some.bytes.size() : 0;
                x_body.append(some.bytes);
                x_on.stream.release(std::move(some));
            } else {
                x_ended = true;
                x_body.end_of_stream();
            }
        }
    }

    // Whether there is something for a reader.
    bool find() noexcept {
        if (x_found.what == http::body_event::need_more) {
            x_found = x_body.next();
            x_received += x_found.bytes.size();
        }
        return x_found.what != http::body_event::need_more;
    }

    // Receives, and tells those who wait.
    void look() noexcept {
        receive();
        if (x_reader && find()) x_reader->wake();
        if (x_ended && x_watches) x_out.leave();
    }

    bool look_for_reader() noexcept {
        if (x_failure || find()) return true;
        if (exchanged(x_expects, false) && !x_answered) {
            x_out.append(as_bytes(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")));
            x_out.flush();
        }
        look();
        return find();
    }

    void begin_wait(waiter& who) noexcept {
        x_reader = &who;
        if (x_patient_for == 0) {
            x_patient_for = patient_bytes;
            x_patience_left = x_patience;
        }
        x_waits_since = who.runs_on().now();
        who.runs_on().arm(*this, x_patience_left);
    }
    void end_wait() noexcept {
        x_patience_left -= x_reader->runs_on().now() - x_waits_since;
        x_reader = nullptr;
        timer::disarm();
    }

    // The outcome of a read.
    result<bytes_view> take_found(errc outcome) noexcept {
        if (!find()) return x_failure ? x_failure : error(outcome == errc{} ? errc::canceled : outcome);
        if (x_found.what == http::body_event::failed) return body_failed(x_body.error());
        if (x_found.what == http::body_event::done) return bytes_view();
        return exchanged(x_found, {}).bytes;
    }

    error body_failed(error why) noexcept {
        if (!x_failure) x_failure = why;
        return why;
    }

    void on_readable() noexcept override {
        if (x_reader || x_watches) look();
    }
    void on_writable() noexcept override { x_out.flush(); }
    void expire() noexcept override {
        (void)body_failed(errc::timed_out);
        if (x_reader) x_reader->wake();
    }
    void on_cancel() noexcept override { x_held.cancel(); }

    detail::http_connection& x_on;
    block_pool& x_pool;
    std::string_view x_pattern;
    const http::cors_policy* x_cors = nullptr;
    detail::path_parameters x_parameters;
    std::string x_query; // decoded names and values, one behind the other
    std::string x_text;  // of the body
    bool x_watches;
    bool x_expects = false; // the client waits for a 100
    bool x_ended = false;   // it has ended its stream
    bool x_answered = false;
    bool x_keeps = false; // the connection may be used again
    context x_held;
    detail::request_body x_body;
    http::body_event x_found;     // and not taken by a reader
    std::uint64_t x_received = 0; // bytes of the body that were found
    std::size_t x_dropped = 0;
    error x_failure;            // of the body
    waiter* x_reader = nullptr;
    std::chrono::nanoseconds x_patience;
    std::chrono::nanoseconds x_patience_left{0};
    std::chrono::nanoseconds x_waits_since{0};
    std::size_t x_patient_for = 0; // bytes that are to come until the timer fires
    response_stream x_out;
    ws::handshake_refusal x_refusal;          // of an upgrade
    owned<detail::held_websocket> x_socket;   // that the connection has become
};

} // namespace weir::inline v0
