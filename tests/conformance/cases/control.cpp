// Pings and pongs (RFC 6455, sections 5.5, 5.5.2 and 5.5.3).
#include "../case.hpp"

namespace conformance {

void add_control(case_list& cases) {
    for (const std::size_t size : {0, 1, 2, 8, 64, 124, 125}) {
        const std::string number = std::to_string(size);
        cases.add("control/ping/" + number, "5.5.2", {send(ping(octets(size))), expect(pong(octets(size)))});
        cases.add("control/pong/unsolicited-" + number, "5.5.3",
                  {send(pong(octets(size)), text("Hello")), expect(text("Hello"))});
    }
    cases.add("control/ping/text", "5.5.2", {send(ping("Hello, world!")), expect(pong("Hello, world!"))});
    cases.add("control/ping/not-utf8", "5.5.2", {send(ping(hex("FE FF C0 80"))), expect(pong(hex("FE FF C0 80")))});
    cases.add("control/ping/zeros", "5.5.2", {send(ping(std::string(10, '\0'))), expect(pong(std::string(10, '\0')))});
    cases.add("control/ping/like-a-frame", "5.5.2", {send(ping(hex("88 02 03 E8"))), expect(pong(hex("88 02 03 E8")))});

    // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
    for (const std::size_t size : {126, 127, 200, 65535, 65536}) {
        cases.add("control/long/ping-" + std::to_string(size), "5.5", {send(ping(octets(size))), fails(1002)});
        cases.add("control/long/pong-" + std::to_string(size), "5.5", {send(pong(octets(size))), fails(1002)});
    }
    cases.add("control/long/close-126", "5.5", {send(close(1000, letters(124))), fails(1002)});
    cases.add("control/long/close-65536", "5.5", {send(close(1000, letters(65534))), fails(1002)});
    cases.add("control/long/ping-5-in-16-bit", "5.2, 5.5", {send(ping("Hello").length_in(2)), fails(1002)});
    cases.add("control/long/ping-5-in-64-bit", "5.2, 5.5", {send(ping("Hello").length_in(8)), fails(1002)});
    cases.add("control/long/inside-a-message", "5.5", {send(text("a").fragment(), ping(octets(126))), fails(1002)});
    cases.add("control/fragmented/ping", "5.5", {send(ping("Hel").fragment()), fails(1002)});
    cases.add("control/fragmented/pong", "5.5", {send(pong("Hel").fragment()), fails(1002)});
    cases.add("control/fragmented/close", "5.5", {send(close(1000).fragment()), fails(1002)});
    cases.add("control/fragmented/empty-ping", "5.5", {send(ping().fragment()), fails(1002)});
    cases.add("control/fragmented/ping-and-rest", "5.5", {send(ping("Hel").fragment(), last("lo")), fails(1002)});
    cases.add("control/fragmented/pong-and-rest", "5.5", {send(pong("Hel").fragment(), last("lo")), fails(1002)});
    cases.add("control/fragmented/inside-a-message", "5.5", {send(text("a").fragment(), ping("b").fragment()), fails(1002)});

    // Many.
    std::vector<frame> pings, pongs;
    std::vector<step> in_turn;
    for (int i = 0; i < 10; ++i) {
        const std::string number = std::to_string(i);
        in_turn.push_back(send(ping(number)));
        in_turn.push_back(expect(pong(number)));
        pings.push_back(ping(number));
        pongs.push_back(pong(number));
    }
    cases.add("control/ping/ten-in-turn", "5.5.2", in_turn);
    cases.add("control/ping/ten-together", "5.5.2, 5.5.3", {send_all(pings), expect_all(pongs)});
    cases.add("control/ping/ten-bytewise", "5.5.2, 5.5.3", {send_all(pings), expect_all(pongs)}).in_pieces_of(1);
    pings.clear(), pongs.clear();
    for (int i = 0; i < 100; ++i) {
        pings.push_back(ping(octets(static_cast<std::size_t>(i))));
        pongs.push_back(pong(octets(static_cast<std::size_t>(i))));
    }
    // So many at once may be too many for whoever guards against floods (10.4).
    cases.add("control/ping/hundred-of-each-size", "5.5.2, 5.5.3", {send_all(pings), expect_all(pongs)}).should();
    std::vector<frame> unasked = pongs;
    unasked.push_back(text("Hello"));
    cases.add("control/pong/hundred-unsolicited", "5.5.3", {send_all(unasked), expect(text("Hello"))});
    cases.add("control/pong/no-answer", "5.5.3", {send(pong("unasked")), quiet(), send(text("Hello")), expect(text("Hello"))});
    cases.add("control/pong/then-ping", "5.5.3", {send(pong("unasked"), ping("asked")), expect(pong("asked"))});
    cases.add("control/pong/not-utf8", "5.5.3", {send(pong(hex("FF FE")), text("Hello")), expect(text("Hello"))});

    // Around messages.
    cases.add("control/ping/before-text", "5.5.2", {send(ping("a"), text("Hello")), expect(pong("a"), text("Hello"))});
    cases.add("control/ping/after-text", "5.5.2", {send(text("Hello"), ping("a")), expect(text("Hello"), pong("a"))});
    cases.add("control/ping/around-binary", "5.5.2",
              {send(ping("a"), binary(octets(70000)), ping("b")), expect(pong("a"), binary(octets(70000)), pong("b"))});
    cases.add("control/ping/between-messages", "5.5.2",
              {send(text("one"), ping("a"), text("two"), ping("b"), binary("three")),
               expect(text("one"), pong("a"), text("two"), pong("b"), binary("three"))});
    cases.add("control/ping/answered-inside-a-message", "5.4, 5.5.2",
              {send(text("Hel").fragment(), ping("now")), expect(pong("now")), send(last("lo")), expect(text("Hello"))});
    cases.add("control/ping/answered-inside-a-binary", "5.4, 5.5.2",
              {send(binary(octets(200)).fragment(), ping()), expect(pong()), send(last("")), expect(binary(octets(200)))});
    cases.add("control/pong/inside-a-message", "5.4, 5.5.3",
              {send(text("Hel").fragment(), pong("unasked"), last("lo")), expect(text("Hello"))});
    cases.add("control/ping/held-inside", "5.5.2", {hold(ping("Hello"), 2), quiet(), release(), expect(pong("Hello"))});
}

} // namespace conformance
