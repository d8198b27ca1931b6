// Reserved bits and opcodes, which mean nothing without an extension (RFC 6455, section 5.2).
#include "../case.hpp"

namespace conformance {

void add_reserved(case_list& cases) {
    for (unsigned bits = 1; bits < 8; ++bits) {
        const std::string start = "reserved/bits-" + std::string{bits & 4 ? '1' : '0', bits & 2 ? '1' : '0', bits & 1 ? '1' : '0'};
        cases.add(start + "/text", "5.2", {send(text("Hello").rsv(bits)), fails(1002)});
        cases.add(start + "/binary", "5.2", {send(binary("Hello").rsv(bits)), fails(1002)});
        cases.add(start + "/ping", "5.2", {send(ping("Hello").rsv(bits)), fails(1002)});
        cases.add(start + "/pong", "5.2", {send(pong("Hello").rsv(bits)), fails(1002)});
        cases.add(start + "/close", "5.2", {send(close(1000).rsv(bits)), fails(1002)});
        cases.add(start + "/continuation", "5.2", {send(text("Hel").fragment(), last("lo").rsv(bits)), fails(1002)});
    }
    cases.add("reserved/bits-100/first-fragment", "5.2", {send(text("Hel").fragment().rsv(4), last("lo")), fails(1002)});
    cases.add("reserved/bits-100/empty-text", "5.2", {send(text("").rsv(4)), fails(1002)});
    cases.add("reserved/bits-010/after-an-echo", "5.2",
              {send(text("Hello")), expect(text("Hello")), send(text("Hello").rsv(2)), fails(1002)});
    cases.add("reserved/bits-001/behind-a-message", "5.2",
              {send(text("Hello"), text("Hello").rsv(1)), fails(1002).after(text("Hello"))});
    cases.add("reserved/bits-111/behind-a-ping", "5.2", {send(ping("a"), ping("b").rsv(7)), fails(1002).after(pong("a"))});
    cases.add("reserved/bits-100/first-byte", "5.2", {send(raw("C1")), fails_fast(1002), send(raw("80 00 00 00 00")), fails(1002)})
        .server_only();

    for (const unsigned opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
        const std::string start = "reserved/opcode-" + std::to_string(opcode);
        cases.add(start + "/empty", "5.2", {send(of_opcode(opcode)), fails(1002)});
        cases.add(start + "/payload", "5.2", {send(of_opcode(opcode, "Hello")), fails(1002)});
        cases.add(start + "/fragment", "5.2", {send(of_opcode(opcode, "Hello").fragment()), fails(1002)});
        cases.add(start + "/inside-a-message", "5.2", {send(text("Hel").fragment(), of_opcode(opcode, "x")), fails(1002)});
    }
    cases.add("reserved/opcode-3/after-an-echo", "5.2",
              {send(text("Hello")), expect(text("Hello")), send(of_opcode(3, "x"), text("never")), fails(1002)});
    cases.add("reserved/opcode-11/after-a-pong", "5.2",
              {send(ping("a")), expect(pong("a")), send(of_opcode(11), ping("never")), fails(1002)});
}

} // namespace conformance
