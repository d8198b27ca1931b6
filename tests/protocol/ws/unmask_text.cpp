#include <doctest/doctest.h>

#include <weir/protocol/ws/unmask_text.hpp>

#include <string>
#include <vector>

using namespace weir;

namespace {

constexpr ws::masking_key key{{std::byte{0x37}, std::byte{0xFA}, std::byte{0x21}, std::byte{0xBD}}};

// Unmasks `text`, cut in two, in both ways, and compares: results, what is known to be unfinished, and the bytes.
void compare(std::string_view text, std::size_t cut, simd::vector_level level) {
    std::vector<std::byte> exact(text.size()); // so that ASan sees a step over the end
    ws::copy_masked(exact.data(), as_bytes(text), key);
    utf8_validator expected;
    utf8_validator validator;
    const mutable_bytes pieces[] = {mutable_bytes(exact).first(cut), mutable_bytes(exact).subspan(cut)};
    std::size_t phase = 0;
    for (const mutable_bytes piece : pieces) {
        const std::string_view plain = text.substr(phase, piece.size());
        const bool good = expected.update(as_bytes(plain), simd::vector_level::scalar);
        REQUIRE(ws::unmask_text(piece, ws::rotated(key, phase), validator, level) == good);
        REQUIRE(validator.complete() == expected.complete());
        if (!good) return;
        REQUIRE(as_text(piece) == plain);
        phase += piece.size();
    }
}

} // namespace

TEST_CASE("RFC 6455 8.1: unmasking a text is masking it and checking it, for each kind of code") {
    for (const auto level : {simd::vector_level::scalar, simd::vector_level::sixteen, simd::vector_level::thirty_two,
                             simd::vector_level::best}) {
        if (level == simd::vector_level::thirty_two && !simd::has_avx2()) continue;
        for (const std::string_view character : {"w", "\xC3\xA4", "\xEA\xB0\x80", "\xF0\x9F\x8C\x8A"}) {
            for (const std::size_t front : {0u, 1u, 15u, 250u, 600u}) { // so much ASCII before it
                std::string text(front, 'x');
                while (text.size() < front + 330) text += character;
                for (std::size_t size = 0; size <= text.size(); size += size < 300 ? 1 : 13) {
                    const std::string_view beginning = std::string_view(text).substr(0, size);
                    for (const std::size_t cut : {std::size_t{0}, size / 3, size / 2, size}) compare(beginning, cut, level);
                    if (size == 0) continue;
                    std::string damaged(beginning);
                    damaged[size * size / 2 % size] = '\xFF';
                    damaged[size / 2] = '\xC0';
                    compare(damaged, size / 3, level);
                }
            }
        }
    }
}

TEST_CASE("RFC 6455 8.1: long texts are unmasked in parts") {
    for (const std::string_view character : {"w", "\xEA\xB0\x80", "\xF0\x9F\x8C\x8A"}) {
        for (const std::size_t size : {16383u, 24576u, 24577u, 40000u, 70001u}) {
            std::string text;
            while (text.size() < size) text += character;
            for (const std::size_t cut : {std::size_t{0}, std::size_t{16385}, text.size()})
                if (cut <= text.size()) compare(text, cut, simd::vector_level::best);
            for (const std::size_t broken : {std::size_t{0}, size / 2, std::size_t{16384}, size - 1}) {
                if (broken >= size) continue;
                std::string damaged = text;
                damaged[broken] = '\xF8';
                compare(damaged, 0, simd::vector_level::best);
            }
        }
    }
}

TEST_CASE("RFC 6455 8.1: a whole text must not end inside a character") {
    std::string text = "\xEA\xB0\x80\xEA\xB0\x80";
    const mutable_bytes bytes{reinterpret_cast<std::byte*>(text.data()), text.size()};
    ws::apply_mask(bytes, key);
    CHECK(ws::unmask_text(bytes, key));
    CHECK(text == "\xEA\xB0\x80\xEA\xB0\x80");
    ws::apply_mask(bytes, key);
    CHECK_FALSE(ws::unmask_text(bytes.first(5), key));
}
