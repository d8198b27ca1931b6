// The outbox of a reconnecting session.
#include <weir/client/held_messages.hpp>

#include <doctest/doctest.h>

using namespace weir;

namespace {

std::string texts_of(const detail::held_messages& held) {
    std::string all;
    for (const owned_message& each : held.copies()) all += each.data + (each.is_text ? " " : "* ");
    return all;
}

message text(std::string_view of) { return message(as_bytes(of), true); }

reconnecting_options with_bound(std::size_t bytes, outbox_policy policy, std::size_t queue_bytes = 16 * 1024 * 1024,
                                std::size_t frame_bytes = 64 * 1024) {
    reconnecting_options made;
    made.outbox_bytes = bytes;
    made.overflow = policy;
    made.connect.websocket.queue_bytes = queue_bytes;
    made.connect.websocket.frame_bytes = frame_bytes;
    return made;
}

} // namespace

TEST_CASE("outbox: first in, first out, text and binary") {
    detail::held_messages held(with_bound(1000, outbox_policy::refuse));
    CHECK(held.empty());
    CHECK(held.push(text("a")) == errc{});
    CHECK(held.push(message(as_bytes("b"), false)) == errc{});
    CHECK(held.push(text("")) == errc{});
    CHECK(held.bytes() == 65 + 65 + 64);
    CHECK(texts_of(held) == "a b*  ");
    CHECK(held.front().text() == "a");
    held.pop();
    CHECK(held.front().text() == "b");
    CHECK(held.front().is_binary());
    held.pop();
    held.pop();
    CHECK(held.empty());
    CHECK(held.bytes() == 0);
}

TEST_CASE("outbox: refuses what does not fit, and takes what does") {
    detail::held_messages held(with_bound(2 * 74, outbox_policy::refuse));
    CHECK(held.push(text("0123456789")) == errc{});
    CHECK(held.push(text("01234567890")) == errc::buffer_full);
    CHECK(held.push(text("0123456789")) == errc{});
    CHECK(held.push(text("")) == errc::buffer_full);
    CHECK(held.bytes() == 2 * 74);
    CHECK(held.dropped() == 0);
    held.pop();
    CHECK(held.push(text("")) == errc{});
}

TEST_CASE("outbox: drops the oldest to make room") {
    detail::held_messages held(with_bound(3 * 65, outbox_policy::drop_oldest));
    for (const char* each : {"1", "2", "3", "4", "5"}) CHECK(held.push(text(each)) == errc{});
    CHECK(texts_of(held) == "3 4 5 ");
    CHECK(held.dropped() == 2);
    CHECK(held.push(text(std::string(100, 'x'))) == errc{});
    CHECK(held.copies().size() == 1);
    CHECK(held.dropped() == 5);
}

TEST_CASE("outbox: one message is always taken when none waits") {
    for (const outbox_policy policy : {outbox_policy::refuse, outbox_policy::drop_oldest}) {
        detail::held_messages held(with_bound(0, policy));
        CHECK(held.push(text(std::string(100'000, 'x'))) == errc{});
        CHECK(held.push(text("y")) == (policy == outbox_policy::refuse ? errc::buffer_full : errc{}));
        CHECK(held.copies().size() == 1);
        CHECK(held.front().size() == (policy == outbox_policy::refuse ? 100'000 : 1));
    }
}

TEST_CASE("outbox: never more than the queue of a connection has room for") {
    detail::held_messages held(with_bound(1'000'000, outbox_policy::refuse, 130));
    CHECK(held.push(text("1")) == errc{});
    CHECK(held.push(text("2")) == errc{});
    CHECK(held.push(text("3")) == errc::buffer_full);
    detail::held_messages cut(with_bound(1000, outbox_policy::refuse, 1'000'000, 10)); // a message in many frames counts for all
    CHECK(cut.push(text("0123456789")) == errc{});
    CHECK(cut.bytes() == 10 + 2 * 64);
}
