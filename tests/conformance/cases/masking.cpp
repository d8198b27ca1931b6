// Clients mask, servers do not (RFC 6455, sections 5.1 and 5.3).
#include "../case.hpp"

namespace conformance {

void add_masking(case_list& cases) {
    // "a server MUST close the connection upon receiving a frame that is not masked", a client upon one that is
    cases.add("masking/wrong/text", "5.1", {send(text("Hello").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/binary", "5.1", {send(binary("Hello").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/empty", "5.1", {send(text("").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/ping", "5.1", {send(ping("Hello").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/pong", "5.1", {send(pong("Hello").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/empty-ping", "5.1", {send(ping().wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/close", "5.1", {send(close(1000).wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/continuation", "5.1", {send(text("Hel").fragment(), last("lo").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/first-fragment", "5.1", {send(text("Hel").fragment().wrongly_masked(), last("lo")), fails(1002)});
    cases.add("masking/wrong/16-bit", "5.1", {send(text(letters(126)).wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/64-bit", "5.1", {send(binary(octets(65536)).wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/after-an-echo", "5.1",
              {send(text("Hello")), expect(text("Hello")), send(text("Hello").wrongly_masked()), fails(1002)});
    cases.add("masking/wrong/zero-key", "5.1", {send(text("Hello").wrongly_masked().with_key({0, 0, 0, 0})), fails(1002)}).client_only();

    // Any key is a key.
    const std::pair<const char*, mask_key> keys[] = {{"zeros", {0, 0, 0, 0}},
                                                     {"ones", {255, 255, 255, 255}},
                                                     {"one-byte", {0, 0, 0, 1}},
                                                     {"like-a-frame", {0x88, 0x80, 0x81, 0xFE}}};
    for (const auto& [name, key] : keys)
        cases.add(std::string("masking/key/") + name, "5.3",
                  {send(text(letters(100)).with_key(key), binary(octets(1000)).with_key(key), ping("p").with_key(key)),
                   expect(text(letters(100)), binary(octets(1000)), pong("p"))})
            .server_only();
    for (const std::size_t size : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65})
        cases.add("masking/size/" + std::to_string(size), "5.3",
                  {send(binary(octets(size)), text(letters(size))), expect(binary(octets(size)), text(letters(size)))});
    cases.add("masking/key/another-in-each-fragment", "5.3",
              {send(binary(octets(9)).with_key({1, 2, 3, 4}).fragment(), more(octets(7)).with_key({5, 6, 7, 8}),
                    last(octets(5)).with_key({9, 9, 9, 9})),
               expect(binary(octets(9) + octets(7) + octets(5)))})
        .server_only();

    // "The masking key needs to be unpredictable": no two alike, of those that are seen.
    std::vector<step> steps;
    for (int i = 0; i < 8; ++i) {
        steps.push_back(send(text("the same each time")));
        steps.push_back(expect(text("the same each time")));
    }
    steps.push_back(new_keys());
    cases.add("masking/keys-differ", "5.3, 10.3", steps).client_only();
    cases.add("masking/keys-differ/fragments-and-pongs", "5.3, 10.3",
              {send(ping("a"), text("b"), ping("c"), text("d")), expect(pong("a"), text("b"), pong("c"), text("d")), new_keys()})
        .client_only();
}

} // namespace conformance
