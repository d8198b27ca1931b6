// Text is UTF-8, whole messages of it (RFC 6455, sections 5.6 and 8.1; RFC 3629).
#include "../case.hpp"

#include <cstdio>

namespace conformance {

namespace {

// The form of RFC 3629 without its limits: four bytes for what is more than U+10FFFF, three for surrogates.
std::string encoded(unsigned point) {
    const auto part = [&](unsigned shift) { return static_cast<char>(0x80 | (point >> shift & 0x3F)); };
    if (point < 0x80) return {static_cast<char>(point)};
    if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), part(0)};
    if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), part(6), part(0)};
    return {static_cast<char>(0xF0 | point >> 18), part(12), part(6), part(0)};
}

struct sample {
    const char* name;
    const char* bytes; // hexadecimal
};

// Not UTF-8, whatever stands before and behind.
constexpr sample wrong[] = {
    {"lone/80", "80"},
    {"lone/bf", "BF"},
    {"lone/two", "80 BF"},
    {"lone/behind-text", "48 65 6C 6C 6F 80"},
    {"lone/before-text", "80 48 65 6C 6C 6F"},
    {"lone/behind-two-byte", "C3 A9 A9"},
    {"lone/behind-three-byte", "E2 82 AC AC"},
    {"lone/behind-four-byte", "F0 9F 98 80 80"},
    {"start/c2-and-text", "C2 20"},
    {"start/df-and-text", "DF 41"},
    {"start/e1-and-text", "E1 20 20"},
    {"start/ef-80-and-text", "EF 80 20"},
    {"start/f1-and-text", "F1 20 20 20"},
    {"start/f3-80-80-and-text", "F3 80 80 20"},
    {"start/c2-c2", "C2 C2 80"},
    {"start/e1-80-e1", "E1 80 E1 80 80"},
    {"never/c0", "C0 80"},
    {"never/c1", "C1 BF"},
    {"never/f5", "F5 80 80 80"},
    {"never/f7", "F7 BF BF BF"},
    {"never/f8", "F8 88 80 80 80"},
    {"never/fb", "FB BF BF BF BF"},
    {"never/fc", "FC 84 80 80 80 80"},
    {"never/fd", "FD BF BF BF BF BF"},
    {"never/fe", "FE"},
    {"never/ff", "FF"},
    {"never/fe-fe-ff-ff", "FE FE FF FF"},
    {"overlong/slash-2", "C0 AF"},
    {"overlong/slash-3", "E0 80 AF"},
    {"overlong/slash-4", "F0 80 80 AF"},
    {"overlong/slash-5", "F8 80 80 80 AF"},
    {"overlong/slash-6", "FC 80 80 80 80 AF"},
    {"overlong/nul-3", "E0 80 80"},
    {"overlong/nul-4", "F0 80 80 80"},
    {"overlong/greatest-2", "C1 BF"},
    {"overlong/greatest-3", "E0 9F BF"},
    {"overlong/greatest-4", "F0 8F BF BF"},
    {"surrogate/d800", "ED A0 80"},
    {"surrogate/db7f", "ED AD BF"},
    {"surrogate/db80", "ED AE 80"},
    {"surrogate/dbff", "ED AF BF"},
    {"surrogate/dc00", "ED B0 80"},
    {"surrogate/dfff", "ED BF BF"},
    {"surrogate/pair", "ED A0 BD ED B8 80"},
    {"surrogate/pair-of-limits", "ED AF BF ED BF BF"},
    {"surrogate/inside-text", "CE BA ED A0 80 65 64 69 74 65 64"},
    {"beyond/110000", "F4 90 80 80"},
    {"beyond/13ffff", "F4 BF BF BF"},
    {"beyond/140000", "F5 80 80 80"},
    {"beyond/inside-text", "CE BA F4 90 80 80 65 64"},
    {"truncated/c2", "C2"},
    {"truncated/e0", "E0"},
    {"truncated/e0-a0", "E0 A0"},
    {"truncated/ef-bf", "EF BF"},
    {"truncated/f0", "F0"},
    {"truncated/f0-90", "F0 90"},
    {"truncated/f0-90-80", "F0 90 80"},
    {"truncated/f4-8f-bf", "F4 8F BF"},
    {"truncated/behind-text", "48 65 6C 6C 6F E2 82"},
    {"latin-1", "67 72 FC DF 65"},
    {"utf-16", "FF FE 48 00 69 00"},
};

constexpr sample right[] = {
    {"greek", "CE BA E1 BD B9 CF 83 CE BC CE B5"},
    {"byte-order-mark", "EF BB BF 48 69"},
    {"combining", "65 CC 81 61 CC 8A"},
    {"flags", "F0 9F 87 A9 F0 9F 87 AA"},
    {"private-use", "EE 80 80 EF A3 BF F3 B0 80 80"},
    {"replacement-character", "EF BF BD"},
    {"nul-inside", "61 00 62"},
    {"controls", "01 02 0D 0A 1F 7F"},
    {"each-length", "24 C2 A2 E2 82 AC F0 90 8D 88"},
    {"nonspacing-only", "CC 80 CC 81 CC 82"},
};

} // namespace

void add_utf8(case_list& cases) {
    const std::string rfc = "8.1";
    // The first and the last of each length, and what lies around the gaps.
    for (const unsigned point : {0x0u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xFFFu, 0x1000u, 0xCFFFu, 0xD000u, 0xD7FFu, 0xE000u, 0xFDD0u,
                                 0xFDEFu, 0xFFFDu, 0xFFFEu, 0xFFFFu, 0x10000u, 0x1FFFEu, 0x1FFFFu, 0x3FFFFu, 0x40000u, 0x8FFFFu,
                                 0xFFFFFu, 0x100000u, 0x10FFFEu, 0x10FFFFu}) {
        char name[32];
        std::snprintf(name, sizeof name, "utf8/right/u-%04x", point);
        cases.add(name, rfc, {send(text(encoded(point))), expect(text(encoded(point)))});
    }
    for (const sample& each : right) {
        const std::string bytes = hex(each.bytes);
        cases.add(std::string("utf8/right/") + each.name, rfc, {send(text(bytes)), expect(text(bytes))});
    }
    for (const sample& each : wrong) cases.add(std::string("utf8/wrong/") + each.name, rfc, {send(text(hex(each.bytes))), fails(1007)});

    // What is no text may be anything.
    cases.add("utf8/binary/latin-1", "5.6", {send(binary(hex("67 72 FC DF 65"))), expect(binary(hex("67 72 FC DF 65")))});
    cases.add("utf8/binary/truncated", "5.6", {send(binary(hex("E2 82"))), expect(binary(hex("E2 82")))});

    // "a particular text frame might include a partial UTF-8 sequence; however, the whole message MUST contain valid UTF-8"
    const std::string sample_text = hex("CE BA E2 82 AC F0 9F 98 80 C3 A9");
    for (std::size_t at = 1; at < sample_text.size(); ++at) {
        const std::string number = std::to_string(at);
        cases.add("utf8/split/at-" + number, "5.6, 8.1",
                  {send(text(sample_text.substr(0, at)).fragment(), last(sample_text.substr(at))), expect(text(sample_text))});
        cases.add("utf8/split/ping-at-" + number, "5.4, 5.6, 8.1",
                  {send(text(sample_text.substr(0, at)).fragment(), ping("p"), last(sample_text.substr(at))),
                   expect(pong("p"), text(sample_text))});
    }
    std::vector<frame> each_byte{text("").fragment()};
    for (const char each : sample_text) each_byte.push_back(more({each}));
    each_byte.push_back(last(""));
    cases.add("utf8/split/each-byte", "5.6, 8.1", {send_all(each_byte), expect(text(sample_text))});

    // Wrong in a way that only the frame behind the cut shows; fails on the fragment that is wrong.
    const std::string wrong_text = hex("CE BA E2 82 AC F0 9F 98 41 C3 A9");
    for (std::size_t at = 1; at < wrong_text.size(); ++at)
        cases.add("utf8/split/wrong-at-" + std::to_string(at), "8.1",
                  {send(text(wrong_text.substr(0, at)).fragment(), last(wrong_text.substr(at))), fails(1007)});
    cases.add("utf8/split/truncated-at-the-end", "8.1", {send(text("a").fragment(), last(hex("E2 82"))), fails(1007)});
    cases.add("utf8/split/truncated-and-empty", "8.1", {send(text(hex("E2 82")).fragment(), last("")), fails(1007)});
    cases.add("utf8/split/not-over-messages", "8.1", {send(text(hex("E2 82")), text(hex("AC"))), fails(1007)});
    cases.add("utf8/split/surrogates", "8.1", {send(text(hex("ED A0 BD")).fragment(), last(hex("ED B8 80"))), fails(1007)});
    cases.add("utf8/split/wrong-then-binary", "8.1", {send(text(hex("FF")).fragment(), last(hex("FF"))), fails(1007)});
    cases.add("utf8/split/second-message", "8.1",
              {send(text("Hello")), expect(text("Hello")), send(text("a").fragment(), last(hex("80"))), fails(1007)});
    cases.add("utf8/split/wrong-behind-a-ping", "8.1",
              {send(text(hex("E2")).fragment(), ping("p"), last(hex("28 A1"))), fails(1007).after(pong("p"))});

    // "on a stream that is not, in fact, valid": the byte that is wrong says so, whatever may follow.
    const auto fast = [&](const std::string& name, const std::string& before, const std::string& bad, const std::string& behind) {
        cases.add("utf8/fast/" + name, rfc,
                  {hold(text(before + bad + behind), before.size() + bad.size()), fails_fast(1007), release(), fails(1007)});
    };
    fast("first-byte", "", hex("FF"), letters(20));
    fast("inside", letters(20), hex("80"), letters(20));
    fast("inside-large", letters(70000), hex("FE"), letters(20));
    fast("overlong", "ab", hex("E0 80"), hex("80") + "cd");
    fast("surrogate", "ab", hex("ED A0"), hex("80") + "cd");
    fast("beyond", "ab", hex("F4 90"), hex("80 80") + "cd");
    fast("never", "ab", hex("F5"), hex("80 80 80") + "cd");
    fast("truncated", "ab", hex("E2 82") + "c", "d");
    cases.add("utf8/fast/first-fragment", rfc, {send(text(hex("CE BA FF")).fragment()), fails_fast(1007), send(last("x")), fails(1007)});
    cases.add("utf8/fast/middle-fragment", rfc,
              {send(text("a").fragment(), more(hex("C0 80"))), fails_fast(1007), send(last("x")), fails(1007)});
    cases.add("utf8/fast/over-fragments", rfc,
              {send(text(hex("F4")).fragment(), more(hex("90"))), fails_fast(1007), send(last(hex("80 80"))), fails(1007)});
    cases.add("utf8/fast/continuation-held", rfc,
              {send(text("a").fragment()), hold(last(hex("ED A0 80") + letters(10)), 2), fails_fast(1007), release(), fails(1007)});
    cases.add("utf8/fast/not-too-fast", rfc, {hold(text(hex("F0 9F 98 80")), 3), quiet(), release(), expect(text(hex("F0 9F 98 80")))});
}

} // namespace conformance
