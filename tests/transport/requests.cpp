// Requests and answers: who gets which message, in every order; what comes late, twice, unasked, too much or not at all; both
// roles at once, cancelled and destroyed at every step, and walked at random beside a std::map.
#include "../support/session_world.hpp"
#include "../support/steps.hpp"
#include "../support/websocket_pair.hpp"

#include <weir/coro/stop.hpp>
#include <weir/coro/when_all.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/transport/requests.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

using namespace weir;
using namespace std::chrono_literals;
using tests::over;
using tests::websocket_world;

namespace {

using texts = std::vector<std::string>;

// "a7 sum" answers the request "q7 sum"; everything else answers nothing.
std::optional<int> answered_id(const message& any) {
    if (any.size() < 2 || any.text()[0] != 'a') return std::nullopt;
    return std::atoi(std::string(any.text().substr(1)).c_str());
}
std::string request(int id, std::string_view what = "sum") { return "q" + std::to_string(id) + " " + std::string(what); }
std::string answer(int id, std::string_view what = "sum") { return "a" + std::to_string(id) + " " + std::string(what); }

// What became of a request.
struct fate {
    std::string text; // the answer, or what the error says
    errc code{};
    std::chrono::nanoseconds after{0};
};
fate fate_of(const result<owned_message>& got) {
    if (got) return {got->data, errc{}, {}};
    const std::error_code code = got.error();
    return {got.error().message(), static_cast<errc>(code.value()), {}};
}

template <class Calls>
task<> ask_into(Calls& calls, int id, fate& into, std::chrono::nanoseconds patience = 1h) {
    const auto begun = scheduler::current()->now();
    auto got = co_await calls.ask(id, request(id)).within(patience);
    into = fate_of(got);
    into.after = scheduler::current()->now() - begun;
}

// Reads to the end.
template <class Calls>
task<> listen_to(Calls& calls, texts& into, error* end = nullptr) {
    for (;;) {
        auto got = co_await calls.read();
        if (!got && end) *end = got.error();
        if (!got) co_return;
        into.emplace_back(got->text());
    }
}

task<texts> next(websocket& from, std::size_t count) {
    texts got;
    while (got.size() < count) {
        auto message = co_await from.read();
        if (!message) break;
        got.emplace_back(message->text());
    }
    co_return got;
}

// Runs `test(client, peer)` with the two ends of a connection; `world` goes last.
template <class Test>
void with_pair(Test test, const websocket_options& options = {}, const io::memory_options& network = {}) {
    websocket_world world(over::memory, network);
    auto [server, client] = world.pair(options);
    world.run(test(client, server));
}

} // namespace

TEST_CASE("requests: answers go to whoever asked, in any order") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests calls(ws, answered_id);
        static_assert(std::is_same_v<decltype(calls), requests<int>>);
        fate one, two, three;
        scope work;
        work.spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(one), 1h);
        work.spawn(ask_into<requests<int>>, std::ref(calls), 2, std::ref(two), 1h);
        work.spawn(ask_into<requests<int>>, std::ref(calls), 3, std::ref(three), 1h);
        const texts asked = co_await next(peer, 3);
        CHECK(asked == texts{"q1 sum", "q2 sum", "q3 sum"});
        CHECK(calls.in_flight() == 3);
        for (int id : {2, 3, 1}) peer.send(answer(id, std::to_string(10 * id)));
        co_await work.join();
        CHECK(one.text == "a1 10");
        CHECK(two.text == "a2 20");
        CHECK(three.text == "a3 30");
        CHECK(calls.in_flight() == 0);
        CHECK(calls.late() == 0);
        CHECK(calls.dropped() == 0);
    });
}

TEST_CASE("requests: sent at the call, text or binary, and answered before they are awaited") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        auto first = calls.ask(1, std::string("q1 ") + "gone by then");
        auto second = calls.ask(2, as_bytes("q2 binary"));
        auto third = calls.ask(3, message(as_bytes("q3 any"), false));
        auto one = co_await peer.read();
        CHECK(one->text() == "q1 gone by then");
        CHECK(one->is_text());
        auto two = co_await peer.read();
        CHECK(two->text() == "q2 binary");
        CHECK(two->is_binary());
        auto three = co_await peer.read();
        CHECK(three->text() == "q3 any");
        CHECK(three->is_binary());
        peer.send(answer(1));
        peer.send(as_bytes("a2 binary"));
        peer.send(answer(3));
        auto got = co_await std::move(third); // which passes on what the others wait for
        CHECK(got->data == "a3 sum");
        auto moved = std::move(first);
        CHECK(moved.await_ready());
        auto got_first = co_await std::move(moved);
        CHECK(got_first->data == "a1 sum");
        CHECK(got_first->is_text);
        auto got_second = co_await std::move(second).within(1s);
        CHECK(got_second->data == "a2 binary");
        CHECK_FALSE(got_second->is_text);
        { auto forgotten = calls.ask(4, request(4)); }
        auto unsent = calls.ask(5, request(5));
        auto elsewhere = std::move(unsent);
        peer.send(answer(4));
        peer.send(answer(5));
        auto last = co_await std::move(elsewhere);
        CHECK(last->data == "a5 sum");
        CHECK(calls.late() == 1);
    });
}

TEST_CASE("requests: what answers nothing is read, also by one who asks in between") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        peer.send("n1");
        peer.send("n2");
        auto first = co_await calls.read();
        CHECK(first->text() == "n1");
        auto asking = calls.ask(7, request(7));
        (void)co_await next(peer, 1);
        peer.send(std::string_view("n3"));
        peer.send(answer(7));
        peer.send(std::string_view("n4"));
        auto got = co_await std::move(asking);
        CHECK(got->data == "a7 sum");
        CHECK(first->text() == "n1"); // valid until the next read
        texts rest;
        for (int i = 0; i < 3; ++i) {
            auto more = co_await calls.read();
            rest.emplace_back(more->text());
        }
        CHECK(rest == texts{"n2", "n3", "n4"});
        auto none = co_await calls.read().within(1s);
        CHECK(none.error() == errc::timed_out);
        peer.send("n5");
        auto last = co_await calls.read();
        CHECK(last->text() == "n5");
        CHECK(calls.dropped() == 0);
    });
}

TEST_CASE("requests: without anybody who waits, nothing is read, and the connection is free for others") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        fate got;
        scope work;
        work.spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(got), 1h);
        (void)co_await next(peer, 1);
        auto refused = co_await ws.read(); // calls reads
        CHECK(refused.error() == errc::busy);
        peer.send(answer(1));
        co_await work.join();
        CHECK(got.text == "a1 sum");
        peer.send("for somebody else");
        auto other = co_await ws.read();
        CHECK(other->text() == "for somebody else");
    });
}

TEST_CASE("requests: busy while somebody else reads the connection, and no longer than that") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        {
            scope work;
            work.spawn([](websocket& from) -> task<> { (void)co_await next(from, 1); }, std::ref(ws));
            (void)co_await yield();
            fate got;
            co_await ask_into(calls, 1, got);
            CHECK(got.code == errc::busy);
            auto read = co_await calls.read();
            CHECK(read.error() == errc::busy);
        }
        peer.send(answer(1)); // late
        peer.send(answer(2));
        fate got;
        co_await ask_into(calls, 2, got);
        CHECK(got.text == "a2 sum");
        CHECK(calls.late() == 1);
    });
}

TEST_CASE("requests: one reads at a time") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        texts heard;
        error end;
        scope work;
        work.spawn(listen_to<requests<int>>, std::ref(calls), std::ref(heard), &end);
        (void)co_await yield();
        auto second = co_await calls.read();
        CHECK(second.error() == errc::busy);
        peer.send("n");
        peer.close();
        co_await work.join();
        CHECK(heard == texts{"n"});
        CHECK(end == errc::closed);
    });
}

TEST_CASE("requests: a late answer is dropped and counted, and never given to another") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        fate got;
        co_await ask_into(calls, 1, got, 2s);
        CHECK(got.code == errc::timed_out);
        CHECK(got.after == 2s);
        CHECK(calls.in_flight() == 0);
        auto again = co_await calls.ask(1, "q1 again"); // the answer to the first may still come
        CHECK(again.error() == errc::busy);
        peer.send(answer(1, "late"));
        peer.send("n");
        auto read = co_await calls.read();
        CHECK(read->text() == "n");
        CHECK(calls.late() == 1);
        peer.send(answer(1, "in time"));
        co_await ask_into(calls, 1, got);
        CHECK(got.text == "a1 in time");
        const texts asked = co_await next(peer, 2);
        CHECK(asked == texts{"q1 sum", "q1 sum"}); // what was refused was not sent
    });
}

TEST_CASE("requests: no more that were given up are remembered than may be in flight") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id, {.in_flight = 3});
        fate got;
        for (int id = 1; id <= 4; ++id) {
            co_await ask_into(calls, id, got, 1s);
            CHECK(got.code == errc::timed_out);
        }
        for (int id = 1; id <= 4; ++id) peer.send(answer(id));
        auto forgotten = co_await calls.read(); // the first: an answer to what was never asked, as far as is known
        CHECK(forgotten->text() == "a1 sum");
        peer.send("n");
        auto read = co_await calls.read();
        CHECK(read->text() == "n");
        CHECK(calls.late() == 3);
    });
}

TEST_CASE("requests: ids in flight, too many in flight, and a connection that does not take it are refused at once") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id, {.in_flight = 2});
        auto one = calls.ask(1, request(1));
        auto same = co_await calls.ask(1, request(1));
        CHECK(same.error() == errc::busy);
        CHECK(same.error() == condition::misuse);
        auto two = calls.ask(2, request(2));
        auto three = co_await calls.ask(3, request(3));
        CHECK(three.error() == errc::buffer_full);
        peer.send(answer(2));
        peer.send(answer(1));
        auto first = co_await std::move(one);
        CHECK(first->data == "a1 sum");
        auto second = co_await std::move(two);
        CHECK(second->data == "a2 sum");
        const std::string much(40'000, 'q');
        ws.send(much);
        auto large = co_await calls.ask(4, much);
        CHECK(large.error() == errc::buffer_full);
        ws.close();
        auto closed = co_await calls.ask(5, request(5));
        CHECK(closed.error() == errc::closed);
        const texts asked = co_await next(peer, 9);
        CHECK(asked == texts{"q1 sum", "q2 sum", much});
    }, {.queue_bytes = 50'000, .overflow = overflow_policy::drop}, {.pipe_bytes = 1000});
}

TEST_CASE("requests: one that is refused gives way to the others") {
    with_pair([](websocket& ws, websocket&) -> task<> {
        requests<int> calls(ws, answered_id, {.in_flight = 1});
        auto only = calls.ask(1, request(1));
        bool seen = false;
        scope work;
        work.spawn([](bool& ran) -> task<> { co_return void(ran = true); }, std::ref(seen));
        int rounds = 0;
        for (; !seen && rounds < 1000; ++rounds) {
            auto refused = co_await calls.ask(2, request(2));
            CHECK(refused.error() == errc::buffer_full);
        }
        CHECK(rounds < 10);
        co_await work.join();
    });
}

TEST_CASE("requests: answers that nobody asked for, and second answers, are for whoever reads") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        peer.send(answer(9, "unasked"));
        peer.send(answer(1, "first"));
        peer.send(answer(1, "second"));
        fate got;
        co_await ask_into(calls, 1, got);
        CHECK(got.text == "a1 first");
        auto read = co_await calls.read();
        CHECK(read->text() == "a9 unasked");
        read = co_await calls.read();
        CHECK(read->text() == "a1 second");
        CHECK(calls.late() == 0);
    });
}

TEST_CASE("requests: who only asks need not know what else comes") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id, {.unread_bytes = 1000});
        for (int id = 1; id <= 50; ++id) {
            for (int i = 0; i < 10; ++i) co_await peer.send("n" + std::to_string(10 * id + i));
            auto asking = calls.ask(id, request(id));
            peer.send(answer(id));
            auto got = co_await std::move(asking);
            CHECK(got->data == answer(id));
        }
        const std::uint64_t dropped = calls.dropped();
        CHECK(dropped > 400);
        texts rest;
        error end;
        peer.close();
        co_await listen_to(calls, rest, &end);
        CHECK(rest.size() + dropped == 500); // the newest are there
        CHECK(rest.back() == "n509");
        CHECK(rest.front() == "n" + std::to_string(510 - rest.size()));
        CHECK(end == errc::closed);
    });
}

TEST_CASE("requests: from the first read on nothing is dropped: who asks waits until somebody reads") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id, {.unread_bytes = 1000});
        peer.send("n0");
        auto first = co_await calls.read();
        CHECK(first->text() == "n0");
        for (int i = 1; i <= 200; ++i) co_await peer.send("n" + std::to_string(i));
        peer.send(answer(1));
        fate got;
        scope work;
        work.spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(got), 1h);
        for (int i = 0; i < 1000; ++i) (void)co_await yield();
        (void)co_await sleep(1s);
        CHECK(calls.in_flight() == 1);
        for (int i = 1; i <= 200; ++i) {
            auto more = co_await calls.read();
            CHECK(more->text() == "n" + std::to_string(i));
        }
        co_await work.join();
        CHECK(got.text == "a1 sum");
        CHECK(calls.dropped() == 0);
    });
}

TEST_CASE("requests: unless it is to be dropped; a message that is larger than all of it is kept") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id, {.unread_bytes = 1000, .drop_unread = true});
        peer.send("n0");
        auto first = co_await calls.read();
        CHECK(first->text() == "n0");
        for (int i = 1; i <= 200; ++i) co_await peer.send("n" + std::to_string(i));
        co_await peer.send(std::string(5000, 'n'));
        peer.send(answer(1));
        fate got;
        co_await ask_into(calls, 1, got);
        CHECK(got.text == "a1 sum");
        CHECK(calls.dropped() == 200);
        CHECK(first->text() == "n0");
        auto large = co_await calls.read();
        CHECK(large->size() == 5000);
    });
}

TEST_CASE("requests: with no room for what is unread, one message of it is kept all the same, and who asks gets the answer") {
    for (const bool drops : {false, true})
        with_pair([drops](websocket& ws, websocket& peer) -> task<> {
            requests<int> calls(ws, answered_id, {.unread_bytes = 0, .drop_unread = drops});
            peer.send("n0");
            auto first = co_await calls.read();
            CHECK(first->text() == "n0");
            fate got;
            peer.send(answer(1));
            co_await ask_into(calls, 1, got, 1s);
            CHECK(got.text == "a1 sum");
            peer.send("n1");
            peer.send(answer(2));
            co_await ask_into(calls, 2, got, 1s);
            CHECK(got.code == (drops ? errc{} : errc::timed_out)); // the answer is behind what is to be read first
            auto next = co_await calls.read();
            CHECK(next->text() == "n1");
            peer.send(answer(3));
            co_await ask_into(calls, 3, got, 1s);
            CHECK(got.text == "a3 sum");
            CHECK(calls.late() == (drops ? 0 : 1));
        });
}

TEST_CASE("requests: when the connection ends, all who wait are told why, those as well who ask later") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        fate one, two;
        texts heard;
        error end;
        scope work;
        work.spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(one), 1h);
        work.spawn(ask_into<requests<int>>, std::ref(calls), 2, std::ref(two), 1h);
        work.spawn(listen_to<requests<int>>, std::ref(calls), std::ref(heard), &end);
        auto unawaited = calls.ask(3, request(3));
        (void)co_await next(peer, 3);
        peer.send(answer(2));
        peer.send("n");
        co_await peer.close(ws::close_code::going_away, "later");
        co_await work.join();
        CHECK(one.code == errc::closed);
        CHECK(two.text == "a2 sum");
        CHECK(heard == texts{"n"});
        CHECK(end == errc::closed);
        auto third = co_await std::move(unawaited);
        CHECK(third.error() == errc::closed);
        fate four;
        co_await ask_into(calls, 4, four);
        CHECK(four.code == errc::closed);
        auto again = co_await calls.read();
        CHECK(again.error() == errc::closed);
        CHECK(calls.in_flight() == 0);
        CHECK(ws.closed().code == ws::close_code::going_away);
    });
}

TEST_CASE("requests: a peer that resets, one that breaks the protocol, one that is silent") {
    for (const int how : {0, 1, 2}) {
        CAPTURE(how);
        websocket_world world;
        websocket client = world.make(ws::role::client, {.ping_interval = 10s, .ping_timeout = 5s});
        const auto test = [&]() -> task<> {
            requests<int> calls(client, answered_id);
            fate one, two;
            texts heard;
            error end;
            scope work;
            work.spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(one), 1h);
            work.spawn(ask_into<requests<int>>, std::ref(calls), 2, std::ref(two), 3s);
            work.spawn(listen_to<requests<int>>, std::ref(calls), std::ref(heard), &end);
            (void)co_await world.peer().receive(8);
            if (how == 0) world.peer().stream().reset();
            if (how == 1) world.peer().send_now("\xff\xff");
            co_await work.join();
            const errc expected[] = {errc{}, errc::reserved_bits, errc::timed_out};
            CHECK(one.code != errc{});
            CHECK(end == client.closed().error);
            CHECK(one.text == client.closed().error.message());
            if (how > 0) CHECK(end == expected[how]);
            CHECK(two.code == (how == 2 ? errc::timed_out : one.code));
            CHECK(two.after == (how == 2 ? 3s : 0s));
            CHECK(one.after <= 16s);
        };
        world.run(test());
    }
}

TEST_CASE("requests: cancelled, stopped, destroyed: the others do not notice") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        fate one, two;
        std::optional<scope> first(std::in_place), second(std::in_place), third(std::in_place);
        first->spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(one), 1h);
        texts heard;
        second->spawn(listen_to<requests<int>>, std::ref(calls), std::ref(heard), nullptr);
        third->spawn(ask_into<requests<int>>, std::ref(calls), 2, std::ref(two), 1h);
        (void)co_await next(peer, 2);
        first->cancel();
        second.reset();
        co_await first->join();
        CHECK(one.code == errc::canceled);
        std::stop_source stop;
        auto stopped = calls.ask(3, request(3)).on(stop.get_token());
        stop.request_stop();
        auto got = co_await std::move(stopped);
        CHECK(got.error() == errc::canceled);
        auto raced = co_await when_any(calls.ask(4, request(4)), sleep(1s));
        CHECK(raced.index == 1);
        for (int id : {1, 3, 4, 2}) peer.send(answer(id));
        co_await third->join();
        CHECK(two.text == "a2 sum");
        CHECK(calls.late() == 3);
        peer.send("n");
        auto read = co_await calls.read();
        CHECK(read->text() == "n");
    });
}

TEST_CASE("requests: an answer that came before the cancelled one ran is not lost") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        fate one;
        scope work;
        work.spawn(ask_into<requests<int>>, std::ref(calls), 1, std::ref(one), 1h);
        (void)co_await next(peer, 1);
        peer.send(answer(1));
        int steps = 0;
        while (calls.in_flight() > 0 && ++steps < 1000) (void)co_await yield();
        work.cancel(); // it is woken for its answer by then, or has it
        co_await work.join();
        CHECK(one.text == "a1 sum");
    });
}

TEST_CASE("requests: in a cancelled context they give way and are cancelled, and what was sent is answered late") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        scope work;
        fate one;
        errc read{};
        work.spawn([&]() -> task<> {
            work.cancel();
            co_await ask_into(calls, 1, one);
            auto got = co_await calls.read();
            read = static_cast<errc>(got.error().code().value());
        });
        co_await work.join();
        CHECK(one.code == errc::canceled);
        CHECK(read == errc::canceled);
        (void)co_await next(peer, 1);
        peer.send(answer(1));
        peer.send("n");
        auto got = co_await calls.read();
        CHECK(got->text() == "n");
        CHECK(calls.late() == 1);
    });
}

TEST_CASE("requests: whoever still waits when it dies gets closed; the connection goes on") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        std::optional<requests<int>> calls(std::in_place, ws, answered_id);
        fate one;
        texts heard;
        error end;
        scope work;
        work.spawn(ask_into<requests<int>>, std::ref(*calls), 1, std::ref(one), 1h);
        work.spawn(listen_to<requests<int>>, std::ref(*calls), std::ref(heard), &end);
        auto unawaited = calls->ask(2, request(2));
        (void)co_await next(peer, 2);
        calls.reset();
        co_await work.join();
        CHECK(one.code == errc::closed);
        CHECK(end == errc::closed);
        auto got = co_await std::move(unawaited);
        CHECK(got.error() == errc::closed);
        peer.send("n");
        auto read = co_await ws.read();
        CHECK(read->text() == "n");
    });
}

TEST_CASE("requests: ids of any kind that can be compared") {
    struct pair_of {
        int a = 0, b = 0;
        bool operator==(const pair_of&) const = default;
    };
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        const auto text_of = [](const message& any) -> std::optional<std::string_view> {
            if (any.text().empty() || any.text()[0] != 'a') return std::nullopt;
            return any.text().substr(1, any.text().find(' ') - 1);
        };
        const std::string long_id(100, 'x');
        {
            requests calls(ws, text_of);
            static_assert(std::is_same_v<decltype(calls), requests<std::string_view>>);
            peer.send("axyz first");
            peer.send("a" + long_id + " second");
            auto second = calls.ask(std::string(long_id), "q");
            auto same = co_await calls.ask(long_id, "q");
            CHECK(same.error() == errc::busy);
            auto first = co_await calls.ask("xyz", "q");
            CHECK(first->data == "axyz first");
            auto other = co_await std::move(second);
            CHECK(other->data == "a" + long_id + " second");
        }
        {
            requests<std::string> calls(ws, [](const message& any) -> std::optional<std::string> { return any.take().data; });
            peer.send("a thing");
            auto got = co_await calls.ask("a thing", "q");
            CHECK(got->data == "a thing");
        }
        {
            requests calls(ws, +[](const message& any) -> std::optional<pair_of> {
                if (any.size() != 2) return std::nullopt;
                return pair_of{any.text()[0], any.text()[1]};
            });
            std::vector<decltype(calls.ask(pair_of(), "q"))> all;
            all.reserve(40);
            for (int i = 0; i < 40; ++i) all.push_back(calls.ask(pair_of{'a' + i % 5, 'a' + i / 5}, "q"));
            for (int i = 39; i >= 0; --i) peer.send(std::string{static_cast<char>('a' + i % 5), static_cast<char>('a' + i / 5)});
            for (int i = 0; i < 40; ++i) {
                auto got = co_await std::move(all[static_cast<std::size_t>(i)]);
                CHECK(got->data == std::string{static_cast<char>('a' + i % 5), static_cast<char>('a' + i / 5)});
            }
        }
    });
}

#if defined(__cpp_exceptions)
TEST_CASE("requests: a message that the function for ids cannot bear answers nothing") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, [](const message& any) -> std::optional<int> {
            if (any.text() == "bad") throw 7;
            return answered_id(any);
        });
        peer.send("bad");
        peer.send(answer(1));
        fate got;
        co_await ask_into(calls, 1, got);
        CHECK(got.text == "a1 sum");
        auto read = co_await calls.read();
        CHECK(read->text() == "bad");
    });
}
#endif

TEST_CASE("requests: a thousand at once, answered backwards, twice") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id, {.in_flight = 1000});
        for (int round = 0; round < 2; ++round) {
            std::vector<fate> fates(1000);
            scope work;
            for (int i = 0; i < 1000; ++i)
                work.spawn(ask_into<requests<int>>, std::ref(calls), 8 * i, std::ref(fates[static_cast<std::size_t>(i)]), 1h);
            const texts asked = co_await next(peer, 1000);
            CHECK(calls.in_flight() == 1000);
            auto refused = co_await calls.ask(1, "q");
            CHECK(refused.error() == errc::buffer_full);
            for (std::size_t i = 1000; i-- > 0;) co_await peer.send("a" + asked[i].substr(1));
            co_await work.join();
            for (int i = 0; i < 1000; ++i) CHECK(fates[static_cast<std::size_t>(i)].text == answer(8 * i));
        }
        CHECK(calls.in_flight() == 0);
    });
}

TEST_CASE("requests: a reader with much to read lets others run") {
    with_pair([](websocket& ws, websocket& peer) -> task<> {
        requests<int> calls(ws, answered_id);
        for (int i = 0; i < 500; ++i) peer.send("n");
        peer.send(answer(1));
        fate got;
        co_await ask_into(calls, 1, got);
        int turns = 0;
        scope work;
        work.spawn([](int& count) -> task<> {
            for (;;) {
                auto went = co_await yield();
                if (!went) co_return;
                ++count;
            }
        }, std::ref(turns));
        for (int i = 0; i < 500; ++i) {
            auto read = co_await calls.read();
            CHECK(read);
        }
        CHECK(turns >= 5);
        work.cancel();
        co_await work.join();
    });
}

TEST_CASE("requests: over a channel") {
    tests::memory_loop loop;
    const auto test = [&]() -> task<> {
        tests::lone_session session;
        tests::played_carrier carrier(*session, 100);
        carrier.attach();
        {
            channel client(*session);
            requests calls(client, answered_id);
            static_assert(std::is_same_v<decltype(calls), requests<int, channel>>);
            fate one, two;
            texts heard;
            error end;
            scope work;
            using kind = requests<int, channel>;
            work.spawn(ask_into<kind>, std::ref(calls), 1, std::ref(one), 1h);
            work.spawn(ask_into<kind>, std::ref(calls), 2, std::ref(two), 1s);
            work.spawn(listen_to<kind>, std::ref(calls), std::ref(heard), &end);
            (void)co_await sleep(1500ms);
            CHECK(carrier.got == texts{"1:q1 sum", "2:q2 sum"});
            for (const char* each : {"n1", "a2 late", "a1 here"}) CHECK(session->receive({}, each, true) == detail::reception::taken);
            (void)co_await sleep(1s);
            CHECK(one.text == "a1 here");
            CHECK(two.code == errc::timed_out);
            CHECK(calls.late() == 1);
            session->close(close_cause::peer, ws::close_code::normal, {});
            co_await work.join();
            CHECK(heard == texts{"n1"});
            CHECK(end == errc::closed);
        }
    };
    loop.run(test());
}

// --- both ask, both answer, and one of them is disturbed at every step ---

namespace {

struct ledger {
    int answered = 0, refused = 0, served = 0;
};

task<> serve_one(websocket& to, std::string text, int delay) {
    for (int i = 0; i < delay; ++i) {
        auto went = co_await yield();
        if (!went) co_return;
    }
    to.send("a" + text.substr(1));
}
task<> serve_all(websocket& ws, requests<int>& calls, ledger& of) {
    scope work;
    for (int delay = 0;; ++delay) {
        auto got = co_await calls.read();
        if (!got) break;
        CHECK(got->text()[0] == 'q');
        ++of.served;
        work.spawn(serve_one(ws, std::string(got->text()), delay * 5 % 7));
    }
    co_await work.join();
}
task<> ask_some(requests<int>& calls, int from, int count, ledger& of) {
    for (int id = from; id < from + count; ++id) {
        auto got = co_await calls.ask(id, request(id));
        if (got) CHECK(got->data == answer(id));
        ++(got ? of.answered : of.refused);
    }
}
task<> converse(websocket ws, ledger& of, bool closes) {
    requests<int> calls(ws, answered_id);
    scope listening, asking;
    listening.spawn(serve_all, std::ref(ws), std::ref(calls), std::ref(of));
    for (int i = 0; i < 3; ++i) asking.spawn(ask_some, std::ref(calls), 100 * i, 3, std::ref(of));
    co_await asking.join();
    if (closes) {
        while (of.served < 9 && ws.is_open()) { // the other one asks as well
            auto went = co_await yield();
            if (!went) break;
        }
        co_await ws.close();
    }
    co_await listening.join();
}

enum class disturbance { canceled, destroyed, reset };

task<> disturb(websocket_world& world, int steps, disturbance how, bool& finished) {
    auto [server, client] = world.pair({.high_water_bytes = 100});
    ledger of_server, of_client;
    scope others;
    others.spawn(converse(std::move(server), of_server, false));
    std::optional<scope> work(std::in_place);
    work->spawn(converse(std::move(client), of_client, true));
    finished = co_await tests::take_steps(*work, steps, 0s);
    if (how == disturbance::canceled) {
        work->cancel();
        co_await work->join();
    }
    work.reset();
    co_await others.join(); // nobody hangs: its peer is gone
    CHECK(of_server.answered + of_server.refused == 9);
    if (!finished) co_return;
    CHECK(of_server.answered == 9);
    CHECK(of_client.answered == 9);
    CHECK(of_server.served == 9);
    CHECK(of_client.served == 9);
}

// One of those who ask is cancelled or destroyed, or the one who reads: the others get what is theirs.
task<> disturb_one(websocket_world& world, int steps, disturbance how, bool reader, bool& finished) {
    auto [server, client] = world.pair();
    ledger of_server;
    scope others;
    others.spawn(converse(std::move(server), of_server, false));
    {
        requests<int> calls(client, answered_id);
        ledger lost, kept;
        std::optional<scope> work(std::in_place);
        scope rest;
        if (reader)
            work->spawn(serve_all, std::ref(client), std::ref(calls), std::ref(lost));
        else
            rest.spawn(serve_all, std::ref(client), std::ref(calls), std::ref(kept));
        scope* const asking = reader ? &rest : &*work;
        asking->spawn(ask_some, std::ref(calls), 0, 3, std::ref(lost));
        scope asking_on;
        asking_on.spawn(ask_some, std::ref(calls), 100, 6, std::ref(kept));
        finished = co_await tests::take_steps(*work, steps, 0s);
        finished = finished || steps > 200; // it listens on when all is said
        if (how == disturbance::canceled) {
            work->cancel();
            co_await work->join();
        }
        work.reset();
        co_await asking_on.join();
        CHECK(kept.answered == 6);
        if (reader) { // what nobody has read is still there
            rest.spawn(serve_all, std::ref(client), std::ref(calls), std::ref(kept));
        }
        while (of_server.answered + of_server.refused < 9 && client.is_open()) {
            if (how == disturbance::destroyed || reader) break; // the answers to some were destroyed with it
            (void)co_await yield();
        }
        client.reset();
        co_await rest.join();
        CHECK(calls.in_flight() == 0);
    }
    co_await others.join();
}

} // namespace

TEST_CASE("requests sweep: both sides ask and answer; one is cancelled, or destroyed, after step 0, 1, 2, …") {
    for (const over way : {over::memory, over::sockets})
        for (const auto how : {disturbance::canceled, disturbance::destroyed}) {
            bool finished = false;
            int steps = 0;
            for (; !finished && steps < 2000; ++steps) {
                CAPTURE(steps);
                websocket_world world(way, {.fragment = true});
                world.run(disturb(world, steps, how, finished));
            }
            CHECK(finished);
            CHECK(steps > 10);
        }
}

TEST_CASE("requests sweep: one who asks, or the one who reads, is cancelled or destroyed after step 0, 1, 2, …") {
    for (const bool reader : {false, true})
        for (const auto how : {disturbance::canceled, disturbance::destroyed}) {
            bool finished = false;
            for (int steps = 0; !finished && steps < 2000; ++steps) {
                CAPTURE(reader);
                CAPTURE(steps);
                websocket_world world(over::memory, {.fragment = true});
                world.run(disturb_one(world, steps, how, reader, finished));
            }
            CHECK(finished);
        }
}

TEST_CASE("requests sweep: fails at operation 0, 1, 2, …: nobody hangs") {
    for (std::uint64_t operation = 0;; ++operation) {
        CAPTURE(operation);
        REQUIRE(operation < 5000);
        websocket_world world(over::memory, {.fragment = true});
        world.network().fail_at(operation);
        auto [server, client] = world.pair();
        ledger of_server, of_client;
        const auto both = [&](websocket a, websocket b) -> task<> {
            scope work;
            work.spawn(converse(std::move(a), of_server, false));
            work.spawn(converse(std::move(b), of_client, true));
            co_await work.join();
        };
        world.run(both(std::move(server), std::move(client)));
        CHECK(of_server.answered + of_server.refused == 9);
        CHECK(of_client.answered + of_client.refused == 9);
        if (!world.network().injected()) {
            CHECK(of_client.answered == 9);
            break;
        }
    }
}

// --- at random ---

namespace {

struct walk {
    explicit walk(unsigned seed) : dice(seed) {}

    int below(int bound) { return static_cast<int>(dice() % static_cast<unsigned>(bound)); }

    std::mt19937 dice;
    std::map<int, bool> asked; // every id that is in use: whether somebody wants its answer
    std::map<int, std::string> answers;
    std::uint64_t late = 0;
    texts unread; // what is to be read, in this order
};

struct asking {
    int id = 0;
    std::optional<scope> work;
    fate got;
};

task<> wander(websocket& ws, websocket& peer, unsigned seed) {
    walk model(seed);
    constexpr std::size_t most = 20;
    requests<int> calls(ws, answered_id, {.in_flight = most});
    std::map<int, owned<asking>> askers;
    texts heard;
    scope listening;
    listening.spawn(listen_to<requests<int>>, std::ref(calls), std::ref(heard), nullptr);
    std::vector<int> given_up;
    const auto settle = []() -> task<> { (void)co_await sleep(2ms); }; // virtual ones: by then all has happened that can
    for (int step = 0; step < 400; ++step) {
        const int id = model.below(40);
        switch (model.below(6)) {
        case 0:
        case 1: { // ask
            const bool in_use = model.asked.count(id), full = askers.size() >= most;
            auto one = make_owned<asking>();
            one->id = id;
            one->work.emplace();
            one->work->spawn(ask_into<requests<int>>, std::ref(calls), id, std::ref(one->got), 1h);
            co_await settle();
            if (in_use || full) {
                CHECK(one->got.code == (in_use ? errc::busy : errc::buffer_full));
            } else {
                CHECK(one->work->size() == 1);
                model.asked[id] = true;
                askers[id] = std::move(one);
            }
            break;
        }
        case 2:
        case 3: { // answer
            const std::string text = answer(id, std::to_string(step));
            co_await peer.send(text);
            co_await settle();
            const auto in_use = model.asked.find(id);
            if (in_use == model.asked.end()) {
                model.unread.push_back(text);
            } else if (!in_use->second) {
                ++model.late;
                given_up.erase(std::find(given_up.begin(), given_up.end(), id));
                model.asked.erase(in_use);
            } else {
                CHECK(askers[id]->got.text == text);
                askers.erase(id);
                model.asked.erase(in_use);
            }
            break;
        }
        case 4: { // give up, in one of two ways
            const auto one = askers.find(id);
            if (one == askers.end()) break;
            if (model.below(2)) {
                one->second->work->cancel();
                co_await one->second->work->join();
                CHECK(one->second->got.code == errc::canceled);
            }
            askers.erase(one);
            model.asked[id] = false;
            given_up.push_back(id);
            if (given_up.size() > most) {
                model.asked.erase(given_up.front());
                given_up.erase(given_up.begin());
            }
            break;
        }
        case 5: { // something else
            const std::string text = "n" + std::to_string(step);
            co_await peer.send(text);
            model.unread.push_back(text);
            co_await settle();
            break;
        }
        }
        CHECK(calls.in_flight() == askers.size());
        CHECK(calls.late() == model.late);
        CHECK(heard == model.unread);
    }
    peer.close();
    co_await listening.join();
    co_await settle();
    for (auto& [id, one] : askers) CHECK(one->got.code == errc::closed);
}

} // namespace

TEST_CASE("requests: walked at random beside a std::map") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        with_pair([&](websocket& ws, websocket& peer) { return wander(ws, peer, seed); });
    }
}
