#include <doctest/doctest.h>

#include <weir/core/block_pool.hpp>

#include <cstdint>
#include <cstring>

using namespace weir;

TEST_CASE("a block is at least as large as was wished, and a power of two") {
    block_pool pool;
    for (const std::size_t wish : {0, 1, 1023, 1024, 1025, 4096, 100'000, 1024 * 1024, 1024 * 1024 + 1}) {
        const block one = pool.take(wish);
        REQUIRE(one.data != nullptr);
        CHECK(one.size >= wish);
        CHECK(one.size >= block_pool::smallest_bytes);
        CHECK((one.size & (one.size - 1)) == 0);
        CHECK(one.size == block_pool::round_up(wish));
        std::memset(one.data, 1, one.size + block_pool::slack_bytes); // the slack may be touched
        pool.give(one);
    }
    pool.give({});
}

#if !defined(WEIR_DETAIL_ADDRESS_SANITIZER) // under it nothing is kept
TEST_CASE("the block given back last is taken first") {
    block_pool pool;
    const block first = pool.take(2000);
    const block second = pool.take(2000);
    CHECK(first.data != second.data);
    pool.give(first);
    pool.give(second);
    CHECK(pool.take(1500).data == second.data);
    const block again = pool.take(2048);
    CHECK(again.data == first.data);
    pool.give(first);
    pool.give(second);
    pool.trim();
    const block fresh = pool.take(2000);
    CHECK(fresh.size == 2048);
    pool.give(fresh);
}

TEST_CASE("one block of a size that is taken and given back all the time is kept beside the others") {
    block_pool pool(4096);
    CHECK(pool.take_kept<2048>() == nullptr);
    block blocks[4];
    for (block& each : blocks) each = pool.take(2048);
    pool.give_mostly<2048>(blocks[3]);
    CHECK(pool.take_kept<2048>() == blocks[3].data);
    CHECK(pool.take_kept<2048>() == nullptr);
    for (const block& each : blocks) pool.give_mostly<2048>(each); // the last of them goes back to the system
    CHECK(pool.lent() == 0);
    CHECK(pool.take_kept<2048>() == blocks[0].data);
    CHECK(pool.take_kept<2048>() == blocks[2].data);
    CHECK(pool.take(2048).data == blocks[1].data);
    pool.give_mostly<2048>(blocks[2]);
    CHECK(pool.take(2048).data == blocks[2].data);
    const block other = pool.take(8192);
    pool.give_mostly<2048>(other); // of another size, as an exception
    CHECK(pool.take(8192).data == other.data);
    CHECK(pool.lent() == 4);
    pool.give(other);
    for (const int i : {0, 1, 2}) pool.give_mostly<2048>(blocks[i]);
    pool.trim();
    CHECK(pool.take_kept<2048>() == nullptr);
    CHECK(pool.lent() == 0);
}

TEST_CASE("no more is kept than the pool was told to, but always one of a size") {
    block_pool pool(4096);
    block blocks[4];
    for (block& each : blocks) each = pool.take(2048);
    for (const block& each : blocks) pool.give(each); // the last two go back to the system
    CHECK(pool.take(2048).data == blocks[1].data);
    CHECK(pool.take(2048).data == blocks[0].data);
    pool.give(blocks[0]);
    pool.give(blocks[1]);
    const block large = pool.take(8192);
    pool.give(large);
    const block again = pool.take(8192);
    CHECK(again.data == large.data);
    pool.give(again);
}

TEST_CASE("a pool that is aged keeps what was out at once since it was aged last") {
    block_pool pool(4096);
    pool.keep_until_aged();
    block blocks[8];
    for (block& each : blocks) each = pool.take(2048);
    CHECK_FALSE(pool.is_full());
    for (const block& each : blocks) pool.give(each);
    CHECK(pool.is_full());
    pool.age(); // they were all needed a moment ago
    CHECK(pool.is_full());
    const auto use = [&](int first) {
        for (int i = 7; i >= first; --i) CHECK(pool.take(2048).data == blocks[i].data);
        for (int i = first; i < 8; ++i) pool.give(blocks[i]);
    };
    use(3);
    pool.age(); // the first three were not needed since
    use(3);
    CHECK(pool.is_full());
    pool.age();
    CHECK(pool.is_full());
    pool.age(); // nobody came: what is kept in any case is left, the warmest
    CHECK_FALSE(pool.is_full());
    use(6);
    CHECK_FALSE(pool.is_full());
}

TEST_CASE("a pool that is aged keeps large blocks for a while, and none for ever") {
    block_pool pool;
    pool.keep_until_aged();
    for (const std::size_t size : {512 * 1024, 1024 * 1024, 16 * 1024 * 1024}) {
        const block large = pool.take(size);
        pool.give(large);
        CHECK(pool.take(size).data == large.data);
        pool.give(large);
    }
    pool.age();
    CHECK(pool.is_full());
    pool.age();
    CHECK_FALSE(pool.is_full());
}
#endif

TEST_CASE("block_pool: every block begins with a cache line") {
    block_pool pool;
    for (std::size_t size = 1; size <= 2 * block_pool::largest_bytes; size *= 4) {
        const block one = pool.take(size), two = pool.take(size);
        CHECK(reinterpret_cast<std::uintptr_t>(one.data) % 64 == 0);
        CHECK(reinterpret_cast<std::uintptr_t>(two.data) % 64 == 0);
        pool.give(one);
        pool.give(two);
    }
}
