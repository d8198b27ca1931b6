// Messages in fragments, and what may stand between them (RFC 6455, section 5.4).
#include "../case.hpp"

namespace conformance {

void add_fragments(case_list& cases) {
    cases.add("fragments/two", "5.4", {send(text("Hel").fragment(), last("lo")), expect(text("Hello"))});
    cases.add("fragments/two-binary", "5.4", {send(binary(octets(10)).fragment(), last("x")), expect(binary(octets(10) + "x"))});
    cases.add("fragments/three", "5.4", {send(text("Hel").fragment(), more("lo, "), last("you")), expect(text("Hello, you"))});
    cases.add("fragments/empty-first", "5.4", {send(text("").fragment(), last("Hello")), expect(text("Hello"))});
    cases.add("fragments/empty-middle", "5.4", {send(text("Hel").fragment(), more(""), last("lo")), expect(text("Hello"))});
    cases.add("fragments/empty-last", "5.4", {send(text("Hello").fragment(), last("")), expect(text("Hello"))});
    cases.add("fragments/all-empty", "5.4", {send(text("").fragment(), more(""), more(""), last("")), expect(text(""))});
    cases.add("fragments/all-empty-binary", "5.4", {send(binary("").fragment(), last("")), expect(binary(""))});
    cases.add("fragments/one-at-a-time", "5.4",
              {send(text("Hel").fragment()), quiet(), send(more("lo, ")), quiet(), send(last("you")), expect(text("Hello, you"))});
    cases.add("fragments/two-messages", "5.4",
              {send(text("a").fragment(), last("b"), binary("c").fragment(), last("d")), expect(text("ab"), binary("cd"))});
    cases.add("fragments/then-whole", "5.4",
              {send(text("a").fragment(), last("b"), text("c"), binary("d")), expect(text("ab"), text("c"), binary("d"))});
    cases.add("fragments/binary-is-no-text", "5.4, 5.6",
              {send(binary(hex("FF")).fragment(), last(hex("FE"))), expect(binary(hex("FF FE")))});
    for (const std::size_t size : {125, 126, 127, 65535, 65536}) {
        const std::string number = std::to_string(size);
        cases.add("fragments/length/" + number, "5.2, 5.4",
                  {send(text(letters(size)).fragment(), last(letters(size))), expect(text(letters(size) + letters(size)))});
        cases.add("fragments/length/middle-" + number, "5.2, 5.4",
                  {send(binary("a").fragment(), more(octets(size)), last("z")), expect(binary("a" + octets(size) + "z"))});
    }
    for (const std::size_t count : {10, 128, 1000}) {
        std::vector<frame> frames{text("").fragment()};
        for (std::size_t i = 0; i < count; ++i) frames.push_back(more(letters(1 + i % 3)));
        frames.push_back(last(""));
        std::string whole;
        for (const frame& each : frames) whole += each.payload;
        cases.add("fragments/many/" + std::to_string(count), "5.4", {send_all(frames), expect(text(whole))});
        for (std::size_t i = frames.size() - 1; i > 0; --i)
            if (i % 7 == 0) frames.insert(frames.begin() + static_cast<std::ptrdiff_t>(i), pong("beside"));
        cases.add("fragments/many/" + std::to_string(count) + "-with-pongs", "5.4, 5.5.3", {send_all(frames), expect(text(whole))});
    }
    std::vector<frame> letter_by_letter{text("").fragment()};
    for (const char each : std::string("letter by letter")) letter_by_letter.push_back(more({each}));
    letter_by_letter.push_back(last(""));
    cases.add("fragments/many/letter-by-letter", "5.4", {send_all(letter_by_letter), expect(text("letter by letter"))});
    std::vector<frame> empty(200, more(""));
    empty.insert(empty.begin(), text("Hello").fragment());
    empty.push_back(last("!"));
    cases.add("fragments/many/200-empty", "5.4", {send_all(empty), expect(text("Hello!"))});

    // "Control frames MAY be injected in the middle of a fragmented message."
    cases.add("fragments/ping-between", "5.4", {send(text("Hel").fragment(), ping("a"), last("lo")), expect(pong("a"), text("Hello"))});
    cases.add("fragments/pings-between-each", "5.4",
              {send(binary("a").fragment(), ping("1"), more("b"), ping("2"), more("c"), ping("3"), last("d")),
               expect(pong("1"), pong("2"), pong("3"), binary("abcd"))});
    cases.add("fragments/ten-pings-between", "5.4",
              {send(text("Hel").fragment(), ping("0"), ping("1"), ping("2"), ping("3"), ping("4"), ping("5"), ping("6"), ping("7"),
                    ping("8"), ping("9"), last("lo")),
               expect(pong("0"), pong("1"), pong("2"), pong("3"), pong("4"), pong("5"), pong("6"), pong("7"), pong("8"), pong("9"),
                      text("Hello"))});
    cases.add("fragments/pings-around", "5.4",
              {send(ping("0"), text("Hel").fragment(), ping("1"), last("lo"), ping("2")),
               expect(pong("0"), pong("1"), text("Hello"), pong("2"))});
    cases.add("fragments/ping-and-pong-between", "5.4",
              {send(text("Hel").fragment(), ping("a"), pong("unasked"), last("lo")), expect(pong("a"), text("Hello"))});
    cases.add("fragments/ping-between-empty", "5.4",
              {send(text("").fragment(), ping("a"), more(""), ping("b"), last("")), expect(pong("a"), pong("b"), text(""))});
    cases.add("fragments/ping-like-data", "5.4",
              {send(text("Hel").fragment(), ping("XX"), last("lo")), expect(pong("XX"), text("Hello"))}).in_pieces_of(1);

    // "The fragments of one message MUST NOT be interleaved between the fragments of another message."
    cases.add("fragments/order/text-in-text", "5.4", {send(text("a").fragment(), text("b")), fails(1002)});
    cases.add("fragments/order/binary-in-text", "5.4", {send(text("a").fragment(), binary("b")), fails(1002)});
    cases.add("fragments/order/text-in-binary", "5.4", {send(binary("a").fragment(), text("b")), fails(1002)});
    cases.add("fragments/order/fragment-in-text", "5.4", {send(text("a").fragment(), text("b").fragment(), last("c")), fails(1002)});
    cases.add("fragments/order/empty-in-text", "5.4", {send(text("").fragment(), text("")), fails(1002)});
    cases.add("fragments/order/behind-a-ping", "5.4", {send(text("a").fragment(), ping("p"), text("b")), fails(1002).after(pong("p"))});
    cases.add("fragments/order/in-the-second", "5.4",
              {send(text("a").fragment(), last("b")), expect(text("ab")), send(text("c").fragment(), binary("d")), fails(1002)});
    cases.add("fragments/order/continuation-first", "5.4", {send(last("Hello")), fails(1002)});
    cases.add("fragments/order/continuation-first-not-last", "5.4", {send(more("Hel"), last("lo")), fails(1002)});
    cases.add("fragments/order/empty-continuation-first", "5.4", {send(last("")), fails(1002)});
    cases.add("fragments/order/continuation-behind-whole", "5.4", {send(text("a")), expect(text("a")), send(last("b")), fails(1002)});
    cases.add("fragments/order/continuation-behind-last", "5.4",
              {send(text("a").fragment(), last("b")), expect(text("ab")), send(more("c")), fails(1002)});
    cases.add("fragments/order/continuation-behind-whole-together", "5.4", {send(text("a"), last("b")), fails(1002).after(text("a"))});
    cases.add("fragments/order/continuation-behind-ping", "5.4", {send(ping("a"), last("b")), fails(1002).after(pong("a"))});
    cases.add("fragments/order/continuation-first-held", "5.4", {hold(last("Hello"), 0), fails_fast(1002), release(), fails(1002)});
}

} // namespace conformance
