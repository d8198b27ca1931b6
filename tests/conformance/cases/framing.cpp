// Frames and the three forms of their length (RFC 6455, section 5.2).
#include "../case.hpp"

namespace conformance {

void add_framing(case_list& cases) {
    const auto name = [](const char* before, std::size_t size) { return before + std::to_string(size); };
    for (const std::size_t size : {0, 1, 2, 125, 126, 127, 128, 254, 255, 256, 257, 1024, 65534, 65535, 65536, 65537, 131072}) {
        cases.add(name("framing/text/", size), "5.2, 5.6", {send(text(letters(size))), expect(text(letters(size)))});
        cases.add(name("framing/binary/", size), "5.2, 5.6", {send(binary(octets(size))), expect(binary(octets(size)))});
    }

    // "the minimal number of bytes MUST be used to encode the length"
    for (const std::size_t size : {0, 1, 125})
        cases.add(name("framing/long-form/16-bit-of-", size), "5.2", {send(binary(octets(size)).length_in(2)), fails(1002)});
    for (const std::size_t size : {0, 1, 125, 126, 127, 65535})
        cases.add(name("framing/long-form/64-bit-of-", size), "5.2", {send(binary(octets(size)).length_in(8)), fails(1002)});
    cases.add("framing/long-form/text", "5.2", {send(text("Hello").length_in(2)), fails(1002)});
    cases.add("framing/long-form/continuation", "5.2", {send(text("Hel").fragment(), last("lo").length_in(8)), fails(1002)});
    cases.add("framing/long-form/second-message", "5.2",
              {send(text("first")), expect(text("first")), send(text("second").length_in(2)), fails(1002)});
    cases.add("framing/long-form/header-only", "5.2", {send(raw("82 7E 00 7D")), fails(1002)}).client_only();
    cases.add("framing/long-form/header-only-masked", "5.2", {send(raw("82 FE 00 7D 01 02 03 04")), fails(1002)}).server_only();

    // "the most significant bit MUST be 0"
    cases.add("framing/63-bit/highest-bit", "5.2", {send(binary("x").claiming(1ull << 63)), fails(1002)});
    cases.add("framing/63-bit/highest-bit-and-one", "5.2", {send(binary("x").claiming((1ull << 63) + 1)), fails(1002)});
    cases.add("framing/63-bit/all-ones", "5.2", {send(binary("x").claiming(~0ull)), fails(1002)});
    cases.add("framing/63-bit/text", "5.2", {send(text("x").claiming(1ull << 63)), fails(1002)});
    cases.add("framing/63-bit/continuation", "5.2", {send(binary("x").fragment(), last("y").claiming(1ull << 63)), fails(1002)});

    // What comes together is one frame after the other all the same.
    cases.add("framing/together/two", "5.1", {send(text("one"), text("two")), expect(text("one"), text("two"))});
    cases.add("framing/together/text-and-binary", "5.1", {send(text("one"), binary("two"), text("three")),
                                                          expect(text("one"), binary("two"), text("three"))});
    cases.add("framing/together/empty", "5.1", {send(text(""), binary(""), text("")), expect(text(""), binary(""), text(""))});
    cases.add("framing/together/each-length", "5.2",
              {send(binary(octets(125)), binary(octets(126)), binary(octets(65535)), binary(octets(65536)), text("end")),
               expect(binary(octets(125)), binary(octets(126)), binary(octets(65535)), binary(octets(65536)), text("end"))});
    std::vector<frame> many;
    for (std::size_t i = 0; i < 200; ++i) many.push_back(text("message " + std::to_string(i)));
    cases.add("framing/together/200", "5.1", {send_all(many), expect_all(many)});
    cases.add("framing/one-after-another", "5.1",
              {send(text("one")), expect(text("one")), send(binary("two")), expect(binary("two")), send(text("")), expect(text("")),
               send(text("four")), expect(text("four"))});

    // A frame may come in any pieces: "intermediaries ... might coalesce and/or split".
    for (const std::size_t kept : {0, 1, 4, 125})
        cases.add(name("framing/held/after-", kept), "5.2",
                  {hold(text(letters(126)), kept), quiet(), release(), expect(text(letters(126)))});
    cases.add("framing/held/64-bit", "5.2", {hold(binary(octets(70000)), 40000), quiet(), release(), expect(binary(octets(70000)))});
    cases.add("framing/bytewise", "5.2", {send(text("one by one"), ping("p"), binary(octets(300))),
                                          expect(text("one by one"), pong("p"), binary(octets(300)))}).in_pieces_of(1);
}

} // namespace conformance
