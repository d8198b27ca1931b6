// A client's channel and servers that refuse, forget, contradict themselves, or are not there: what it says, and when.
#include "../server/serving.hpp"
#include "meddler.hpp"

#include <weir/client/open.hpp>
#include <weir/server/channel.hpp>

#include <functional>

namespace {

using tests::meddler;
using fate = meddler::fate;
using weir::channel;
using texts = std::vector<std::string>;

constexpr transport_kind polling[] = {transport_kind::polling};
constexpr transport_kind long_polling[] = {transport_kind::long_polling};
constexpr transport_kind event_stream[] = {transport_kind::event_stream};
constexpr transport_kind only_websocket[] = {transport_kind::websocket};

std::string http_url(net::endpoint at, std::string_view path = "/chat") { return "http://" + at.to_string() + std::string(path); }
std::chrono::nanoseconds now() { return io::loop::current()->now(); }
bool has(std::string_view text, std::string_view what) { return text.find(what) != text.npos; }

constexpr std::string_view id = "6HZbcOhbjcQxTn2Ih4vGbg";
const std::string greeting = "o" + std::string(id) + " heartbeat=25000 keep=30000 limit=1000\n";

// A server whose answers a test makes by hand, and what it was asked: "GET 0", "POST t1 hello\n", where the number is what is
// acknowledged.
struct scripted {
    using answers = std::function<response(const std::string& method, const std::string& said)>;

    explicit scripted(answers by) : answer(std::move(by)) {
        of.route("*", "/chat", [this](exchange& http) -> task<> {
            const std::string method = http.request().method;
            std::string said(http.query("ack").value_or(""));
            if (method == "POST") {
                auto body = co_await http.body(100'000);
                if (!body) co_return;
                said = *body;
            }
            asked.push_back(method + " " + said);
            http.respond(answer(method, said));
        });
    }
    server of;
    answers answer;
    texts asked;
};

response status(unsigned number, std::string text) { return response(static_cast<http::status>(number), std::move(text)); }

// Opens by polling, sends what is given, and gives how the channel stands when it has ended, or after a minute.
struct outcome {
    close_info end;
    error why; // of the last read
    texts got;
    std::size_t left = 0;
    std::chrono::nanoseconds took{0};
};
task<> use(net::endpoint at, open_options options, texts say, outcome& to) {
    const auto began = now();
    auto chat = co_await weir::open(http_url(at), options);
    REQUIRE_MESSAGE(chat, chat.error().message());
    for (const std::string& each : say) co_await chat->send(each);
    while (true) {
        auto message = co_await chat->read().within(60s);
        if (message) {
            to.got.emplace_back(message->text());
            continue;
        }
        to.why = message.error();
        break;
    }
    to.end = chat->closed();
    to.left = chat->unacknowledged().size();
    to.took = now() - began;
}
outcome run_scripted(scripted& by, texts say, open_options options = {.transports = polling}) {
    outcome to;
    in_memory(by.of, [&](net::endpoint at) -> task<> { return use(at, options, say, to); });
    return to;
}

std::string opening_error(net::endpoint at, std::string message) { // without the port, which differs
    const std::size_t begin = message.find(at.to_string());
    REQUIRE(begin != message.npos);
    while (has(message, at.to_string())) message.replace(message.find(at.to_string()), at.to_string().size(), "HERE");
    return message;
}

} // namespace

TEST_CASE("opening a channel: what is wrong with the URL or the options is said at once") {
    tests::memory_loop loop;
    const auto fails = [](std::string url, open_options options, std::string message) -> task<> {
        auto chat = co_await weir::open(url, options);
        REQUIRE(!chat);
        CHECK(chat.error().message() == message);
    };
    const http::field smuggled[] = {{"Cookie", "a\r\nb: c"}};
    const std::string no_tls = ": TLS: no file of this program includes <weir/net/tls.hpp>, or defines WEIR_WITH_OPENSSL before the "
                               "single header: not supported here";
    loop.run(fails("https://h/chat", {}, "opening https://h/chat" + no_tls));
    loop.run(fails("wss://h/chat?key=secret", {}, "opening wss://h/chat" + no_tls));
    loop.run(fails("ftp://h/", {}, "opening a channel: URL \"ftp://h/\", at byte 0 \"ftp\", should begin with ws://, wss://, "
                                   "http:// or https://: URL scheme not supported"));
    loop.run(fails("http://me:secret@h/", {},
                   "opening http://h/: a user in the URL; send an Authorization field: not supported here"));
    loop.run(fails("http://h/", {.headers = smuggled}, "opening http://h/: a field that may not stand in a request: malformed HTTP field"));
    const http::field doubled[] = {{"Cookie", "a"}, {"content-length", "7"}};
    loop.run(fails("http://h/", {.headers = doubled}, "opening http://h/: a field that may not stand in a request: malformed HTTP field"));
    loop.run(fails("http://h/", {.transports = {}}, "opening http://h/: a list of transports that is empty: not supported here"));
}

TEST_CASE("opening a channel: nobody is there, or nobody who serves channels") {
    server of;
    of.get("/page", "<html>\nhello\n</html>\n");
    of.get("/old", "moved");
    of.websocket("/echo", echo);
    in_memory(of, [&](net::endpoint at) -> task<> {
        auto none = co_await weir::open("http://127.0.0.1:9/chat");
        REQUIRE(!none);
        CHECK(none.error().message() == "opening http://127.0.0.1:9/chat: by polling: connecting to 127.0.0.1:9: Connection refused");
        CHECK(none.error() == condition::unreachable);

        auto lost = co_await weir::open(http_url(at, "/nowhere"));
        REQUIRE(!lost);
        CHECK(lost.error() == errc::session_refused);
        CHECK(opening_error(at, lost.error().message()) ==
              "opening http://HERE/nowhere: by polling: the server answered 404 Not Found: refused by the server");

        auto page = co_await weir::open(http_url(at, "/page"));
        REQUIRE(!page);
        CHECK(page.error() == errc::bad_record);

        auto other = co_await weir::open(http_url(at, "/echo"), {.attempt = 2s});
        REQUIRE(!other);
        CHECK(opening_error(at, other.error().message()) ==
              "opening http://HERE/echo: by polling: the server answered 426 Upgrade Required: refused by the server");
    });
}

TEST_CASE("opening a channel: ends in its time, however long the server says nothing") {
    server of;
    of.channel("/chat", [](channel& client) -> task<> { (void)co_await client.read(); });
    in_memory(of, [&](net::endpoint at) -> task<> {
        meddler between(at);
        between.mute = true;
        auto began = now();
        auto chat = co_await weir::open(http_url(between.at));
        REQUIRE(!chat);
        CHECK(now() - began >= 16s); // four attempts
        CHECK(now() - began < 17s);
        CHECK(chat.error() == errc::timed_out);
        CHECK(opening_error(between.at, chat.error().message()) == "opening http://HERE/chat: by polling: timed out");
        began = now();
        auto sooner = co_await weir::open(http_url(between.at), {.timeout = 5s});
        REQUIRE(!sooner);
        CHECK(sooner.error() == errc::timed_out);
        CHECK(now() - began >= 5s);
        CHECK(now() - began < 5100ms);
    });
}

TEST_CASE("opening a channel: who insists waits for a server that is about to start, but not for ever") {
    server of;
    of.channel("/chat", [](channel& client) -> task<> { (void)co_await client.read(); });
    in_memory(of, [&](net::endpoint at) -> task<> {
        meddler between(at);
        between.open = false;
        const auto began = now();
        auto none = co_await weir::open(http_url(between.at), {.timeout = 30s, .insist = true});
        REQUIRE(!none);
        CHECK(none.error() == errc::timed_out);
        CHECK(now() - began >= 30s);
        CHECK(now() - began < 31s);
        scope starting;
        starting.spawn([&]() -> task<> {
            (void)co_await weir::sleep(20s);
            between.open = true;
        });
        auto chat = co_await weir::open(http_url(between.at), {.timeout = 60s, .insist = true});
        REQUIRE_MESSAGE(chat, chat.error().message());
        CHECK(now() - began >= 50s);
        CHECK(now() - began < 67s); // the longest wait is 16 s
        CHECK(chat->transport() == transport_kind::websocket);
        co_await starting.join();
    });
}

TEST_CASE("client channel: each request has the fields and the query that were given") {
    for (const transport_kind kind : every_transport) {
        CAPTURE(to_text(kind));
        server of;
        int asked = 0;
        of.channel("/chat", [](channel& client) -> task<> {
            while (auto message = co_await client.read()) co_await client.send(*message);
        }).admit([&](const http::request_head& request) -> std::optional<response> {
            ++asked;
            if (request.fields.get("Authorization") == "Bearer sesame" && has(request.query(), "room=7&")) return std::nullopt;
            return response(http::status::unauthorized, "Say the word.\n");
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            const http::field fields[] = {{"Authorization", "Bearer sesame"}, {"X-More", "1"}};
            auto chat = co_await weir::open("ws://" + at.to_string() + "/chat?room=7", {.transports = {&kind, 1}, .headers = fields});
            REQUIRE_MESSAGE(chat, chat.error().message());
            co_await chat->send("hello");
            auto reply = co_await chat->read();
            REQUIRE(reply);
            CHECK(reply->text() == "hello");
            co_await chat->close();
            auto refused = co_await weir::open(http_url(at, "/chat?room=7"), {.transports = {&kind, 1}});
            REQUIRE(!refused);
            CHECK(has(refused.error().message(), "the server answered 401 Unauthorized"));
        });
        CHECK(asked >= 2);
    }
}

TEST_CASE("client channel: a server that has forgotten the session, or what was missed") {
    for (const unsigned number : {404u, 410u}) {
        CAPTURE(number);
        int gets = 0;
        scripted by([&](const std::string& method, const std::string&) {
            if (method == "POST") return status(500, "e500 it does not work\n");
            if (++gets == 1) return status(200, greeting);
            if (gets == 2) return status(200, "t1 one\nt2 two\n");
            return status(number, "e" + std::to_string(number) + " not any more\n");
        });
        const outcome to = run_scripted(by, {"lost", "as well"});
        CHECK(to.got == texts{"one", "two"});
        CHECK(to.why == errc::session_lost);
        CHECK(to.why == condition::disconnected);
        CHECK(to.end.cause == close_cause::lost);
        CHECK(to.end.error == errc::session_lost);
        CHECK(to.end.reason == "not any more");
        CHECK(to.left == 2);
        CHECK(has(to.end.message(), "the server has lost the session: 1006 \"not any more\""));
    }
}

TEST_CASE("client channel: a server that has started anew has lost the session, on each transport") {
    for (const transport_kind kind : every_transport) {
        CAPTURE(to_text(kind));
        const auto serve = [](channel& client) -> task<> { (void)co_await client.read().within(1h); };
        server of, other;
        of.channel("/chat", serve);
        other.channel("/chat", serve);
        in_memory(of, [&](net::endpoint at) -> task<> {
            const result<> listening = other.listen({.host = "127.0.0.1"});
            REQUIRE(listening);
            scope serving;
            result<> outcome;
            serving.spawn(serve_into(other, outcome));
            meddler between(at);
            auto chat = co_await weir::open(http_url(between.at), {.transports = {&kind, 1}});
            REQUIRE(chat);
            between.server = other.local_endpoint();
            between.break_all();
            co_await chat->send("hello");
            const auto began = now();
            auto none = co_await chat->read().within(60s);
            REQUIRE(!none);
            CHECK(none.error() == errc::session_lost);
            CHECK(now() - began < 2s);
            REQUIRE(chat->unacknowledged().size() == 1);
            CHECK(chat->unacknowledged()[0].data == "hello");
            CHECK(!chat->is_open());
            CHECK(!chat->is_connected());
            auto again = co_await weir::open(http_url(between.at), {.transports = {&kind, 1}});
            CHECK(again);
            other.stop();
            co_await serving.join();
        });
    }
}

TEST_CASE("client channel: bodies that are too large are cut; a message that alone is too large ends it") {
    texts taken;
    std::size_t most = 100'000, largest = 0;
    int gets = 0;
    scripted by([&](const std::string& method, const std::string& said) {
        if (method == "GET") return status(200, ++gets == 1 ? "o" + std::string(id) + " limit=50000\n" : "");
        if (said.size() > most) return status(413, "e413 too much\n");
        largest = said.size() > largest ? said.size() : largest;
        for (std::size_t at = 0, end; (end = said.find('\n', at)) != said.npos; at = end + 1)
            if (said[at] == 't') taken.push_back(said.substr(at, said.find(' ', at) - at));
        const std::string all = "a" + (taken.empty() ? "0" : taken.back().substr(1)) + "\n";
        return status(200, has(said, "x1000") ? all + "x1000\n" : all);
    });
    const std::string each(900, 'm');
    SUBCASE("by its own bound") {}
    SUBCASE("by the server's") { most = 2000; }
    SUBCASE("by nothing less than a message") { most = 500; }
    const outcome to = run_scripted(by, texts(100, each));
    if (most == 500) {
        CHECK(to.end.cause == close_cause::limit);
        CHECK(to.end.code == ws::close_code::message_too_big);
        CHECK(to.why == errc::message_too_large);
        CHECK(taken.empty());
    } else {
        REQUIRE(taken.size() == 100);
        for (std::size_t i = 0; i < taken.size(); ++i) CHECK(taken[i] == "t" + std::to_string(i + 1));
        CHECK(to.left == 0);
        CHECK(largest <= (most < 50'000 ? most : 50'000));
        CHECK(largest > 900);
    }
}

TEST_CASE("client channel: what is refused for now, or out of order, is sent again") {
    for (const char* refusal : {"503 later", "409 message 1 is missing before this one", "500 it does not work"}) {
        CAPTURE(refusal);
        int gets = 0, posts = 0;
        scripted by([&](const std::string& method, const std::string& said) {
            if (method == "GET") return status(200, ++gets == 1 ? greeting : "");
            if (said == "x1000") return status(200, "a2\nx1000\n");
            if (++posts <= 4) return status(static_cast<unsigned>(std::stoi(refusal)), "a0\ne" + std::string(refusal) + "\n");
            CHECK(said == "t1 one\nt2 two\n");
            return status(200, "a2\n");
        });
        const outcome to = run_scripted(by, {"one", "two"});
        CHECK(posts == 5);
        CHECK(to.left == 0);
        CHECK(to.end.cause == close_cause::open);
    }
}

TEST_CASE("client channel: a server that says that we make no sense is the end") {
    int gets = 0;
    scripted by([&](const std::string& method, const std::string&) {
        if (method == "GET") return status(200, ++gets == 1 ? greeting : "");
        return status(400, "a0\ne400 no record begins like this\n");
    });
    const outcome to = run_scripted(by, {"one"});
    CHECK(to.why == errc::bad_record);
    CHECK(to.end.cause == close_cause::protocol_error);
    CHECK(to.end.reason == "no record begins like this");
    CHECK(to.left == 1);
}

TEST_CASE("client channel: what would make no sense on any transport is the end: text that is not UTF-8, a message too long") {
    struct {
        std::string record;
        errc why;
        ws::close_code code;
    } const all[] = {{"t1 \xFF", errc::bad_utf8, ws::close_code::invalid_payload},
                     {"t1 " + std::string(1001, 'a'), errc::message_too_large, ws::close_code::message_too_big},
                     {"b1 " + std::string(1336, 'A'), errc::message_too_large, ws::close_code::message_too_big}};
    for (const bool streams : {false, true})
        for (const auto& each : all) {
            CAPTURE(streams);
            CAPTURE(each.record.substr(0, 4));
            int gets = 0;
            scripted by([&](const std::string& method, const std::string&) {
                if (method == "POST") return status(200, "a0\n");
                if (streams) {
                    response made(concat({"data: ", greeting, "\ndata: ", each.record, "\n\n"}));
                    made.content_type = "text/event-stream";
                    return made;
                }
                return status(200, ++gets == 1 ? greeting : each.record + "\n");
            });
            const transport_kind kind = streams ? transport_kind::event_stream : transport_kind::polling;
            const outcome to = run_scripted(by, {}, {.transports = {&kind, 1}, .message_bytes = 1000});
            CHECK(to.why == each.why);
            CHECK(to.end.code == each.code);
            CHECK(to.got.empty());
        }
}

TEST_CASE("client channel: an answer that makes no sense costs the transport, not the session") {
    for (const char* nonsense : {"t2 a gap\n", "t no number\n", "b1 ***\n", "t1 \\x\n", "t0 a\n", "o1234567890123456789012\n",
                                 "r1\n", "q\n", "a7\n", "hh\n", "a\n"}) {
        CAPTURE(nonsense);
        int gets = 0;
        scripted by([&](const std::string& method, const std::string& said) {
            if (method == "POST") return status(200, "a1\n");
            if (++gets == 1) return status(200, greeting);
            if (gets == 2) return status(200, nonsense);
            return status(200, said == "0" ? "t1 hello\n" : "x1000 over\n");
        });
        const outcome to = run_scripted(by, {});
        CHECK(to.got == texts{"hello"});
        CHECK(to.end.cause == close_cause::peer);
        CHECK(to.end.reason == "over");
        CHECK(to.took < 10s);
    }
}

TEST_CASE("opening a channel: ids that could not stand in a request, and settings that make no sense") {
    for (const char* first : {"oabc\r\nEvil: 1", "oa&b", "oa/../b", "o\xC3\xBC",
                              "o12345678901234567890123456789012345678901234567890123456789012345", "r5", "t1 hello", "h", "q"}) {
        CAPTURE(first);
        server of;
        of.websocket("/chat", [&](websocket& ws) -> task<> {
            co_await ws.send(std::string_view(first));
            (void)co_await ws.read();
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            auto chat = co_await weir::open(http_url(at), {.transports = only_websocket});
            REQUIRE(!chat);
            CHECK((chat.error() == errc::bad_record || chat.error() == errc::session_lost));
        });
    }
    for (const char* settings : {"", " heartbeat=0 limit=0", " heartbeat=9007199254740991 keep=9007199254740991 limit=9007199254740991",
                                 " heartbeat=x limit", " heartbeat=1"}) {
        CAPTURE(settings);
        server of;
        of.websocket("/chat", [&](websocket& ws) -> task<> {
            co_await ws.send("o" + std::string(id) + settings);
            while (auto record = co_await ws.read()) {
                if (!record->text().starts_with("t1 ")) continue;
                co_await ws.send("a1");
                co_await ws.send("x1000");
            }
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            auto chat = co_await weir::open(http_url(at), {.transports = only_websocket});
            REQUIRE_MESSAGE(chat, chat.error().message());
            (void)co_await weir::sleep(20s);
            CHECK(co_await chat->send("hello"));
            auto over = co_await chat->read();
            CHECK(!over);
            CHECK(chat->closed().cause == close_cause::peer);
            CHECK(chat->unacknowledged().empty());
        });
    }
}

TEST_CASE("client channel: a message over the limit ends it, on each transport") {
    for (const transport_kind kind : every_transport) {
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [](channel& client) -> task<> {
            client.send(std::string(2000, 'x'));
            client.send(std::string(20'000, 'y'));
            (void)co_await client.read();
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            outcome to;
            co_await use(at, {.transports = {&kind, 1}, .message_bytes = 2000}, {}, to);
            CHECK(to.got.size() == 1);
            CHECK(to.why == errc::message_too_large);
            CHECK(to.end.cause == close_cause::limit);
            CHECK(to.end.code == ws::close_code::message_too_big);
        });
    }
}

TEST_CASE("client channel: a server that stops says so, to those who listen") {
    for (const transport_kind kind : every_transport) {
        if (kind == transport_kind::polling) continue; // which asks again when nobody is there any more
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [](channel& client) -> task<> {
            while (auto message = co_await client.read()) client.send(*message);
        });
        outcome to;
        in_memory(of, [&](net::endpoint at) -> task<> {
            scope work;
            work.spawn(use, at, open_options{.transports = {&kind, 1}}, texts{"hello"}, std::ref(to));
            (void)co_await weir::sleep(5s);
            of.stop();
            co_await work.join();
        });
        CHECK(to.got == texts{"hello"});
        CHECK(to.why == errc::closed);
        CHECK(to.end.cause == close_cause::peer);
        CHECK(to.end.code == ws::close_code::going_away);
    }
}

TEST_CASE("client channel: when nothing works any more it is given up, after the time that was said") {
    for (const transport_kind kind : every_transport) {
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [](channel& client) -> task<> { (void)co_await client.read(); });
        in_memory(of, [&](net::endpoint at) -> task<> {
            meddler between(at);
            auto chat = co_await weir::open(http_url(between.at), {.transports = {&kind, 1}, .give_up = 90s});
            REQUIRE(chat);
            between.open = false;
            between.break_all();
            const auto began = now();
            auto none = co_await chat->read();
            REQUIRE(!none);
            CHECK(none.error() == errc::timed_out);
            CHECK(now() - began >= 90s);
            CHECK(now() - began < 95s);
            CHECK(chat->closed().cause == close_cause::timeout);
        });
    }
}

TEST_CASE("client channel: a carrier that falls silent is given up after two heartbeats, and the next one takes over") {
    for (const transport_kind kind : every_transport) {
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [](channel& client) -> task<> {
            while (auto slept = co_await weir::sleep(1s)) client.send("tick");
        }).options({.heartbeat = 4s});
        in_memory(of, [&](net::endpoint at) -> task<> {
            meddler between(at);
            auto chat = co_await weir::open(http_url(between.at), {.transports = {&kind, 1}, .attempt = 1s});
            REQUIRE(chat);
            auto first = co_await chat->read();
            REQUIRE(first);
            between.mute = true;
            (void)co_await weir::sleep(500ms); // what was under way
            const auto began = now();
            scope healer;
            healer.spawn([&]() -> task<> {
                (void)co_await weir::sleep(5s);
                between.mute = false;
                between.verdict = [&](std::string_view) { return fate::pass; };
            });
            int ticks = 0;
            while (ticks < 20) {
                auto tick = co_await chat->read().within(20s);
                REQUIRE(tick);
                ++ticks;
            }
            CHECK(now() - began < 30s);
            co_await healer.join();
        });
    }
}

TEST_CASE("client channel: an outbox that is full") {
    for (const overflow_policy policy : {overflow_policy::close, overflow_policy::drop}) {
        server of;
        of.channel("/chat", [](channel& client) -> task<> {
            while (auto message = co_await client.read()) co_await client.send(*message);
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            meddler between(at);
            auto chat = co_await weir::open(http_url(between.at), {.high_water_bytes = 3000, .queue_bytes = 10'000, .overflow = policy});
            REQUIRE(chat);
            between.open = false;
            between.break_all();
            (void)co_await weir::sleep(1s);
            CHECK(!chat->is_connected());
            CHECK(chat->is_open());
            const std::string some(1000, 's');
            CHECK(chat->try_send(message(as_bytes(some), true)));
            CHECK(chat->try_send(message(as_bytes(some), true)));
            auto waits = co_await chat->send(some).within(1s);
            CHECK(!waits);
            CHECK(waits.error() == errc::timed_out); // and is kept all the same
            int more = 0;
            while (chat->try_send(message(as_bytes(some), true))) REQUIRE(++more < 100);
            CHECK(chat->queued_bytes() <= 10'000);
            CHECK(more >= 5);
            auto refused = co_await chat->send(some);
            CHECK(refused.error() == (policy == overflow_policy::drop ? errc::buffer_full : errc::closed));
            CHECK(chat->is_open() == (policy == overflow_policy::drop));
            between.open = true;
            if (policy == overflow_policy::close) {
                auto none = co_await chat->read();
                CHECK(none.error() == errc::buffer_full);
                CHECK(chat->closed().cause == close_cause::limit);
            } else {
                for (int i = 0; i < 3 + more; ++i) {
                    auto came = co_await chat->read().within(60s);
                    REQUIRE(came);
                    CHECK(came->text() == some);
                }
                const std::string huge(1024 * 1024, 'h');
                auto too_long = co_await chat->send(huge);
                CHECK(too_long.error() == errc::message_too_large);
                CHECK(chat->is_open());
            }
        });
    }
}

TEST_CASE("client channel: one that is dropped is closed in the background, and the loop waits for it") {
    for (const transport_kind kind : every_transport) {
        CAPTURE(to_text(kind));
        server of;
        texts ends;
        of.channel("/chat", [&](channel& client) -> task<> {
            while (auto message = co_await client.read()) ends.emplace_back(message->text());
            ends.push_back(std::to_string(static_cast<int>(client.closed().code)));
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            {
                auto chat = co_await weir::open(http_url(at), {.transports = {&kind, 1}});
                REQUIRE(chat);
                chat->send("last words");
            }
            try {
                auto chat = co_await weir::open(http_url(at), {.transports = {&kind, 1}});
                REQUIRE(chat);
                throw 1;
            } catch (int) {
            }
            (void)co_await weir::sleep(2s);
        });
        CHECK(ends == texts{"last words", "1000", "1011"});
    }
}

TEST_CASE("client channel: clients that lost their server come back at different times, ever less often") {
    std::vector<std::chrono::nanoseconds> when[2];
    for (std::uint64_t seed : {1u, 2u}) {
        tests::memory_loop loop({}, seed);
        server of;
        of.channel("/chat", [](channel& client) -> task<> { (void)co_await client.read(); });
        auto work = [&](net::endpoint at) -> task<> {
            meddler between(at);
            auto chat = co_await weir::open(http_url(between.at), {.transports = only_websocket});
            REQUIRE(chat);
            between.verdict = [&](std::string_view) {
                when[seed - 1].push_back(now());
                return fate::cut;
            };
            between.break_all();
            when[seed - 1].push_back(now());
            auto none = co_await chat->read().within(120s);
            CHECK(!none);
            CHECK(chat->is_open());
        };
        loop.run(serving(of, {}, work));
    }
    for (auto& times : when) {
        REQUIRE(times.size() > 8);
        for (std::size_t i = 1; i < times.size(); ++i) {
            const auto gap = times[i] - times[i - 1];
            CHECK(gap >= 250ms);
            CHECK(gap <= 16s + 10ms);
        }
        CHECK(times.back() - times[times.size() - 2] >= 8s);
        CHECK(times.size() < 30);
    }
    CHECK(when[0] != when[1]);
}

TEST_CASE("client channel: held requests, answers that do not end, and their acknowledgements") {
    int gets = 0;
    scripted by([&](const std::string& method, const std::string&) {
        if (method == "POST") return status(200, "a0\n");
        return status(200, ++gets == 1 ? greeting : gets == 2 ? "t1 a\nt2 b\n" : gets == 3 ? "h\n" : "x1000\n");
    });
    const outcome to = run_scripted(by, {}, {.transports = long_polling});
    CHECK(to.got == texts{"a", "b"});
    CHECK(by.asked == texts{"GET 0", "GET 0", "GET 2", "GET 2"});

    server of;
    texts said;
    of.channel("/chat", [](channel& client) -> task<> {
        for (int i = 0; i < 70; ++i) co_await client.send("message");
        (void)co_await client.read();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        meddler between(at);
        between.verdict = [&](std::string_view text) {
            const std::size_t body = text.find("\r\n\r\n");
            if (text.starts_with("POST ") && body != text.npos) said.emplace_back(text.substr(body + 4));
            return fate::pass;
        };
        auto chat = co_await weir::open(http_url(between.at), {.transports = event_stream});
        REQUIRE(chat);
        for (int i = 0; i < 70; ++i) REQUIRE(co_await chat->read());
        (void)co_await weir::sleep(2s);
    });
    REQUIRE(!said.empty());
    CHECK(said.size() <= 4);
    CHECK(has(said[said.size() - 1], "a70\n"));
}
