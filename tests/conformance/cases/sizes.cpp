// A table that multiplies: sizes, the fragments that they come in, and the pieces in which those are sent.
#include "../case.hpp"

namespace conformance {

namespace {

constexpr std::size_t kib = 1024, mib = 1024 * kib;

std::string name_of(std::size_t size) {
    if (size >= mib && size % mib == 0) return std::to_string(size / mib) + "-mib";
    if (size >= kib && size % kib == 0) return std::to_string(size / kib) + "-kib";
    return std::to_string(size);
}

std::vector<step> steps_of(bool as_text, std::size_t size, std::size_t fragment) {
    frame whole = as_text ? text(letters(size)) : binary(octets(size));
    std::vector<frame> frames;
    for (std::size_t at = 0; at < size; at += fragment) {
        frame part = last(whole.payload.substr(at, fragment ? fragment : size));
        if (at == 0) part.opcode = whole.opcode;
        part.fin = !fragment || at + fragment >= size;
        frames.push_back(std::move(part));
        if (!fragment) break;
    }
    std::vector<step> steps;
    steps.push_back(send_all(std::move(frames)));
    steps.push_back(expect());
    steps.back().frames.push_back(std::move(whole));
    return steps;
}

} // namespace

std::vector<test_case> size_table(std::uint64_t largest) {
    using sizes = std::initializer_list<std::size_t>;
    case_list cases;
    const auto add = [&](bool as_text, std::size_t size, std::size_t fragment, std::size_t piece) {
        if (size > largest) return;
        std::string name = std::string("sizes/") + (as_text ? "text-" : "binary-") + name_of(size);
        if (fragment) name += "/fragments-" + name_of(fragment);
        if (piece) name += "/pieces-" + name_of(piece);
        test_case& made = cases.add_large(name, "5.2, 5.4", [=] { return steps_of(as_text, size, fragment); });
        made.in_pieces_of(piece).is_table = true;
    };
    for (const bool as_text : {true, false}) {
        for (const std::size_t size : sizes{64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib}) add(as_text, size, 0, 0);
        for (const std::size_t piece : sizes{1, 7, 64, 997}) add(as_text, 2 * kib, 0, piece);
        for (const std::size_t piece : sizes{64, 997, 4096, 16385}) add(as_text, 64 * kib, 0, piece);
        for (const std::size_t piece : sizes{997, 4096, 65536}) add(as_text, mib, 0, piece);
        for (const std::size_t piece : sizes{16385, 65536}) add(as_text, 8 * mib, 0, piece);
        for (const std::size_t fragment : sizes{1, 7, 125, 126, 1000}) add(as_text, 4 * kib, fragment, 0);
        for (const std::size_t fragment : sizes{64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib}) add(as_text, mib, fragment, 0);
        for (const std::size_t fragment : sizes{64 * kib, mib, 4 * mib}) add(as_text, 16 * mib, fragment, 0);
        for (const std::size_t piece : sizes{1, 13, 500}) add(as_text, 4 * kib, 100, piece);
        for (const std::size_t piece : sizes{997, 65536}) add(as_text, mib, 100000, piece);
    }
    return cases.take();
}

} // namespace conformance
