// Copies of every small size, and the bytes around them.
#include <weir/core/copy_short.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace weir;

TEST_CASE("copy_short: copies what it is given and touches nothing else") {
    std::vector<std::byte> from(300);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + 1);
    for (std::size_t size = 0; size <= 260; ++size) {
        CAPTURE(size);
        for (std::size_t at = 0; at < 33; at += 4) {
            const std::vector<std::byte> source(from.data() + at, from.data() + at + size); // which ends where they end
            std::vector<std::byte> to(size + 80, std::byte{0});
            copy_short(to.data() + 40, source);
            bool same = true;
            for (std::size_t i = 0; i < to.size(); ++i)
                same = same && to[i] == (i < 40 || i >= 40 + size ? std::byte{0} : source[i - 40]);
            CHECK(same);
        }
    }
}
