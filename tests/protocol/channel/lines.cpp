#include <doctest/doctest.h>

#include <weir/protocol/channel/lines.hpp>

#include <string>

using namespace weir;
using envelope::line_reader;

namespace {

// All lines, each with a '|' behind it, in pieces of that size; and "!" where one was too long.
std::string lines_of(std::string_view text, std::size_t piece, std::size_t limit = 100) {
    line_reader reader(limit);
    std::string all;
    while (!text.empty()) {
        bytes_view input = as_bytes(text.substr(0, piece));
        text.remove_prefix(input.size());
        while (reader.next(input)) all.append(reader.line()).append("|");
        if (reader.too_long()) return all + "!";
        CHECK(input.empty());
    }
    return all;
}

} // namespace

TEST_CASE("lines end with LF or CR LF; the last one counts when it has ended") {
    for (const std::size_t piece : {1, 2, 3, 5, 100}) {
        CAPTURE(piece);
        CHECK(lines_of("", piece) == "");
        CHECK(lines_of("one\ntwo\r\n\n\r\nthree", piece) == "one|two|||");
        CHECK(lines_of("a\rb\n", piece) == "a\rb|");
    }
}

TEST_CASE("a line over the limit") {
    for (const std::size_t piece : {1, 2, 3, 5, 100}) {
        CAPTURE(piece);
        CHECK(lines_of("12345\n12345\n", piece, 5) == "12345|12345|");
        CHECK(lines_of("12345\n123456\n1\n", piece, 5) == "12345|!");
        CHECK(lines_of("123456", piece, 5) == "!");
    }
}
