// A client's channel opposite weir's own server, in memory and on virtual time: every transport, and what it does when they fail.
#include "../server/serving.hpp"
#include "meddler.hpp"

#include <weir/client/open.hpp>
#include <weir/server/channel.hpp>
#include <weir/transport/requests.hpp>

namespace {

using texts = std::vector<std::string>;
using weir::channel;
using tests::meddler;
using fate = meddler::fate;

constexpr transport_kind kinds[] = {transport_kind::websocket, transport_kind::event_stream, transport_kind::long_polling,
                                    transport_kind::polling};

std::string http_url(net::endpoint at, std::string_view path = "/chat") { return "http://" + at.to_string() + std::string(path); }

std::chrono::nanoseconds now() { return io::loop::current()->now(); }

bool has(std::string_view text, std::string_view what) { return text.find(what) != text.npos; }
bool upgrades(std::string_view text) { return has(text, "transport=websocket"); }

std::string numbered(std::string_view what, int number) { return std::string(what) + " " + std::to_string(number); }

// Sends `count` messages, one every `pause`, and gives what it has read meanwhile.
template <class Channel>
task<> speak(Channel& to, std::string what, int count, std::chrono::nanoseconds pause) {
    for (int i = 1; i <= count && to.is_open(); ++i) {
        co_await to.send(numbered(what, i));
        (void)co_await weir::sleep(pause);
    }
}
template <class Channel>
task<> listen_to(Channel& from, texts& into, std::size_t count) {
    while (into.size() < count) {
        auto message = co_await from.read();
        if (!message) break;
        into.emplace_back(message->text());
    }
}
void check_all(const texts& got, std::string_view what, std::size_t count) {
    CHECK(got.size() == count);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == numbered(what, static_cast<int>(i) + 1));
}

// Both sides send `count` messages through whatever `meddle` does meanwhile; all arrive, once and in order.
template <class Meddle>
void converse(const open_options& options, int count, std::chrono::nanoseconds pause, Meddle meddle) {
    server of;
    texts at_server, at_client;
    close_info end;
    of.channel("/chat", [&](channel& client) -> task<> {
        scope work;
        work.spawn(speak<channel>, std::ref(client), std::string("down"), count, pause);
        co_await listen_to(client, at_server, static_cast<std::size_t>(count));
        co_await work.join();
        auto last = co_await client.read();
        CHECK(!last);
        end = client.closed();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        meddler between(at);
        auto chat = co_await weir::open(http_url(between.at), options);
        REQUIRE_MESSAGE(chat, chat.error().message());
        scope meddling;
        meddling.spawn(meddle, std::ref(between));
        const std::string id(chat->id());
        {
            scope work;
            work.spawn(speak<client_channel>, std::ref(*chat), std::string("up"), count, pause);
            co_await listen_to(*chat, at_client, static_cast<std::size_t>(count));
            co_await work.join();
        }
        CHECK(chat->is_open());
        CHECK(chat->id() == id);
        while (chat->queued_bytes() > 0 && chat->is_open()) (void)co_await weir::sleep(100ms);
        meddling.cancel();
        co_await meddling.join();
        between.verdict = nullptr;
        between.open = true;
        CHECK(co_await chat->close());
        CHECK_MESSAGE(chat->closed().cause == close_cause::local, chat->closed().message());
    });
    check_all(at_server, "up", static_cast<std::size_t>(count));
    check_all(at_client, "down", static_cast<std::size_t>(count));
    CHECK(end.cause == close_cause::peer);
    CHECK(end.code == ws::close_code::normal);
}

// "a7 up" answers "q7 up".
std::optional<int> answered_id(const message& any) {
    if (!any.text().starts_with('a')) return std::nullopt;
    return std::atoi(std::string(any.text().substr(1)).c_str());
}
template <class Channel>
task<> answer_all(Channel& to, requests<int, Channel>& calls) {
    for (;;) {
        auto asked = co_await calls.read();
        if (!asked) co_return;
        to.send("a" + std::string(asked->text().substr(1)));
    }
}
template <class Channel>
task<> ask_all(requests<int, Channel>& calls, std::string what, texts& into) {
    for (int id = 1; id <= 10; ++id) {
        const std::string text = "q" + std::to_string(id) + " " + what;
        auto got = co_await calls.ask(id, text).within(60s);
        into.push_back(got ? got->data : got.error().message());
    }
}

} // namespace

TEST_CASE("client channel: text and binary there and back, on each transport, and an end in order") {
    for (int i = 0; i < 8; ++i) {
        const transport_kind kind = kinds[i / 2];
        const bool on_sockets = i % 2 == 1;
        CAPTURE(to_text(kind));
        CAPTURE(on_sockets);
        server of;
        close_info end;
        of.channel("/chat", [&](channel& client) -> task<> {
            while (auto message = co_await client.read()) co_await client.send(*message);
            end = client.closed();
        });
        const auto talk = [&](net::endpoint at) -> task<> {
            auto chat = co_await weir::open(http_url(at), {.transports = {&kind, 1}, .interval = 10ms});
            REQUIRE_MESSAGE(chat, chat.error().message());
            CHECK(chat->is_open());
            CHECK(chat->is_connected());
            CHECK(chat->transport() == kind);
            CHECK(chat->id().size() == 22);
            const std::string_view said[] = {"hello", "", "a\\b\nc\r\n\\n", "gr\xC3\xBC\xC3\x9F"};
            for (const std::string_view each : said) {
                CHECK(co_await chat->send(each));
                auto reply = co_await chat->read().within(10s);
                REQUIRE_MESSAGE(reply, reply.error().message());
                CHECK(reply->is_text());
                CHECK(reply->text() == each);
            }
            const std::string bytes("\0\n\xFFt1", 5);
            co_await chat->send(as_bytes(bytes));
            auto reply = co_await chat->read().within(10s);
            REQUIRE(reply);
            CHECK(reply->is_binary());
            CHECK(reply->text() == bytes);
            const auto began = now();
            CHECK(co_await chat->close(static_cast<ws::close_code>(4001), "enough"));
            CHECK(now() - began < 1s);
            CHECK(!chat->is_open());
            CHECK(chat->closed().cause == close_cause::local);
            CHECK(chat->unacknowledged().empty());
            auto over = co_await chat->read();
            CHECK(!over);
            CHECK(over.error() == errc::closed);
        };
        if (on_sockets)
            over_sockets(of, talk);
        else
            in_memory(of, talk);
        CHECK(end.cause == close_cause::peer);
        CHECK(static_cast<int>(end.code) == 4001);
        CHECK(end.reason == "enough");
    }
}

TEST_CASE("client channel: the server closes") {
    for (const transport_kind kind : kinds) {
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [&](channel& client) -> task<> {
            client.send("last words");
            client.close(static_cast<ws::close_code>(4002), "go away");
            co_return;
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            auto chat = co_await weir::open(http_url(at), {.transports = {&kind, 1}});
            REQUIRE_MESSAGE(chat, chat.error().message());
            auto words = co_await chat->read().within(10s);
            REQUIRE(words);
            CHECK(words->text() == "last words");
            auto over = co_await chat->read().within(10s);
            CHECK(!over);
            CHECK(over.error() == errc::closed);
            CHECK(chat->closed().cause == close_cause::peer);
            CHECK(static_cast<int>(chat->closed().code) == 4002);
            CHECK(chat->closed().reason == "go away");
            CHECK(!co_await chat->send("too late"));
        });
    }
}

TEST_CASE("client channel: closed only once the server has everything, however long its handler takes") {
    for (const transport_kind kind : kinds) {
        for (const bool in_time : {false, true}) {
            CAPTURE(to_text(kind));
            CAPTURE(in_time);
            server of;
            std::size_t read = 0;
            close_info end;
            of.channel("/chat", [&](channel& client) -> task<> {
                (void)co_await weir::sleep(3s);
                if (!in_time) (void)co_await weir::sleep(30s);
                while (auto message = co_await client.read()) ++read;
                end = client.closed();
            }).options({.keep = 60s});
            std::size_t left = 0;
            in_memory(of, [&](net::endpoint at) -> task<> {
                auto chat = co_await weir::open(http_url(at), {.transports = {&kind, 1}, .close_timeout = 20s});
                REQUIRE_MESSAGE(chat, chat.error().message());
                for (int i = 0; i < 280; ++i) chat->send(std::string(1000, 'x')); // more than the session receives ahead
                co_await chat->close();
                left = chat->unacknowledged().size();
                (void)co_await weir::sleep(100s);
            });
            CHECK(read >= 280 - left);
            if (in_time) {
                CHECK(left == 0);
                CHECK(end.cause == close_cause::peer);
            } else {
                CHECK(left > 0);
            }
        }
    }
}

TEST_CASE("client channel: what a handler says last arrives, whatever becomes of the connection that it is said on") {
    for (const transport_kind kind : kinds) {
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [&](channel& client) -> task<> {
            (void)co_await client.read();
            client.send("last words");
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            meddler between(at);
            auto chat = co_await weir::open(http_url(between.at), {.transports = {&kind, 1}, .interval = 5s});
            REQUIRE_MESSAGE(chat, chat.error().message());
            const bool over_http = kind == transport_kind::long_polling || kind == transport_kind::polling;
            between.mute = !over_http; // nothing of the server's gets through
            co_await chat->send("go");
            (void)co_await weir::sleep(100ms);
            co_await chat->send("more"); // the answer to a POST says that it is over as well
            (void)co_await weir::sleep(100ms);
            between.break_all();
            between.mute = false;
            auto words = co_await chat->read().within(20s);
            REQUIRE_MESSAGE(words, words.error().message());
            CHECK(words->text() == "last words");
            auto over = co_await chat->read().within(20s);
            CHECK(!over);
            CHECK(over.error() == errc::closed);
            CHECK_MESSAGE(chat->closed().cause == close_cause::peer, chat->closed().message());
        });
    }
}

TEST_CASE("client channel: nothing is lost or doubled when connections break again and again") {
    for (const transport_kind kind : kinds)
        for (const auto every : {110ms, 730ms, 3100ms}) {
            CAPTURE(to_text(kind));
            CAPTURE(every.count());
            int breaks = 0;
            converse({.transports = {&kind, 1}, .interval = 300ms}, 40, 97ms, [&](meddler& between) -> task<> {
                while (auto slept = co_await weir::sleep(every)) {
                    if (++breaks <= 12) between.break_all();
                }
            });
            CHECK(breaks > 0);
        }
}

TEST_CASE("client channel: nothing is lost or doubled when answers are lost and requests are cut off") {
    for (const transport_kind kind : kinds)
        for (const fate what : {fate::cut, fate::lose_answer, fate::swallow}) {
            CAPTURE(to_text(kind));
            CAPTURE(static_cast<int>(what));
            int count = 0;
            converse({.transports = {&kind, 1}, .interval = 300ms}, 30, 150ms, [&](meddler& between) -> task<> {
                between.verdict = [&](std::string_view) { return ++count % 3 == 2 ? what : fate::pass; };
                (void)co_await weir::sleep(1h);
            });
            CHECK(count >= 3);
        }
}

TEST_CASE("client channel: all transports, disturbed by chance") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        pseudo_random random(seed);
        converse({.attempt = 1s, .probe = 3s, .interval = 300ms}, 30, 200ms, [&](meddler& between) -> task<> {
            between.verdict = [&](std::string_view text) {
                if (upgrades(text) && random.chance(0.5)) return fate::swallow;
                return random.chance(0.05) ? static_cast<fate>(random.below(4)) : fate::pass;
            };
            while (auto slept = co_await weir::sleep(std::chrono::milliseconds(random.below(3000)))) {
                if (random.chance(0.7)) between.break_all();
                between.open = !random.chance(0.1);
            }
        });
    }
}

TEST_CASE("client channel: falls back to what works in time, and moves up again when it can") {
    server of;
    of.channel("/chat", [](channel& client) -> task<> {
        while (auto message = co_await client.read()) co_await client.send(*message);
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (std::size_t works = 0; works < 4; ++works) { // the place of the best one that does
            CAPTURE(works);
            meddler between(at);
            between.verdict = [&](std::string_view text) {
                for (std::size_t i = 0; i < works; ++i)
                    if (has(text, "transport=" + std::string(to_text(kinds[i])))) return fate::swallow;
                return fate::pass;
            };
            const auto began = now();
            auto chat = co_await weir::open(http_url(between.at));
            REQUIRE_MESSAGE(chat, chat.error().message());
            CHECK(chat->transport() == kinds[works]);
            CHECK(now() - began >= works * 4s);
            CHECK(now() - began < works * 4s + 100ms);
            CHECK(co_await chat->send("one"));
            auto one = co_await chat->read().within(3s);
            REQUIRE(one);
            CHECK(one->text() == "one");
            between.verdict = nullptr;
            (void)co_await weir::sleep(16s);
            CHECK(chat->transport() == transport_kind::websocket);
            CHECK(co_await chat->send("two"));
            auto two = co_await chat->read().within(1s);
            REQUIRE(two);
            CHECK(two->text() == "two");
            CHECK(now() - began < works * 4s + 18s);
            co_await chat->close();
        }
    });
}

TEST_CASE("client channel: a server that offers less is taken at its word") {
    for (const transport_kind kind : kinds) {
        CAPTURE(to_text(kind));
        server of;
        of.channel("/chat", [](channel& client) -> task<> { (void)co_await client.read(); }).transports({&kind, 1});
        in_memory(of, [&](net::endpoint at) -> task<> {
            const auto began = now();
            auto chat = co_await weir::open(http_url(at));
            REQUIRE_MESSAGE(chat, chat.error().message());
            CHECK(chat->transport() == kind);
            CHECK(now() - began < 100ms);
        });
    }
}

TEST_CASE("client channel: a better transport that never works is tried ever less often, and disturbs nothing") {
    server of;
    of.channel("/chat", [](channel& client) -> task<> {
        for (int i = 1; auto slept = co_await weir::sleep(500ms); ++i) client.send(numbered("down", i));
    });
    for (const transport_kind kind : {transport_kind::event_stream, transport_kind::long_polling, transport_kind::polling}) {
        CAPTURE(to_text(kind));
        const transport_kind two[] = {transport_kind::websocket, kind};
        in_memory(of, [&](net::endpoint at) -> task<> {
            meddler between(at);
            between.verdict = [](std::string_view text) { return upgrades(text) ? fate::swallow : fate::pass; };
            auto chat = co_await weir::open(http_url(between.at), {.transports = two});
            REQUIRE(chat);
            texts got;
            (void)co_await listen_to(*chat, got, 20'000).within(600s);
            CHECK(got.size() > 1150);
            for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == numbered("down", static_cast<int>(i) + 1));
            const int tried = between.count("transport=websocket");
            CHECK(tried >= 5); // at 0, 19, 53, 117, 241, 485 s
            CHECK(tried <= 7);
        });
    }
}

TEST_CASE("client channel: while something better is tried, a held request is answered and not made again") {
    const transport_kind two[] = {transport_kind::websocket, transport_kind::long_polling};
    server of;
    channel* there = nullptr;
    of.channel("/chat", [&](channel& client) -> task<> {
        there = &client;
        (void)co_await client.read();
        there = nullptr;
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        meddler between(at);
        event probed;
        between.verdict = [&](std::string_view text) {
            if (!upgrades(text)) return fate::pass;
            probed.set();
            return fate::swallow;
        };
        auto chat = co_await weir::open(http_url(between.at), {.transports = two});
        REQUIRE_MESSAGE(chat, chat.error().message());
        CHECK(chat->transport() == transport_kind::long_polling);
        probed.reset();
        REQUIRE(co_await probed.wait().within(20s));
        const auto fetches = [&] { return between.count("transport=long-polling"); };
        const int before = fetches();
        there->send("one"); // while the server has not answered the handshake, and is not going to
        auto one = co_await chat->read().within(100ms);
        REQUIRE(one);
        CHECK(one->text() == "one");
        (void)co_await weir::sleep(3500ms);
        CHECK(fetches() == before); // it would take the session from a WebSocket that the server has answered
        (void)co_await weir::sleep(1s);
        CHECK(fetches() == before + 1);
        there->send("two");
        auto two_of_two = co_await chat->read().within(100ms);
        REQUIRE(two_of_two);
        CHECK(two_of_two->text() == "two");
        for (const std::string& each : between.answers) CHECK(each == "HTTP/1.1 200 OK");
    });
}

TEST_CASE("client channel: one that is being closed fetches nothing any more") {
    static constexpr transport_kind kind = transport_kind::long_polling;
    server of;
    of.channel("/chat", [](channel& client) -> task<> {
        (void)co_await weir::sleep(1s);
        client.send("too late");
        (void)co_await weir::sleep(1h);
    }).options({.read_ahead_bytes = 100});
    const auto work = [](net::endpoint at) -> task<> {
        meddler between(at);
        auto chat = co_await weir::open(http_url(between.at), {.transports = {&kind, 1}});
        REQUIRE_MESSAGE(chat, chat.error().message());
        const std::string text(60, 'x');
        for (int i = 0; i < 3; ++i) co_await chat->send(text); // the server has no room for the second
        (void)co_await weir::sleep(500ms);
        const int before = between.count("GET ");
        const auto began = now();
        (void)co_await chat->close();
        CHECK(now() - began >= 4s);
        CHECK(between.count("GET ") == before);
        CHECK(chat->unacknowledged().size() == 3);
    };
    in_memory(of, work, {}, {.latency = 1ms});
}

TEST_CASE("client channel: what a WebSocket has swallowed goes out again by polling") {
    const transport_kind two[] = {transport_kind::websocket, transport_kind::polling};
    server of;
    of.channel("/chat", [](channel& client) -> task<> {
        while (auto message = co_await client.read()) co_await client.send(*message);
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        meddler between(at);
        auto chat = co_await weir::open(http_url(between.at), {.transports = two});
        REQUIRE(chat);
        CHECK(chat->transport() == transport_kind::websocket);
        between.verdict = [](std::string_view) { return fate::swallow; };
        for (int i = 1; i <= 3; ++i) co_await chat->send(numbered("up", i));
        (void)co_await weir::sleep(100ms);
        between.verdict = [](std::string_view text) { return upgrades(text) ? fate::cut : fate::pass; };
        between.break_all();
        texts got;
        (void)co_await listen_to(*chat, got, 3).within(10s);
        check_all(got, "up", 3);
        CHECK(chat->transport() == transport_kind::polling);
    });
}

TEST_CASE("client channel: both sides ask and answer over it, with the same ids, on each transport") {
    for (const transport_kind kind : kinds) {
        CAPTURE(to_text(kind));
        server of;
        texts at_server, at_client;
        errc end{};
        of.channel("/chat", [&](channel& client) -> task<> {
            requests calls(client, answered_id);
            scope work;
            work.spawn(answer_all<channel>, std::ref(client), std::ref(calls));
            co_await ask_all(calls, "down", at_server);
            auto last = co_await calls.ask(99, "unanswered");
            end = static_cast<errc>(last.error().code().value());
            co_await work.join();
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            auto chat = co_await weir::open(http_url(at), {.transports = {&kind, 1}, .interval = 10ms});
            REQUIRE_MESSAGE(chat, chat.error().message());
            requests calls(*chat, answered_id);
            static_assert(std::is_same_v<decltype(calls), requests<int, client_channel>>);
            scope work;
            work.spawn(answer_all<client_channel>, std::ref(*chat), std::ref(calls));
            co_await ask_all(calls, "up", at_client);
            while (at_server.size() < 10) (void)co_await weir::sleep(10ms);
            co_await chat->close();
            co_await work.join();
            auto refused = co_await calls.ask(1, "q1 too late");
            CHECK(refused.error() == errc::closed);
            CHECK(calls.in_flight() == 0);
        });
        CHECK(end == errc::closed);
        REQUIRE(at_server.size() == 10);
        REQUIRE(at_client.size() == 10);
        for (int id = 1; id <= 10; ++id) {
            const std::size_t index = static_cast<std::size_t>(id - 1);
            CHECK(at_server[index] == "a" + std::to_string(id) + " down");
            CHECK(at_client[index] == "a" + std::to_string(id) + " up");
        }
    }
}
