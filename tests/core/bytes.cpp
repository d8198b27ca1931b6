#include <doctest/doctest.h>

#include <weir/core/bytes.hpp>

#include <string>

using namespace weir;

TEST_CASE("text and bytes are views of each other") {
    const std::string text = "K\xC3\xB6ln";
    const bytes_view bytes = as_bytes(text);
    CHECK(bytes.size() == 5);
    CHECK(bytes[1] == std::byte{0xC3});
    CHECK(as_text(bytes) == text);
    CHECK(as_text(bytes).data() == text.data());
    CHECK(as_text({}).empty());
}

TEST_CASE("integers in network byte order, at any alignment") {
    std::byte room[16] = {};
    for (std::size_t at = 0; at < 8; ++at) {
        store_big_endian(room + at, std::uint64_t{0x0102030405060708});
        CHECK(room[at] == std::byte{1});
        CHECK(room[at + 7] == std::byte{8});
        CHECK(load_big_endian<std::uint64_t>(room + at) == 0x0102030405060708);
        CHECK(load_big_endian<std::uint32_t>(room + at) == 0x01020304);
        CHECK(load_big_endian<std::uint16_t>(room + at) == 0x0102);
        CHECK(load_big_endian<std::uint8_t>(room + at) == 1);
    }
    store_big_endian(room, std::uint16_t{0xFFFE});
    CHECK(room[0] == std::byte{0xFF});
    CHECK(room[1] == std::byte{0xFE});
    store_big_endian(room, std::uint32_t{0xFFFFFFFF});
    CHECK(load_big_endian<std::uint32_t>(room) == 0xFFFFFFFF);
}
