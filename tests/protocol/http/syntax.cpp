#include <doctest/doctest.h>

#include <weir/protocol/http/syntax.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace weir;

namespace {

std::vector<std::string> elements(std::string_view list) {
    std::vector<std::string> all;
    std::string_view element;
    while (http::next_element(list, element)) all.emplace_back(element);
    return all;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("RFC 9110 5.6.2: which characters make a token") {
    const std::string_view others = "!#$%&'*+-.^_`|~";
    for (int value = 0; value < 256; ++value) {
        const char c = static_cast<char>(value);
        const bool alphanumeric =
            (value >= '0' && value <= '9') || (value >= 'A' && value <= 'Z') || (value >= 'a' && value <= 'z');
        CHECK(http::is_token_character(c) == (alphanumeric || others.find(c) != others.npos));
        CHECK(http::is_token(std::string_view(&c, 1)) == http::is_token_character(c));
    }
    CHECK_FALSE(http::is_token(""));
    CHECK(http::is_token("Sec-WebSocket-Key"));
    CHECK_FALSE(http::is_token("Sec WebSocket"));
}

TEST_CASE("character sets, which the compiler makes, and anybody else could") {
    const std::string some = "ab";
    const auto set = http::detail::join(some, "~");
    CHECK(set.has_all("ab~"));
    CHECK_FALSE(set.has('c'));
    CHECK_FALSE(set.has('\xE1'));
}

TEST_CASE("RFC 9110 5.5: which bytes make a field value") {
    for (int value = 0; value < 256; ++value) {
        const char text[] = {'a', static_cast<char>(value), 'b'};
        const bool allowed = value == '\t' || (value >= ' ' && value != 0x7F);
        CHECK(http::is_field_value({text, 3}) == allowed);
        CHECK(http::is_field_text({text, 3}) == allowed);
    }
    CHECK(http::is_field_value(""));
    CHECK_FALSE(http::is_field_value(" a"));
    CHECK_FALSE(http::is_field_value("a\t"));
    CHECK_FALSE(http::is_field_value(" "));
}

TEST_CASE("RFC 9112 3.2: which bytes make a target") {
    for (int value = 0; value < 256; ++value) {
        const char text[] = {'/', static_cast<char>(value)};
        CHECK(http::is_target({text, 2}) == (value > ' ' && value < 0x7F && value != '#'));
    }
    CHECK_FALSE(http::is_target(""));
}

TEST_CASE("RFC 9112 3.2: what a Host field may not hold") {
    for (const char* good : {"", "a", "a:80", "[::1]:80", "a-b.c_d"}) CHECK(http::is_host_text(good));
    for (const char* bad : {"a/", "a?", "a#", "u@a", "a,b", "a b", "a\\", "\"a\"", "<a>", "a\t"}) CHECK_FALSE(http::is_host_text(bad));
}

TEST_CASE("case is ignored for ASCII letters only") {
    CHECK(http::equal_ignoring_case("UpGrade-1", "upgrade-1"));
    CHECK(http::equal_ignoring_case("", ""));
    CHECK_FALSE(http::equal_ignoring_case("a", "ab"));
    CHECK_FALSE(http::equal_ignoring_case("@", "`"));
    CHECK_FALSE(http::equal_ignoring_case("[", "{"));
    CHECK_FALSE(http::equal_ignoring_case("\xC4", "\xE4"));
}

TEST_CASE("hexadecimal digits") {
    const std::string_view digits = "0123456789abcdef", upper = "0123456789ABCDEF";
    for (int value = 0; value < 256; ++value) {
        const char c = static_cast<char>(value);
        const std::size_t at = digits.find(c) != digits.npos ? digits.find(c) : upper.find(c);
        CHECK(http::hex_value(c) == (at == digits.npos ? -1 : static_cast<int>(at)));
    }
}

TEST_CASE("RFC 9110 5.6.1: lists with commas") {
    CHECK(elements("").empty());
    CHECK(elements(" , ,\t,").empty());
    CHECK(elements("a") == texts{"a"});
    CHECK(elements(" keep-alive , Upgrade\t") == texts{"keep-alive", "Upgrade"});
    CHECK(elements(",a,,b,") == texts{"a", "b"});
    CHECK(elements("x; y=\"1,2\", z") == texts{"x; y=\"1,2\"", "z"});
    CHECK(elements("\"a\\\",b\",c") == texts{"\"a\\\",b\"", "c"});
    CHECK(elements("\"never, closed") == texts{"\"never, closed"});
    CHECK(elements("\"\\") == texts{"\"\\"});
    CHECK(elements("a\\,b") == texts{"a\\", "b"});
}
