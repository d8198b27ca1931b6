// Bytes from the kernel: different each time, across the end of a batch, and for each source.
#include <weir/io/os_entropy.hpp>

#include <doctest/doctest.h>

#include <set>
#include <vector>

TEST_CASE("os_entropy: no value comes twice") {
    weir::io::os_entropy one, two;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        CHECK(seen.insert(one.next_64()).second);
        CHECK(seen.insert(two.next_64()).second);
    }
}

TEST_CASE("os_entropy: fills any number of bytes, and not one more") {
    weir::io::os_entropy source;
    for (const std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(1023), std::size_t(5000)}) {
        std::vector<std::byte> bytes(size + 1);
        for (int i = 0; i < 3; ++i) source.fill({bytes.data(), size});
        CHECK(bytes[size] == std::byte{0});
        std::size_t zeros = 0;
        for (std::size_t k = 0; k < size; ++k) zeros += bytes[k] == std::byte{0};
        CHECK(zeros <= 4 + size / 32); // a 256th on average
    }
}
