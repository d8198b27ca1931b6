// The closing handshake, its codes, and the end of the stream (RFC 6455, sections 5.5.1 and 7).
#include "../case.hpp"

namespace conformance {

void add_close(case_list& cases) {
    const auto code_name = [](const char* before, unsigned code) { return before + std::to_string(code); };

    // "the endpoint typically echos the status code it received"
    cases.add("close/empty", "5.5.1, 7.1.5", {send(close_of("")), closes(no_code)});
    for (const unsigned code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3333, 3999, 4000, 4444, 4999})
        cases.add(code_name("close/code/", code), "5.5.1, 7.4", {send(close(code)), closes(code)});
    // Registered with IANA after the RFC was written, so that an implementation may not know them.
    for (const unsigned code : {1012, 1013, 1014})
        cases.add(code_name("close/code/", code), "7.4.2 and IANA", {send(close(code)), closes(code).or_else({1002})}).should();

    // "0-999: Status codes in the range 0-999 are not used"; 1005, 1006 and 1015 "MUST NOT be set as a status code"
    for (const unsigned code : {0, 1, 999, 1005, 1006, 1015})
        cases.add(code_name("close/bad-code/", code), "7.4", {send(close(code)), fails(1002)});
    // Reserved without such a word.
    for (const unsigned code : {1004, 1016, 1100, 2000, 2999, 5000, 9999, 65535})
        cases.add(code_name("close/bad-code/", code), "7.4", {send(close(code)), fails(1002).or_else({code, 1000})}).should();
    cases.add("close/bad-code/999-with-reason", "7.4", {send(close(999, "why not")), fails(1002)});
    cases.add("close/bad-code/1005-after-an-echo", "7.4",
              {send(text("Hello")), expect(text("Hello")), send(close(1005)), fails(1002)});

    // Reasons.
    cases.add("close/one-byte", "5.5.1", {send(close_of(hex("03"))), fails(1002).but_never(no_code)});
    cases.add("close/one-zero-byte", "5.5.1", {send(close_of(hex("00"))), fails(1002).but_never(no_code)});
    cases.add("close/reason/one-letter", "5.5.1", {send(close(1000, "x")), closes(1000)});
    cases.add("close/reason/sentence", "5.5.1", {send(close(1001, "going, going")), closes(1001)});
    cases.add("close/reason/122", "5.5.1", {send(close(1000, letters(122))), closes(1000)});
    cases.add("close/reason/123", "5.5.1", {send(close(1000, letters(123))), closes(1000)});
    cases.add("close/reason/two-byte", "5.5.1", {send(close(1000, hex("67 72 C3 BC C3 9F 65"))), closes(1000)});
    cases.add("close/reason/four-byte", "5.5.1", {send(close(1000, hex("F0 9F 98 80"))), closes(1000)});
    cases.add("close/reason/nul", "5.5.1", {send(close(1000, std::string(3, '\0'))), closes(1000)});
    const std::pair<const char*, const char*> wrong[] = {
        {"ff", "FF"},          {"truncated", "61 E2 82"},       {"overlong", "C0 80"},       {"surrogate", "ED A0 80"},
        {"beyond", "F4 90 80 80"}, {"continuation", "61 80 62"}, {"latin-1", "67 72 FC DF 65"}};
    for (const auto& [name, bytes] : wrong)
        cases.add(std::string("close/reason/not-utf8-") + name, "5.5.1, 8.1", {send(close(1000, hex(bytes))), fails(1007)});

    // What comes before a close frame is answered before it.
    cases.add("close/behind/text", "5.5.1", {send(text("Hello"), close(1000)), closes(1000).after(text("Hello"))});
    cases.add("close/behind/binary", "5.5.1", {send(binary(octets(70000)), close(1000)), closes(1000).after(binary(octets(70000)))});
    cases.add("close/behind/ping", "5.5.1", {send(ping("a"), close(1000)), closes(1000).after(pong("a"))});
    cases.add("close/behind/several", "5.5.1",
              {send(text("one"), ping("a"), text("two"), close(1001)), closes(1001).after(text("one"), pong("a"), text("two"))});
    cases.add("close/behind/echo", "5.5.1", {send(text("Hello")), expect(text("Hello")), send(close(1000)), closes(1000)});
    cases.add("close/behind/ping-that-was-answered", "5.5.1", {send(ping("a")), expect(pong("a")), send(close(3000, "bye")), closes(3000)});

    // "any data received after a Close frame is discarded" and nothing answers it.
    cases.add("close/then/text", "1.4, 5.5.1", {send(close(1000), text("Hello")), closes(1000)});
    cases.add("close/then/ping", "1.4, 5.5.1", {send(close(1000), ping("Hello")), closes(1000)});
    cases.add("close/then/close", "1.4, 5.5.1", {send(close(1000), close(1001)), closes(1000)});
    cases.add("close/then/bad-frame", "1.4, 5.5.1", {send(close(1000), text("Hello").rsv(7)), closes(1000).or_else({1002})});
    cases.add("close/then/bad-utf8", "1.4, 5.5.1", {send(close(1000), text(hex("FF"))), closes(1000).or_else({1007})});
    cases.add("close/then/large", "1.4, 5.5.1", {send(close(1000), binary(octets(200000))), closes(1000)});
    cases.add("close/then/half-a-frame", "1.4, 5.5.1", {send(close(1000)), hold(text(letters(100)), 50), closes(1000)});
    cases.add("close/then/garbage", "1.4, 5.5.1",
              {send(close(1000), raw("FF FF FF FF FF FF FF FF FF FF FF FF")), closes(1000).or_else({1002})});

    // In a fragmented message, which is then never complete.
    cases.add("close/inside/message", "5.4, 5.5.1", {send(text("Hel").fragment(), close(1000)), closes(1000)});
    cases.add("close/inside/message-and-rest", "5.4, 5.5.1", {send(text("Hel").fragment(), close(1000), last("lo")), closes(1000)});
    cases.add("close/inside/binary", "5.4, 5.5.1", {send(binary(octets(1000)).fragment(), more("x"), close(4000, "enough")), closes(4000)});
    cases.add("close/inside/cut-character", "5.4, 5.5.1", {send(text(hex("E2 82")).fragment(), close(1000)), closes(1000)});

    // Behind a failure nothing is listened to: one close frame with its code.
    cases.add("close/crossing/bad-frame-and-close", "7.1.7", {send(text("Hello").rsv(4), close(1000)), fails(1002)});
    cases.add("close/crossing/bad-text-and-close", "7.1.7", {send(text(hex("FF")), close(1000)), fails(1007)});
    cases.add("close/crossing/bad-frame-and-ping", "7.1.7", {send(of_opcode(3), ping("a"), text("b")), fails(1002)});
    cases.add("close/crossing/two-failures", "7.1.7", {send(of_opcode(3), text(hex("FF")), close(999)), fails(1002)});
    cases.add("close/crossing/unmasked-and-close", "5.1, 7.1.7", {send(text("Hello").wrongly_masked(), close(1000)), fails(1002)});

    // The end of the stream. "the server MUST close the underlying TCP connection immediately; the client SHOULD wait"
    cases.add("close/stream/server-ends-it", "5.5.1, 7.1.1", {send(close(1000)), closes(1000)}).server_only();
    cases.add("close/stream/client-waits", "5.5.1, 7.1.1", {send(close(1000)), waits()}).client_only();
    cases.add("close/stream/client-waits-after-an-echo", "5.5.1, 7.1.1",
              {send(text("Hello")), expect(text("Hello")), send(close(4000, "bye")), waits()}).client_only();
    cases.add("close/stream/end-without-close", "7.1.5", {send(text("Hello")), expect(text("Hello")), stop(), ends()});
    cases.add("close/stream/end-at-once", "7.1.5", {send(ping("a")), expect(pong("a")), stop(), ends()});
    cases.add("close/stream/end-inside-a-header", "7.1.5", {send(text("Hello")), expect(text("Hello")), send(raw("82")), stop(), ends()});
    cases.add("close/stream/end-inside-a-frame", "7.1.5",
              {send(text("Hello")), expect(text("Hello")), hold(binary(octets(100)), 50), stop(), ends()});
    cases.add("close/stream/end-inside-a-message", "7.1.5",
              {send(text("Hello")), expect(text("Hello")), send(text("Hel").fragment()), stop(), ends()});
    cases.add("close/stream/end-inside-a-close", "7.1.5", {hold(close(1000, "never whole"), 4), stop(), ends()});
    cases.add("close/stream/end-behind-close", "5.5.1, 7.1.1",
              {send(text("Hello"), close(1000)), stop(), closes(1000).after(text("Hello")).or_else({no_frame})});
}

} // namespace conformance
