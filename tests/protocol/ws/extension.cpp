// RFC 6455, section 9.1: the grammar of Sec-WebSocket-Extensions.
#include <weir/protocol/ws/extension.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace weir;

namespace {

// "name a b=1" for what was read, and "!" at the end where the text turned out to be malformed.
std::string read(std::string_view element) {
    ws::extension_reader reader(element);
    std::string all(reader.name());
    ws::extension_parameter each;
    while (reader.next(each)) {
        all.append(" ").append(each.name);
        if (each.has_value) all.append("=").append(each.value);
    }
    return reader.malformed() ? all + "!" : all;
}

bool well_formed(std::initializer_list<std::string_view> lines) {
    http::fields all;
    for (const std::string_view each : lines) REQUIRE(all.add("Sec-WebSocket-Extensions", each));
    return ws::extensions_well_formed(all);
}

} // namespace

TEST_CASE("an element: the name and the parameters") {
    struct {
        std::string_view text, expected;
    } const cases[] = {
        {"foo", "foo"},
        {"foo;a", "foo a"},
        {"foo; a; b=1", "foo a b=1"},
        {" \tfoo \t; a\t = \"1\" ;b ", "foo a=1 b"},
        {"foo; a=\"x\\y\\\\\"", "foo!"}, // unescaped it is xy\, which is no token
        {"foo; a=\"x\\y\"", "foo a=xy"},
        {"foo; a=b; a=c", "foo a=b a=c"}, // whether a name may come twice is the extension's business
        {"", "!"},
        {";a", "!"},
        {"=a", "!"},
        {"\"foo\"", "!"},
        {"foo bar", "foo!"},
        {"foo=1", "foo!"},
        {"foo;", "foo!"},
        {"foo;;a", "foo!"},
        {"foo; =1", "foo!"},
        {"foo; a=", "foo!"},
        {"foo; a=;b", "foo!"},
        {"foo; a=1 2", "foo a=1!"},
        {"foo; a=\"", "foo!"},
        {"foo; a=\"1", "foo!"},
        {"foo; a=\"1\\", "foo!"},
        {"foo; a=\"\"", "foo!"},
        {"foo; a=\"1 2\"", "foo!"},
        {"foo; a=\"1\"x", "foo a=1!"},
        {"foo; a, b", "foo a!"},
        {"f\xc3\xbc", "f!"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        CHECK(read(each.text) == each.expected);
    }
}

TEST_CASE("what is malformed stays so") {
    ws::extension_reader reader("foo; a=");
    ws::extension_parameter each;
    CHECK_FALSE(reader.next(each));
    CHECK_FALSE(reader.next(each));
    CHECK(reader.malformed());
}

TEST_CASE("whole fields, on several lines") {
    CHECK(well_formed({}));
    CHECK(well_formed({"foo"}));
    CHECK(well_formed({"foo; a=\"1\", bar", "baz;b"}));
    CHECK(well_formed({""}));
    CHECK(well_formed({", foo,"}));
    CHECK_FALSE(well_formed({"foo", "bar;"}));
    CHECK_FALSE(well_formed({"foo bar"}));
    CHECK_FALSE(well_formed({"foo; a=\"1, 2\""}));
    CHECK_FALSE(well_formed({"foo; a=\"1, bar"}));
}
