#include <doctest/doctest.h>

#include <weir/protocol/ws/masking.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace weir;

namespace {

constexpr ws::masking_key key{{std::byte{0x37}, std::byte{0xFA}, std::byte{0x21}, std::byte{0x3D}}};

std::vector<std::byte> pattern(std::size_t size) {
    std::vector<std::byte> all(size);
    for (std::size_t i = 0; i < size; ++i) all[i] = static_cast<std::byte>(i * 7 + 13);
    return all;
}

} // namespace

TEST_CASE("RFC 6455 5.7: the masked Hello") {
    std::string text = "Hello";
    const mutable_bytes bytes{reinterpret_cast<std::byte*>(text.data()), text.size()};
    ws::apply_mask(bytes, key);
    CHECK(text == "\x7f\x9f\x4d\x51\x58");
    ws::apply_mask(bytes, key);
    CHECK(text == "Hello");
}

TEST_CASE("RFC 6455 5.3: masking equals its definition at each size, phase and alignment, and touches nothing else") {
    std::vector<std::size_t> sizes;
    for (std::size_t size = 0; size <= 130; ++size) sizes.push_back(size);
    for (const std::size_t size : {255u, 256u, 257u, 1000u, 1023u, 4099u}) sizes.push_back(size);
    for (const std::size_t size : sizes) {
        for (std::size_t phase = 0; phase < 4; ++phase) {
            for (std::size_t offset = 0; offset < (size < 140 ? 17 : 3); ++offset) {
                constexpr std::size_t guard = 16;
                const auto before = pattern(offset + size + guard);
                auto expected = before;
                const auto body = bytes_view(before).subspan(offset, size);
                ws::detail::copy_masked_by_bytes(expected.data() + offset, body, key, phase);

                auto in_place = before;
                ws::apply_mask(mutable_bytes(in_place).subspan(offset, size), key, phase);
                REQUIRE(in_place == expected);

                auto copied = before;
                ws::copy_masked(copied.data() + offset, body, key, phase);
                REQUIRE(copied == expected);
            }
        }
        auto exact = pattern(size); // ends where its block ends, so that ASan sees a step over it
        std::vector<std::byte> copy(size);
        ws::copy_masked(copy.data(), exact, key);
        ws::apply_mask(exact, key);
        REQUIRE(exact == copy);
    }
}

TEST_CASE("RFC 6455 5.3: each kind of code masks as the definition does") {
    std::vector<std::size_t> sizes;
    for (std::size_t size = 0; size <= 300; ++size) sizes.push_back(size);
    for (const std::size_t size : {511u, 512u, 513u, 1000u, 1023u, 4099u}) sizes.push_back(size);
    for (const auto level : {simd::vector_level::scalar, simd::vector_level::sixteen, simd::vector_level::thirty_two,
                             simd::vector_level::best}) {
        if (level == simd::vector_level::thirty_two && !simd::has_avx2()) continue;
        for (const std::size_t size : sizes) {
            for (std::size_t offset = 0; offset < 33; offset += size % 16 == 0 ? 1 : 8) {
                const auto before = pattern(offset + size);
                std::vector<std::byte> expected(size);
                ws::detail::copy_masked_by_bytes(expected.data(), bytes_view(before).subspan(offset), key, 0);
                auto in_place = before;
                ws::detail::mask(in_place.data() + offset, in_place.data() + offset, size, key, level);
                REQUIRE(std::equal(expected.begin(), expected.end(), in_place.begin() + static_cast<long>(offset)));
                REQUIRE(std::equal(before.begin(), before.begin() + static_cast<long>(offset), in_place.begin()));
                std::vector<std::byte> copied(size);
                ws::detail::mask(copied.data(), before.data() + offset, size, key, level);
                REQUIRE(copied == expected);
            }
        }
    }
}

TEST_CASE("RFC 6455 5.3: the ways for whole messages unmask as the definition does") {
    for (std::size_t size = 0; size <= 300; ++size) {
        for (std::size_t offset = 4; offset < 37; offset += size % 16 == 0 ? 1 : 8) {
            auto before = pattern(offset + size);
            std::copy(key.bytes, key.bytes + sizeof key, before.begin() + static_cast<long>(offset - sizeof key));
            auto expected = before;
            ws::detail::copy_masked_by_bytes(expected.data() + offset, bytes_view(before).subspan(offset), key, 0);
            auto unmasked = before;
            CHECK(ws::detail::unmask_behind_key(unmasked.data() + offset, size));
            REQUIRE(unmasked == expected);
            if (size >= 16 && size <= 32) {
                unmasked = before;
                ws::detail::unmask_up_to_32(unmasked.data() + offset, size, key);
                REQUIRE(unmasked == expected);
            }
#if defined(__x86_64__)
            if (size < 32 || size > 128 || !simd::has_avx2()) continue;
            unmasked = before;
            ws::detail::unmask_up_to_128(unmasked.data() + offset, size, key);
            REQUIRE(unmasked == expected);
#endif
        }
    }
}

TEST_CASE("RFC 6455 5.3: a payload masked in pieces") {
    const auto payload = pattern(100);
    auto whole = payload;
    ws::apply_mask(whole, key);
    for (std::size_t cut = 0; cut <= payload.size(); ++cut) {
        auto pieces = payload;
        ws::apply_mask(mutable_bytes(pieces).first(cut), key);
        ws::apply_mask(mutable_bytes(pieces).subspan(cut), key, cut);
        REQUIRE(pieces == whole);
        ws::apply_mask(mutable_bytes(pieces).first(cut), key);
        ws::apply_mask(mutable_bytes(pieces).subspan(cut), ws::rotated(key, cut));
        REQUIRE(pieces == payload);
    }
}
