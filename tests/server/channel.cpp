// What protocol/channel/README.md promises, transport by transport, in memory and over sockets.
#include "channels.hpp"

#include <weir/coro/shield.hpp>
#include <weir/coro/yield.hpp>

#include <thread>

TEST_CASE("polling: opened, sent, fetched, closed; no answer is kept by anybody") {
    auto work = [](net::endpoint at) -> task<> {
        const answer opened = co_await get(at, "/chat");
        CHECK(opened.status == 200);
        CHECK(opened.body.ends_with(" heartbeat=25000 keep=30000 limit=1048576\n"));
        CHECK(opened.has("Cache-Control: no-store\r\n"));
        CHECK(opened.has("Content-Type: text/plain; charset=utf-8\r\n"));
        const std::string at_session = "/chat?session=" + opened.body.substr(1, 22);
        const answer sent = co_await post(at, at_session, "t hello");
        CHECK(sent.status == 200);
        CHECK(sent.body == "a1\n");
        const answer got = co_await get(at, at_session);
        CHECK(got.body == "t1 hello\n");
        const answer nothing = co_await get(at, at_session);
        CHECK(nothing.status == 200);
        CHECK(nothing.body.empty());
        const answer more = co_await post(at, at_session, "t2 two\r\n\nb3 AAEC\nt4 a\\nb\\\\\nh\na1\n");
        CHECK(more.body == "a4\n");
        const answer all = co_await get(at, at_session + "&ack=1");
        CHECK(all.body == "t2 two\nb3 AAEC\nt4 a\\nb\\\\\n");
        const answer again = co_await get(at, at_session + "&ack=3"); // not all of it had arrived
        CHECK(again.body == "t4 a\\nb\\\\\n");
        const answer doubled = co_await post(at, at_session + "&ack=0&transport=websocket", "t4 a\nt5 five\n");
        CHECK(doubled.body == "a5\n");
        const answer last = co_await get(at, at_session + "&ack=4");
        CHECK(last.body == "t5 five\n");
        const answer over = co_await ask_for(at, "DELETE", at_session);
        CHECK(over.status == 200);
        CHECK(over.body == "x1000\n");
        const answer gone = co_await get(at, at_session + "&ack=5");
        CHECK(gone.status == 404);
        CHECK(gone.body == "e404 there is no such session, or not any more\n");
        CHECK(gone.has("Cache-Control: no-store\r\n"));
    };
    server of;
    of.channel("/chat", echo_channel);
    in_memory(of, work);
    over_sockets(of, work);
}

TEST_CASE("long polling: held until something comes, a heartbeat otherwise") {
    server of;
    of.channel("/chat", echo_channel);
    in_memory(of, [](net::endpoint at) -> task<> {
        const std::string at_session = co_await open_session(at, "?transport=long-polling&ack=0");
        const auto began = loop_time();
        const answer idle = co_await get(at, at_session + "&ack=0"); // the transport is remembered
        CHECK(idle.body == "h\n");
        CHECK(loop_time() - began >= 25s);
        CHECK(loop_time() - began < 26s);
        auto send_later = [&]() -> task<> {
            (void)co_await weir::sleep(10s);
            (void)co_await post(at, at_session, "t1 one\nt2 two\n");
        };
        scope both;
        both.spawn(send_later);
        const auto again = loop_time();
        const answer got = co_await get(at, at_session + "&ack=0");
        CHECK(got.body == "t1 one\nt2 two\n"); // what came in one turn comes together
        CHECK(loop_time() - again >= 10s);
        CHECK(loop_time() - again < 11s);
        const answer once_more = co_await get(at, at_session + "&ack=1");
        CHECK(once_more.body == "t2 two\n");
        const answer polled = co_await get(at, at_session + "&ack=2&transport=polling");
        CHECK(polled.body.empty());
        co_await both.join();
    });
}

TEST_CASE("two requests at once: the newer one takes over, the older one is told") {
    server of;
    of.channel("/chat", echo_channel);
    in_memory(of, [](net::endpoint at) -> task<> {
        const std::string at_session = co_await open_session(at, "?transport=long-polling");
        answer first, second;
        auto fetch = [&](answer& to) -> task<> { to = co_await get(at, at_session + "&ack=0"); };
        scope all;
        all.spawn(fetch, std::ref(first));
        (void)co_await weir::sleep(1s);
        all.spawn(fetch, std::ref(second));
        (void)co_await weir::sleep(1s);
        CHECK(first.status == 409);
        CHECK(first.body == "e409 another request has taken over this session\n");
        (void)co_await post(at, at_session, "t1 hello");
        co_await all.join();
        CHECK(second.body == "t1 hello\n");
    });
}

TEST_CASE("an aborted request: what it carried is sent again") {
    server of;
    of.channel("/chat", echo_channel);
    in_memory(of, [](net::endpoint at) -> task<> {
        const std::string at_session = co_await open_session(at, "?transport=long-polling");
        {
            std::unique_ptr<raw_peer> held = co_await dial(at);
            co_await held->send(request_text("GET", at_session + "&ack=0", {}, {}));
            (void)co_await weir::sleep(1s);
        } // hangs up while the request is held
        (void)co_await weir::sleep(1s);
        (void)co_await post(at, at_session, "t1 one");
        {
            std::unique_ptr<raw_peer> held = co_await dial(at);
            co_await held->send(request_text("GET", at_session + "&ack=0", {}, {}));
            (void)co_await held->read_to("HTTP/1.1 200");
        } // and in the middle of an answer
        const answer got = co_await get(at, at_session + "&ack=0");
        CHECK(got.body == "t1 one\n");
        {
            std::unique_ptr<raw_peer> half = co_await dial(at); // half a body is no body
            co_await half->send("POST " + at_session + " HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nt2 two\nt3 thr");
            (void)co_await weir::sleep(1s);
        }
        (void)co_await weir::sleep(1s);
        const answer sent = co_await post(at, at_session, "t2 two\nt3 three\n");
        CHECK(sent.body == "a3\n");
    });
}

TEST_CASE("event stream: events as they are made, ids that browsers come back with, heartbeats, the end") {
    auto work = [](net::endpoint at) -> task<> {
        event_reader bare(at, "/chat", "Accept: text/event-stream\r\n");
        const int status = co_await bare.begin();
        CHECK(status == 200);
        CHECK(contains(bare.head, "Content-Type: text/event-stream\r\n"));
        CHECK(contains(bare.head, "Cache-Control: no-store\r\n"));
        const std::string opened = co_await bare.next();
        REQUIRE(opened.starts_with("data: o"));
        const std::string id = opened.substr(7, 22), at_session = "/chat?session=" + id;
        (void)co_await post(at, at_session, "t1 one\nb2 AAEC\nt3 a\\nb\n");
        const std::string one = co_await bare.next(), two = co_await bare.next(), three = co_await bare.next();
        CHECK(one == "id: " + id + ".1\ndata: t1 one");
        CHECK(two == "id: " + id + ".2\ndata: b2 AAEC");
        CHECK(three == "id: " + id + ".3\ndata: t3 a\\nb");
        bare.hang_up();
        (void)co_await post(at, at_session, "t4 four");
        event_reader back(at, "/chat", "Accept: text/event-stream\r\nLast-Event-ID: " + id + ".2\r\n");
        CHECK(co_await back.begin() == 200);
        const std::string resumed = co_await back.next(), again = co_await back.next(), four = co_await back.next();
        CHECK(resumed == "data: r4");
        CHECK(again == "id: " + id + ".3\ndata: t3 a\\nb");
        CHECK(four == "id: " + id + ".4\ndata: t4 four");
        event_reader named(at, at_session + "&ack=1&transport=event-stream", "Last-Event-ID: 3\r\n");
        CHECK(co_await named.begin() == 200);
        const std::string told = co_await back.next(), over = co_await back.next();
        CHECK(told == "data: e409 another request has taken over this session");
        CHECK(over.empty());
        const std::string third = co_await named.next(), short_id = co_await named.next();
        CHECK(third == "data: r4");
        CHECK(short_id == "id: 4\ndata: t4 four");
        const answer closed = co_await post(at, at_session, "x4000 enough");
        CHECK(closed.status == 200);
        CHECK(closed.body == "a4\nx4000 enough\n");
        const std::string end = co_await named.next(), nothing = co_await named.next();
        CHECK(end == "data: x4000 enough");
        CHECK(nothing.empty());
    };
    server of;
    of.channel("/chat", echo_channel);
    in_memory(of, work);
    over_sockets(of, work);
    in_memory(of, [](net::endpoint at) -> task<> {
        event_reader events(at, "/chat?transport=event-stream");
        CHECK(co_await events.begin() == 200);
        (void)co_await events.next();
        const auto began = loop_time();
        const std::string beat = co_await events.next();
        CHECK(beat == "data: h");
        CHECK(loop_time() - began >= 25s);
        CHECK(loop_time() - began < 26s);
    });
}

TEST_CASE("WebSocket: the same records, opened and taken up; what is wrong is told there") {
    auto work = [](net::endpoint at) -> task<> {
        auto ws = co_await open_websocket(at, "/chat?ack=0");
        const std::string opened = co_await next_record(*ws);
        REQUIRE(opened.starts_with("o"));
        const std::string at_session = "/chat?session=" + opened.substr(1, 22);
        ws->send("t1 one");
        const std::string one = co_await next_record(*ws);
        CHECK(one == "t1 one");
        ws->reset();
        auto back = co_await open_websocket(at, at_session + "&ack=0&transport=websocket");
        const std::string resumed = co_await next_record(*back), again = co_await next_record(*back);
        CHECK(resumed == "r1");
        CHECK(again == "t1 one");
        back->send("x");
        const std::string closed = co_await next_record(*back), end = co_await next_record(*back);
        CHECK(closed == "x1000");
        CHECK(end.empty());
        CHECK(back->closed().code == ws::close_code::normal);
        auto late = co_await open_websocket(at, at_session + "&ack=1");
        const std::string told = co_await next_record(*late), over = co_await next_record(*late);
        CHECK(told == "e404 there is no such session, or not any more");
        CHECK(over.empty());
        CHECK(static_cast<int>(late->closed().code) == 4404);
        auto odd = co_await open_websocket(at, "/chat?ack=x");
        const std::string wrong = co_await next_record(*odd), odd_over = co_await next_record(*odd);
        CHECK(wrong == "e400 'ack' is the number of a message");
        CHECK(odd_over.empty());
        CHECK(static_cast<int>(odd->closed().code) == 4400);
    };
    server of;
    of.channel("/chat", echo_channel);
    in_memory(of, work);
    over_sockets(of, work);
}

TEST_CASE("a session moves through all transports, and nothing is missing or doubled") {
    server of;
    std::vector<transport_kind> seen;
    std::vector<std::string> heard;
    of.channel("/chat", [&](channel& client) -> task<> {
        while (auto message = co_await client.read()) {
            if (seen.empty() || seen.back() != client.transport()) seen.push_back(client.transport());
            heard.emplace_back(message->text());
            co_await client.send(*message);
        }
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string at_session = co_await open_session(at, "?ack=0");
        (void)co_await post(at, at_session, "t1 one");
        const answer polled = co_await get(at, at_session + "&ack=0");
        CHECK(polled.body == "t1 one\n");
        answer held;
        auto fetch = [&]() -> task<> { held = co_await get(at, at_session + "&ack=1&transport=long-polling"); };
        scope all;
        all.spawn(fetch);
        (void)co_await weir::sleep(1s);
        (void)co_await post(at, at_session, "t2 two");
        co_await all.join();
        CHECK(held.body == "t2 two\n");
        event_reader events(at, at_session + "&ack=1&transport=event-stream"); // had not seen the second
        CHECK(co_await events.begin() == 200);
        const std::string resumed = co_await events.next(), two = co_await events.next();
        CHECK(resumed == "data: r2");
        CHECK(two == "id: 2\ndata: t2 two");
        (void)co_await post(at, at_session, "t2 two\nt3 three\na2\n");
        const std::string three = co_await events.next();
        CHECK(three == "id: 3\ndata: t3 three");
        auto ws = co_await open_websocket(at, at_session + "&ack=2");
        const std::string told = co_await events.next();
        CHECK(told == "data: e409 another request has taken over this session");
        const std::string back = co_await next_record(*ws), three_again = co_await next_record(*ws);
        CHECK(back == "r3");
        CHECK(three_again == "t3 three");
        ws->send("t3 three");
        ws->send("t4 four");
        const std::string four = co_await next_record(*ws);
        CHECK(four == "t4 four");
        answer polled_last = co_await get(at, at_session + "&ack=4&transport=polling"); // and down again
        CHECK(polled_last.body.empty());
        const std::string superseded = co_await next_record(*ws);
        CHECK(superseded == "e409 another connection has taken over this session");
        (void)co_await post(at, at_session, "t5 five");
        polled_last = co_await get(at, at_session + "&ack=4");
        CHECK(polled_last.body == "t5 five\n");
        CHECK(heard == std::vector<std::string>{"one", "two", "three", "four", "five"});
        CHECK(seen == std::vector<transport_kind>{transport_kind::polling, transport_kind::long_polling, transport_kind::event_stream,
                                                  transport_kind::websocket, transport_kind::polling});
    });
}

TEST_CASE("the end of the handler: x1000, x1011 when it throws, again and again for a poller") {
    server of;
    journal log;
    of.channel("/return", [](channel& client) -> task<> {
        client.send("bye");
        co_return;
    });
    of.channel("/throw", [](channel& client) -> task<> {
        (void)co_await client.read();
        throw std::runtime_error("what it says");
    });
    auto work = [&](net::endpoint at) -> task<> {
        const std::string returned = co_await open_session(at, {}, "/return");
        for (int i = 0; i < 2; ++i) {
            const answer early = co_await post(at, returned, "t1 x");
            CHECK(early.status == 410);
            CHECK(early.body == "a0\n"); // the end comes behind the message
            const answer said = co_await get(at, returned + "&ack=0");
            CHECK(said.status == 200);
            CHECK(said.body == "t1 bye\nx1000\n");
        }
        const answer end = co_await get(at, returned + "&ack=1");
        CHECK(end.body == "x1000\n");
        const answer sent = co_await post(at, returned, "t1 x");
        CHECK(sent.status == 410);
        CHECK(sent.body == "a0\nx1000\n");
        (void)co_await weir::sleep(31s);
        const answer gone = co_await get(at, returned + "&ack=0");
        CHECK(gone.status == 404);
        const std::string thrown = co_await open_session(at, {}, "/throw");
        (void)co_await post(at, thrown, "t1 x");
        const answer said = co_await get(at, thrown + "&ack=0");
        CHECK(said.body == "x1011\n");
        CHECK(log.has("a handler threw: what it says [/throw]"));
    };
    in_memory(of, work, {.log = log.hook()});
}

TEST_CASE("who does not come back is given up: reads end, waits are cancelled, the session is gone") {
    server of;
    int timed_out = 0, canceled = 0;
    of.channel("/read", [&](channel& client) -> task<> {
        auto end = co_await client.read();
        timed_out += end.error() == errc::timed_out && client.closed().cause == close_cause::timeout;
    });
    of.channel("/wait", [&](channel&) -> task<> {
        auto slept = co_await weir::sleep(1h);
        canceled += slept.error() == errc::canceled;
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string reads = co_await open_session(at, {}, "/read");
        const std::string waits = co_await open_session(at, {}, "/wait");
        (void)co_await weir::sleep(29s);
        CHECK(timed_out + canceled == 0);
        (void)co_await get(at, reads); // a sign of life
        (void)co_await weir::sleep(2s);
        CHECK(canceled == 1);
        CHECK(timed_out == 0);
        (void)co_await weir::sleep(29s);
        CHECK(timed_out == 1);
        const answer gone = co_await get(at, reads);
        CHECK(gone.status == 404);
        // An event stream whose client acknowledges is known to be dead by its silence; another is not.
        const std::string strict = co_await open_session(at, "?ack=0", "/read");
        event_reader mute(at, strict + "&ack=0&transport=event-stream"), bare(at, "/read?transport=event-stream");
        (void)co_await mute.begin();
        (void)co_await bare.begin();
        (void)co_await weir::sleep(10min);
        CHECK(timed_out == 2);
        std::string last;
        for (std::string each = "x"; !each.empty(); each = co_await mute.next()) last = each;
        CHECK(last == "data: x1008 nothing was heard of the peer");
        bare.hang_up(); // that is seen, and the keep time begins
        (void)co_await weir::sleep(31s);
        CHECK(timed_out == 3);
    });
}

TEST_CASE("what makes no sense is refused with a sentence") {
    server of;
    of.channel("/chat", echo_channel);
    in_memory(
        of,
        [](net::endpoint at) -> task<> {
            const std::string at_session = co_await open_session(at, "?ack=0");
            struct {
                std::string method, target, body;
                int status;
                std::string answer;
            } const table[] = {
                {"GET", "/chat?transport=pigeon", "", 400, "e400 'transport' is polling, long-polling, event-stream or websocket\n"},
                {"GET", "/chat?transport=websocket", "", 400, "e400 'transport=websocket' without a handshake\n"},
                {"GET", "/chat?ack=3", "", 400, "e400 'ack' without a session\n"},
                {"GET", "/chat?session=", "", 400, "e400 'session' without an id\n"},
                {"GET", "/chat?session=1234567890123456789012", "", 404, "e404 there is no such session, or not any more\n"},
                {"GET", "/chat?session=short", "", 404, "e404 there is no such session, or not any more\n"},
                {"GET", at_session + "&ack=", "", 400, "e400 'ack' is the number of a message\n"},
                {"GET", at_session + "&ack=1", "", 410, "e410 messages after that are not kept any more, or not yet sent\n"},
                {"POST", "/chat", "t hello", 400, "e400 no 'session': a GET opens one\n"},
                {"POST", "/chat?session=1234567890123456789012", "t", 404, "e404 there is no such session, or not any more\n"},
                {"DELETE", "/chat", "", 400, "e400 no 'session': a GET opens one\n"},
                {"PUT", at_session, "t", 405, "e405 a channel answers GET, POST and DELETE\n"},
                {"POST", at_session, "hello", 400, "a0\ne400 'h' with something behind it\n"},
                {"POST", at_session, "t1 \\x", 400, "a0\ne400 '\\' is followed by '\\', 'n' or 'r'\n"},
                {"POST", at_session, "b1 !", 400, "a0\ne400 'b' with what is no base64\n"},
                {"POST", at_session, "t1 \xFF", 400, "a0\ne400 text that is not UTF-8\n"},
                {"POST", at_session, "t2 two", 409, "a0\ne409 message 1 is missing before this one\n"},
                {"POST", at_session, "a1", 400, "a0\ne400 what is acknowledged was never sent\n"},
                {"POST", at_session, "x1005", 400, "a0\ne400 a close code that may not be sent\n"},
                {"POST", at_session, "oid", 400, "a0\ne400 a record that only a server sends\n"},
                {"POST", at_session, std::string(1001, 'x'), 413, "e413 a body of more than 1000 bytes\n"},
                {"POST", at_session, "", 200, "a0\n"},
                {"POST", at_session, "t1 one\nt3 three\nt2 two\n", 409, "a1\ne409 message 2 is missing before this one\n"},
            };
            for (const auto& each : table) {
                CAPTURE(each.method);
                CAPTURE(each.target);
                CAPTURE(each.body);
                const answer said = co_await ask_for(at, each.method, each.target, each.body);
                CHECK(said.status == each.status);
                CHECK(said.body == each.answer);
                CHECK(said.has("Cache-Control: no-store\r\n"));
            }
            const answer got = co_await get(at, at_session + "&ack=0"); // the session has not suffered
            CHECK(got.body == "t1 one\n");
        },
        {.websocket = {.message_bytes = 1000}});
}

TEST_CASE("a handler that takes nothing: a POST waits for it, and is told what was taken when it waits too long") {
    server of;
    event go;
    of.channel("/chat", [&](channel& client) -> task<> {
        auto told = co_await go.wait();
        CHECK(told);
        co_await echo_channel(client);
    }).options({.read_ahead_bytes = 500});
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string at_session = co_await open_session(at, "?ack=0");
        std::string body;
        for (int i = 1; i <= 10; ++i) body += "t" + std::to_string(i) + " " + std::string(100, 'x') + "\n";
        const auto began = loop_time();
        const answer busy = co_await post(at, at_session, body);
        CHECK(busy.status == 503);
        CHECK(busy.body == "a3\ne503 the handler takes nothing at the moment\n");
        CHECK(busy.has("Retry-After: 5\r\n"));
        CHECK(loop_time() - began >= 10s);
        auto release = [&]() -> task<> {
            (void)co_await weir::sleep(5s);
            go.set();
        };
        scope both;
        both.spawn(release);
        const answer sent = co_await post(at, at_session, body);
        CHECK(sent.body == "a10\n");
        CHECK(sent.status == 200);
        co_await both.join();
    });
}

TEST_CASE("a client that is away: sends wait, and above the bound the session is closed") {
    server of;
    int sent = 0;
    of.channel("/patient", [&](channel& client) -> task<> {
        for (int i = 0; i < 100; ++i) {
            auto status = co_await client.send(std::string(100, 'x'));
            if (!status) co_return;
            ++sent;
        }
    }).options({.high_water_bytes = 1000});
    of.channel("/flood", [](channel& client) -> task<> {
        for (int i = 0; i < 100; ++i) client.send(std::string(100, 'x'));
        auto end = co_await client.read();
        CHECK(!end);
        CHECK(client.closed().cause == close_cause::limit);
    }).options({.queue_bytes = 2000});
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string patient = co_await open_session(at, "?ack=0", "/patient");
        (void)co_await weir::sleep(1s);
        CHECK(sent == 7);
        std::size_t got = 0;
        answer some;
        while (!some.body.ends_with("\nx1000\n")) { // a handler that waited for room goes on before the answer is made
            some = co_await get(at, patient + "&ack=" + std::to_string(got));
            REQUIRE(!some.body.empty());
            for (const char each : some.body) got += each == 't';
        }
        CHECK(got == 100);
        const std::string flooded = co_await open_session(at, "?ack=0", "/flood");
        (void)co_await weir::sleep(1s);
        const answer all = co_await get(at, flooded + "&ack=0");
        CHECK(all.body.ends_with("\nx1008 more is queued for the client than it may be\n"));
    });
}

TEST_CASE("a bound over all sessions: silent ones are given up, the oldest first; without such, new ones are refused") {
    server of;
    std::string ends;
    of.channel("/chat", [&ends](channel& client) -> task<> {
        co_await client.send(std::string(1000, 'x'));
        while (auto got = co_await client.read()) co_await client.send(*got);
        if (client.closed().error == errc::buffer_full) ends += "full ";
    }).bytes(100'000);
    in_memory(of, [&](net::endpoint at) -> task<> {
        std::vector<std::string> silent;
        for (int i = 0; i < 120; ++i) {
            const std::string one = co_await open_session(at, "?ack=0");
            silent.push_back(one);
            (void)co_await weir::sleep(10ms);
        }
        const answer oldest = co_await get(at, silent.front() + "&ack=0");
        CHECK(oldest.status == 404);
        const answer newest = co_await get(at, silent.back() + "&ack=0");
        CHECK(newest.body == "t1 " + std::string(1000, 'x') + "\n");
        CHECK(ends.size() > 20 * 5);
        CHECK(ends.size() < 35 * 5);

        std::vector<std::unique_ptr<websocket>> there; // that do not acknowledge
        for (int i = 0; i < 200; ++i) {
            auto ws = co_await open_websocket(at, "/chat?ack=0");
            const std::string first = co_await next_record(*ws);
            there.push_back(std::move(ws));
            if (first == "e503 the sessions that there are take up the memory of all") break;
            CHECK(first.starts_with("o"));
        }
        CHECK(there.size() > 70);
        CHECK(there.size() < 100);
        const answer refused = co_await get(at, "/chat");
        CHECK(refused.status == 503);
        CHECK(refused.has("Retry-After: 5\r\n"));
        for (int i = 0; i < 40; ++i) there[static_cast<std::size_t>(i)]->send("a1");
        (void)co_await weir::sleep(10ms);
        (void)co_await open_session(at);
        there.clear();
    });
}

TEST_CASE("a bound over all sessions: a WebSocket whose handler only sends goes on when another session frees memory") {
    server of;
    of.channel("/push", [](channel& client) -> task<> {
        auto count = co_await client.read();
        if (count)
            for (std::size_t i = 0; i < count->size(); ++i) co_await client.send(std::string(10'000, 'x'));
        (void)co_await weir::sleep(1h);
    }).bytes(100'000);
    in_memory(of, [](net::endpoint at) -> task<> {
        const answer opened = co_await get(at, "/push?ack=0"); // holds nothing, and is away
        const std::string idle = "/push?session=" + opened.body.substr(1, 22) + "&ack=0";
        auto hoarder = co_await open_websocket(at, "/push?ack=0");
        auto other = co_await open_websocket(at, "/push?ack=0");
        (void)co_await next_record(*hoarder);
        (void)co_await next_record(*other);
        hoarder->send("t1 12345678");
        other->send("t1 1");
        std::string record = co_await next_record(*other);
        CHECK(record.starts_with("t1 "));
        record = co_await next_record(*other);
        CHECK(record == "a1");
        other->send("t2 " + std::string(20'000, 'y')); // no room
        other->send("a1");
        auto nothing = co_await other->read().within(10s);
        CHECK(nothing.error() == errc::timed_out);
        const answer there = co_await get(at, idle);
        CHECK(there.status == 200); // not given up in vain
        for (int i = 0; i < 8; ++i) (void)co_await next_record(*hoarder);
        hoarder->send("a8");
        record = co_await next_record(*other);
        CHECK(record == "a2");
        other.reset();
        hoarder.reset();
    });
}

TEST_CASE("posting to a channel from other threads") {
    server of;
    of.channel("/chat", [](channel& client) -> task<> {
        std::vector<std::thread> posters;
        for (int who = 0; who < 3; ++who)
            posters.emplace_back([who, to = client.handle()] {
                for (int i = 0; i < 200; ++i)
                    while (!to.post(std::string(1, static_cast<char>('a' + who)) + std::to_string(i)) && to.connected())
                        std::this_thread::yield();
            });
        while (auto got = co_await client.read()) {}
        for (std::thread& each : posters) each.join();
    });
    over_sockets(of, [](net::endpoint at) -> task<> {
        auto ws = co_await open_websocket(at, "/chat");
        const std::string opened = co_await next_record(*ws);
        CHECK(opened.starts_with("o"));
        int next[3] = {};
        for (int i = 1; i <= 600; ++i) {
            const std::string record = co_await next_record(*ws);
            const std::string begin = "t" + std::to_string(i) + " ";
            REQUIRE(record.starts_with(begin));
            CHECK(record.substr(begin.size() + 1) == std::to_string(next[record[begin.size()] - 'a']++));
        }
        ws->send("x");
        co_await ws->close();
    });
}

TEST_CASE("pages of other origins") {
    server of;
    of.channel("/own", echo_channel);
    const std::string_view friends[] = {"https://friend.example"};
    of.channel("/friends", echo_channel).origins(friends);
    of.channel("/all", echo_channel).any_origin();
    in_memory(of, [](net::endpoint at) -> task<> {
        const std::string own = co_await open_session(at, {}, "/own");
        const std::string friendly = co_await open_session(at, {}, "/friends");
        for (const std::string_view method : {"GET", "POST", "DELETE", "OPTIONS"}) {
            CAPTURE(method);
            for (const std::string& target : {own, friendly}) {
                const answer refused = co_await ask_for(at, std::string(method), target, {}, "Origin: https://evil.example\r\n");
                CHECK(refused.status == 403);
                CHECK(refused.body == "e403 pages of this origin may not use this channel\n");
                CHECK(!refused.has("Access-Control"));
            }
        }
        const answer same = co_await get(at, own, "Origin: http://here\r\n");
        CHECK(same.status == 200);
        CHECK(!same.has("Access-Control"));
        const answer friends_answer = co_await get(at, friendly, "Origin: https://friend.example\r\n");
        CHECK(friends_answer.status == 200);
        CHECK(friends_answer.has("Access-Control-Allow-Origin: https://friend.example\r\n"));
        CHECK(friends_answer.has("Vary: Origin\r\n"));
        const answer all = co_await get(at, "/all", "Origin: https://evil.example\r\n");
        CHECK(all.status == 200);
        CHECK(all.has("Access-Control-Allow-Origin: *\r\n"));
        CHECK(!all.has("Credentials"));
        const answer preflight = co_await ask_for(at, "OPTIONS", friendly, {},
                                                  "Origin: https://friend.example\r\nAccess-Control-Request-Method: DELETE\r\n");
        CHECK(preflight.status == 204);
        CHECK(preflight.has("Access-Control-Allow-Methods: GET, POST, DELETE\r\n"));
        CHECK(preflight.has("Access-Control-Allow-Origin: https://friend.example\r\n"));
        const answer image = co_await get(at, own, "Sec-Fetch-Site: cross-site\r\n"); // which has no Origin
        CHECK(image.status == 403);
        const answer typed = co_await get(at, own, "Sec-Fetch-Site: none\r\n");
        CHECK(typed.status == 200);
        const answer page = co_await get(at, own, "Sec-Fetch-Site: same-origin\r\n");
        CHECK(page.status == 200);
        event_reader events(at, own + "&transport=event-stream", "Origin: https://evil.example\r\n");
        CHECK(co_await events.begin() == 403);
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        co_await peer->send(handshake("/own", "Origin: https://evil.example\r\n"));
        const std::string handshaken = co_await peer->read_response();
        CHECK(handshaken.starts_with("HTTP/1.1 403 "));
    });
}

TEST_CASE("settings of a route: how many sessions, which transports, who may, and what it says of itself") {
    server of;
    const transport_kind offered[] = {transport_kind::polling, transport_kind::websocket};
    of.channel("/few", echo_channel).sessions(2).options({.keep = 7s, .heartbeat = 3s});
    of.channel("/some", echo_channel).transports(offered);
    of.channel("/secret", echo_channel).admit([](const http::request_head& request) -> std::optional<response> {
        if (request.fields.get("Authorization") == "Bearer sesame") return std::nullopt;
        return response(http::status::unauthorized, "Say the word.\n");
    });
    std::string asked;
    of.channel("/named", [&](channel& client, const http::request_head& request) -> task<> {
        co_await echo_channel(client);
        asked += request.target + " ";
    });
    in_memory(of, [&](net::endpoint at) -> task<> {
        const answer first = co_await get(at, "/few");
        CHECK(first.body.ends_with(" heartbeat=3000 keep=7000 limit=1048576\n"));
        (void)co_await open_session(at, {}, "/few");
        const answer third = co_await get(at, "/few");
        CHECK(third.status == 503);
        CHECK(third.body == "e503 there are as many sessions as there may be\n");
        CHECK(third.has("Retry-After: 5\r\n"));
        auto ws = co_await open_websocket(at, "/few");
        const std::string full = co_await next_record(*ws);
        CHECK(full == "e503 there are as many sessions as there may be");
        (void)co_await weir::sleep(8s);
        (void)co_await open_session(at, {}, "/few");
        const answer held = co_await get(at, "/some?transport=long-polling");
        CHECK(held.status == 403);
        CHECK(held.body == "e403 this transport is not offered here\n");
        (void)co_await open_session(at, {}, "/some");
        const answer stranger = co_await get(at, "/secret");
        CHECK(stranger.status == 401);
        CHECK(stranger.body == "Say the word.\n");
        CHECK(stranger.has("Cache-Control: no-store\r\n"));
        const answer known = co_await get(at, "/secret", "Authorization: Bearer sesame\r\n");
        CHECK(known.status == 200);
        const std::string named = co_await open_session(at, "?colour=blue", "/named");
        (void)co_await ask_for(at, "DELETE", named);
        auto named_ws = co_await open_websocket(at, "/named?colour=red");
        (void)co_await next_record(*named_ws);
        named_ws->send("x");
        (void)co_await next_record(*named_ws);
        (void)co_await named_ws->close();
        CHECK(asked == "/named?colour=blue /named?colour=red ");
    });
}

TEST_CASE("stop: every client is told, whatever it waits in, and handlers are waited for") {
    auto work = [](bool memory) -> task<> {
        server of;
        int ended = 0;
        of.channel("/chat", [&](channel& client) -> task<> {
            auto end = co_await client.read();
            CHECK(end.error() == errc::closed);
            CHECK(client.closed().code == ws::close_code::going_away);
            ++ended;
        });
        const result<> listening = of.listen({.host = "127.0.0.1"});
        REQUIRE(listening);
        const net::endpoint at = of.local_endpoint();
        result<> outcome = errc::busy;
        scope serving;
        serving.spawn(serve_into(of, outcome));
        const std::string polled = co_await open_session(at);
        const std::string held = co_await open_session(at, "?transport=long-polling");
        answer last;
        auto fetch = [&]() -> task<> { last = co_await get(at, held); };
        scope clients;
        clients.spawn(fetch);
        event_reader events(at, "/chat?transport=event-stream");
        CHECK(co_await events.begin() == 200);
        (void)co_await events.next();
        auto ws = co_await open_websocket(at, "/chat");
        (void)co_await next_record(*ws);
        (void)co_await weir::sleep(memory ? 1s : 50ms);
        of.stop(2s);
        co_await clients.join();
        CHECK(last.body == "x1001 the server is stopping\n");
        const std::string event = co_await events.next();
        CHECK(event == "data: x1001 the server is stopping");
        const std::string record = co_await next_record(*ws), end = co_await next_record(*ws);
        CHECK(record == "x1001 the server is stopping");
        CHECK(end.empty());
        CHECK(ws->closed().code == ws::close_code::going_away);
        co_await serving.join();
        CHECK(outcome);
        CHECK(ended == 4);
    };
    tests::memory_loop loop;
    loop.run(work(true));
    io::loop(std::move(*tests::make_events())).run(work(false));
}

TEST_CASE("stop: handlers that do not end are cancelled after the grace, given up after that; a server may run again") {
    server of;
    int canceled = 0;
    of.channel("/stubborn", [&](channel&) -> task<> {
        auto slept = co_await weir::sleep(1h);
        canceled += slept.error() == errc::canceled;
    });
    of.channel("/deaf", [](channel&) -> task<> {
        (void)co_await shield(weir::sleep(1h));
    });
    of.channel("/chat", echo_channel);
    journal log;
    for (int round = 0; round < 2; ++round) {
        in_memory(
            of,
            [&](net::endpoint at) -> task<> {
                (void)co_await open_session(at, {}, "/stubborn");
                (void)co_await open_session(at, {}, "/deaf");
                const std::string echoes = co_await open_session(at);
                const answer sent = co_await post(at, echoes, "t hello");
                CHECK(sent.body == "a1\n");
            },
            {.log = log.hook()});
        CHECK(canceled == round + 1);
        CHECK(log.has("gave up 1 handler that did not end when cancelled"));
    }
}
