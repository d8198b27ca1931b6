// The sessions of a channel while a server runs, and the handlers that serve them.
//
// Requests and handshakes come to `take_up` for a session, a new one or one that is there. Each session has one handler, a task
// among those of the connections, which lives as long as the session is open, whatever carries it. When the server stops, every
// session is closed with 1001. Owned by the server. Loop thread only.
#pragma once

#include <weir/core/sequence.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/io/loop.hpp>
#include <weir/server/carrier_request.hpp>
#include <weir/server/channel_route.hpp>
#include <weir/server/companion.hpp>
#include <weir/server/handler.hpp>
#include <weir/server/routes.hpp>
#include <weir/server/session_table.hpp>
#include <weir/server/supervised.hpp>
#include <weir/transport/channel.hpp>

namespace weir::inline v0::detail {

// What became of a request for a session.
template <class Tag = void>
struct taken_up {
    shared<basic_session<Tag>> held; // empty: refused
    bool is_new = false;
    unsigned refusal = 0;      // the number of the error
    std::string_view why = {}; // a sentence
};

template <class Tag = void>
class channel_service final : public companion {
    using session = basic_session<Tag>;
    using taken = taken_up<Tag>;

public:
    channel_service(const server_setup& of, std::string path, websocket_route& handshakes, owned<connection_handler<channel>> handler,
                    bool wants_request)
        : x_server(of), x_route(std::move(path), handshakes), x_handler(std::move(handler)), x_wants_request(wants_request) {}

    channel_route& route() noexcept { return x_route; }

    // The largest record on a WebSocket, and the largest body of a POST.
    std::size_t limit_bytes() const noexcept { return x_server.options.websocket.message_bytes; }
    std::chrono::nanoseconds patience() const noexcept { return x_server.options.handshake_timeout; }

    // The session that is asked for. What the client has is noted; it has not got a carrier yet. `request`: of the client,
    // null where it is not known, which is right where the handler does not care. `by`: who it has proved to be.
    taken take_up(const carrier_request<Tag>& asked, transport_kind over, const http::request_head* request,
                  const connection_security* by) {
        if (!asked.wrong.empty()) return refuse(400, asked.wrong);
        if (!x_route.offers(over)) return refuse(403, "this transport is not offered here");
        if (!x_tasks || x_stopping) return refuse(503, "the server is stopping");
        taken made;
        if (asked.session.empty()) {
            if (x_sessions.size() >= x_route.most_sessions()) return refuse(503, "there are as many sessions as there may be");
            if (x_sessions.budget().is_used_up()) return refuse(503, "the sessions that there are take up the memory of all");
            made.held = x_sessions.open(*io::loop::current(), io::loop::current()->random(), x_route.options());
            made.held->opened_by(by);
            made.is_new = true;
            owned<const http::request_head> kept;
            if (x_wants_request) kept = make_owned<const http::request_head>(*request);
            x_tasks->spawn(converse(made.held, std::move(kept)));
        } else {
            made.held = find(asked.session, by);
            if (!made.held) return refuse(404, "there is no such session, or not any more");
        }
        if (made.held->resume(asked.ack) != errc{}) return refuse(410, "messages after that are not kept any more, or not yet sent");
        return made;
    }
    // Empty where there is none of that id, or none for that client.
    shared<session> find(std::string_view id, const connection_security* by) const noexcept {
        shared<session> found = x_sessions.find(id);
        return found && found->is_open_to(by) ? found : shared<session>();
    }
    bool wants_request() const noexcept { return x_wants_request; }

    // The first record of a carrier that goes on.
    std::string greeting(const taken& of) const {
        std::string record;
        if (!of.is_new) {
            envelope::append_number(record, envelope::kind::resumed, of.held->received());
        } else {
            const session_options& all = x_route.options();
            const envelope::settings said{milliseconds(all.heartbeat), milliseconds(all.keep), limit_bytes()};
            envelope::append_opened(record, of.held->id(), said);
        }
        return record;
    }

    void note(log_level level, std::string_view what) const { x_server.note(level, what, x_route.path()); }

private:
    static taken refuse(unsigned number, std::string_view why) {
        taken none;
        none.refusal = number;
        none.why = why;
        return none;
    }
    static std::uint64_t milliseconds(std::chrono::nanoseconds of) noexcept {
        return static_cast<std::uint64_t>(of.count() / 1'000'000);
    }

    // However the handler ends, its context is of no use to the session after it.
    struct guarded {
        guarded(session& of, context& own) noexcept : x_session(of) { of.guard(&own); }
        ~guarded() { x_session.guard(nullptr); }
        session& x_session;
    };

    // One session's handler, from the opening to its end.
    task<> converse(shared<session> held, owned<const http::request_head> request) {
        channel client(*held);
        supervised_for own(*co_await this_context(), x_server.options.cancel_grace);
        const guarded until_the_end(*held, own);
        own.look_after(x_handler->call(client, request.get()));
        const supervised::outcome failed = co_await own;
        if (failed) note(log_level::error, *failed);
        held->close(close_cause::local, failed ? ws::close_code::internal_error : ws::close_code::normal, {});
    }

    void begin(scope& tasks) noexcept override {
        x_tasks = &tasks;
        x_stopping = false;
        x_sessions.budget().limit(x_route.most_bytes());
    }
    void stop() noexcept override {
        x_stopping = true;
        sequence<shared<session>> all; // closing one may strike it off
        x_sessions.for_each([&](const shared<session>& each) { all.push_back(each); });
        for (const shared<session>& each : all)
            each->close(close_cause::local, ws::close_code::going_away, "the server is stopping");
    }
    void end() noexcept override {
        x_tasks = nullptr;
        x_sessions.clear();
    }

    const server_setup& x_server;
    channel_route x_route;
    owned<connection_handler<channel>> x_handler;
    session_table<Tag> x_sessions;
    scope* x_tasks = nullptr; // null while the server does not run
    bool x_wants_request;
    bool x_stopping = false;
};

} // namespace weir::inline v0::detail
