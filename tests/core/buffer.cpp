#include <doctest/doctest.h>

#include <weir/core/buffer.hpp>

#include <cstdint>
#include <string>
#include <utility>

using namespace weir;

TEST_CASE("bytes come out as they went in") {
    block_pool pool;
    buffer queue(pool);
    CHECK(queue.empty());
    CHECK(queue.append(as_bytes("over the ")));
    CHECK(queue.append({}));
    CHECK(queue.append(as_bytes("weir")));
    CHECK(as_text(std::as_const(queue).view()) == "over the weir");
    queue.consume(5);
    queue.retract(4);
    CHECK(as_text(queue.view()) == "the ");
    CHECK(queue.size() == 4);
    queue.retract(4);
    CHECK(queue.empty());
    CHECK(queue.append(as_bytes("again")));
    CHECK(as_text({std::as_const(queue).data(), queue.size()}) == "again");
    queue.clear();
    CHECK(queue.empty());
    CHECK(queue.view().data() == nullptr); // it holds no memory while it is empty
}

TEST_CASE("a buffer never holds more than its bound") {
    block_pool pool;
    buffer queue(pool, 10);
    CHECK(queue.bound() == 10);
    CHECK_FALSE(queue.append(as_bytes("eleven long")));
    CHECK(queue.empty());
    CHECK(queue.append(as_bytes("ten of them").first(10)));
    CHECK(queue.prepare(1) == nullptr);
    CHECK_FALSE(queue.append(as_bytes("x")));
    CHECK(queue.append({}));
    queue.consume(1);
    CHECK(queue.append(as_bytes("x")));
    CHECK(as_text(queue.view()) == "en of thex");
}

TEST_CASE("what was prepared is filled and then committed") {
    block_pool pool;
    buffer queue(pool);
    std::byte* room = queue.prepare(100);
    REQUIRE(room != nullptr);
    room[0] = std::byte{'a'};
    room[1] = std::byte{'b'};
    queue.commit(2);
    CHECK(as_text(queue.view()) == "ab");
    queue.commit(0);
    queue.data()[0] = std::byte{'c'};
    CHECK(as_text(queue.view()) == "cb");
}

TEST_CASE("moving takes the content along") {
    block_pool pool;
    block_pool other_pool;
    buffer first(pool, 100);
    CHECK(first.append(as_bytes("content")));
    buffer second = std::move(first);
    CHECK(first.empty());
    CHECK(as_text(second.view()) == "content");
    buffer third(other_pool);
    CHECK(third.append(as_bytes("to be dropped")));
    third = std::move(second);
    CHECK(as_text(third.view()) == "content");
    CHECK(third.bound() == 100);
    buffer& itself = third;
    third = std::move(itself);
    CHECK(as_text(third.view()) == "content");
    CHECK(second.append(as_bytes("used again")));
    CHECK(as_text(second.view()) == "used again");
}

TEST_CASE("a stream of random pieces, against a string") {
    block_pool pool;
    buffer queue(pool);
    std::string model;
    std::uint32_t state = 99;
    const auto random = [&](std::uint32_t below) {
        state = state * 1664525 + 1013904223;
        return (state >> 8) % below;
    };
    for (int round = 0; round < 3000; ++round) {
        if (random(2) == 0) {
            const std::string piece(random(700), static_cast<char>('a' + random(26)));
            REQUIRE(queue.append(as_bytes(piece)));
            model += piece;
        } else {
            const std::size_t count = random(static_cast<std::uint32_t>(model.size()) + 1);
            queue.consume(count);
            model.erase(0, count);
        }
        REQUIRE(queue.size() == model.size());
        if (round % 16 == 0) REQUIRE(as_text(queue.view()) == model);
    }
}
