#include "report.hpp"

#include <algorithm>
#include <cstdio>

namespace conformance {

cutter::cutter(const cutting& how, std::size_t whole) : x_how(how), x_state(how.seed * 977 + 1) {
    if (x_how.step && whole / x_how.step > 2000) x_how.step = whole / 2000; // not every byte of what is long
}

std::size_t cutter::next(std::size_t left) {
    std::size_t size = x_how.step ? x_how.step : left;
    if (x_how.seed) { // small sizes as often as large ones
        x_state = x_state * 6364136223846793005u + 1442695040888963407u;
        const std::uint64_t random = x_state >> 33;
        size = 1 + (random >> 5) % (std::size_t{1} << (left < 2000 ? random % 7 : random % 17));
    }
    return std::min(size, left);
}

void report::add(const test_case& of, side role, const std::string& cut, const outcome& what) {
    ++x_runs;
    for (line& each : x_lines)
        if (each.role == role && each.name == of.name) {
            if (what.how <= each.what.how) return;
            each.what = what;
            each.cut = cut;
            return;
        }
    x_lines.push_back({of.name, of.rfc, role, of.is_table, cut, what});
}

int report::count(verdict how) const {
    return static_cast<int>(std::count_if(x_lines.begin(), x_lines.end(), [=](const line& each) { return each.what.how == how; }));
}

namespace {

const char* word(verdict how) { return how == verdict::passed ? "passed" : how == verdict::allowed ? "allowed" : "FAILED"; }
const char* word(side role) { return role == side::server ? "server" : "client"; }

} // namespace

void report::print(const char* title, bool verbose) const {
    struct row {
        std::string name;
        int counts[2][3] = {};
    };
    std::vector<row> rows;
    row total{"all"};
    bool seen[2] = {};
    for (const line& each : x_lines) {
        const std::string category = each.name.substr(0, each.name.find('/'));
        auto found = std::find_if(rows.begin(), rows.end(), [&](const row& other) { return other.name == category; });
        if (found == rows.end()) found = rows.insert(rows.end(), row{category});
        const int role = each.role == side::client;
        seen[role] = true;
        ++found->counts[role][static_cast<int>(each.what.how)];
        ++total.counts[role][static_cast<int>(each.what.how)];
    }
    rows.push_back(total);
    std::printf("%s\n\n%-14s", title, "");
    for (int role = 0; role < 2; ++role)
        if (seen[role]) std::printf("   as %s: passed allowed failed", role ? "client" : "server");
    std::printf("\n");
    for (const row& each : rows) {
        std::printf("%-14s", each.name.c_str());
        for (int role = 0; role < 2; ++role)
            if (seen[role]) std::printf("             %6d  %6d %6d", each.counts[role][0], each.counts[role][1], each.counts[role][2]);
        std::printf("\n");
    }
    std::printf("\n");
    for (const verdict how : {verdict::failed, verdict::allowed, verdict::passed}) {
        if (how == verdict::passed && !verbose) continue;
        for (const line& each : x_lines)
            if (each.what.how == how) {
                std::printf("%-7s %s: %s [%s]", word(how), word(each.role), each.name.c_str(), each.rfc.c_str());
                if (how != verdict::passed)
                    std::printf("\n        expected: %s\n        got:      %s%s%s", each.what.expected.c_str(), each.what.got.c_str(),
                                each.cut.empty() ? "" : "\n        sent:     ", each.cut.c_str());
                std::printf("\n");
            }
    }
    std::fflush(stdout);
}

std::string report::json(const char* title) const {
    const auto quoted = [](std::string_view text) {
        std::string out = "\"";
        for (const char each : text) {
            if (each == '"' || each == '\\') out += '\\';
            out += each;
        }
        return out + "\"";
    };
    std::string out = "{\"title\": " + quoted(title);
    for (const verdict how : {verdict::passed, verdict::allowed, verdict::failed})
        out += std::string(", \"") + (how == verdict::failed ? "failed" : word(how)) + "\": " + std::to_string(count(how));
    out += ", \"cases\": {";
    bool first = true;
    for (const line& each : x_lines) {
        if (each.what.how == verdict::passed) continue;
        out += std::string(first ? "" : ", ") + quoted(std::string(word(each.role)) + ": " + each.name) + ": " +
               (each.what.how == verdict::failed ? "\"failed\"" : "\"allowed\"");
        first = false;
    }
    return out + "}}";
}

} // namespace conformance
