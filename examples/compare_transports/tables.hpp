// The figures of a report as tables in Markdown.
#pragma once

#include "run.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace compare {

inline constexpr const char* names[] = {"polling", "long polling", "event stream", "WebSocket"};

inline std::string with_commas(long long number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
}

// Three digits or a few more: 1,234 or 12.3 or 1.23 or 0.0123.
inline std::string shown(double number) {
    if (number == 0 || number >= 99.95) return with_commas(std::llround(number));
    char text[32];
    std::snprintf(text, sizeof text, "%.*f", number >= 9.995 ? 1 : number >= 0.0995 ? 2 : 4, number);
    return text;
}

inline std::string counted(int count, const char* what) { return with_commas(count) + " " + what + (count == 1 ? "" : "s"); }

// A row for each number of clients and rate, a column for each transport.
inline std::string table(const std::vector<figures>& all, std::string (*text)(const figures&)) {
    std::vector<std::vector<std::string>> rows{{"", names[0], names[1], names[2], names[3]}};
    for (const figures& each : all) {
        if (each.kind == 0) rows.push_back({counted(each.clients, "client") + ", " + std::to_string(each.rate) + "/s"});
        rows.back().push_back(text(each));
    }
    std::vector<std::size_t> widths(rows[0].size());
    for (const auto& row : rows)
        for (std::size_t at = 0; at < row.size(); ++at) widths[at] = std::max(widths[at], row[at].size());
    std::string lines, rule;
    for (const std::size_t width : widths) rule += "| " + std::string(width - 1, '-') + (rule.empty() ? "- " : ": ");
    for (const auto& row : rows) {
        for (std::size_t at = 0; at < row.size(); ++at) {
            const std::string space(widths[at] - row[at].size(), ' ');
            lines += "| " + (at ? space + row[at] : row[at] + space) + " ";
        }
        lines += &row == &rows.front() ? "|\n" + rule + "|\n" : "|\n";
    }
    return lines;
}

} // namespace compare
