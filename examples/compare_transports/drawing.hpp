// The figures of a report as an SVG, light or dark as its surroundings: a panel for each figure and number of clients, in which
// the rates go from left to right and powers of ten upwards.
#pragma once

#include "tables.hpp"

#include <cstring>

namespace compare {

class drawing {
public:
    drawing(const std::vector<figures>& all, const plan& how) : x_all(all), x_how(how) {
        text(left, 26, "How to tell clients something: four transports side by side", "class=\"title\"");
        double x = left;
        for (std::size_t kind = 0; kind < std::size(kinds); ++kind) {
            dot(kind, x + 5, 46);
            text(x + 16, 50, names[kind]);
            x += 40 + 8 * static_cast<double>(std::strlen(names[kind]));
        }
        text(total - 10, 50, "from left to right: events a second", "text-anchor=\"end\"");
    }

    using figure = double (*)(const figures&);

    // Panels of one figure. `upper`: where a line goes up to from each dot, if there is one.
    void row(const char* title, figure value, figure upper = nullptr) {
        double least = 1e99, most = 0;
        x_has_zero = false;
        for (const figures& each : x_all) {
            const double low = value(each);
            if (low > 0) least = std::min(least, low);
            if (low <= 0) x_has_zero = true;
            most = std::max({most, low, upper ? upper(each) : low});
        }
        x_bottom = std::floor(std::log10(least)) - (x_has_zero ? 1 : 0); // zero stands where the next power would
        x_top = std::ceil(std::log10(most) + 1e-9);
        x_y += 54;
        text(left, x_y - 30, title, "class=\"name\"");
        const double width = (total - left - 10) / static_cast<double>(x_how.clients.size());
        for (std::size_t at = 0; at < x_how.clients.size(); ++at)
            panel(x_how.clients[at], left + width * static_cast<double>(at), width - 14, value, upper);
        x_y += height + 24;
    }

    std::string svg() const {
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + places(total, x_y + 6, " ") +
               "\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n"
               "<title>Four transports side by side</title>\n"
               "<style>.back { fill: #fff } text { fill: #1b2130 } .title { font-size: 16px; font-weight: 700 }\n"
               ".c0 { fill: #b3541e; stroke: #b3541e } .c1 { fill: #8a4fd0; stroke: #8a4fd0 }\n"
               ".c2 { fill: #2f5bea; stroke: #2f5bea } .c3 { fill: #1f8a52; stroke: #1f8a52 } .grid { stroke: #e1e5ee }\n"
               "@media (prefers-color-scheme: dark) { .back { fill: #181e2b } text { fill: #e8ecf5 } .grid { stroke: #2a3244 }\n"
               ".c0 { fill: #e58a4e; stroke: #e58a4e } .c1 { fill: #ba93f2; stroke: #ba93f2 }\n"
               ".c2 { fill: #7c9dff; stroke: #7c9dff } .c3 { fill: #45c184; stroke: #45c184 } }\n"
               ".name { font-weight: 600 } .path { fill: none; opacity: .6 } line, .path { stroke-width: 1.5 }</style>\n"
               "<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n" + x_body + "</svg>\n";
    }

private:
    static constexpr double total = 960, left = 70, height = 130;

    void panel(int clients, double x, double width, figure value, figure upper) {
        for (double power = x_bottom; power <= x_top; ++power) {
            const double at = y(std::pow(10, power));
            line("grid", x, at, x + width, at);
            char label[16] = "0";
            if (!x_has_zero || power > x_bottom) std::snprintf(label, sizeof label, "%g", std::pow(10, power));
            if (x == left) text(x - 8, at + 4, label, "text-anchor=\"end\"");
        }
        text(x, x_y - 10, counted(clients, "client"));
        const double step = width / static_cast<double>(x_how.rates.size());
        for (std::size_t at = 0; at < x_how.rates.size(); ++at)
            text(x + step * (static_cast<double>(at) + 0.5), x_y + height + 16, std::to_string(x_how.rates[at]) + "/s",
                 "text-anchor=\"middle\"");
        for (std::size_t kind = 0; kind < std::size(kinds); ++kind) {
            std::string path;
            double place = x + step / 2 + (static_cast<double>(kind) - 1.5) * 9;
            for (const figures& each : x_all) {
                if (each.kind != kind || each.clients != clients) continue;
                const double at = y(value(each));
                if (upper) line(style(kind), place, at, place, y(upper(each)));
                dot(kind, place, at);
                path += places(place, at, ",") + " ";
                place += step;
            }
            x_body += "<polyline class=\"" + style(kind) + " path\" points=\"" + path + "\"/>\n";
        }
    }

    double y(double of) const {
        const double power = of > 0 ? std::log10(of) : x_bottom;
        return x_y + height - height * (power - x_bottom) / (x_top - x_bottom);
    }

    static std::string style(std::size_t kind) {
        std::string name(1, 'c');
        return name += std::to_string(kind);
    }
    static std::string places(double x, double y, const char* between) {
        char text[40];
        std::snprintf(text, sizeof text, "%.1f%s%.1f", x, between, y);
        return text;
    }
    void text(double x, double y, const std::string& what, const std::string& more = {}) {
        x_body += "<text x=\"" + places(x, y, "\" y=\"") + "\" " + more + ">" + what + "</text>\n";
    }
    void line(const std::string& style, double x, double y, double to_x, double to_y) {
        x_body += "<line class=\"" + style + "\" x1=\"" + places(x, y, "\" y1=\"") + "\" x2=\"" + places(to_x, to_y, "\" y2=\"") + "\"/>\n";
    }
    void dot(std::size_t kind, double x, double y) {
        x_body += "<circle class=\"" + style(kind) + "\" cx=\"" + places(x, y, "\" cy=\"") + "\" r=\"4\"/>\n";
    }

    const std::vector<figures>& x_all;
    const plan& x_how;
    std::string x_body;
    double x_y = 62;                 // where the next row begins; the upper end of the panels while one is drawn
    double x_bottom = 0, x_top = 0;  // of the row, as powers of ten
    bool x_has_zero = false;
};

} // namespace compare
