#include <doctest/doctest.h>

#include <weir/protocol/ws/accept_key.hpp>

#include <array>
#include <string>

using namespace weir;

TEST_CASE("RFC 6455 1.3: the accept key of the example") {
    CHECK(ws::accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("RFC 6455 4.1: a key is 16 bytes in base64") {
    std::array<std::byte, 16> entropy;
    for (std::size_t i = 0; i < entropy.size(); ++i) entropy[i] = static_cast<std::byte>(i + 1);
    CHECK(ws::handshake_key(entropy) == "AQIDBAUGBwgJCgsMDQ4PEA==");
    CHECK(ws::is_handshake_key(ws::handshake_key(entropy)));
    CHECK(ws::is_handshake_key("AQIDBAUGBwgJCgsMDQ4PEC==")); // as the RFC prints it
    for (const char* bad : {"", "AQIDBAUGBwgJCgsMDQ4PEA", "AQIDBAUGBwgJCgsMDQ4PEBE=", "AQIDBAUGBwgJCgsMDQ4PE===",
                            "AQIDBAUGBwgJ gsMDQ4PEA==", "AQIDBAUGBwgJ=gsMDQ4PEA==", "AQIDBAUGBwgJCgsMDQ4PEBESExQV"})
        CHECK(!ws::is_handshake_key(bad));
}
