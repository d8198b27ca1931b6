// A whole server in memory: whatever bytes come, in whatever pieces, it ends within its timeouts and leaks nothing; its
// HTTP answers are well-formed; its frames break no rule, echo what was sent, and close with the code that is due.
#include "reference.hpp"
#include "world.hpp"

#include <weir/server/server.hpp>
#include <weir/transport/message.hpp>

#include <stdexcept>

namespace server_target {

using namespace weir;
using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds patience = 150s; // longer than all timeouts that may follow each other

// --- what the server does ---

static bool thin_pipes = false; // through which large answers would take all the time there is

static task<> echo(websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}
static task<> echo_pieces(websocket& ws) {
    while (auto piece = co_await ws.read_frame()) {
        if (piece->is_text) co_await ws.send_frame(piece->text(), piece->last);
        else co_await ws.send_frame(piece->payload, piece->last);
    }
}
static task<> echo_mixed(websocket& ws) {
    for (;;) {
        auto piece = co_await ws.read_frame();
        if (!piece) co_return;
        if (piece->last) continue;
        auto rest = co_await ws.read().within(1s);
        if (!rest && rest.error() != errc::timed_out) co_return;
    }
}
static task<> close_at_once(websocket& ws) {
    co_await ws.send("bye");
    co_await ws.close(static_cast<ws::close_code>(4321), "because");
}
static task<> ignore(websocket&) { (void)co_await sleep(3s); }
static task<> never(websocket&) { (void)co_await sleep(100s); }
static task<> push(websocket& ws) {
    const std::string much(thin_pipes ? 300 : 5000, 'x');
    for (int i = 0; i < (thin_pipes ? 10 : 60); ++i) {
        const send_status sent = co_await ws.send(much);
        if (!sent) co_return;
    }
    co_await ws.ping("now");
    while (auto message = co_await ws.read()) {}
}
static task<> fail(websocket& ws) {
    auto message = co_await ws.read();
    if (message) throw std::runtime_error("as it should");
}
static task<response> slow(const http::request_head&) {
    (void)co_await sleep(1s);
    co_return response("slow\n");
}

static task<> count(exchange& http) {
    const auto text = co_await http.body(1000);
    if (text) http.respond(std::to_string(text->size()) + "\n");
}
static task<> name_room(exchange& http) {
    http.respond(std::to_string(http.parameter("room").size() + http.query("q").value_or("").size()) + "\n");
    co_return;
}

struct handler {
    std::string_view path;
    bool echoes;
};
constexpr handler handlers[] = {{"/echo", true},   {"/pieces", true}, {"/mixed", false}, {"/close", false},
                                {"/ignore", false}, {"/never", false}, {"/push", false},  {"/fail", false}};

static void add_routes(server& to) {
    to.websocket("/echo", echo);
    to.websocket("/pieces", echo_pieces);
    to.websocket("/mixed", echo_mixed);
    to.websocket("/close", close_at_once);
    to.websocket("/ignore", ignore);
    to.websocket("/never", never);
    to.websocket("/push", push);
    to.websocket("/fail", fail);
    to.get("/", "hello\n");
    to.get("/echo", "a page, too\n");
    to.get("/slow", slow);
    to.route("POST", "/count", count);
    to.route("*", "/rooms/{room}", name_room);
    to.get("/big", [](const http::request_head& of) { return std::string(thin_pipes ? 2000 : 70'000, of.target.back()); });
    to.get("/fails", [](const http::request_head&) -> response { throw std::runtime_error("as it should"); });
    to.get("/odd", [](const http::request_head& of) {
        response made(http::status::no_content);
        made.fields.add("Content-Length", "5");
        made.fields.add("X-Path", of.path());
        return made;
    });
}

// --- what must be so of its answers, read by other means than the library's ---

static bool token(std::string_view text) {
    for (const char c : text)
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-') return false;
    return !text.empty();
}

// Reads answers off the front of `text` up to and with a 101, and says whether there was one. What is cut off must be
// the last, and only where `may_be_cut`.
static bool read_answers(std::string_view& text, bool may_be_cut) {
    while (!text.empty()) {
        const std::size_t end = text.find("\r\n\r\n");
        if (end == text.npos) {
            fuzz::require(may_be_cut, "a whole head");
            text = {};
            return false;
        }
        std::string_view head = text.substr(0, end + 2);
        text.remove_prefix(end + 4);
        fuzz::require(head.size() > 17 && head.starts_with("HTTP/1.1 ") && head[12] == ' ', "a status line");
        const int status = std::stoi(std::string(head.substr(9, 3)));
        fuzz::require(status == 100 || status == 101 || (status >= 200 && status <= 599), "a status");
        head.remove_prefix(head.find("\r\n") + 2);
        std::size_t length = 0, lengths = 0;
        while (!head.empty()) {
            const std::string_view line = head.substr(0, head.find("\r\n"));
            head.remove_prefix(line.size() + 2);
            const std::size_t colon = line.find(": ");
            fuzz::require(colon != line.npos && token(line.substr(0, colon)), "a field's name");
            for (const char c : line) fuzz::require(c >= ' ' && c < 0x7F, "visible ASCII");
            if (line.starts_with("Content-Length: ")) {
                ++lengths;
                length = std::stoul(std::string(line.substr(16)));
            }
        }
        if (status == 101) return true;
        if (status == 100) {
            fuzz::require(lengths == 0, "nothing but the status");
            continue;
        }
        fuzz::require(lengths == (status == 204 || status == 304 ? 0 : 1), "one length");
        if (text.starts_with("HTTP/1.1 ") || (text.empty() && length > 0)) continue; // the answer to HEAD
        if (text.size() < length) {
            fuzz::require(may_be_cut, "a whole body");
            text = {};
            return false;
        }
        text.remove_prefix(length);
    }
    return false;
}

static std::vector<fuzz::entry> messages_of(const fuzz::trace& from) {
    std::vector<fuzz::entry> all;
    for (const fuzz::entry& each : from.entries) {
        if (each.what != fuzz::entry::data) continue;
        if (each.first) all.push_back(each);
        else if (!all.empty()) {
            all.back().bytes += each.bytes;
            all.back().last = each.last;
        }
    }
    return all;
}

struct expectations {
    bool known = false;         // what follows is known, since the input was put behind a handshake
    bool echoes = false;
    bool undisturbed = false;   // the peer reads to the end and does not break off
    bool limited = false;       // small limits were set
    fuzz::trace sent;           // what the peer has sent
};

// The code that answers a failure (RFC 6455, section 7.4.1).
static unsigned due(errc failure) {
    return failure == errc::bad_utf8 ? 1007 : failure == errc::too_many_fragments || failure == errc::frame_too_large ? 1009 : 1002;
}

static void check_frames(std::string_view bytes, const expectations& of) {
    const fuzz::trace got = fuzz::reference_receive(bytes, false, {}, 0);
    fuzz::require(got.failure == errc{}, "the server breaks no rule");
    if (of.undisturbed) fuzz::require(got.whole == bytes.size(), "whole frames, and nothing behind the close");
    if (!of.known || !of.echoes) return;
    std::vector<fuzz::entry> sent = messages_of(of.sent), back = messages_of(got);
    // How much of a text comes back before it turns out to be broken depends on how it was cut.
    if (of.sent.failure == errc::bad_utf8 && !back.empty() && !back.back().last) back.pop_back();
    fuzz::require(back.size() <= sent.size(), "no more messages than were sent");
    for (std::size_t i = 0; i < back.size(); ++i) {
        const bool same = back[i].last ? back[i] == sent[i]
                                       : back[i].opcode == sent[i].opcode && sent[i].bytes.starts_with(back[i].bytes);
        fuzz::require(same, "messages come back as they were");
        if (!back[i].last) fuzz::require(i + 1 == back.size(), "one after the other");
    }
    std::size_t pings = 0;
    for (const fuzz::entry& each : got.entries) {
        if (each.what != fuzz::entry::pong) continue;
        while (pings < of.sent.entries.size() &&
               !(of.sent.entries[pings].what == fuzz::entry::ping && of.sent.entries[pings].bytes == each.bytes))
            ++pings;
        fuzz::require(pings++ < of.sent.entries.size(), "a pong answers a ping");
    }
    if (!of.undisturbed || got.entries.empty() || got.entries.back().what != fuzz::entry::close) return;
    const unsigned code = got.entries.back().code;
    if (code == 1009 || code == 1008) return; // limits of the transport's own
    if (of.sent.failure != errc{}) {
        fuzz::require(code == due(of.sent.failure), "closed with the code that is due");
    } else if (!of.sent.entries.empty() && of.sent.entries.back().what == fuzz::entry::close) {
        const unsigned theirs = of.sent.entries.back().code;
        fuzz::require(code == theirs || (theirs == 1005 && code == 1000), "the close is answered");
        while (!sent.empty() && !sent.back().last) sent.pop_back();
        while (!back.empty() && !back.back().last) back.pop_back();
        fuzz::require(of.limited || back.size() == sent.size(), "and everything before it");
    }
}

// --- one conversation ---

struct script {
    server_options options;
    std::string text;
    std::uint8_t cuts = 0;
    unsigned pauses = 0;
    fuzz::leaving leaving = fuzz::leaving::stays;
    bool listens = true;
    bool stop_early = false;
    expectations expected;
};

static task<> serve_into(server& of, result<>& outcome) { outcome = co_await of.serve(); }

static void note(void* self, const log_event& event) {
    *static_cast<std::size_t*>(self) += event.what.size() + event.where.size() + event.error.message().size();
    fuzz::require(event.what.size() < 600, "short lines in the log");
}

static task<> converse(fuzz::world& in, script of) {
    std::size_t logged = 0;
    of.options.host = "127.0.0.1";
    of.options.log = {note, &logged};
    server under_test;
    add_routes(under_test);
    fuzz::require(under_test.listen(of.options).has_value(), "it can listen");
    result<> outcome = errc::busy;
    scope serving;
    serving.spawn(serve_into(under_test, outcome));
    const net::endpoint at = under_test.local_endpoint();
    {
        result<owned<io::stream>> stream = in.network().connect(at.bytes());
        fuzz::require(stream.has_value(), "connects");
        fuzz::raw_peer peer(std::move(*stream));
        scope both;
        both.spawn(peer.say(of.text, of.cuts, of.pauses, of.leaving));
        if (of.listens) both.spawn(peer.listen());
        if (of.stop_early) {
            (void)co_await sleep(std::chrono::milliseconds(1 + of.cuts));
            under_test.stop(5s);
        }
        const result<> talked = co_await both.join().within(patience + 300ms * of.text.size());
        fuzz::require(talked.has_value() || !of.listens, "it ends within its timeouts");
        (void)co_await sleep(patience);
        fuzz::require(under_test.connections() == 0, "no connection is left");

        const bool broken = peer.left() || !of.listens || !peer.ended();
        std::string_view heard = peer.heard();
        // A peer that ends its side without a close frame need not hear everything.
        const auto& said = of.expected.sent.entries;
        const bool in_order = of.leaving != fuzz::leaving::ends || (!said.empty() && said.back().what == fuzz::entry::close);
        of.expected.undisturbed = !broken && in_order && of.expected.known && peer.said_all() && !of.stop_early;
        if (read_answers(heard, broken)) check_frames(heard, of.expected);
    }
    const std::chrono::nanoseconds stopped = in.now();
    under_test.stop(5s);
    co_await serving.join();
    fuzz::require(outcome.has_value() && in.now() - stopped < 1s, "a server without connections stops at once");
}

} // namespace server_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace server_target;
    fuzz::input in(data, size);
    script of;
    const std::uint8_t how = in.byte();
    const std::uint8_t network = in.byte();
    of.cuts = in.byte();
    of.leaving = static_cast<fuzz::leaving>(how & 3);
    of.pauses = how >> 2 & 3;
    of.listens = (how >> 4 & 7) != 7;
    of.stop_early = network >= 0xF0;
    if (how & 0x80) { // limits that small inputs reach
        of.options.websocket.message_bytes = 64;
        of.options.websocket.message_fragments = 4;
        of.options.websocket.read_ahead_bytes = 64;
        of.options.websocket.high_water_bytes = 128;
        of.options.websocket.frame_bytes = 16;
        of.options.head = {.head_bytes = 400, .line_bytes = 100, .field_count = 8};
        of.expected.limited = true;
    }
    const std::uint8_t which = in.byte();
    if (which < 128) {
        const handler& asked = handlers[which % std::size(handlers)];
        of.expected.known = true;
        of.expected.echoes = asked.echoes;
        of.text = "GET " + std::string(asked.path) +
                  " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        const std::string_view frames = in.take_all();
        ws::limits limits;
        if (asked.path != "/pieces") limits.message_fragments = of.options.websocket.message_fragments; // a limit of `read`
        of.expected.sent = fuzz::reference_receive(frames, true, limits, 0);
        of.text += frames;
    } else {
        of.text = in.take_all();
    }
    io::memory_options pipes;
    pipes.fragment = network & 1;
    thin_pipes = network & 3;
    if (network & 2) pipes.pipe_bytes = 1 + network % 64;
    if (network & 4) pipes.latency = 10ms;
    pipes.seed = of.cuts;
    fuzz::world world(pipes);
    world.run(converse(world, std::move(of)));
    return 0;
}
