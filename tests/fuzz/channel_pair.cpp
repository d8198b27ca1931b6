// A channel of weir::open and a server, with a network between them that delays, cuts and swallows what it likes:
// messages come once and in order; all of them do once the network works again, unless the session has ended; when that
// was kept long enough it has not; bounds hold; everything ends.
#include "messages.hpp"
#include "world.hpp"

#include <weir/client/open.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/net/connect.hpp>
#include <weir/net/listen.hpp>
#include <weir/server/channel.hpp>
#include <weir/transport/byte_source.hpp>

#include <algorithm>

namespace channel_pair_target {

using namespace weir;
using namespace std::chrono_literals;

// --- what is said ---

enum class from : unsigned char { client, server };

static std::size_t most_said = 3000; // bytes of a message, more or less

static owned_message content(from side, std::uint64_t number) {
    return fuzz::numbered_message(static_cast<std::uint64_t>(side), number, most_said);
}
static void require_message(const message& got, from side, std::uint64_t number) {
    fuzz::require_numbered(got, static_cast<std::uint64_t>(side), number, most_said);
}
static constexpr std::size_t most_bytes = 3100; // of one, with what it takes to keep it

// --- the network ---

class network {
public:
    network(net::endpoint to, fuzz::input script) : server(to), x_script(script) {
        result<net::listener> made = net::listen("127.0.0.1", 0);
        fuzz::require(made.has_value(), "somebody can stand between");
        x_listener.emplace(std::move(*made));
        at = x_listener->local_endpoint();
        x_work.spawn(accept_all());
    }

    void break_all() noexcept {
        x_break.set();
        x_break.reset();
    }
    void heal() noexcept { healed = open = true; }

    net::endpoint at;     // where it listens
    net::endpoint server; // to whom it passes connections on
    bool open = true;     // connections that are made now are passed on
    bool healed = false;  // it does no harm any more; what it has begun to swallow it goes on swallowing
    bool harmless = true; // so far it has done none

private:
    struct side {
        explicit side(owned<io::stream> over) : stream(std::move(over)), source(*stream) {}
        owned<io::stream> stream;
        byte_source source;
    };
    struct line {
        explicit line(owned<io::stream> from) : client(std::move(from)) {}
        side client;
        std::optional<side> far;
        bool swallows[2] = {}; // what is sent from here on, each way
        bool cuts_answer = false;
    };

    task<> accept_all() {
        while (auto stream = co_await x_listener->accept()) {
            if (open) x_work.spawn(pass(std::move(*stream)));
            else harmless = false;
        }
    }

    task<> pass(owned<io::stream> from) {
        line all(std::move(from));
        result<owned<io::stream>> made = co_await net::connect(server);
        if (!made) co_return;
        all.far.emplace(std::move(*made));
        (void)co_await when_any(carry(all, all.client, *all.far, false), carry(all, *all.far, all.client, true), x_break.wait());
    }

    task<int> carry(line& all, side& from, side& to, bool back) {
        for (;;) {
            const result<bool> more = co_await from.source.more();
            if (!more || !*more || (back && all.cuts_answer)) co_return 0;
            const std::uint8_t fate = healed ? std::uint8_t(0) : x_script.byte();
            const auto a_while = std::chrono::milliseconds(40) * (fate >> 4) * (fate >> 4);
            std::size_t at_once = from.source.rest().size();
            bool ends = false;
            harmless = harmless && (fate & 15) < 8;
            switch (fate & 15) {
            case 8: all.swallows[back] = true; break;
            case 9: all.swallows[!back] = true; break;
            case 10: co_return 0;
            case 11: all.cuts_answer = true; break;
            case 12: (void)co_await sleep(a_while); break;
            case 13: at_once /= 2; break;
            case 14:
                at_once /= 2;
                ends = true;
                break;
            case 15: at_once = 0; break;
            default: break;
            }
            if (all.swallows[back]) continue;
            const result<> written = co_await to.source.write(from.source.rest().first(at_once));
            if (!written || ends) co_return 0;
            if (at_once == from.source.rest().size()) continue;
            (void)co_await sleep(a_while);
            const result<> rest = co_await to.source.write(from.source.rest().subspan(at_once));
            if (!rest) co_return 0;
        }
    }

    fuzz::input x_script;
    std::optional<net::listener> x_listener;
    event x_break;
    scope x_work;
};

// --- the server ---

struct session_seen {
    std::string id;
    channel* at = nullptr; // while its handler runs
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool canceled = false; // its handler did not read to the end
    bool closes = false;   // it has closed it
    close_info end;
};

// A door that readers stand before while it is shut.
class door {
public:
    door() noexcept { x_open.set(); }
    void turn() noexcept { x_open.is_set() ? x_open.reset() : x_open.set(); }
    void open() noexcept { x_open.set(); }
    event::wait_awaiter pass() noexcept { return x_open.wait(); }

private:
    event x_open;
};

struct bounds {
    std::size_t high_water_bytes, queue_bytes;
    bool hold(std::size_t queued) const noexcept { return queued <= high_water_bytes + queue_bytes + most_bytes; }
};

class service {
public:
    service(const server_options& options, const session_options& sessions) : x_options(options), x_sessions(sessions) {
        x_options.host = "127.0.0.1";
        start();
    }

    void start() {
        x_running.emplace();
        x_running->of.channel("/chat", [this](channel& each) { return serve(each); }).options(x_sessions);
        const result<> listening = x_running->of.listen(x_options);
        fuzz::require(listening.has_value(), "a server can listen");
        x_running->work.spawn(run(x_running->of));
    }
    task<> stop() {
        x_running->of.stop(2s);
        co_await x_running->work.join();
        fuzz::require(x_running->of.connections() == 0, "no connection is left");
        for (const auto& each : x_seen) fuzz::require(!each->at, "no handler is left");
        x_running.reset();
    }

    net::endpoint at() const { return x_running->of.local_endpoint(); }
    session_seen* find(std::string_view id) noexcept {
        for (const auto& each : x_seen)
            if (each->id == id) return each.get();
        return nullptr;
    }
    const std::vector<std::unique_ptr<session_seen>>& all() const noexcept { return x_seen; }

    static void say(session_seen& of, std::size_t count) {
        while (of.at && count-- > 0) {
            const owned_message next = content(from::server, of.sent + 1);
            if (!of.at->try_send(next)) break;
            ++of.sent;
        }
    }

    door reading;

private:
    struct running {
        server of;
        scope work;
    };

    static task<> run(server& of) {
        const result<> outcome = co_await of.serve();
        fuzz::require(outcome.has_value(), "a server ends in order");
    }

    struct presence {
        presence(session_seen& of, channel& here) noexcept : x_of(of) { of.at = &here; }
        ~presence() { x_of.at = nullptr; }
        session_seen& x_of;
    };

    task<> serve(channel& each) {
        x_seen.push_back(std::make_unique<session_seen>());
        session_seen& of = *x_seen.back();
        of.id = each.id();
        of.canceled = true; // unless it comes to its end
        const presence here(of, each);
        say(of, 1);
        for (;;) {
            const result<> told = co_await reading.pass();
            if (!told) break;
            const auto got = co_await each.read();
            if (got) {
                require_message(*got, from::client, ++of.received);
                continue;
            }
            of.canceled = got.error() == errc::canceled;
            fuzz::require(of.canceled || !each.is_open(), "a read fails when it is over");
            break;
        }
        of.end = each.closed();
    }

    server_options x_options;
    session_options x_sessions;
    std::vector<std::unique_ptr<session_seen>> x_seen;
    std::optional<running> x_running;
};

// --- a conversation ---

struct script {
    fuzz::input steps{nullptr, 0};
    fuzz::input weather{nullptr, 0};
    session_options sessions;
    server_options server;
    open_options client;
    std::vector<transport_kind> transports;
    std::size_t limit_bytes = 0; // of a record, where it is a small one
    bool is_kept = false; // longer than any of this lasts
    bool impatient = false;
};

struct hearing {
    door reading;
    std::uint64_t received = 0;
    bool ended = false;
    error why;
};

static task<> listen_to(client_channel& chat, hearing& to, bool impatient) {
    for (;;) {
        const result<> told = co_await to.reading.pass();
        if (!told) break;
        const bool bounded = impatient && chat.is_open(); // a channel may have ended with timed_out, too
        const auto got = co_await chat.read().within(bounded ? 70ms : io::loop::forever);
        if (got) {
            require_message(*got, from::server, ++to.received);
        } else if (got.error() != errc::timed_out || !bounded) {
            to.why = got.error();
            break;
        }
    }
    to.ended = true;
}

// What the end of a channel may say, and what must be so then.
static void check_end(const script& of, const client_channel& chat, const hearing& heard, const session_seen& there, bool harmless,
                      bool stopped, bool closes) {
    const close_info end = chat.closed();
    fuzz::require(!end.message().empty() && end.cause != close_cause::open, "an end that is explained");
    fuzz::require(end.cause != close_cause::protocol_error, "nobody broke a rule");
    const bool overflowed = end.cause == close_cause::limit || there.end.cause == close_cause::limit;
    const bool forgotten = end.cause == close_cause::lost || end.cause == close_cause::timeout ||
                           (end.cause == close_cause::peer && end.code == ws::close_code::policy_violation);
    if (forgotten && !overflowed && !stopped) {
        const bool only_the_end = there.closes && heard.received == there.sent; // which is not kept when all has arrived
        fuzz::require(!of.is_kept || only_the_end, "a session that is kept is not lost");
        fuzz::require(!harmless, "nor is one that nobody has disturbed");
    }
    if (end.cause == close_cause::local) fuzz::require(closes, "only its own close is its own");
    if (end.cause == close_cause::peer && there.closes && static_cast<unsigned>(end.code) == 4002)
        fuzz::require(heard.received == there.sent, "what was sent before a close comes before it");
}

static task<> converse(fuzz::world& in, script of) {
    service there(of.server, of.sessions);
    network between(there.at(), of.weather);
    const std::string url = "http://" + between.at.to_string() + "/chat";
    of.client.transports = of.transports;
    std::optional<client_channel> chat;
    {
        auto opened = co_await weir::open(url, of.client);
        if (!opened) {
            fuzz::require(!opened.error().message().empty(), "why it could not open");
            fuzz::require(!between.harmless, "it opens when nobody is in the way");
            between.heal();
            co_await there.stop();
            co_return;
        }
        chat.emplace(std::move(*opened));
    }
    session_seen* seen = there.find(chat->id());
    fuzz::require(seen, "the session that it names is there");
    const bounds at_client{of.client.high_water_bytes, of.client.queue_bytes};
    const bounds at_server{of.sessions.high_water_bytes, of.sessions.queue_bytes};
    hearing heard;
    scope listening;
    listening.spawn(listen_to(*chat, heard, of.impatient));
    std::uint64_t said = 0;
    bool stopped = false, closes = false, drops = false;
    const auto began = in.now();

    for (unsigned step = 0; step < 100 && !of.steps.empty() && !closes && !drops && in.now() - began < 5min; ++step) {
        const std::uint8_t operation = of.steps.byte();
        const unsigned much = operation >> 4;
        switch (operation & 15) {
        case 0:
        case 1:
        case 2:
            for (unsigned i = 0; i <= much; ++i) said += chat->try_send(content(from::client, said + 1));
            break;
        case 3:
        case 4:
        case 5: service::say(*seen, 1 + much); break;
        case 6:
        case 7: (void)co_await sleep(1ms * much * much); break;
        case 8: (void)co_await sleep(10ms * much * much); break;
        case 9: (void)co_await sleep(100ms * much * much); break;
        case 10:
            between.harmless = false;
            between.break_all();
            break;
        case 11:
            between.open = !between.open;
            if (much & 1) between.break_all();
            between.harmless = between.harmless && !(much & 1);
            break;
        case 12:
        case 13:
            (operation & 1 ? there.reading : heard.reading).turn();
            between.harmless = false; // who does not read need not hear
            break;
        case 14:
            for (unsigned i = 0; i <= much; ++i) (void)co_await sleep(0ms);
            break;
        default:
            if (much == 1) {
                closes = true;
            } else if (much == 2 && seen->at && !stopped) {
                seen->closes = true;
                seen->at->close(static_cast<ws::close_code>(4002), "enough");
            } else if (much == 3 && !stopped) {
                stopped = true;
                co_await there.stop();
                there.start();
                between.server = there.at();
            } else if (much == 4) {
                drops = true;
            }
        }
        if (of.limit_bytes) {
            const std::string large(of.limit_bytes, 'x');
            const bool was_open = chat->is_open();
            fuzz::require(!chat->try_send(message(as_bytes(large), true)), "what the server would not take is refused");
            fuzz::require(chat->is_open() == was_open, "and that ends nothing");
        }
        fuzz::require(at_client.hold(chat->queued_bytes()), "the client's bounds hold");
        fuzz::require(!seen->at || at_server.hold(seen->at->queued_bytes()), "the server's bounds hold");
    }

    if (drops) { // it goes on by itself, for a while
        listening.cancel();
        co_await listening.join();
        between.heal();
        there.reading.open();
        chat.reset();
        (void)co_await sleep(1min);
        co_await there.stop();
        co_return;
    }
    if (closes) {
        (void)co_await chat->close(static_cast<ws::close_code>(4001), "goodbye");
        heard.reading.open();
        between.heal();
        there.reading.open();
        const result<> read = co_await listening.join().within(1min);
        fuzz::require(read.has_value() && heard.ended, "a reader hears of the end");
    } else {
        between.heal();
        heard.reading.open();
        there.reading.open();
        for (int i = 0; i < 6000 && chat->is_open() && (seen->received < said || heard.received < seen->sent || chat->queued_bytes()); ++i)
            (void)co_await sleep(100ms);
        if (chat->is_open() && seen->at && seen->at->is_open()) {
            fuzz::require(seen->received == said, "everything arrives at the server");
            fuzz::require(heard.received == seen->sent, "everything arrives at the client");
            fuzz::require(chat->unacknowledged().empty(), "and is known to have");
            closes = true;
            const send_status told = co_await chat->close(static_cast<ws::close_code>(4001), "goodbye");
            fuzz::require(bool(told), "a close ends");
        } else {
            // One side has closed it: the other hears of that, at the latest when it gives up.
            for (int i = 0; i < 6000 && chat->is_open(); ++i) (void)co_await sleep(1s);
        }
        const result<> read = co_await listening.join().within(1min);
        fuzz::require(read.has_value() && heard.ended, "a reader hears of the end");
    }
    fuzz::require(!chat->is_open(), "it has ended");
    (void)co_await sleep(30s); // what was on its way arrives
    check_end(of, *chat, heard, *seen, between.harmless, stopped, closes);
    fuzz::require(heard.received <= seen->sent && seen->received <= said, "no more than was sent");
    const close_cause ends[] = {chat->closed().cause, seen->end.cause};
    const bool crossed = (ends[0] == close_cause::local || ends[0] == close_cause::limit) && ends[1] != close_cause::peer;
    if (!seen->at && !seen->canceled && !crossed) // of what crosses the other's end it is not known
        fuzz::require(said - chat->unacknowledged().size() <= seen->received, "what is acknowledged has arrived");
    if (seen->end.cause == close_cause::peer && static_cast<unsigned>(seen->end.code) == 4001)
        fuzz::require(seen->canceled || seen->received == said, "what was sent before a close comes before it");
    for (const auto& each : there.all()) fuzz::require(each.get() == seen || each->received == 0, "messages go to one session");
    co_await there.stop();
}

} // namespace channel_pair_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace channel_pair_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte(), pipe = in.byte(), kinds = in.byte(), limits = in.byte();

    script of;
    of.is_kept = !(how & 1);
    of.impatient = how & 2;
    for (std::size_t i = 0; i < std::size(every_transport); ++i)
        if ((kinds >> i & 1) || (kinds & 15) == 0) of.transports.push_back(every_transport[i]);
    if (kinds & 16) std::reverse(of.transports.begin(), of.transports.end());
    of.sessions.keep = of.is_kept ? std::chrono::nanoseconds(2h) : 5s;
    of.sessions.heartbeat = how & 4 ? 2s : 10s;
    of.client.timeout = 60s;
    of.client.insist = true;
    of.client.attempt = how & 8 ? 500ms : 2s;
    of.client.interval = how & 16 ? 300ms : 1s;
    of.client.probe = how & 32 ? 1s : 10s;
    of.client.give_up = of.is_kept ? std::chrono::nanoseconds(2h) : 30s;
    of.client.close_timeout = how & 64 ? 5s : 90s;
    if (limits & 1) of.client.high_water_bytes = 500;
    if (limits & 2) of.client.queue_bytes = 1000;
    if (limits & 4) of.client.read_ahead_bytes = 200;
    if (limits & 8) of.sessions.high_water_bytes = 500;
    if (limits & 16) of.sessions.queue_bytes = 1000;
    if (limits & 32) of.sessions.read_ahead_bytes = 200;
    if (limits & 64) of.server.websocket.message_bytes = of.limit_bytes = 700;
    most_said = limits & 64 ? 300 : 3000;
    if (limits & 128) of.sessions.overflow = of.client.overflow = overflow_policy::drop;
    of.weather = fuzz::input(reinterpret_cast<const std::uint8_t*>(data), in.take(in.left() / 2).size());
    of.steps = in;
    fuzz::world world(fuzz::network_of(pipe));
    world.run(converse(world, std::move(of)));
    return 0;
}
