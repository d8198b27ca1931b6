#include <doctest/doctest.h>

#include <weir/core/sha1.hpp>

#include <string>

using namespace weir;

namespace {

std::string hex(const std::array<std::byte, 20>& digest) {
    std::string text;
    for (const std::byte each : digest) {
        text += "0123456789abcdef"[std::to_integer<unsigned>(each) >> 4];
        text += "0123456789abcdef"[std::to_integer<unsigned>(each) & 15];
    }
    return text;
}

} // namespace

TEST_CASE("RFC 3174 7.3: the test vectors") {
    CHECK(hex(sha1(as_bytes("abc"))) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(hex(sha1(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    std::string tenfold;
    for (int i = 0; i < 10; ++i) tenfold += "0123456701234567012345670123456701234567012345670123456701234567";
    CHECK(hex(sha1(as_bytes(tenfold))) == "dea356a2cddd90c7a7ecedc5ebb563934f460452");
    CHECK(hex(sha1(as_bytes(std::string(1'000'000, 'a')))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    CHECK(hex(sha1({})) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TEST_CASE("RFC 3174 4: lengths around the border of a block are padded right") {
    // SHA-1 over the digests of 0, 1, ... 199 times 'a', as another implementation has it
    std::string digests;
    for (std::size_t size = 0; size < 200; ++size) digests += hex(sha1(as_bytes(std::string(size, 'a'))));
    CHECK(hex(sha1(as_bytes(digests))) == "cb062fe66512892ec8c722ee74ff9ac151cc4b61");
}
