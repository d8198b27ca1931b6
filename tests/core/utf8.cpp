#include <doctest/doctest.h>

#include <weir/core/utf8.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace weir;

namespace {

// The grammar of RFC 3629 section 4, a line each, with no regard to speed. Gives how long the character at the front of
// `text` is; 0 if no character begins like this, -1 if one may, but it is not all there.
int reference_character(std::string_view text) {
    struct form {
        unsigned char low[4], high[4];
        int size;
    };
    static constexpr form forms[] = {
        {{0x00}, {0x7F}, 1},
        {{0xC2, 0x80}, {0xDF, 0xBF}, 2},
        {{0xE0, 0xA0, 0x80}, {0xE0, 0xBF, 0xBF}, 3},
        {{0xE1, 0x80, 0x80}, {0xEC, 0xBF, 0xBF}, 3},
        {{0xED, 0x80, 0x80}, {0xED, 0x9F, 0xBF}, 3},
        {{0xEE, 0x80, 0x80}, {0xEF, 0xBF, 0xBF}, 3},
        {{0xF0, 0x90, 0x80, 0x80}, {0xF0, 0xBF, 0xBF, 0xBF}, 4},
        {{0xF1, 0x80, 0x80, 0x80}, {0xF3, 0xBF, 0xBF, 0xBF}, 4},
        {{0xF4, 0x80, 0x80, 0x80}, {0xF4, 0x8F, 0xBF, 0xBF}, 4},
    };
    for (const form& each : forms) {
        int fit = 0;
        while (fit < each.size && fit < static_cast<int>(text.size()) &&
               static_cast<unsigned char>(text[static_cast<std::size_t>(fit)]) >= each.low[fit] &&
               static_cast<unsigned char>(text[static_cast<std::size_t>(fit)]) <= each.high[fit])
            ++fit;
        if (fit == each.size) return each.size;
        if (fit == static_cast<int>(text.size())) return -1;
    }
    return 0;
}

enum verdict { whole, unfinished, wrong };

verdict reference(std::string_view text) {
    while (!text.empty()) {
        const int size = reference_character(text);
        if (size <= 0) return size == 0 ? wrong : unfinished;
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return whole;
}

verdict validate(std::string_view text, std::size_t piece) {
    utf8_validator validator;
    for (std::size_t i = 0; i < text.size(); i += piece)
        if (!validator.update(as_bytes(text.substr(i, piece)))) return wrong;
    return validator.complete() ? whole : unfinished;
}

struct random_numbers {
    std::uint32_t state = 12345;
    std::uint32_t operator()(std::uint32_t below) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return state % below;
    }
};

} // namespace

TEST_CASE("RFC 3629: texts, whole and in pieces of every size") {
    using namespace std::string_literals;
    const struct {
        std::string text;
        verdict expected;
    } cases[] = {
        {"", whole},
        {"weir", whole},
        {"\0\x7F"s, whole},
        {"K\xC3\xB6ln \xE2\x82\xAC \xF0\x9F\x98\x80", whole},
        {"\xEF\xBB\xBF", whole},                 // a byte order mark is a character
        {"\xED\x9F\xBF\xEE\x80\x80", whole},     // around the surrogates
        {"\xF4\x8F\xBF\xBF", whole},             // U+10FFFF
        {"\xF4\x90\x80\x80", wrong},             // U+110000
        {"\xED\xA0\x80", wrong},                 // the first surrogate
        {"\xED\xBF\xBF", wrong},                 // the last one
        {"\xC0\x80", wrong},                     // overlong
        {"\xC1\xBF", wrong},
        {"\xE0\x9F\xBF", wrong},
        {"\xF0\x8F\xBF\xBF", wrong},
        {"\x80", wrong},                         // a continuation of nothing
        {"\xC3\xB6\xB6", wrong},
        {"\xC3\xC3", wrong},
        {"\xE2\x82 ", wrong},
        {"\xF8\x88\x80\x80\x80", wrong},         // five bytes
        {"\xFE", wrong},
        {"\xFF", wrong},
        {"\xC3", unfinished},
        {"a\xE2\x82", unfinished},
        {"a\xF0\x9F\x98", unfinished},
    };
    for (const auto& each : cases) {
        for (const std::size_t padding : {0, 1, 3, 4, 7, 8, 15, 16, 17, 63, 64, 100}) {
            for (const bool behind : {false, true}) {
                if (behind && each.expected == unfinished) continue;
                const std::string text = std::string(padding, 'x') + each.text + std::string(behind ? padding : 0, 'y');
                CAPTURE(text);
                REQUIRE(reference(text) == each.expected);
                CHECK(is_utf8(as_bytes(text)) == (each.expected == whole));
                for (std::size_t piece = 1; piece <= 9; ++piece) CHECK(validate(text, piece) == each.expected);
                CHECK(validate(text, 16) == each.expected);
                CHECK(validate(text, 31) == each.expected);
            }
        }
    }
}

TEST_CASE("RFC 3629 4: all sequences of one, two and three bytes agree with the grammar") {
    for (unsigned first = 0; first < 256; ++first) {
        char text[8] = {static_cast<char>(first), 0, 0, 'a', 'b', 'c', 'd', 'e'};
        int wrong_ones = validate({text, 1}, 1) != reference({text, 1});
        for (unsigned second = 0; second < 256; ++second) {
            text[1] = static_cast<char>(second);
            const verdict of_two = reference({text, 2});
            wrong_ones += validate({text, 2}, 1) != of_two || validate({text, 2}, 2) != of_two;
            const unsigned stride = first >= 0xC0 && (second & 0xC0) == 0x80 ? 1 : 51;
            for (unsigned third = 0; third < 256; third += stride) {
                text[2] = static_cast<char>(third);
                const verdict of_three = reference({text, 3});
                wrong_ones += validate({text, 3}, 3) != of_three; // byte by byte
                const verdict followed = of_three == unfinished ? wrong : of_three;
                wrong_ones += validate({text, 8}, 8) != followed; // four bytes at once
            }
        }
        CAPTURE(first);
        CHECK(wrong_ones == 0);
    }
}

TEST_CASE("RFC 3629 4: sequences of four bytes, around every border") {
    constexpr unsigned char borders[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned first = 0xEF; first < 256; ++first)
        for (const unsigned char second : borders)
            for (const unsigned char third : borders)
                for (const unsigned char fourth : borders) {
                    const char text[] = {static_cast<char>(first), static_cast<char>(second), static_cast<char>(third),
                                         static_cast<char>(fourth)};
                    const verdict expected = reference({text, 4});
                    REQUIRE(validate({text, 4}, 4) == expected);
                    REQUIRE(validate({text, 4}, 1) == expected);
                    REQUIRE(validate({text, 4}, 3) == expected);
                }
}

TEST_CASE("random texts in random pieces agree with the grammar, and fail at the same byte") {
    random_numbers random;
    for (int round = 0; round < 1500; ++round) {
        std::string text;
        const std::uint32_t wanted = random(120);
        while (text.size() < wanted) {
            switch (random(5)) {
            case 0: text += "\xC3\xA4"; break;
            case 1: text += "\xE4\xB8\xAD"; break;
            case 2: text += "\xF0\x9F\x8C\x8A"; break;
            default: text.append(random(24), 'w');
            }
        }
        if (random(2) == 0 && !text.empty()) text[random(static_cast<std::uint32_t>(text.size()))] = static_cast<char>(random(256));
        std::size_t valid = 0; // so many bytes may begin a text
        while (valid < text.size() && reference(std::string_view(text).substr(0, valid + 1)) != wrong) ++valid;

        utf8_validator validator;
        std::size_t fed = 0;
        bool good = true;
        while (good && fed < text.size()) {
            const std::size_t piece = 1 + random(40);
            good = validator.update(as_bytes(std::string_view(text).substr(fed, piece)));
            fed = fed + piece < text.size() ? fed + piece : text.size();
            REQUIRE(good == (fed <= valid));
        }
        REQUIRE((good && validator.complete()) == (reference(text) == whole));
    }
}

TEST_CASE("a failed validator stays failed until it is reset") {
    utf8_validator validator;
    CHECK(validator.complete());
    CHECK_FALSE(validator.update(as_bytes("\xFF")));
    CHECK_FALSE(validator.update(as_bytes("fine")));
    CHECK_FALSE(validator.update({}));
    CHECK_FALSE(validator.update(as_bytes(std::string_view("\0", 1))));
    CHECK_FALSE(validator.complete());
    validator.reset();
    CHECK(validator.update(as_bytes("fine")));
    CHECK(validator.update({}));
    CHECK(validator.complete());
    static_assert(sizeof(utf8_validator) <= 4);
}

TEST_CASE("truncating a text leaves its characters whole") {
    const std::string text = "a\xC3\xB6\xE2\x82\xAC\xF0\x9F\x98\x80"; // 1 + 2 + 3 + 4 bytes
    const std::size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (std::size_t most = 0; most < std::size(kept); ++most) CHECK(truncate_utf8(text, most).size() == kept[most]);
    CHECK(truncate_utf8(text, 6).data() == text.data());
    CHECK(truncate_utf8("\x80\x80\x80", 2).empty());
}
