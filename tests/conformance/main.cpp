// The conformance suite as a program. See README.md beside this file.
#include "sockets.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace conformance;

namespace {

constexpr std::uint64_t mib = 1 << 20;

constexpr const char usage[] =
    "conformance memory               weir in both roles, in memory: each case whole, byte by byte, cut at random\n"
    "conformance sockets              weir in both roles, over TCP\n"
    "conformance reference            the suite's own peer\n"
    "conformance defects              the same with one defect after the other\n"
    "conformance list                 the names of the cases\n"
    "conformance server URL           an echo server at ws://HOST:PORT/PATH\n"
    "conformance client PORT          echo clients that connect to this port again and again until they are answered "
    "410\n"
    "conformance client PORT -- COMMAND...   starts the client, the URL behind its arguments\n"
    "\n"
    "--only PREFIX     cases whose names begin so; again for more\n"
    "--without PREFIX  not these; again for more\n"
    "--deflate         the cases about compression, too, which the system under test is then to have\n"
    "--limit BYTES     the largest message that the system under test takes, for the cases about that\n"
    "--largest BYTES   the largest message of the table of sizes (16 MiB)\n"
    "--patience SECONDS, --silence SECONDS   how long is waited for something (5), and for nothing (1)\n"
    "--step BYTES, --seed NUMBER   cuts what is sent into such pieces, or pieces of random sizes\n"
    "--verbose         what passed, too\n"
    "--json            a line of JSON at the end\n";

struct arguments {
    std::vector<std::string> words; // the command and what belongs to it
    std::vector<char*> client;      // the client's command
    std::vector<std::string> only, without;
    std::uint64_t limit = 0;
    std::uint64_t largest = 16 * mib;
    cutting how;
    bounds within;
    bool verbose = false;
    bool json = false;
    bool deflate = false;
};

bool begins_with_one_of(const std::string& name, const std::vector<std::string>& prefixes) {
    for (const std::string& each : prefixes)
        if (name.starts_with(each)) return true;
    return false;
}

std::vector<test_case> chosen(const arguments& given, std::uint64_t limit, std::uint64_t largest,
                              bool deflate = false) {
    std::vector<test_case> all = all_cases(limit, largest, deflate);
    std::erase_if(all, [&](const test_case& each) {
        return (!given.only.empty() && !begins_with_one_of(each.name, given.only)) ||
               begins_with_one_of(each.name, given.without);
    });
    return all;
}

int finish(const report& made, const std::string& title, const arguments& given) {
    made.print(title.c_str(), given.verbose);
    if (given.json) std::printf("%s\n", made.json(title.c_str()).c_str());
    return made.count(verdict::failed) > 0 || made.lines().empty();
}

// weir is to do what is recommended, too.
int finish_strictly(const report& made, const std::string& title, const arguments& given) {
    const int code = finish(made, title, given);
    std::printf("%zu runs\n", made.runs());
    return code || made.count(verdict::allowed) > 0;
}

int in_memory(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, 16 * mib, 16 * mib, has_deflate());
    report made;
    try_weir_in_memory({cases, {{}, {.step = 1}, {.seed = 1}, {.seed = 2}, {.seed = 3}}, 16 * mib, has_deflate()},
                       made);
    return finish_strictly(made, "weir, in memory", given);
}

int on_sockets(const arguments& given) {
    std::vector<test_case> cases = chosen(given, 16 * mib, 16 * mib, has_deflate());
    std::erase_if(cases, [](const test_case& each) { // what needs silence needs time; in memory it needs none
        for (const step& one : each.steps)
            if (one.what == step::kind::quiet || one.what == step::kind::waits) return true;
        return false;
    });
    report made;
    try_weir_on_sockets({cases, {{}}, 16 * mib, has_deflate()}, made);
    return finish_strictly(made, "weir, over TCP", given);
}

int reference(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, mib, mib, has_deflate());
    report made;
    const bool passed = try_reference({cases, {{}, {.step = 1}, {.seed = 1}, {.seed = 2}}, mib, has_deflate()}, made);
    finish(made, "the reference", given);
    return !passed;
}

int defects(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, mib, 0, has_deflate());
    return !try_defects({cases, {{}}, mib, has_deflate()}, given.verbose);
}

int list(const arguments& given) {
    std::size_t named = 0, tabled = 0;
    for (const test_case& each : chosen(given, mib, given.largest, true)) {
        std::printf("%s [%s]%s%s\n", each.name.c_str(), each.rfc.c_str(), each.for_client ? "" : " servers only",
                    each.for_server ? "" : " clients only");
        ++(each.is_table ? tabled : named);
    }
    std::printf("%zu cases with a name of their own, and %zu of tables\n", named, tabled);
    return 0;
}

int server(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, given.limit, given.largest, given.deflate);
    report made;
    if (!try_server({cases, {given.how}}, given.words[1], given.within, made)) {
        std::fprintf(stderr, "conformance: %s is no ws:// URL of a host that is known\n", given.words[1].c_str());
        return 2;
    }
    return finish(made, "the server at " + given.words[1], given);
}

int client(const arguments& given) {
    const std::vector<test_case> cases = chosen(given, given.limit, given.largest, given.deflate);
    client_trial trial({cases, {given.how}}, static_cast<std::uint16_t>(std::atoi(given.words[1].c_str())),
                       given.within);
    if (trial.port() == 0) return std::perror("conformance: listening"), 2;
    std::string url = "ws://127.0.0.1:" + std::to_string(trial.port()) + "/";
    std::fprintf(stderr, "waiting for clients at %s\n", url.c_str());
    pid_t child = 0;
    if (!given.client.empty()) {
        std::vector<char*> command = given.client;
        command.push_back(url.data());
        command.push_back(nullptr);
        child = ::fork();
        if (child == 0) {
            ::dup2(2, 1); // our own output is the report
            ::execvp(command[0], command.data());
            std::perror(command[0]);
            std::_Exit(127);
        }
    }
    report made;
    trial.run(made, [&] {
        if (child <= 0) return true;
        const bool ended = ::waitpid(child, nullptr, WNOHANG) == child;
        if (ended) child = -1;
        return !ended;
    });
    if (child > 0) { // it has been told that this is the end
        for (int i = 0; i < 50 && ::waitpid(child, nullptr, WNOHANG) == 0; ++i) {
            ::usleep(20'000);
            if (i == 48) ::kill(child, SIGKILL);
        }
    }
    return finish(made, "the client " + std::string(given.client.empty() ? "that came" : given.client.back()), given);
}

std::optional<arguments> parse(int argc, char** argv) {
    arguments given;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--") {
            given.client.assign(argv + i + 1, argv + argc);
            return given;
        }
        bool* const flag = word == "--verbose"   ? &given.verbose
                           : word == "--json"    ? &given.json
                           : word == "--deflate" ? &given.deflate
                                                 : nullptr;
        if (flag) {
            *flag = true;
            continue;
        }
        if (!word.starts_with("--")) {
            given.words.emplace_back(word);
            continue;
        }
        if (++i == argc) return {};
        const auto seconds = [&] { return std::chrono::milliseconds(static_cast<int>(std::atof(argv[i]) * 1000)); };
        const auto number = [&] { return std::strtoull(argv[i], nullptr, 10); };
        if (word == "--only")
            given.only.emplace_back(argv[i]);
        else if (word == "--without")
            given.without.emplace_back(argv[i]);
        else if (word == "--limit")
            given.limit = number();
        else if (word == "--largest")
            given.largest = number();
        else if (word == "--patience")
            given.within.patience = seconds();
        else if (word == "--silence")
            given.within.silence = seconds();
        else if (word == "--step")
            given.how.step = number();
        else if (word == "--seed")
            given.how.seed = number();
        else
            return {};
    }
    return given;
}

} // namespace

int main(int argc, char** argv) {
    const std::optional<arguments> given = parse(argc, argv);
    const struct {
        std::string_view name;
        std::size_t words;
        int (*run)(const arguments&);
    } commands[] = {{"memory", 1, in_memory}, {"sockets", 1, on_sockets}, {"reference", 1, reference},
                    {"defects", 1, defects},  {"list", 1, list},          {"server", 2, server},
                    {"client", 2, client}};
    for (const auto& each : commands)
        if (given && given->words.size() == each.words && given->words[0] == each.name) return each.run(*given);
    std::fputs(usage, stderr);
    return 2;
}
