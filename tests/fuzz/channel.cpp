// A server's channel and a client that makes its requests by hand, several at a time and on every transport, and breaks
// them off where it likes: its messages come back from an echo once, in order, numbered without a gap, and all of them
// as long as the session cannot have expired; a stranger with any bytes is answered; bounds hold; everything ends.
#include "messages.hpp"
#include "world.hpp"

#include <weir/client/connect.hpp>
#include <weir/client/http_caller.hpp>
#include <weir/protocol/channel/lines.hpp>
#include <weir/protocol/channel/record.hpp>
#include <weir/protocol/http/event_stream.hpp>
#include <weir/server/channel.hpp>

namespace channel_target {

using namespace weir;
using namespace std::chrono_literals;
using envelope::kind;

constexpr std::size_t most_said = 300;
constexpr auto keep = 5s;

static std::chrono::nanoseconds now() { return io::loop::current()->now(); }

// --- the server ---

struct serving {
    channel* at = nullptr; // of the session that counts
    std::size_t handlers = 0;
    bool began = false;
};

struct presence {
    presence(serving& of, channel& here) noexcept : x_of(of), x_here(here) {
        ++x_of.handlers;
        if (!std::exchange(x_of.began, true)) x_of.at = &here;
    }
    ~presence() {
        if (x_of.at == &x_here) x_of.at = nullptr;
        --x_of.handlers;
    }
    serving& x_of;
    channel& x_here;
};

static task<> echo(serving& of, channel& client) {
    const presence here(of, client);
    while (auto message = co_await client.read()) co_await client.send(*message);
}

static task<> serve_into(server& of, result<>& outcome) { outcome = co_await of.serve(); }

// --- the client ---

// What it knows of its session.
struct view {
    explicit view(http::url server) : to(std::move(server)) {}

    http::url to;
    open_options options;
    http::head_limits limits;
    std::string id;
    std::uint64_t posted = 0;    // the greatest number that it has sent
    std::uint64_t confirmed = 0; // the greatest that it was told has arrived
    std::uint64_t has = 0;       // everything up to this has come back
    std::chrono::nanoseconds heard{0}; // when the last request that was answered began
    bool may_be_gone = false;    // it was away for as long as sessions are kept
    bool ended = false;          // it has asked for the end

    std::chrono::nanoseconds begins() noexcept {
        note_silence();
        return now();
    }
    void note_silence() noexcept {
        if (now() - heard > keep - 1s) may_be_gone = true;
    }
    void answered(std::chrono::nanoseconds began) noexcept {
        if (began > heard) heard = began;
    }
    // That the session is not there, or has closed.
    void told_gone() noexcept {
        note_silence(); // on an event stream that it only listens to
        fuzz::require(may_be_gone || ended, "a session is there as long as its client is");
    }

    std::string request(std::string_view method, std::string query, std::string_view body = {}) const {
        std::string text = std::string(method) + " /chat?" + query + " HTTP/1.1\r\nHost: a\r\n";
        if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        return text += "\r\n" + std::string(body);
    }
    std::string fetching(std::string_view transport) const {
        return "session=" + id + "&ack=" + std::to_string(has) + "&transport=" + std::string(transport);
    }
};

// One answer with messages in it: numbered without a gap.
class receiving {
public:
    explicit receiving(view& of) noexcept : x_of(of), x_least(of.has + 1) {}

    void take(const envelope::record& read, std::string_view payload) {
        fuzz::require(read.number.has_value(), "messages are numbered");
        const std::uint64_t number = *read.number;
        fuzz::require(number >= x_least && (!x_last || number == x_last + 1), "without a gap, from where it was asked for");
        fuzz::require(number <= x_of.has + 1, "nothing is lost");
        fuzz::require(number <= x_of.posted, "nothing comes back that was not sent");
        x_last = number;
        if (number == x_of.has + 1) ++x_of.has;
        fuzz::require_numbered(message(as_bytes(payload), read.what == kind::text), 0, number, most_said);
    }

    // A record on a line; false: it was the last.
    bool take_line(std::string_view line) {
        const result<envelope::record> read = envelope::parse(line);
        fuzz::require(read.has_value(), "a record");
        switch (read->what) {
        case kind::text:
        case kind::binary: {
            const std::optional<std::string> payload = envelope::payload_of_line(*read);
            fuzz::require(payload.has_value(), "a payload");
            take(*read, *payload);
            return true;
        }
        case kind::heartbeat:
        case kind::resumed: return true;
        case kind::closed: x_of.told_gone(); return false;
        case kind::failed:
            if (*read->number == 404) x_of.told_gone();
            fuzz::require(*read->number == 404 || *read->number == 409, "no other error is due");
            return false;
        default: fuzz::require(false, "a record that is due");
        }
        return false;
    }

private:
    view& x_of;
    std::uint64_t x_least;
    std::uint64_t x_last = 0;
};

struct answer {
    unsigned status = 0; // 0: none
    std::string body;
};

static task<answer> ask(view& of, std::string method, std::string text) {
    detail::http_caller<> caller(of.to, of.options, of.limits);
    answer got;
    const auto head = co_await caller.ask(std::move(text), method);
    if (!head) co_return got;
    for (;;) {
        const auto piece = co_await caller.read();
        if (!piece) co_return answer();
        if (piece->empty()) break;
        got.body += as_text(*piece);
    }
    got.status = http::to_number(head->status);
    co_return got;
}

static task<> open(view& of, std::string_view transport) {
    const auto began = now();
    const answer got = co_await ask(of, "GET", of.request("GET", "ack=0&transport=" + std::string(transport)));
    fuzz::require(got.status == 200, "a session is opened");
    const result<envelope::record> read = envelope::parse(std::string_view(got.body).substr(0, got.body.find('\n')));
    fuzz::require(read && read->what == kind::opened && read->id.size() == 22, "and has an id");
    of.id = read->id;
    of.heard = began;
}

static task<> fetch(view& of, std::string_view transport) {
    const auto began = of.begins();
    receiving records(of);
    const answer got = co_await ask(of, "GET", of.request("GET", of.fetching(transport)));
    if (got.status == 0) co_return;
    if (got.status != 404) of.answered(began);
    fuzz::require(got.status == 200 || got.status == 404 || got.status == 409, "a status that is due");
    fuzz::require(got.status == 200 || got.body.starts_with('e' + std::to_string(got.status)), "and its record");
    fuzz::require(transport == "polling" || !got.body.empty(), "a request that was held says something");
    std::string_view rest = got.body;
    bool over = false;
    while (!rest.empty()) {
        fuzz::require(!over, "nothing comes behind the end");
        const std::size_t end = rest.find('\n');
        fuzz::require(end != rest.npos, "lines end");
        over = !records.take_line(rest.substr(0, end));
        rest.remove_prefix(end + 1);
    }
}

static task<> stream(view& of) {
    const auto began = of.begins();
    receiving records(of);
    detail::http_caller<> caller(of.to, of.options, of.limits);
    std::string text = of.request("GET", of.fetching("event-stream"));
    const auto head = co_await caller.ask(std::move(text), "GET");
    if (!head) co_return;
    const unsigned status = http::to_number(head->status);
    fuzz::require(status == 200 || status == 404, "a status that is due");
    if (status == 404) {
        of.told_gone();
        co_return;
    }
    of.answered(began);
    http::event_stream_parser events;
    bool over = false;
    for (;;) {
        const auto piece = co_await caller.read();
        if (!piece || piece->empty()) break;
        bytes_view rest = *piece;
        while (events.parse(rest) == http::parse_status::done) {
            fuzz::require(!over, "nothing comes behind the end");
            const std::uint64_t before = of.has;
            over = !records.take_line(events.data());
            if (of.has > before) fuzz::require(events.last_id() == std::to_string(of.has), "a message's id is its number");
        }
        fuzz::require(!events.error(), "the stream is one");
    }
}

// Adds up to `count` new messages behind those that are not confirmed.
static std::string lines_to_post(view& of, std::size_t count, std::string_view more) {
    std::string lines;
    const std::uint64_t last = of.posted + count;
    for (std::uint64_t number = of.confirmed + 1; number <= last; ++number) {
        const owned_message next = fuzz::numbered_message(0, number, most_said);
        envelope::append_message_line(lines, number, next.is_text, as_bytes(next.data));
        lines += number % 5 == 0 ? "\r\n" : "\n";
    }
    of.posted = last;
    return lines.append(more);
}

static task<> post(view& of, std::string lines, std::uint64_t last) {
    const auto began = of.begins();
    const std::uint64_t before = of.confirmed;
    std::string text = of.request("POST", "session=" + of.id, lines);
    const answer got = co_await ask(of, "POST", std::move(text));
    if (got.status == 0) co_return;
    if (got.status == 404) {
        of.told_gone();
        co_return;
    }
    of.answered(began);
    fuzz::require(got.body.starts_with('a') && got.body.find('\n') != got.body.npos, "a POST is acknowledged");
    const auto number = envelope::parse_number(std::string_view(got.body).substr(1, got.body.find('\n') - 1));
    fuzz::require(number && *number >= before && *number <= of.posted, "by what has arrived");
    if (*number > of.confirmed) of.confirmed = *number;
    if (got.status == 410) of.told_gone();
    else if (got.status == 200) fuzz::require(*number >= last || of.ended, "all of it");
    else fuzz::require(got.status == 503, "a status that is due");
}

// A WebSocket that takes the session up, sends some messages, and listens.
static task<> websocket_to(view& of, std::size_t count, bool acknowledges) {
    const auto began = of.begins();
    receiving records(of);
    connect_options how;
    how.websocket.ping_interval = 2s;
    const std::string url = "ws://" + std::string(of.to.host_field()) + "/chat?" + of.fetching("websocket");
    auto ws = co_await weir::connect(url, how);
    if (!ws) co_return;
    for (bool first = true;; first = false) {
        const auto got = co_await ws->read();
        if (!got) break;
        const result<envelope::record> read = envelope::parse(got->text());
        fuzz::require(read.has_value(), "a record");
        const kind what = read->what;
        if (what == kind::failed) {
            if (*read->number == 404) of.told_gone();
            fuzz::require(*read->number == 404 || *read->number == 409, "no other error is due");
            break;
        }
        fuzz::require(first == (what == kind::resumed), "a session goes on from where it was");
        if (what == kind::closed) {
            of.told_gone();
            break;
        }
        if (what == kind::text || what == kind::binary) {
            fuzz::require(got->is_text() == (what == kind::text), "of its type");
            records.take(*read, read->rest);
            if (!acknowledges) continue;
            std::string record;
            envelope::append_number(record, kind::acknowledged, of.has);
            ws->send(record);
        } else if (what == kind::acknowledged) {
            fuzz::require(*read->number <= of.posted, "what was sent is acknowledged");
            if (*read->number > of.confirmed) of.confirmed = *read->number;
        } else if (what == kind::resumed) {
            of.answered(began);
            fuzz::require(*read->number <= of.posted, "what was sent has arrived");
            if (*read->number > of.confirmed) of.confirmed = *read->number;
            const std::uint64_t last = of.posted + count;
            for (std::uint64_t number = of.confirmed + 1; number <= last; ++number) {
                const owned_message next = fuzz::numbered_message(0, number, most_said);
                std::string record;
                envelope::append_message(record, number, next.is_text, as_bytes(next.data));
                ws->send(message(as_bytes(record), next.is_text));
            }
            of.posted = last;
        } else {
            fuzz::require(what == kind::heartbeat, "a record that is due");
        }
    }
}

// A stranger, with a session of his own: whatever he asks for, he is answered.
static task<> intrude(view& of, std::string method, std::string query, std::string body) {
    std::string text = of.request(method, std::move(query), body);
    const answer got = co_await ask(of, method, std::move(text));
    fuzz::require(got.status == 0 || (got.status >= 200 && got.status < 600), "an answer");
    if (got.status >= 400 && got.status != 410 && method != "HEAD")
        fuzz::require(got.body.find('e' + std::to_string(got.status) + ' ') != got.body.npos, "that says what is wrong");
}

// --- a conversation ---

struct script {
    fuzz::input steps{nullptr, 0};
    fuzz::input strange{nullptr, 0};
    session_options sessions;
    server_options server;
    std::string_view opened_as;
};

static std::string visible(std::string_view text) {
    std::string made(text);
    for (char& each : made)
        if (each <= ' ' || each > '~' || each == '#') each = '+';
    return made;
}

static void disturb(scope& in, view& of, fuzz::input& from, const std::string& session) {
    static constexpr std::string_view methods[] = {"GET", "POST", "POST", "DELETE", "HEAD", "PUT", "OPTIONS"};
    const std::string method(methods[from.up_to(std::size(methods) - 1)]);
    const bool known = from.flag();
    std::string query = (known ? "session=" + session + "&" : std::string()) + visible(from.take(from.up_to(40)));
    std::string body = method == "POST" ? std::string(from.take(from.up_to(200))) : std::string();
    if (query.find(of.id) == query.npos) in.spawn(intrude(of, method, std::move(query), std::move(body)));
}

// Fetches and sends what is left, one request after the other.
static task<> finish(view& of) {
    std::uint64_t got_on = 0;
    for (int idle = 0; idle < 5 && !of.may_be_gone && !of.ended; ++idle) {
        if (of.confirmed == of.posted && of.has == of.posted) break;
        if (std::exchange(got_on, of.confirmed + of.has) != of.confirmed + of.has) idle = 0;
        if (of.confirmed < of.posted) {
            std::string lines = lines_to_post(of, 0, {});
            co_await post(of, std::move(lines), 0);
        }
        co_await fetch(of, "polling");
    }
    if (of.may_be_gone || of.ended) co_return;
    fuzz::require(of.confirmed == of.posted, "everything arrives");
    fuzz::require(of.has == of.posted, "and comes back");
}

using jobs_list = std::vector<std::unique_ptr<scope>>;

static scope& work_of(jobs_list& jobs) { return *jobs.emplace_back(std::make_unique<scope>()); }

static task<> converse(fuzz::world& in, script of) {
    of.server.host = "127.0.0.1";
    serving there;
    server under_test;
    under_test.channel("/chat", [&](channel& client) { return echo(there, client); }).options(of.sessions).sessions(20);
    fuzz::require(under_test.listen(of.server).has_value(), "it can listen");
    result<> outcome = errc::busy;
    scope serving_all;
    serving_all.spawn(serve_into(under_test, outcome));
    const http::url to = *http::parse_url("http://" + under_test.local_endpoint().to_string() + "/");
    view mine(to), strangers(to);
    co_await open(mine, of.opened_as);
    co_await open(strangers, "polling");
    const auto began = in.now();
    {
        jobs_list jobs;
        for (unsigned step = 0; step < 100 && !of.steps.empty() && in.now() - began < 200s; ++step) {
            const std::uint8_t operation = of.steps.byte();
            const unsigned much = operation >> 4;
            switch (operation & 15) {
            case 0:
            case 1: {
                if (mine.posted > 300) break; // more only takes longer
                std::string lines = lines_to_post(mine, 1 + much, {});
                work_of(jobs).spawn(post(mine, std::move(lines), mine.posted));
                break;
            }
            case 2: {
                const std::string acknowledged = 'a' + std::to_string(mine.has);
                std::string lines = lines_to_post(mine, 0, acknowledged);
                work_of(jobs).spawn(post(mine, std::move(lines), mine.posted));
                break;
            }
            case 3:
            case 4: work_of(jobs).spawn(fetch(mine, "polling")); break;
            case 5:
            case 6: work_of(jobs).spawn(fetch(mine, "long-polling")); break;
            case 7: work_of(jobs).spawn(stream(mine)); break;
            case 8: work_of(jobs).spawn(websocket_to(mine, much, much & 1)); break;
            case 9: // breaks a request off
                if (jobs.empty()) break;
                jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(much % jobs.size()));
                break;
            case 10:
                if (!jobs.empty()) jobs[much % jobs.size()]->cancel();
                break;
            case 11: (void)co_await sleep(1ms * much); break;
            case 12: (void)co_await sleep(20ms * much * much); break;
            case 13:
                for (unsigned i = 0; i <= much; ++i) (void)co_await sleep(0ms);
                break;
            case 14: disturb(work_of(jobs), strangers, of.strange, strangers.id); break;
            default:
                if (much == 7) {
                    mine.ended = true;
                    std::string lines = lines_to_post(mine, 1, "x4001 goodbye");
                    work_of(jobs).spawn(post(mine, std::move(lines), mine.posted));
                }
            }
            if (there.at) fuzz::require(there.at->queued_bytes() <= of.sessions.high_water_bytes + most_said + 100, "bounds hold");
            std::erase_if(jobs, [](const auto& each) { return each->size() == 0; });
            if (jobs.size() > 12) jobs.erase(jobs.begin());
        }
    }
    co_await finish(mine);
    (void)co_await sleep(keep + of.sessions.heartbeat + 20s); // a WebSocket that was dropped takes its time
    fuzz::require(there.handlers == 0, "a session whose client is away ends");
    under_test.stop(1s);
    co_await serving_all.join();
    fuzz::require(outcome.has_value() && under_test.connections() == 0, "a server ends in order");
}

} // namespace channel_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace channel_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte(), pipe = in.byte();
    script of;
    of.opened_as = how & 1 ? "polling" : "long-polling";
    of.sessions.keep = keep;
    of.sessions.heartbeat = how & 2 ? 1s : 3s;
    of.sessions.high_water_bytes = how & 4 ? 500 : 5000;
    of.sessions.queue_bytes = 20'000;
    of.sessions.read_ahead_bytes = how & 8 ? 200 : 3000;
    of.server.handshake_timeout = how & 16 ? 500ms : 3s;
    of.server.keep_alive_timeout = 2s;
    of.strange = fuzz::input(reinterpret_cast<const std::uint8_t*>(data), in.take(in.left() / 2).size());
    of.steps = in;
    fuzz::world world(fuzz::network_of(pipe));
    world.run(converse(world, std::move(of)));
    return 0;
}
