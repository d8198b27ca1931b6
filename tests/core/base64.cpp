#include <doctest/doctest.h>

#include <weir/core/base64.hpp>

#include <string>
#include <vector>

using namespace weir;

namespace {

std::optional<std::string> decode(std::string_view text) {
    std::vector<std::byte> room(text.size());
    const auto size = base64_decode(text, room);
    if (!size) return std::nullopt;
    return std::string(as_text(bytes_view(room).first(*size)));
}

} // namespace

TEST_CASE("RFC 4648 10: the test vectors, both ways") {
    const struct {
        std::string_view bytes, text;
    } cases[] = {
        {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xFB\xEF\xFF", "++//"},
    };
    for (const auto& each : cases) {
        CHECK(base64_encode(as_bytes(each.bytes)) == each.text);
        CHECK(base64_size(each.bytes.size()) == each.text.size());
        CHECK(decode(each.text) == std::string(each.bytes));
    }
}

TEST_CASE("RFC 4648 4: every byte at every place survives") {
    for (unsigned value = 0; value < 256; ++value) {
        for (std::size_t size = 1; size <= 4; ++size) {
            const std::string bytes(size, static_cast<char>(value));
            const std::string text = base64_encode(as_bytes(bytes));
            REQUIRE(decode(text) == bytes);
            char room[8];
            REQUIRE(base64_encode(as_bytes(bytes), room) == text.size());
            REQUIRE(std::string_view(room, text.size()) == text);
        }
    }
}

TEST_CASE("RFC 4648 3: what is not canonical is refused") {
    for (const std::string_view text : {"Z", "Zg", "Zg=", "Zm8", "Zg==Zg==", "Zm9v=", "=", "==", "====", "Z===", "Zg=a",
                                        "Zm9v\n", "Zm9 ", " Zm9", "Zm-_", "Zm9\x80", "Zh==", "Zm9=", "Z=g=", "Zg==="}) {
        CAPTURE(text);
        CHECK_FALSE(decode(text).has_value());
    }
}

TEST_CASE("decoding into too little room is refused") {
    std::byte room[3];
    CHECK(base64_decode("Zm9v", mutable_bytes(room)) == 3u);
    CHECK_FALSE(base64_decode("Zm9v", mutable_bytes(room, 2)).has_value());
    CHECK(base64_decode("Zm8=", mutable_bytes(room, 2)) == 2u);
    CHECK(base64_decode("", {}) == 0u);
}
