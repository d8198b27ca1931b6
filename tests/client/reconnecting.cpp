// A client that stays connected, opposite weir's own server and opposite servers that a test plays, in memory and on virtual time.
#include "played.hpp"

#include <weir/client/reconnecting.hpp>

#include <algorithm>

namespace {

using nanoseconds = std::chrono::nanoseconds;
using texts = std::vector<std::string>;

nanoseconds now() { return io::loop::current()->now(); }

// Text that a server sends, and its close.
std::string text_frame(std::string_view text) { return "\x81" + std::string(1, static_cast<char>(text.size())) + std::string(text); }
std::string close_frame(unsigned code) {
    return std::string("\x88\x02") + static_cast<char>(code >> 8) + static_cast<char>(code & 255);
}

// Lets a played client in, says something, and closes.
task<> welcome(raw_peer& peer, const std::string& request, std::string said = {}, unsigned code = 1001) {
    std::string all = accepting(request);
    if (!said.empty()) all += text_frame(said);
    if (code) all += close_frame(code);
    co_await peer.send(std::move(all));
    if (code) (void)co_await peer.read_all();
}

std::string refusal(unsigned status, std::string_view more = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " No\r\n" + std::string(more) + "Content-Length: 0\r\n\r\n";
}

// The first thing that is said on the next connection.
task<std::string> hear(reconnecting& feed, bool to_the_end = false) {
    auto ws = co_await feed.next();
    if (!ws) co_return ws.error().message();
    std::string first("nothing");
    auto message = co_await ws->read();
    if (message) first = message->text();
    while (message && to_the_end) message = co_await ws->read();
    co_return first;
}

const reconnecting_options at_once{.first_delay = 0s, .longest_delay = 0s};

} // namespace

TEST_CASE("reconnecting: the first attempt at once, and another connection after each one that ends") {
    server of;
    int served = 0;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        const std::string said = "connection " + std::to_string(++served);
        co_await ws.send(std::string_view(said));
        co_await ws.close(ws::close_code::service_restart);
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        reconnecting feed(url_of(at));
        CHECK(!feed.is_connected());
        CHECK(feed.attempts() == 0);
        CHECK(!feed.last_error());
        texts heard;
        const nanoseconds began = now();
        while (auto ws = co_await feed.next()) {
            if (heard.empty()) CHECK(now() - began < 1ms);
            CHECK(feed.is_connected());
            CHECK(!feed.next_attempt());
            while (auto message = co_await ws->read()) heard.emplace_back(message->text());
            CHECK(!feed.is_connected());
            CHECK(ws->closed().code == ws::close_code::service_restart);
            if (heard.size() == 3) break;
        }
        CHECK(heard == texts{"connection 1", "connection 2", "connection 3"});
        CHECK(feed.attempts() == 3);
        CHECK(feed.connections() == 3);
        CHECK(feed.failures() == 2);
        CHECK(!feed.is_over());
        CHECK(feed.last_error().message() == "connected to " + url_of(at) + ": closed by the peer: 1012: closed");
    });
}

TEST_CASE("reconnecting: what makes no sense is over at once, and says what it is") {
    const struct {
        const char* url;
        reconnecting_options options;
        errc why;
        std::string_view message;
    } cases[] = {
        {"", {}, errc::bad_url, "opening a connection: URL \"\", at byte 0, empty: malformed URL"},
        {"ws://", {}, errc::bad_host, "opening a connection: *"},
        {"http://a/", {}, errc::bad_scheme, "opening http://a/: it should be ws://: URL scheme not supported"},
        {"gopher://a/", {}, errc::bad_scheme, "opening a connection: *"},
        {"ws://a/#b", {}, errc::url_has_fragment, "opening a connection: *"},
        {"ws://a/", {.factor = 0.5}, errc::unsupported, "opening ws://a/: a factor below 1: not supported here"},
        {"ws://a/", {.factor = 0.0 / 0.0}, errc::unsupported, "opening ws://a/: a factor below 1: not supported here"},
        {"ws://a/", {.first_delay = -1s}, errc::unsupported, "opening ws://a/: a delay below zero: not supported here"},
        {"ws://a/", {.longest_delay = -1s}, errc::unsupported, "opening ws://a/: a delay below zero: not supported here"},
        {"ws://a/", {.stable = -1s}, errc::unsupported, "opening ws://a/: a stable time below zero: not supported here"},
        {"ws://a/", {.longest_retry_after = -1s}, errc::unsupported,
         "opening ws://a/: a longest Retry-After below zero: not supported here"},
        {"ws://a/", {.connect = {.websocket = {.frame_bytes = 0}}}, errc::unsupported,
         "opening ws://a/: frames of no bytes: not supported here"},
    };
    tests::memory_loop loop;
    auto all = [&]() -> task<> {
        for (const auto& each : cases) {
            CAPTURE(std::string(each.url));
            reconnecting_options how = each.options;
            how.outbox_bytes = 1000;
            reconnecting feed(each.url, how);
            const auto early = co_await feed.send("x");
            CHECK(early.error() == errc::closed);
            for (int i = 0; i < 2; ++i) {
                auto ws = co_await feed.next();
                REQUIRE(!ws);
                CHECK(ws.error() == each.why);
                CHECK_MESSAGE(matches(ws.error().message(), each.message), ws.error().message());
            }
            CHECK(feed.is_over());
            CHECK(feed.attempts() == 0);
            CHECK(feed.last_error() == each.why);
            const auto sent = co_await feed.send("x");
            CHECK(sent.error() == errc::closed);
        }
        const http::field spoiled[] = {{"Host", "b"}};
        reconnecting feed("ws://a/", {.connect = {.headers = spoiled}});
        auto ws = co_await feed.next();
        REQUIRE(!ws);
        CHECK(ws.error() == errc::bad_field);
    };
    loop.run(all());
}

TEST_CASE("reconnecting: where no loop runs it says so") {
    reconnecting feed("ws://localhost:1/");
    tests::memory_loop loop;
    auto ask = [&]() -> task<> {
        auto ws = co_await feed.next();
        REQUIRE(!ws);
        CHECK(ws.error() == errc::no_loop);
    };
    loop.run(ask());
}

TEST_CASE("reconnecting: every attempt has the options, a key of its own, and copies of what it was given") {
    texts requests;
    const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        requests.push_back(request);
        co_await welcome(peer, request);
    };
    in_memory_against(play, [&](std::string url) -> task<> {
        std::optional<reconnecting> feed;
        {
            std::string given(url), name("X-Token"), value("secret"), protocol("feed.v1"), cookie("c");
            const http::field headers[] = {{name, value}}, cookies[] = {{cookie, value}};
            const std::string_view subprotocols[] = {protocol};
            reconnecting_options how = at_once;
            how.connect = {.headers = headers, .cookies = cookies, .subprotocols = subprotocols};
            feed.emplace(given, how);
            for (std::string* each : {&given, &name, &value, &protocol, &cookie}) each->assign(each->size(), '?');
        }
        for (int i = 0; i < 3; ++i) CHECK(co_await hear(*feed) == "nothing");
    });
    REQUIRE(requests.size() == 3);
    for (const std::string& each : requests) {
        CHECK(field_of(each, "X-Token") == "secret");
        CHECK(field_of(each, "Cookie") == "c=secret");
        CHECK(field_of(each, "Sec-WebSocket-Protocol") == "feed.v1");
        CHECK(std::count_if(requests.begin(), requests.end(), [&](auto& other) { return key_of(other) == key_of(each); }) == 1);
    }
}

TEST_CASE("reconnecting: delays grow up to the longest, each left to chance from zero on") {
    constexpr int attempts = 9;
    const nanoseconds most[] = {1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s};
    nanoseconds least_seen[attempts - 1], most_seen[attempts - 1];
    std::fill_n(least_seen, attempts - 1, 1h);
    std::fill_n(most_seen, attempts - 1, 0s);
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        std::vector<nanoseconds> at;
        auto play = [&](raw_peer& peer, const std::string&) -> task<> {
            at.push_back(now());
            co_await peer.send(refusal(500));
        };
        auto work = [&](std::string url) -> task<> {
            const retry_hook give_up{[](void*, const setback& of) { return of.failures < attempts; }};
            reconnecting feed(url, {.decide = give_up});
            auto ws = co_await feed.next();
            CHECK(!ws);
            CHECK(feed.failures() == attempts);
        };
        tests::memory_loop loop({}, seed);
        loop.run(against(play, work));
        REQUIRE(at.size() == attempts);
        for (int i = 0; i + 1 < attempts; ++i) {
            const nanoseconds delay = at[static_cast<std::size_t>(i) + 1] - at[static_cast<std::size_t>(i)];
            CHECK(delay <= most[i] + 5ms);
            least_seen[i] = std::min(least_seen[i], delay);
            most_seen[i] = std::max(most_seen[i], delay);
        }
    }
    for (int i = 0; i + 1 < attempts; ++i) {
        CAPTURE(i);
        CHECK(least_seen[i] < most[i] / 10);
        CHECK(most_seen[i] > most[i] * 9 / 10);
    }
}

TEST_CASE("reconnecting: a connection that stood for long enough lets the delays begin anew, one that did not is a failure more") {
    for (const nanoseconds stands : {0s, 4s, 5s, 15s}) {
        CAPTURE(stands.count());
        std::vector<unsigned> failures;
        const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
            co_await welcome(peer, request, std::string(), 0);
            if (stands > 0s) (void)co_await weir::sleep(stands + 10ms);
            peer.end(); // without a close
            (void)co_await peer.read_all();
        };
        in_memory_against(play, [&](std::string url) -> task<> {
            reconnecting feed(url, {.stable = 5s});
            for (int i = 0; i < 4; ++i) {
                CHECK(co_await hear(feed) == "nothing");
                failures.push_back(feed.failures());
            }
        });
        CHECK(failures == (stands < 5s ? std::vector<unsigned>{0, 1, 2, 3} : std::vector<unsigned>{0, 1, 1, 1}));
    }
}

TEST_CASE("reconnecting: whether a status is final") {
    const struct {
        unsigned status;
        bool again;
    } cases[] = {{400, false}, {401, false}, {403, false}, {404, false}, {410, false}, {426, false}, {408, true}, {425, true},
                 {429, true}, {500, true}, {502, true}, {503, true}, {504, true}, {200, false}, {301, false}};
    for (const auto& each : cases) {
        CAPTURE(each.status);
        int asked = 0;
        const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
            if (++asked == 1) {
                co_await peer.send(refusal(each.status, "WWW-Authenticate: Basic\r\n"));
                (void)co_await peer.read_all();
            } else {
                co_await welcome(peer, request, "in");
            }
        };
        in_memory_against(play, [&](std::string url) -> task<> {
            reconnecting feed(url);
            const std::string heard = co_await hear(feed);
            CHECK(asked == (each.again ? 2 : 1));
            CHECK(feed.is_over() == !each.again);
            if (each.again) {
                CHECK(heard == "in");
            } else {
                CHECK(heard.starts_with("opening " + url + ": the server answered " + std::to_string(each.status)));
                CHECK(feed.last_error() == errc::unexpected_status);
                CHECK(feed.last_answer().head.fields.get("WWW-Authenticate") == "Basic");
            }
        });
    }
}

TEST_CASE("reconnecting: whether a close of the peer is final") {
    const struct {
        unsigned code;
        bool again;
    } cases[] = {{1000, false}, {1001, true}, {1002, false}, {1003, false}, {1005, true}, {1007, false}, {1008, false}, {1009, false},
                 {1010, false}, {1011, true}, {1012, true}, {1013, true}, {1014, true}, {3000, false}, {3003, false}, {3008, true},
                 {4000, true}, {4999, true}};
    for (const auto& each : cases) {
        CAPTURE(each.code);
        int served = 0;
        server of;
        of.websocket("/echo", [&](websocket& ws) -> task<> {
            co_await ws.send("in");
            if (++served == 1) co_await ws.close(static_cast<ws::close_code>(each.code), each.code == 1005 ? "" : "why");
            auto message = co_await ws.read();
            CHECK(!message);
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            reconnecting feed(url_of(at));
            CHECK(co_await hear(feed, true) == "in");
            const std::string second = co_await hear(feed);
            CHECK(feed.is_over() == !each.again);
            if (each.again) {
                CHECK(second == "in");
            } else {
                CHECK(second == "connected to " + url_of(at) + ": closed by the peer: " + std::to_string(each.code) + " \"why\": closed");
                CHECK(feed.last_error() == errc::closed);
            }
            CHECK(served == (each.again ? 2 : 1));
        });
    }
}

TEST_CASE("reconnecting: whether another end is final") {
    const struct {
        std::string said; // behind the handshake, before the end
        bool again;
        std::string_view message;
    } cases[] = {
        {"", true, "connected to *"},
        {std::string("\x81\xff"), false, "connected to *"}, // a server does not mask
        {std::string("\x83\x00", 2), false, "connected to *"},
        {text_frame("\xff"), false, "connected to *"},
        {text_frame("longer than it may be"), false, "connected to *"},
    };
    for (const auto& each : cases) {
        int asked = 0;
        const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
            std::string all = accepting(request);
            all += ++asked == 1 ? each.said : text_frame("in");
            co_await peer.send(std::move(all));
            peer.end();
            (void)co_await peer.read_all();
        };
        in_memory_against(play, [&](std::string url) -> task<> {
            reconnecting feed(url, {.connect = {.websocket = {.message_bytes = 10}}});
            CHECK(co_await hear(feed) == "nothing");
            const std::string second = co_await hear(feed);
            CHECK(feed.is_over() == !each.again);
            CHECK(asked == (each.again ? 2 : 1));
            if (!each.again) CHECK(matches(second, each.message));
            if (each.again) CHECK(second == "in");
        });
    }
}

TEST_CASE("reconnecting: a connection that this side leaves or closes is followed by another one") {
    server of;
    std::vector<unsigned> codes;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        co_await ws.send("in");
        while (auto message = co_await ws.read()) co_await ws.send(*message);
        codes.push_back(static_cast<unsigned>(ws.closed().code));
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        reconnecting feed(url_of(at), at_once);
        CHECK(co_await hear(feed) == "in");
        CHECK(co_await hear(feed) == "in"); // the first one still stood
        CHECK(feed.last_error().message() == "connected to " + url_of(at) + ": left by this side: closed");
        auto ws = co_await feed.next();
        REQUIRE(ws);
        co_await ws->close(static_cast<ws::close_code>(4001));
        CHECK(co_await hear(feed) == "in");
        CHECK(feed.failures() == 3);
        CHECK(feed.connections() == 4);
        (void)co_await weir::sleep(1s);
    });
    CHECK(codes == std::vector<unsigned>{1000, 1000, 4001, 1000});
}

TEST_CASE("reconnecting: Retry-After of 429 and 503, in seconds and as a date, no longer than is allowed") {
    const struct {
        unsigned status;
        const char* fields;
        nanoseconds waits;
    } cases[] = {
        {503, "Retry-After: 5\r\n", 5s},
        {429, "Retry-After: 7\r\n", 7s},
        {503, "Retry-After: 0\r\n", 0s},
        {503, "", 0s},
        {500, "Retry-After: 5\r\n", 0s},
        {408, "Retry-After: 5\r\n", 0s},
        {503, "Retry-After: 60\r\n", 60s},
        {503, "Retry-After: 61\r\n", 60s},
        {503, "Retry-After: 99999999999999999999999\r\n", 60s},
        {503, "Retry-After: -5\r\n", 0s},
        {503, "Retry-After: soon\r\n", 0s},
        {503, "Retry-After:\r\n", 0s},
        {503, "Retry-After: 5\r\nRetry-After: 50\r\n", 5s},
        // by the server's clock, which is not ours
        {503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:49 GMT\r\n", 12s},
        {503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:07 GMT\r\n", 0s},
        {503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 60s},
        // by ours
        {503, "Retry-After: Thu, 01 Jan 1970 00:16:50 GMT\r\n", 10s},
        {503, "Date: today\r\nRetry-After: Thu, 01 Jan 1970 00:16:50 GMT\r\n", 10s},
        {503, "Retry-After: Thu, 01 Jan 1970 00:16:00 GMT\r\n", 0s},
        {429, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 60s},
    };
    for (const auto& each : cases) {
        CAPTURE(std::string(each.fields));
        std::vector<nanoseconds> at;
        const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
            at.push_back(now());
            if (at.size() == 1)
                co_await peer.send(refusal(each.status, each.fields));
            else
                co_await welcome(peer, request, "in");
        };
        in_memory_against(play, [&](std::string url) -> task<> {
            reconnecting_options how = at_once;
            how.longest_retry_after = 60s;
            how.clock = [] { return std::uint64_t(1000); };
            reconnecting feed(url, how);
            CHECK(co_await hear(feed) == "in");
        });
        REQUIRE(at.size() == 2);
        CHECK(at[1] - at[0] >= each.waits);
        CHECK(at[1] - at[0] < each.waits + 5ms);
    }
}

TEST_CASE("reconnecting: Retry-After comes to what chance decides, holds for one attempt, and may be a day") {
    std::vector<nanoseconds> at;
    const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        at.push_back(now());
        if (at.size() == 1)
            co_await peer.send(refusal(503, "Retry-After: 86400\r\n"));
        else if (at.size() == 2)
            co_await peer.send(refusal(503));
        else
            co_await welcome(peer, request, "in");
    };
    in_memory_against(play, [&](std::string url) -> task<> {
        reconnecting feed(url, {.longest_retry_after = nanoseconds::max()});
        CHECK(co_await hear(feed) == "in");
    });
    REQUIRE(at.size() == 3);
    CHECK(at[1] - at[0] >= 24h);
    CHECK(at[1] - at[0] < 24h + 2s);
    CHECK(at[2] - at[1] < 3s);
}

TEST_CASE("reconnecting: the program decides, knowing what went wrong") {
    struct judge {
        std::vector<std::string> heard;
        bool verdict = false;
        reconnecting* stops = nullptr;
        static bool decide(void* self, const setback& of) {
            judge& me = *static_cast<judge*>(self);
            if (me.stops) me.stops->stop(); // which is no reason for what it is asked about to change
            me.heard.push_back(of.why.code().message() + " " + std::to_string(http::to_number(of.answer.head.status)) +
                               (of.end ? " " + std::to_string(static_cast<unsigned>(of.end->code)) : "") + " " +
                               std::to_string(of.failures) + (of.worthwhile ? " worthwhile" : ""));
            return me.verdict;
        }
    };
    int asked = 0;
    const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        ++asked;
        if (asked == 1) co_await peer.send(refusal(401));
        if (asked == 2) co_await welcome(peer, request, "in", 1008);
        if (asked == 3) co_await welcome(peer, request, "in again", 1001);
    };
    for (const bool stops : {false, true}) {
        CAPTURE(stops);
        asked = 0;
        judge one;
        in_memory_against(play, [&](std::string url) -> task<> {
            one.verdict = true;
            reconnecting feed(url, {.decide = {judge::decide, &one}});
            CHECK(co_await hear(feed, true) == "in");
            CHECK(co_await hear(feed, true) == "in again");
            one.verdict = false;
            if (stops) {
                one.stops = &feed;
                one.verdict = true;
            }
            const std::string last = co_await hear(feed);
            CHECK(feed.is_over());
            CHECK(last == (stops ? "it was stopped: canceled" : "connected to " + url + ": closed by the peer: 1001: closed"));
        });
        CHECK(asked == 3);
        CHECK(one.heard == texts{"the server did not switch protocols 401 1", "closed 200 1008 2", "closed 200 1001 3 worthwhile"});
    }
}

TEST_CASE("reconnecting: a next that times out or is destroyed has lost nothing; of two at once the second is busy") {
    int asked = 0;
    const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        if (++asked == 1) {
            co_await peer.send(refusal(503, "Retry-After: 3\r\n"));
            co_return;
        }
        (void)co_await weir::sleep(3s);
        co_await welcome(peer, request, "late");
    };
    in_memory_against(play, [&](std::string url) -> task<> {
        reconnecting feed(url, at_once);
        const nanoseconds began = now();
        for (int i = 0; i < 3; ++i) {
            auto early = co_await feed.next().within(1s);
            REQUIRE(!early);
            CHECK(early.error() == errc::timed_out);
            CHECK(!feed.is_over());
        }
        CHECK(feed.attempts() <= 2);
        {
            scope one;
            one.spawn([&]() -> task<> {
                auto ws = co_await feed.next();
                FAIL("destroyed before");
            });
            (void)co_await weir::sleep(1s);
        }
        {
            scope waiting;
            bool canceled = false;
            waiting.spawn([&]() -> task<> {
                auto ws = co_await feed.next();
                canceled = !ws && ws.error() == errc::canceled;
            });
            (void)co_await weir::sleep(1s);
            auto second = co_await feed.next();
            REQUIRE(!second);
            CHECK(second.error() == errc::busy);
            waiting.cancel();
            co_await waiting.join();
            CHECK(canceled);
        }
        (void)co_await weir::sleep(10s); // it is there by then, and has been closed
        CHECK(feed.connections() == 1);
        CHECK(co_await hear(feed) == "late");
        CHECK(asked == 2);
        CHECK(feed.attempts() == 2);
        CHECK(now() - began > 14s);
    });
}

TEST_CASE("reconnecting: stop, wherever it is") {
    enum { unasked, connecting, sleeping, reading, unread, ended, over };
    for (const int where : {unasked, connecting, sleeping, reading, unread, ended, over}) {
        for (const nanoseconds grace : {nanoseconds(5s), nanoseconds(0s)}) {
            CAPTURE(where);
            CAPTURE(grace.count());
            int asked = 0;
            std::string at_peer;
            const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
                ++asked;
                if (where == connecting) (void)co_await peer.read_all();
                if (where == sleeping) co_await peer.send(refusal(503, "Retry-After: 100\r\n"));
                if (where == over) co_await peer.send(refusal(404));
                if (where == reading || where == unread) {
                    co_await peer.send(accepting(request));
                    at_peer = co_await peer.read_to("\x88"); // no answer to it
                    at_peer += co_await peer.read_all();
                }
                if (where == ended) co_await welcome(peer, request);
            };
            in_memory_against(play, [&](std::string url) -> task<> {
                reconnecting feed(url, {.connect = {.timeout = 1h, .websocket = {.close_timeout = 1h}}});
                std::string outcome;
                scope work;
                if (where != unasked && where != unread)
                    work.spawn([&]() -> task<> {
                        while (auto ws = co_await feed.next()) {
                            while (auto message = co_await ws->read()) {}
                            if (where == ended) co_return;
                        }
                        outcome = feed.last_error().message();
                    });
                if (where == unread) {
                    auto ws = co_await feed.next();
                    REQUIRE(ws);
                }
                (void)co_await weir::sleep(50ms);
                CHECK(feed.next_attempt().has_value() == (where == sleeping));
                const nanoseconds began = now();
                feed.stop(grace);
                feed.stop(grace); // once more is no harm
                feed.stop(1h);    // nor does it make it longer
                co_await work.join();
                CHECK(now() - began <= (where == reading ? grace : 0s) + 2ms);
                CHECK(feed.is_over());
                CHECK(!feed.next_attempt());
                CHECK(!feed.is_connected());
                if (where != ended && where != unasked && where != over && where != unread) CHECK(outcome == "it was stopped: canceled");
                auto ws = co_await feed.next();
                REQUIRE(!ws);
                CHECK(ws.error() == (where == over ? errc::unexpected_status : errc::canceled));
                const auto sent = co_await feed.send("x");
                CHECK(sent.error() == errc::closed);
                (void)co_await weir::sleep(10s);
            });
            CHECK(asked == (where == unasked ? 0 : 1));
            if (where == reading || where == unread) CHECK(at_peer.empty() == (grace == 0s)); // a close with 1000, or a reset
        }
    }
}

TEST_CASE("reconnecting: stop from within the reading code, behind what was sent") {
    server of;
    texts got;
    close_info end;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        for (int i = 0; i < 5; ++i) co_await ws.send("tick");
        while (auto message = co_await ws.read()) got.emplace_back(message->text());
        end = ws.closed();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        reconnecting feed(url_of(at));
        int count = 0;
        const nanoseconds began = now();
        while (auto ws = co_await feed.next())
            while (auto message = co_await ws->read()) {
                if (++count != 3) continue;
                co_await feed.send("that was enough");
                feed.stop();
            }
        CHECK(count >= 3);
        CHECK(now() - began < 1s);
        CHECK(feed.connections() == 1);
        CHECK(feed.last_error() == errc::canceled);
        (void)co_await weir::sleep(100ms);
    });
    CHECK(got == texts{"that was enough"});
    CHECK(end.cause == close_cause::peer);
    CHECK(end.code == ws::close_code::normal);
}

TEST_CASE("reconnecting: one that is destroyed ends the wait for it, and closes what it has") {
    server of;
    close_info end;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        auto message = co_await ws.read();
        end = ws.closed();
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        {
            reconnecting feed(url_of(at));
            auto ws = co_await feed.next();
            REQUIRE(ws);
        }
        (void)co_await weir::sleep(100ms);
        CHECK(end.code == ws::close_code::normal);
        for (const bool destroyed : {false, true}) {
            auto feed = std::make_unique<reconnecting>("ws://127.0.0.1:1/", reconnecting_options{});
            scope waiting;
            bool told = false;
            waiting.spawn([&]() -> task<> {
                auto ws = co_await feed->next();
                told = !ws && ws.error() == errc::closed;
            });
            (void)co_await weir::sleep(100ms);
            feed = nullptr;
            if (destroyed) continue; // and its waiter with it
            co_await waiting.join();
            CHECK(told);
        }
    });
}

TEST_CASE("reconnecting: what was sent meanwhile goes out first, in order; by default it is refused") {
    for (const bool has_outbox : {false, true}) {
        CAPTURE(has_outbox);
        server of;
        std::vector<texts> got;
        of.websocket("/echo", [&](websocket& ws) -> task<> {
            const std::size_t number = got.size();
            got.emplace_back();
            while (auto message = co_await ws.read()) {
                got[number].push_back(std::string(message->text()) + (message->is_binary() ? "*" : ""));
                if (message->text() == "end") co_await ws.close(ws::close_code::going_away);
            }
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            reconnecting_options how;
            if (has_outbox) how.outbox_bytes = 64 * 1024;
            reconnecting feed(url_of(at), how);
            std::string passing("before");
            const auto before = co_await feed.send(std::string_view(passing));
            CHECK(static_cast<bool>(before) == has_outbox);
            if (!has_outbox) CHECK(before.error() == errc::closed);
            passing = "??????";
            CHECK(feed.held_bytes() == (has_outbox ? 6 + 64 : 0));
            auto ws = co_await feed.next();
            REQUIRE(ws);
            CHECK(feed.held_bytes() == 0);
            co_await ws->send("hello");
            CHECK(co_await feed.send("directly"));
            co_await feed.send("end");
            auto over = co_await ws->read();
            CHECK(!over);
            co_await feed.send("1");
            co_await feed.send(as_bytes(std::string_view("2")));
            co_await feed.send(message(as_bytes(std::string_view("3")), true));
            CHECK(feed.held().size() == (has_outbox ? 3 : 0));
            auto next = co_await feed.next();
            REQUIRE(next);
            co_await next->send("hello again");
            (void)co_await weir::sleep(1s);
        });
        REQUIRE(got.size() == 2);
        if (has_outbox) {
            CHECK(got[0] == texts{"before", "hello", "directly", "end"});
            CHECK(got[1] == texts{"1", "2*", "3", "hello again"});
        } else {
            CHECK(got[0] == texts{"hello", "directly", "end"});
            CHECK(got[1] == texts{"hello again"});
        }
    }
}

TEST_CASE("reconnecting: what is sent by who hears that it is connected goes behind what waited for that") {
    server of;
    texts got;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        while (auto message = co_await ws.read()) got.emplace_back(message->text());
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        reconnecting* self = nullptr;
        const auto greet = [](void* to, const log_event& event) {
            if (event.what == "connected") (*static_cast<reconnecting**>(to))->send("hello");
        };
        reconnecting feed(url_of(at), {.outbox_bytes = 1000, .log = {greet, &self}});
        self = &feed;
        co_await feed.send("before");
        auto ws = co_await feed.next();
        REQUIRE(ws);
        co_await ws->close();
    });
    CHECK(got == texts{"before", "hello"});
}

TEST_CASE("reconnecting: attempts that fail at once and are made anew at once let others run") {
    for (const bool on_sockets : {false, true})
        for (const char* const url : {"ws://127.0.0.1:1/", "ws+unix:/nowhere/at/all:/"}) {
            CAPTURE(on_sockets);
            CAPTURE(url);
            auto main = [&]() -> task<> {
                reconnecting feed(url, at_once);
                scope work;
                bool stopped = false;
                work.spawn([&]() -> task<> {
                    auto ws = co_await feed.next();
                    stopped = !ws && ws.error() == errc::canceled;
                });
                while (feed.attempts() < 10) (void)co_await yield();
                feed.stop();
                co_await work.join();
                CHECK(stopped);
                CHECK(feed.attempts() < 1000);
            };
            if (on_sockets) {
                auto events = tests::make_events();
                REQUIRE(events);
                io::loop loop(std::move(*events));
                loop.run(main());
            } else {
                tests::memory_loop loop;
                loop.run(main());
            }
        }
}

TEST_CASE("reconnecting: the outbox has its bound, and all of it goes to one connection at once") {
    for (const outbox_policy policy : {outbox_policy::refuse, outbox_policy::drop_oldest}) {
        server of;
        texts got;
        of.websocket("/echo", [&](websocket& ws) -> task<> {
            (void)co_await weir::sleep(5s); // and reads nothing meanwhile
            while (auto message = co_await ws.read()) got.push_back(std::to_string(message->size()) + message->text().front());
        });
        in_memory(of, [&](net::endpoint at) -> task<> {
            reconnecting_options how;
            how.connect.websocket.queue_bytes = 1'000'000;
            how.connect.websocket.frame_bytes = 1000;
            how.outbox_bytes = 100'000'000; // the queue is less
            how.overflow = policy;
            reconnecting feed(url_of(at), how);
            int taken = 0;
            for (int i = 0; i < 26; ++i) {
                const std::string text(100'000, static_cast<char>('a' + i));
                taken += static_cast<bool>(co_await feed.send(std::string_view(text)));
            }
            CHECK(taken == (policy == outbox_policy::refuse ? 9 : 26));
            CHECK(feed.dropped() == (policy == outbox_policy::refuse ? 0 : 17));
            CHECK(feed.held_bytes() <= 1'000'000);
            auto ws = co_await feed.next();
            REQUIRE(ws);
            CHECK(feed.held_bytes() == 0);
            CHECK(ws->queued_bytes() > 500'000);
            auto silence = co_await ws->read().within(20s);
            CHECK(silence.error() == errc::timed_out);
            CHECK(ws->is_open());
        });
        REQUIRE(got.size() == 9);
        CHECK(got.front() == (policy == outbox_policy::refuse ? "100000a" : "100000r"));
        CHECK(got.back() == (policy == outbox_policy::refuse ? "100000i" : "100000z"));
    }
}

TEST_CASE("reconnecting: what a connection has taken is not sent again, what none has taken is kept") {
    int asked = 0;
    const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        if (++asked == 1) {
            co_await peer.send(accepting(request));
            peer.end(); // whatever was sent
            (void)co_await peer.read_all();
        }
        if (asked == 2) co_await peer.send(refusal(404));
    };
    in_memory_against(play, [&](std::string url) -> task<> {
        reconnecting_options how = at_once;
        how.outbox_bytes = 1000;
        reconnecting feed(url, how);
        co_await feed.send("lost");
        CHECK(co_await hear(feed) == "nothing");
        co_await feed.send("kept");
        CHECK((co_await hear(feed)).starts_with("opening "));
        REQUIRE(feed.held().size() == 1);
        CHECK(feed.held()[0].data == "kept");
        const auto late = co_await feed.send("late");
        CHECK(late.error() == errc::closed);
    });
    CHECK(asked == 2);
}

TEST_CASE("reconnecting: who sends without ever waiting lets others run") {
    tests::memory_loop loop;
    for (const bool has_outbox : {false, true}) {
        bool others = false;
        auto main = [&]() -> task<> {
            reconnecting_options how;
            if (has_outbox) how.outbox_bytes = 1000;
            how.overflow = outbox_policy::drop_oldest;
            reconnecting feed("ws://127.0.0.1:1/", how);
            scope work;
            work.spawn([&]() -> task<> {
                others = true;
                co_return;
            });
            while (!others) co_await feed.send("x");
            co_await work.join();
        };
        loop.run(main());
        CHECK(others);
    }
}

TEST_CASE("reconnecting: sending waits while the peer is slow, as on the websocket") {
    server of;
    of.websocket("/echo", [&](websocket& ws) -> task<> {
        (void)co_await weir::sleep(5s);
        while (auto message = co_await ws.read()) {}
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        reconnecting feed(url_of(at));
        auto ws = co_await feed.next();
        REQUIRE(ws);
        const std::string large(2'000'000, 'x');
        const nanoseconds began = now();
        const auto early = co_await feed.send(std::string_view(large)).within(1s);
        CHECK(early.error() == errc::timed_out);
        CHECK(co_await feed.send("more"));
        CHECK(now() - began >= 4s);
    });
}

TEST_CASE("reconnecting: what it logs") {
    struct lines {
        std::string text;
        static void note(void* self, const log_event& event) {
            std::string what(event.what);
            if (const std::size_t at = what.find(" in "); at != what.npos) what.replace(at + 4, what.find(" ms") - at - 4, "N");
            static_cast<lines*>(self)->text += std::to_string(static_cast<int>(event.level)) + " " + what + " [" +
                                               std::string(event.where) + "]" + (event.error ? ": " + event.error.message() : "") + "\n";
        }
    } log;
    int asked = 0;
    const auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        ++asked;
        if (asked == 1) co_await peer.send(refusal(503));
        if (asked == 2 || asked == 3) co_await welcome(peer, request, std::string(), asked == 2 ? 1001 : 1008);
    };
    in_memory_against(play, [&](std::string url) -> task<> {
        reconnecting feed(url, {.log = {lines::note, &log}});
        while (auto ws = co_await feed.next())
            while (auto message = co_await ws->read()) {}
        reconnecting other(url, {.log = {lines::note, &log}});
        other.stop();
        const std::string where = " [" + url + "]";
        CHECK(log.text == "2 next attempt in N ms: the server answered 503 No" + where + ": the server did not switch protocols\n" +
                              "1 connected" + where + "\n" + "2 next attempt in N ms: closed by the peer: 1001" + where + ": closed\n" +
                              "1 connected" + where + "\n" + "2 over: closed by the peer: 1008" + where + ": closed\n" +
                              "1 over: it was stopped" + where + ": canceled\n");
    });
}

TEST_CASE("reconnecting: an exception in its work is an error of next") {
    tests::memory_loop loop;
    auto main = [&]() -> task<> {
        const auto lookup = [](const std::string&, std::uint16_t) -> result<sequence<net::endpoint>> {
            throw std::runtime_error("no lookup today");
        };
        reconnecting feed("ws://name/", {.connect = {.lookup = lookup}});
        auto ws = co_await feed.next();
        REQUIRE(!ws);
        CHECK(ws.error().message() == "no lookup today: an exception ended a task");
        CHECK(feed.is_over());
    };
    loop.run(main());
}

TEST_CASE("reconnecting: over real sockets, a server that restarts") {
    auto events = tests::make_events();
    REQUIRE(events);
    io::loop loop(std::move(*events));
    auto main = [&]() -> task<> {
        texts heard;
        int served = 0;
        std::uint16_t port = 0;
        scope serving;
        const auto serve = [&](nanoseconds lasts) -> task<> {
            server of;
            of.websocket("/echo", [&](websocket& ws) -> task<> {
                const std::string said = "from server " + std::to_string(served);
                co_await ws.send(std::string_view(said));
                while (auto message = co_await ws.read()) {
                    heard.emplace_back(message->text());
                    of.stop();
                }
            });
            ++served;
            const result<> listening = of.listen({.host = "127.0.0.1", .port = port});
            REQUIRE_MESSAGE(listening, listening.error().message());
            port = of.local_endpoint().port();
            const result<> ended = co_await of.serve().within(lasts);
            CHECK(ended);
        };
        serving.spawn([&]() -> task<> {
            for (int i = 0; i < 4; ++i) co_await serve(60s);
        });
        while (port == 0) (void)co_await yield();
        reconnecting feed("ws://127.0.0.1:" + std::to_string(port) + "/echo", {.first_delay = 10ms, .longest_delay = 100ms});
        for (int i = 1; i <= 4; ++i) {
            auto ws = co_await feed.next().within(30s);
            REQUIRE_MESSAGE(ws, feed.last_error().message());
            auto message = co_await ws->read().within(30s);
            REQUIRE(message);
            CHECK(message->text() == "from server " + std::to_string(i));
            co_await feed.send("stop, please");
            auto end = co_await ws->read().within(30s);
            CHECK(!end);
            CHECK(ws->closed().code == ws::close_code::going_away);
        }
        feed.stop();
        co_await serving.join();
        CHECK(heard.size() == 4);
        CHECK(feed.connections() == 4);
    };
    loop.run(main());
}
