#include <doctest/doctest.h>

#include <weir/core/utf8.hpp>

#include <cstdint>
#include <cstring>
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

// The kinds of code that run here.
std::vector<simd::vector_level> levels() {
    std::vector<simd::vector_level> all{simd::vector_level::scalar, simd::vector_level::sixteen,
                                        simd::vector_level::best};
    if (simd::has_avx2()) all.push_back(simd::vector_level::thirty_two);
    return all;
}

verdict validate_at(simd::vector_level level, std::string_view text, std::size_t first_piece = std::string::npos) {
    utf8_validator validator;
    if (!validator.update(as_bytes(text.substr(0, first_piece)), level)) return wrong;
    if (first_piece < text.size() && !validator.update(as_bytes(text.substr(first_piece)), level)) return wrong;
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

TEST_CASE("each kind of code agrees with the grammar at each length, alignment and cut") {
    std::string long_text;
    for (int i = 0; long_text.size() < 400; ++i) {
        const char* const characters[] = {"w", "\xEA\xB0\x80", "\xED\x9F\xBF", " ", "\xC3\xA4", "\xF0\x9F\x8C\x8A"};
        long_text += characters[i / 20 < 3 ? i % 4 : i % 6]; // three bytes at the most, for some time
    }
    for (const simd::vector_level level : levels()) {
        int wrong_ones = 0;
        for (std::size_t size = 0; size <= 300; ++size) {
            const std::string_view text = std::string_view(long_text).substr(0, size);
            const verdict expected = reference(text);
            for (std::size_t shift = 0; shift < 32; shift += size % 8 == 0 ? 1 : 7) {
                std::vector<char> exact(shift + size); // so that ASan sees a step over the end
                if (size) std::memcpy(exact.data() + shift, text.data(), size);
                wrong_ones += validate_at(level, {exact.data() + shift, size}) != expected;
            }
            if (size % 20 != 0) continue;
            for (std::size_t cut = 0; cut <= size; ++cut) wrong_ones += validate_at(level, text, cut) != expected;
        }
        CHECK(wrong_ones == 0);
    }
}

TEST_CASE("each kind of code finds whatever is wrong, wherever it is") {
    const std::string ascii(150, 'w');
    std::string korean;
    while (korean.size() < 150) korean += "\xEA\xB0\x80";
    constexpr unsigned char bytes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                                       0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF};
    std::size_t place = 0;
    for (const simd::vector_level level : levels()) {
        int wrong_ones = 0;
        const auto look = [&](std::string_view middle) {
            const std::string& around = place % 2 ? ascii : korean;
            place = (place + 1) % 50;
            std::string text = around.substr(0, 3 * place);
            text += middle;
            text += around.substr(0, 150 - 3 * place);
            wrong_ones += validate_at(level, text) != reference(text);
            const std::string_view cut = std::string_view(text).substr(0, 3 * place + middle.size());
            wrong_ones += validate_at(level, cut) != reference(cut); // nothing follows that could tell
        };
        for (unsigned first = 0; first < 256; ++first)
            for (unsigned second = 0; second < 256; ++second) {
                const char two[] = {static_cast<char>(first), static_cast<char>(second)};
                look({two, 2});
            }
        for (unsigned first = 0x80; first < 256; ++first)
            for (const unsigned char second : bytes)
                for (const unsigned char third : bytes) {
                    const char three[] = {static_cast<char>(first), static_cast<char>(second),
                                          static_cast<char>(third)};
                    look({three, 3});
                }
        for (unsigned first = 0xED; first < 256; ++first)
            for (const unsigned char second : bytes)
                for (const unsigned char third : {'\x7F', '\x80', '\xBF', '\xC2'})
                    for (const unsigned char fourth : {'\x7F', '\x80', '\xBF', '\xE1'}) {
                        const char four[] = {static_cast<char>(first), static_cast<char>(second),
                                             static_cast<char>(third), static_cast<char>(fourth)};
                        look({four, 4});
                    }
        CHECK(wrong_ones == 0);
    }
}

TEST_CASE("each kind of code fails at the same byte of long damaged texts in random pieces") {
    random_numbers random;
    for (int round = 0; round < 300; ++round) {
        std::string text;
        const std::uint32_t kinds = 1 + random(6); // the less, the longer something works in one way
        while (text.size() < 3000) {
            switch (random(kinds)) {
            case 5: text += "\xF0\x9F\x8C\x8A"; break;
            case 4: text += "\xC3\xA4"; break;
            case 3: text += "\xED\x9E\xA3"; break;
            case 2: text.append(random(300), 'w'); break;
            default: text += "\xE4\xB8\xAD";
            }
        }
        const auto size = static_cast<std::uint32_t>(text.size());
        if (random(4) != 0) text[random(size)] = static_cast<char>(random(256));
        if (random(4) == 0) text.resize(random(size));
        utf8_validator expected;
        std::vector<utf8_validator> validators(levels().size());
        for (std::size_t fed = 0; fed < text.size();) {
            const std::string_view piece = std::string_view(text).substr(fed, 1 + random(round % 2 ? 2000 : 150));
            fed += piece.size();
            const bool good = expected.update(as_bytes(piece), simd::vector_level::scalar);
            std::size_t index = 0;
            for (const simd::vector_level level : levels()) {
                REQUIRE(validators[index].update(as_bytes(piece), level) == good);
                REQUIRE(validators[index++].complete() == expected.complete());
            }
        }
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
