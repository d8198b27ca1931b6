// The mechanics of sessions, with carriers that a test plays, on virtual time.
#include "../support/session_world.hpp"

#include <weir/core/pseudo_random.hpp>
#include <weir/coro/in_context.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/sleep.hpp>
#include <weir/transport/session_room.hpp>
#include <weir/transport/waiting_carrier.hpp>

#include <memory>

using namespace weir;
using namespace std::chrono_literals;
using detail::reception;
using detail::waiting_carrier;
using tests::lone_session;
using tests::played_carrier;
using texts = std::vector<std::string>;

namespace {

void in_memory(task<> (*work)()) {
    tests::memory_loop loop;
    loop.run(work());
}
std::chrono::nanoseconds now() { return io::loop::current()->now(); }

} // namespace

TEST_CASE("messages go to the carrier that there is, and wait while there is none") {
    in_memory([]() -> task<> {
        lone_session of;
        channel client(*of);
        CHECK(client.id() == "id");
        client.send("one");
        client.send("two");
        played_carrier first(*of, 1);
        first.attach(transport_kind::polling);
        CHECK(client.transport() == transport_kind::polling);
        CHECK(first.got == texts{"1:one"});
        client.send("three");
        CHECK(first.wakes == 1);
        CHECK(first.got == texts{"1:one", "2:two"});
        played_carrier second(*of, 10);
        CHECK(of->resume(1) == errc{}); // the second one did not arrive
        second.attach(transport_kind::websocket);
        CHECK(first.was_superseded);
        CHECK(client.transport() == transport_kind::websocket);
        CHECK(second.got == texts{"2:two", "3:three"});
        client.send("four");
        CHECK(first.wakes == 1);
        CHECK(second.got.back() == "4:four");
        CHECK(of->acknowledge(4) == errc{});
        CHECK(client.queued_bytes() == 0);
        CHECK(of->acknowledge(5) == errc::messages_gone);
        CHECK(of->resume(5) == errc::messages_gone);
        CHECK(!second.was_superseded);
        CHECK(of->resume(3) == errc{}); // overtaken on its way by the acknowledgement of what comes after
        CHECK(!of->has_next());
        co_return;
    });
}

TEST_CASE("without acknowledgements what was handed out counts as arrived, and a window of it is kept") {
    in_memory([]() -> task<> {
        lone_session of({.high_water_bytes = 1000});
        channel client(*of);
        played_carrier one(*of, 100);
        CHECK(of->resume({}) == errc{});
        one.attach();
        for (int i = 0; i < 50; ++i) client.send(std::string(100, 'x'));
        CHECK(one.got.size() == 50);
        CHECK(client.queued_bytes() == 0);
        CHECK(of->resume(3) == errc::messages_gone); // long ago
        CHECK(of->resume(48) == errc{});
        CHECK(of->has_next());
        CHECK(of->next_number() == 49);
        one.take();
        CHECK(of->resume({}) == errc{});
        CHECK(!of->has_next());
        co_return;
    });
}

TEST_CASE("sends wait above the high water until it is half gone: what is unsent, or not acknowledged by who acknowledges") {
    for (const bool acknowledges : {false, true}) {
        tests::memory_loop loop;
        auto work = [](bool strict) -> task<> {
            lone_session of({.high_water_bytes = 1000});
            channel client(*of);
            played_carrier one(*of);
            CHECK(of->resume(strict ? std::optional<std::uint64_t>(0) : std::nullopt) == errc{});
            one.attach();
            bool sent = false;
            auto send_all = [&]() -> task<> {
                for (int i = 0; i < 12; ++i) {
                    auto status = co_await client.send(std::string(100, 'x'));
                    CHECK(status);
                }
                sent = true;
            };
            scope both;
            both.spawn(send_all);
            (void)co_await weir::sleep(1s);
            CHECK(!sent);
            CHECK(client.queued_bytes() == 8 * (100 + sizeof(owned_message)));
            one.take();
            (void)co_await weir::sleep(1s);
            if (strict) {
                CHECK(!sent);
                CHECK(of->acknowledge(4) == errc{}); // more than half is left
                (void)co_await weir::sleep(1s);
                CHECK(!sent);
                CHECK(of->acknowledge(5) == errc{});
                (void)co_await weir::sleep(1s);
            }
            CHECK(sent);
            co_await both.join();
        };
        loop.run(work(acknowledges));
    }
}

TEST_CASE("its age is told while it lasts, and stays what it was at its end") {
    in_memory([]() -> task<> {
        lone_session of;
        channel client(*of);
        (void)co_await weir::sleep(3s);
        CHECK(client.closed().age == 3s);
        client.close();
        (void)co_await weir::sleep(3s);
        CHECK(client.closed().age == 3s);
    });
}

TEST_CASE("what is not known to have arrived can be asked for") {
    in_memory([]() -> task<> {
        lone_session of;
        channel client(*of);
        CHECK(of->resume(0) == errc{});
        for (const char* each : {"one", "two", "three"}) client.send(std::string_view(each));
        played_carrier by(*of, 2);
        by.attach();
        CHECK(of->is_carried());
        CHECK(of->acknowledge(1) == errc{});
        CHECK(of->acknowledged() == 1);
        const sequence<owned_message> left = of->unacknowledged();
        REQUIRE(left.size() == 2);
        CHECK(left[0].data == "two");
        CHECK(left[1].data == "three");
        CHECK(of->acknowledge(of->next_number() - 1) == errc{}); // all that was handed out
        CHECK(of->acknowledged() == 2); // the third was never handed out
        co_return;
    });
}

TEST_CASE("above the bound: closed or dropped; one message is always taken") {
    in_memory([]() -> task<> {
        {
            lone_session of({.queue_bytes = 1000});
            channel client(*of);
            CHECK(client.try_send(message(as_bytes(std::string(5000, 'x')), true)));
            CHECK(client.is_open());
            CHECK(!client.try_send(message(as_bytes("y"), true)));
            CHECK(!client.is_open());
            CHECK(client.closed().cause == close_cause::limit);
            CHECK(client.closed().code == ws::close_code::policy_violation);
            auto late = co_await client.send("z");
            CHECK(late.error() == errc::closed);
        }
        lone_session of({.queue_bytes = 1000, .overflow = overflow_policy::drop});
        channel client(*of);
        int taken = 0;
        for (int i = 0; i < 100; ++i) taken += client.try_send(message(as_bytes(std::string(100 - sizeof(owned_message), 'x')), true));
        CHECK(taken == 10);
        CHECK(client.is_open());
        auto dropped = co_await client.send(std::string(100, 'x'));
        CHECK(dropped.error() == errc::buffer_full);
        played_carrier one(*of, 100);
        one.attach();
        CHECK(one.got.size() == 10);
        CHECK(client.try_send(message(as_bytes("y"), true)));
    });
}

TEST_CASE("what comes in: in order, once, bounded") {
    in_memory([]() -> task<> {
        lone_session of({.read_ahead_bytes = 500});
        channel client(*of);
        CHECK(of->receive(1, "one", true) == reception::taken);
        CHECK(of->receive(1, "one", true) == reception::known);
        CHECK(of->receive(3, "three", true) == reception::gap);
        CHECK(of->receive({}, "two", false) == reception::taken); // the next
        CHECK(of->received() == 2);
        auto one = co_await client.read();
        CHECK((one && one->text() == "one" && one->is_text()));
        auto two = co_await client.read();
        CHECK((two && two->text() == "two" && two->is_binary()));
        CHECK(of->receive(3, std::string(1000, 'x'), true) == reception::taken); // alone
        std::string kept = "kept";
        CHECK(of->receive(4, std::move(kept), true) == reception::no_room);
        CHECK(kept == "kept");
        bool room = false;
        auto wait = [&]() -> task<> {
            auto told = co_await detail::room_for_more(*of);
            room = told.has_value();
        };
        scope waits;
        waits.spawn(wait);
        (void)co_await weir::sleep(1s);
        CHECK(!room);
        auto three = co_await client.read();
        CHECK((three && three->size() == 1000));
        (void)co_await weir::sleep(1ms);
        CHECK(room);
        CHECK(of->receive(4, std::move(kept), true) == reception::taken);
        co_await waits.join();
    });
}

TEST_CASE("reads wait, are cancelled without loss, and only one waits at a time") {
    in_memory([]() -> task<> {
        lone_session of;
        channel client(*of);
        auto none = co_await client.read().within(1s);
        CHECK(none.error() == errc::timed_out);
        auto late = [&]() -> task<> {
            (void)co_await weir::sleep(1s);
            auto second = co_await client.read();
            CHECK(second.error() == errc::busy);
            CHECK(of->receive({}, "at last", true) == reception::taken);
        };
        scope both;
        both.spawn(late);
        auto got = co_await client.read();
        CHECK((got && got->text() == "at last"));
        co_await both.join();
    });
}

TEST_CASE("a reader that always has something lets the others run") {
    in_memory([]() -> task<> {
        lone_session of({.read_ahead_bytes = 1'000'000});
        channel client(*of);
        for (int i = 0; i < 1000; ++i) CHECK(of->receive({}, "x", true) == reception::taken);
        int read = 0, most = 0;
        bool done = false;
        auto read_all = [&]() -> task<> {
            for (int i = 0; i < 1000; ++i) {
                auto got = co_await client.read();
                CHECK(got);
                ++read;
            }
            done = true;
        };
        scope both;
        both.spawn(read_all);
        while (!done) {
            const int before = read;
            (void)co_await yield();
            if (read - before > most) most = read - before;
        }
        CHECK(most <= 130); // two rounds between two looks
        co_await both.join();
    });
}

TEST_CASE("a client that does not come back is given up, and the handler told") {
    in_memory([]() -> task<> {
        lone_session of({.keep = 10s});
        channel client(*of);
        const auto began = now();
        {
            played_carrier one(*of);
            one.attach();
            auto nothing = co_await client.read().within(1min); // carried, it may be silent
            CHECK(nothing.error() == errc::timed_out);
        }
        auto nothing = co_await client.read().within(9s);
        CHECK(nothing.error() == errc::timed_out);
        of->heard(); // a sign of life
        auto end = co_await client.read();
        CHECK(end.error() == errc::timed_out);
        CHECK(now() - began >= 79s);
        CHECK(now() - began < 80s);
        CHECK(client.closed().cause == close_cause::timeout);
        CHECK(!of.listed());
        CHECK(of->receive({}, "too late", true) == reception::closed);
    });
}

TEST_CASE("closed: what was sent before is there for as long as it is kept, then it is struck off") {
    in_memory([]() -> task<> {
        lone_session of({.keep = 10s});
        channel client(*of);
        client.send("last words");
        client.close(ws::close_code::normal, "bye");
        client.close(ws::close_code::going_away, "not that");
        CHECK(client.closed().reason == "bye");
        auto end = co_await client.read();
        CHECK(end.error() == errc::closed);
        (void)co_await weir::sleep(9s);
        CHECK(of.listed());
        {
            played_carrier one(*of, 10);
            one.attach();
            CHECK(one.got == texts{"1:last words"});
        }
        (void)co_await weir::sleep(9s);
        CHECK(of.listed());
        (void)co_await weir::sleep(2s);
        CHECK(!of.listed());
    });
}

TEST_CASE("the handler's context is cancelled when the client is gone and nobody reads") {
    in_memory([]() -> task<> {
        for (const bool unread : {false, true}) {
            lone_session of({.keep = 10s});
            channel client(*of);
            context* const outer = co_await this_context();
            context own(*outer);
            of->guard(&own);
            if (unread) CHECK(of->receive({}, "unread", true) == reception::taken);
            const auto began = now();
            auto slept = co_await in_context(own, weir::sleep(1h));
            CHECK(slept.error() == errc::canceled);
            CHECK(now() - began >= (unread ? 15s : 10s));
            CHECK(now() - began < (unread ? 16s : 11s));
            of->guard(nullptr);
        }
        lone_session of({.keep = 10s});
        channel client(*of);
        context* const outer = co_await this_context();
        context own(*outer);
        of->guard(&own);
        auto end = co_await client.read(); // somebody reads
        CHECK(end.error() == errc::timed_out);
        (void)co_await weir::sleep(1min);
        CHECK(!own.canceled());
        of->guard(nullptr);
    });
}

TEST_CASE("silence of a client that acknowledges is known, of another it is not") {
    in_memory([]() -> task<> {
        lone_session of({.keep = 10s, .heartbeat = 5s});
        played_carrier one(*of);
        CHECK(of->resume(0) == errc{});
        one.attach();
        (void)co_await weir::sleep(14s);
        CHECK(!of->is_silent());
        (void)co_await weir::sleep(2s);
        CHECK(of->is_silent());
        of->heard();
        CHECK(!of->is_silent());
        CHECK(of->resume({}) == errc{});
        (void)co_await weir::sleep(1h);
        CHECK(!of->is_silent());
    });
}

TEST_CASE("a carrier to wait in: news, the end, and another one that takes over") {
    in_memory([]() -> task<> {
        lone_session of;
        channel client(*of);
        {
            waiting_carrier here(*of, transport_kind::long_polling);
            CHECK(!here.has_news());
            auto none = co_await here.news().within(1s);
            CHECK(none.error() == errc::timed_out);
            client.send("x");
            auto told = co_await here.news().within(1s);
            CHECK(told);
            CHECK(here.has_news());
            of->hand_out();
            played_carrier other(*of);
            auto take_over = [&]() -> task<> {
                (void)co_await weir::sleep(1s);
                other.attach();
            };
            scope both;
            both.spawn(take_over);
            auto over = co_await here.news();
            CHECK(over);
            CHECK(here.is_superseded());
            co_await both.join();
        }
        waiting_carrier last(*of, transport_kind::event_stream);
        client.close();
        CHECK(last.has_news());
        auto told = co_await last.news();
        CHECK(told);
    });
}

TEST_CASE("a bound for several: who was away for longest is given up, what many get counts once, what comes in counts") {
    in_memory([]() -> task<> {
        detail::session::budget all;
        all.limit(10'000);
        {
            lone_session first({}, &all), second({}, &all), third({.overflow = overflow_policy::drop}, &all);
            channel one(*first), two(*second), three(*third);
            const std::string payload(3000, 'x');
            for (channel* each : {&one, &two, &three}) CHECK(each->try_send(message(as_bytes(payload), true)));
            CHECK(all.bytes() > 9000);
            CHECK(all.bytes() < 9400);
            first->heard(); // and so the second one's client has been away for longest
            CHECK(three.try_send(message(as_bytes(payload), true)));
            CHECK(one.is_open());
            CHECK(three.is_open());
            CHECK_FALSE(two.is_open());
            CHECK_FALSE(second.listed());
            CHECK(two.closed().cause == close_cause::limit);
            CHECK(two.closed().error == errc::buffer_full);
            CHECK(two.queued_bytes() == 0);
            CHECK_FALSE(two.try_send(message(as_bytes(payload), true)));
            CHECK(all.bytes() < 9400);
            CHECK_FALSE(all.is_used_up()); // somebody is away

            played_carrier of_first(*first), of_third(*third);
            of_first.attach();
            of_third.attach();
            CHECK(all.is_used_up());
            CHECK_FALSE(three.try_send(message(as_bytes(payload), true))); // nobody to give up: dropped
            CHECK(three.is_open());
            CHECK(first->receive({}, std::string(payload), true) == detail::reception::no_room);
            CHECK(first->receive({}, std::string(100, 'y'), true) == detail::reception::taken);
            CHECK_FALSE(one.try_send(message(as_bytes(payload), true))); // closed
            CHECK(one.closed().reason == "more is queued for all clients together than it may be");
            auto got = co_await one.read();
            CHECK(got);
            got = co_await one.read();
            CHECK(got.error() == errc::buffer_full);
            CHECK(first->resume(1) == errc{}); // what has arrived takes nothing any more
            CHECK(third->resume(2) == errc{});
            CHECK(all.bytes() == 0);

            const detail::kept_message many = detail::keep_message(as_bytes(std::string(8000, 'z')), true);
            lone_session fourth({}, &all);
            channel four(*fourth);
            CHECK(three.try_send_kept(many));
            const std::size_t once = all.bytes();
            CHECK(four.try_send_kept(many));
            CHECK(all.bytes() - once < 50);
            CHECK_FALSE(four.try_send(message(as_bytes(std::string(11'000, 'z')), true))); // more than there ever is
            CHECK_FALSE(four.is_open());
            CHECK(three.is_open());
        }
        CHECK(all.bytes() == 0);
        co_return;
    });
}

TEST_CASE("a bound for several: a handler that reads gets what comes in all the same") {
    in_memory([]() -> task<> {
        detail::session::budget all;
        all.limit(1000);
        lone_session of({}, &all);
        channel client(*of);
        played_carrier by(*of);
        by.attach();
        CHECK(client.try_send(message(as_bytes(std::string(900, 'x')), true)));
        CHECK(of->receive({}, std::string(500, 'y'), true) == detail::reception::no_room);
        int rounds = 0;
        scope both;
        both.spawn([](detail::session& to, int& tries) -> task<> {
            for (int i = 0; i < 3; ++i)
                while (to.receive({}, std::string(500, static_cast<char>('a' + i)), true) == detail::reception::no_room) {
                    ++tries;
                    const result<> told = co_await detail::room_for_more(to);
                    CHECK(told);
                }
        }, std::ref(*of), std::ref(rounds));
        for (int i = 0; i < 3; ++i) {
            auto got = co_await client.read();
            REQUIRE(got);
            CHECK(got->text() == std::string(500, static_cast<char>('a' + i)));
        }
        co_await both.join();
        CHECK(rounds >= 1);
        CHECK(rounds < 10);
        by.take();
        CHECK(of->resume(1) == errc{});
        CHECK(all.bytes() == 0);
    });
}

TEST_CASE("a bound for several: nobody is given up in vain, nor who holds nothing; the oldest that holds something goes first") {
    in_memory([]() -> task<> {
        detail::session::budget all;
        all.limit(100'000);
        {
            std::vector<std::unique_ptr<lone_session>> idle;
            for (int i = 0; i < 50; ++i) idle.push_back(std::make_unique<lone_session>(session_options{}, &all));
            const session_options dropping{.overflow = overflow_policy::drop};
            lone_session hoarder({}, &all), old({}, &all), young({}, &all), wanting(dropping, &all);
            played_carrier of_hoarder(*hoarder), of_wanting(*wanting);
            of_hoarder.attach();
            of_wanting.attach();
            const auto listed = [&] {
                int there = old.listed() + young.listed();
                for (const auto& each : idle) there += each->listed();
                return there;
            };
            const auto send = [](lone_session& to, std::size_t bytes) {
                return to->send(detail::keep_message(as_bytes(std::string(bytes, 'x')), true));
            };
            for (int i = 0; i < 7; ++i) CHECK(send(hoarder, 10'000) == errc{});
            CHECK(send(old, 10'000) == errc{});
            CHECK(send(young, 10'000) == errc{});
            CHECK(send(wanting, 40'000) == errc::buffer_full);
            CHECK(listed() == 52);
            CHECK(send(wanting, 10'000) == errc{});
            CHECK(listed() == 51);
            CHECK_FALSE(old.listed());
            CHECK(young.listed());
            for (const auto& each : idle) each->operator*().heard();
            CHECK(wanting->receive({}, std::string(15'000, 'y'), true) == reception::taken);
            CHECK_FALSE(young.listed());
            CHECK(listed() == 50);
            CHECK(send(wanting, 10'000) == errc::buffer_full);
            CHECK(listed() == 50);
        }
        CHECK(all.bytes() == 0);
        co_return;
    });
}

TEST_CASE("a bound for several: who wants room is spared, and others are given up although it was away for longest") {
    in_memory([]() -> task<> {
        detail::session::budget all;
        all.limit(10'000);
        for (const bool sends : {false, true}) {
            lone_session wanting({}, &all), other({}, &all);
            for (lone_session* each : {&wanting, &other})
                CHECK((*each)->send(detail::keep_message(as_bytes(std::string(4000, 'x')), true)) == errc{});
            if (sends)
                CHECK(wanting->send(detail::keep_message(as_bytes(std::string(4000, 'y')), true)) == errc{});
            else
                CHECK(wanting->receive(1, std::string(4000, 'y'), true) == reception::taken);
            CHECK(wanting.listed());
            CHECK_FALSE(other.listed());
            CHECK(wanting->receive({}, std::string(4000, 'z'), true) == reception::no_room); // nobody but itself
            CHECK(wanting.listed());
            CHECK_FALSE(all.is_used_up()); // for others it would be given up
        }
        CHECK(all.bytes() == 0);
        co_return;
    });
}

TEST_CASE("a bound for several: what many have can be given up when none of them is there") {
    in_memory([]() -> task<> {
        detail::session::budget all, others;
        all.limit(10'000);
        lone_session one({}, &all), two({}, &all), elsewhere({}, &others), wanting({}, &all);
        played_carrier of_two(*two), of_wanting(*wanting);
        of_two.attach();
        of_wanting.attach();
        {
            const detail::kept_message many = detail::keep_message(as_bytes(std::string(8000, 'z')), true);
            for (lone_session* each : {&one, &two, &elsewhere}) CHECK((*each)->send(many) == errc{});
            CHECK(others.bytes() < 50); // it is counted where it came first
        }
        const auto receive = [&] { return wanting->receive({}, std::string(5000, 'y'), true); };
        CHECK(receive() == reception::no_room);
        two->detach(of_two);
        CHECK(receive() == reception::no_room);
        CHECK(one.listed());
        elsewhere->give_up();
        CHECK(receive() == reception::taken);
        CHECK_FALSE(one.listed());
        CHECK_FALSE(two.listed());
        co_return;
    });
}

TEST_CASE("a bound for several: what was received is freed as well, but not the message that the handler looks at") {
    in_memory([]() -> task<> {
        detail::session::budget all;
        all.limit(10'000);
        lone_session away({}, &all), wanting({}, &all);
        channel client(*away);
        CHECK(away->receive({}, std::string(1000, 'a'), true) == reception::taken);
        CHECK(away->receive({}, std::string(8000, 'b'), true) == reception::taken);
        auto looked_at = co_await client.read();
        REQUIRE(looked_at);
        CHECK(wanting->send(detail::keep_message(as_bytes(std::string(8000, 'x')), true)) == errc{});
        CHECK_FALSE(away.listed());
        CHECK(all.bytes() < 8500);
        CHECK(looked_at->text() == std::string(1000, 'a'));
        auto end = co_await client.read().within(1s);
        CHECK(end.error() == errc::buffer_full);
        CHECK(client.closed().error == errc::buffer_full);
    });
}

TEST_CASE("a bound for several: who waits for room is woken when others free it, in order and as far as it goes") {
    in_memory([]() -> task<> {
        detail::session::budget all;
        all.limit(10'000);
        lone_session hoarder({}, &all), first({}, &all), second({}, &all);
        played_carrier of_hoarder(*hoarder), of_first(*first), of_second(*second);
        for (played_carrier* each : {&of_hoarder, &of_first, &of_second}) each->attach();
        for (int i = 0; i < 4; ++i) CHECK(hoarder->send(detail::keep_message(as_bytes(std::string(2300, 'x')), true)) == errc{});
        std::string order;
        int tries = 0;
        const auto deliver = [&](lone_session& to, std::size_t bytes, char name) -> task<> {
            while (to->receive({}, std::string(bytes, 'y'), true) == reception::no_room) {
                ++tries;
                const result<> told = co_await detail::room_for_more(*to);
                CHECK(told);
            }
            order += name;
        };
        scope both;
        both.spawn(deliver, std::ref(first), 4000, '1');
        both.spawn(deliver, std::ref(second), 3000, '2');
        (void)co_await weir::sleep(1s);
        CHECK(tries == 2);
        of_hoarder.take();
        CHECK(hoarder->acknowledge(1) == errc{}); // not enough for the first
        (void)co_await weir::sleep(1s);
        CHECK(tries == 2);
        CHECK(hoarder->acknowledge(2) == errc{});
        (void)co_await weir::sleep(1s);
        CHECK(order == "1");
        CHECK(tries == 2);
        hoarder->detach(of_hoarder); // now it can be given up
        (void)co_await weir::sleep(1s);
        CHECK(order == "12");
        CHECK(tries == 2);
        CHECK_FALSE(hoarder.listed());
        co_await both.join();
    });
}

TEST_CASE("a bound for several holds whatever is done, and nothing is counted when nothing is left") {
    in_memory([]() -> task<> {
        pseudo_random chance(7);
        detail::session::budget all;
        all.limit(20'000);
        {
            std::vector<std::unique_ptr<lone_session>> sessions;
            std::unique_ptr<played_carrier> carrier; // of one of them
            const detail::session* carried = nullptr;
            for (int step = 0; step < 20'000; ++step) {
                if (sessions.size() < 10) sessions.push_back(std::make_unique<lone_session>(session_options{.queue_bytes = 8000}, &all));
                const std::size_t which = chance.next() % sessions.size();
                detail::session& of = **sessions[which];
                const std::string payload(chance.next() % 3000, 'x');
                switch (chance.next() % 9) {
                case 0: of.heard(); break;
                case 8:
                    carrier = std::make_unique<played_carrier>(of);
                    carrier->attach();
                    carried = &of;
                    break;
                case 1: (void)of.acknowledge(of.next_number() - 1); break;
                case 2: (void)of.receive({}, std::string(payload), true); break;
                case 3:
                    if (of.readable()) (void)of.take();
                    break;
                case 4: {
                    const detail::kept_message kept = detail::keep_message(as_bytes(payload), false);
                    for (const auto& each : sessions) (void)(*each)->send(kept);
                    break;
                }
                case 5:
                    while (of.has_next()) of.hand_out();
                    of.handed_out();
                    break;
                default: (void)of.send(detail::keep_message(as_bytes(payload), true));
                }
                REQUIRE(all.bytes() <= 20'000);
                if (!of.is_open() && &of != carried && chance.next() % 4 == 0)
                    sessions.erase(sessions.begin() + static_cast<std::ptrdiff_t>(which));
            }
        }
        CHECK(all.bytes() == 0);
        CHECK(all.tally()->could_fit(20'000)); // nor as what could be given up
        co_return;
    });
}

TEST_CASE("posting from elsewhere: bounded, in order, before a close, and false after it") {
    in_memory([]() -> task<> {
        lone_session of({.queue_bytes = 10'000});
        channel client(*of);
        const channel_handle handle = client.handle();
        const channel_handle copy = handle;
        CHECK(handle.connected());
        CHECK(handle.post("one"));
        CHECK(copy.post(as_bytes(std::string_view("two"))));
        CHECK(client.queued_bytes() == 0); // not in the call
        (void)co_await yield();
        (void)co_await yield();
        played_carrier by(*of, 1000);
        by.attach();
        CHECK(by.got == texts{"1:one", "2:two"});
        int posted = 0;
        while (posted < 1000 && handle.post(std::string_view(std::string(1000, 'x')))) ++posted;
        CHECK(posted > 5);
        CHECK(posted <= 10);
        client.close(ws::close_code::normal, "bye");
        CHECK(by.got.size() == static_cast<std::size_t>(2 + posted));
        CHECK_FALSE(handle.post("too late"));
        CHECK_FALSE(copy.connected());
        CHECK_FALSE(client.handle().post("too late"));
        lone_session given_up;
        channel other(*given_up);
        const channel_handle to_other = other.handle();
        CHECK(to_other.post("never sent"));
        given_up->give_up();
        CHECK_FALSE(to_other.connected());
        CHECK(other.queued_bytes() == 0);
    });
}
