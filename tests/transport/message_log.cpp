// What is kept of the messages that were sent, against a plain model of it.
#include <weir/core/pseudo_random.hpp>
#include <weir/transport/message_log.hpp>
#include <weir/transport/message_queue.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <string>

using namespace weir;
using message_log = detail::message_log<>;

namespace {

detail::kept_message text(std::string_view of) { return detail::keep_message(as_bytes(of), true); }

} // namespace

TEST_CASE("numbers, handing out, acknowledging") {
    message_log log;
    CHECK(log.last() == 0);
    CHECK(log.handed_out() == 0);
    CHECK(log.oldest() == 1);
    CHECK(!log.has_unsent());
    for (const char* each : {"a", "bb", "ccc"}) log.push(text(each));
    CHECK(log.last() == 3);
    CHECK(log.front_unsent().data == "a");
    CHECK(log.next_number() == 1);
    log.hand_out();
    log.hand_out();
    CHECK(log.handed_out() == 2);
    CHECK(log.front_unsent().data == "ccc");
    log.forget_to(1);
    CHECK(log.oldest() == 2);
    CHECK(log.handed_out() == 2);
    log.rewind(1);
    CHECK(log.front_unsent().data == "bb");
    log.forget_to(3); // one that was not handed out by this carrier has arrived all the same
    CHECK(log.oldest() == 4);
    CHECK(!log.has_unsent());
    CHECK(log.bytes() == 0);
    CHECK(log.unsent_bytes() == 0);
}

TEST_CASE("what is kept without acknowledgements is bounded") {
    message_log log;
    const std::string payload(100, 'x');
    for (int i = 0; i < 100; ++i) {
        log.push(text(payload));
        log.hand_out();
        log.forget_above(1000);
        CHECK(log.bytes() <= 1000);
    }
    CHECK(log.last() == 100);
    CHECK(log.oldest() > 90);
    log.push(text(payload));
    log.forget_above(0); // not what was not handed out
    CHECK(log.oldest() == 101);
    CHECK(log.has_unsent());
}

TEST_CASE("any order of everything, beside a model") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        pseudo_random random(seed);
        message_log log;
        std::deque<std::pair<std::uint64_t, std::string>> kept;
        std::uint64_t last = 0, sent = 0, forgotten = 0;
        for (int step = 0; step < 300; ++step) {
            switch (random.below(6)) {
            case 0:
            case 1:
                ++last;
                kept.emplace_back(last, std::string(random.below(50), 'x') + std::to_string(last));
                log.push(text(kept.back().second));
                break;
            case 2:
                if (sent == last) break;
                log.hand_out();
                ++sent;
                break;
            case 3: {
                const std::uint64_t to = forgotten + random.below(last - forgotten + 1);
                log.forget_to(to);
                forgotten = to;
                if (sent < to) sent = to;
                break;
            }
            case 4:
                sent = forgotten + random.below(last - forgotten + 1);
                log.rewind(sent);
                break;
            default: {
                const std::size_t most = random.below(300);
                log.forget_above(most);
                std::size_t bytes = 0;
                for (const auto& each : kept)
                    if (each.first > forgotten && each.first <= sent) bytes += each.second.size() + sizeof(owned_message);
                while (forgotten < sent && bytes > most) {
                    ++forgotten;
                    for (const auto& each : kept)
                        if (each.first == forgotten) bytes -= each.second.size() + sizeof(owned_message);
                }
            }
            }
            while (!kept.empty() && kept.front().first <= forgotten) kept.pop_front();
            std::size_t all = 0, unsent = 0;
            const std::string* next = nullptr;
            for (const auto& each : kept) {
                all += each.second.size() + sizeof(owned_message);
                if (each.first > sent) unsent += each.second.size() + sizeof(owned_message);
                if (each.first == sent + 1) next = &each.second;
            }
            REQUIRE(log.last() == last);
            REQUIRE(log.handed_out() == sent);
            REQUIRE(log.oldest() == forgotten + 1);
            REQUIRE(log.bytes() == all);
            REQUIRE(log.unsent_bytes() == unsent);
            REQUIRE(log.has_unsent() == (next != nullptr));
            if (next) REQUIRE(log.front_unsent().data == *next);
        }
    }
}

TEST_CASE("a queue of what was received: in order, bounded, with a view that stays") {
    detail::message_queue<> queue;
    CHECK(queue.fits(1'000'000, 10)); // alone
    std::uint64_t in = 0, out = 0;
    pseudo_random random(1);
    for (int step = 0; step < 2000; ++step) {
        if (random.below(2)) {
            queue.push({std::to_string(++in), in % 2 == 0});
        } else if (!queue.empty()) {
            const message got = queue.pop();
            const std::string expected = std::to_string(++out);
            queue.push({std::to_string(++in), in % 2 == 0}); // does not move what was popped
            CHECK(got.text() == expected);
            CHECK(got.is_text() == (out % 2 == 0));
            queue.release();
        }
        CHECK(queue.empty() == (in == out));
    }
    if (queue.empty()) queue.push({"x", true});
    CHECK(!queue.fits(1'000'000, 1000));
}
