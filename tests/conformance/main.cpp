// The conformance suite. See README.md beside this file.
#include "systems.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace conformance;

namespace {

struct arguments {
    std::string command;
    std::string only; // cases whose names begin so
    bool verbose = false;
    bool json = false;
};

std::vector<test_case> chosen(const arguments& given, std::uint64_t limit) {
    std::vector<test_case> all = all_cases(limit);
    std::erase_if(all, [&](const test_case& each) { return !each.name.starts_with(given.only); });
    return all;
}

int finish(const report& made, const char* title, const arguments& given) {
    made.print(title, given.verbose);
    if (given.json) std::printf("%s\n", made.json(title).c_str());
    return made.count(verdict::failed) > 0;
}

int in_memory(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, 16 * 1024 * 1024);
    report made;
    try_weir_in_memory({cases, {{}, {.step = 1}, {.seed = 1}, {.seed = 2}, {.seed = 3}}}, made);
    const int code = finish(made, "weir, over the in-memory backend", given);
    std::printf("%zu runs\n", made.runs());
    return code || made.count(verdict::allowed) > 0; // weir is to do what is recommended, too
}

int reference(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, 1 << 20);
    report made;
    const bool passed = try_reference({cases, {{}, {.step = 1}, {.seed = 1}, {.seed = 2}}, 1 << 20}, made);
    finish(made, "the reference", given);
    return !passed;
}

int defects(const arguments& given) {
    std::vector<test_case> cases = chosen(given, 1 << 20);
    std::erase_if(cases, [](const test_case& each) { return each.is_table; });
    return !try_defects({cases, {{}}, 1 << 20}, given.verbose);
}

int list(const arguments& given) {
    for (const test_case& each : chosen(given, 1))
        std::printf("%s [%s]%s%s\n", each.name.c_str(), each.rfc.c_str(), each.for_client ? "" : " server only",
                    each.for_server ? "" : " client only");
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    arguments given;
    for (int i = 1; i < argc; ++i) {
        if (!std::strcmp(argv[i], "--only") && i + 1 < argc)
            given.only = argv[++i];
        else if (!std::strcmp(argv[i], "--verbose"))
            given.verbose = true;
        else if (!std::strcmp(argv[i], "--json"))
            given.json = true;
        else
            given.command = argv[i];
    }
    if (given.command == "memory") return in_memory(given);
    if (given.command == "reference") return reference(given);
    if (given.command == "defects") return defects(given);
    if (given.command == "list") return list(given);
    std::fputs("conformance memory|reference|defects|list [--only PREFIX] [--verbose] [--json]\n", stderr);
    return 2;
}
