// The report: all runs, one after the other, and what was found as transports.md and transports.svg.
#pragma once

#include "drawing.hpp"

#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

namespace compare {

inline void print(const figures& of) {
    std::printf("%-12s %5d x %3d/s: %8s ms p50 %8s ms p99 %8s requests %8s bytes %8s us, %3.0f %% of a core\n", names[of.kind],
                of.clients, of.rate, shown(of.p50).c_str(), shown(of.p99).c_str(), shown(of.a_message(of.requests)).c_str(),
                shown(of.a_message(of.passed.wire_bytes())).c_str(), shown(of.a_message(of.cpu) * 1e6).c_str(),
                of.cpu / of.seconds * 100);
    std::fflush(stdout);
}

// `unheard_us`: what an event costs that nobody hears.
inline std::string tables_of(const std::vector<figures>& all, const plan& how, double unheard_us) {
    std::uint64_t lost = 0;
    for (const figures& each : all) lost += each.lost;
    const std::string arrived = lost ? with_commas(static_cast<long long>(lost)) + " messages have not arrived."
                                     : "Every event has reached every client.";
    return "# Transports side by side\n\nWritten by `compare_transports --report`.\n\n"
        "## Transports: latency of delivery, ms: of half of all messages, of 99 %\n\n"
        "Events of " + std::to_string(event_bytes) + " bytes; polling every " + with_commas(how.interval_ms) + " ms. " + arrived +
        "\n\n![Transports side by side](transports.svg)\n\n" +
        table(all, [](const figures& of) { return shown(of.p50) + " / " + shown(of.p99) + (of.lost ? ", some lost" : ""); }) +
        "\n## Transports: requests a message\n\n" +
        table(all, [](const figures& of) { return shown(of.a_message(of.requests)); }) +
        "\n## Transports: bytes on the wire a message (of them above TCP)\n\n" + table(all, [](const figures& of) {
            return shown(of.a_message(of.passed.wire_bytes())) + " (" + shown(of.a_message(static_cast<double>(of.passed.bytes))) + ")";
        }) +
        "\n## Transports: server CPU time a message, us\n\n" +
        table(all, [](const figures& of) { return shown(of.a_message(of.cpu) * 1e6); }) +
        "\nAn event that nobody hears takes " + shown(unheard_us) + " us.\n"
        "\n## Transports: what the server took of a core, % (and the clients)\n\n" + table(all, [](const figures& of) {
            return shown(of.cpu / of.seconds * 100) + " (" + shown(of.load / of.seconds * 100) + ")";
        });
}

inline std::string chart_of(const std::vector<figures>& all, const plan& how) {
    drawing chart(all, how);
    chart.row("Latency, ms: the dot is the median, the line goes up to 99 %", [](const figures& of) { return of.p50; },
              [](const figures& of) { return of.p99; });
    chart.row("Requests a message", [](const figures& of) { return of.a_message(of.requests); });
    chart.row("Bytes on the wire a message", [](const figures& of) { return of.a_message(of.passed.wire_bytes()); });
    chart.row("Server CPU time a message, us", [](const figures& of) { return of.a_message(of.cpu) * 1e6; });
    return chart.svg();
}

inline void write(const std::string& file, const std::string& text) {
    std::ofstream to(file);
    to << text;
    if (!to.flush()) fail("writing " + file);
}

// Gives the program's exit code: 1 where messages were lost.
inline int report(const std::string& folder, const plan& how) {
    if (::access(folder.c_str(), W_OK) != 0) fail(folder + ": " + std::strerror(errno)); // rather than after all runs
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
    const rlim_t wanted = static_cast<rlim_t>(how.clients.back()) * 4 + 200; // two connections of a client, and both their ends
    if (descriptors.rlim_cur < wanted)
        fail(std::to_string(wanted) + " descriptors are wanted, " + std::to_string(descriptors.rlim_cur) + " may be had");
    std::vector<figures> all;
    for (const int clients : how.clients)
        for (std::size_t rate = 0; rate < how.rates.size(); ++rate)
            for (std::size_t kind = 0; kind < std::size(kinds); ++kind) {
                all.push_back(run(kind, clients, how.rates[rate], how).measure(how.seconds[rate]));
                print(all.back());
            }
    const figures unheard = run(0, 0, how.rates.back(), how).measure(how.seconds.back());
    const std::string tables = tables_of(all, how, unheard.cpu / unheard.seconds / unheard.rate * 1e6);
    write(folder + "/transports.md", tables);
    write(folder + "/transports.svg", chart_of(all, how));
    std::printf("\n%s", tables.c_str());
    for (const figures& each : all)
        if (each.lost) return 1;
    return 0;
}

} // namespace compare
