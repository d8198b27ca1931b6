"""The results: tables in Markdown, and a chart of bars as SVG."""
import html
import os
import platform
import re
import subprocess


class Report:
    def __init__(self):
        self.parts = []
        self.drawings = {}  # files that stand beside the results, {name: text}

    def table(self, title, columns, rows, notes=()):
        cells = [columns] + [[_shown(each) for each in row] for row in rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        lines = ["| " + " | ".join(each.ljust(width) if not i else each.rjust(width) for i, (each, width) in
                                   enumerate(zip(row, widths))) + " |" for row in cells]
        lines.insert(1, "| " + " | ".join("-" * width if not i else "-" * (width - 1) + ":"
                                          for i, width in enumerate(widths)) + " |")
        self.parts.append("\n\n".join([f"## {title}", "\n".join(lines), *notes]))

    def left_out(self, name, why):
        self.parts.append(f"## {name}\n\nLeft out: {why}.")

    def text(self):
        return "\n\n".join(self.parts)

    def write(self, folder, everything):
        """Into results.md and chart.svg; without `everything` only the parts of the same titles are replaced."""
        folder.mkdir(exist_ok=True)
        file = folder / "results.md"
        parts = {each.split("\n")[0]: each for each in self.parts}
        if not everything and file.exists():
            before = re.split(r"\n\n(?=## )", file.read_text(encoding="utf-8").rstrip("\n"))[1:]
            parts = {**{each.split("\n")[0]: each for each in before}, **parts}
        head = ("# Results\n\nWritten by `tests/bench/run`; [README.md](../README.md) says what the figures mean.\n"
                f"{machine()}\n\n![The chart](chart.svg)")
        file.write_text("\n\n".join([head, *parts.values()]) + "\n", encoding="utf-8")
        for name, drawing in self.drawings.items():
            (folder / name).write_text(drawing, encoding="utf-8")
        (folder / "chart.svg").write_text(svg([each for each in map(_chart_of, parts.values()) if each]), encoding="utf-8")


def machine():
    version = subprocess.run([os.environ.get("CXX", "g++"), "--version"], capture_output=True, text=True, check=False).stdout
    return (f"Linux {'.'.join(platform.release().split('.')[:2])}, {platform.machine()}, {os.cpu_count()} cores of a virtual "
            f"machine, {version.splitlines()[0]}, -O3 -march=x86-64-v3.")


CHARTED = ("User-space instructions", "Server CPU time a message", "Text and large", "Broadcast", "Other libraries")
COLUMNS = ("bare", "weir", "target", "bare epoll", "weir epoll", "bare io_uring", "weir io_uring", "Beast", "websocketpp", "libwebsockets")


def _chart_of(part):
    """What the chart shows of a table, (title, names, [(label, [number])]); None: nothing."""
    title, *lines = part.split("\n")
    if not title[3:].startswith(CHARTED):
        return None
    columns, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    shown = [i for i, name in enumerate(columns) if name in COLUMNS and not (name == "target" and "ratio" in columns)]
    return title[3:], [columns[i] for i in shown], [(row[0], [float(row[i].replace(",", "")) for i in shown]) for row in rows]


def _shown(cell):
    if isinstance(cell, str):
        return cell
    if cell == int(cell) or abs(cell) >= 100:
        return f"{cell:,.0f}"
    return f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}" if abs(cell) >= 0.1 else f"{cell:.4f}"


COLOURS = ["#9aa0a6", "#1a73e8", "#188038", "#e37400", "#a142f4", "#d93025"]
WIDTH, LABELS, BAR, GAP = 900, 250, 13, 12


def svg(charts):
    parts, y = [], 10

    def text(x, at, what, more=""):
        parts.append(f'<text x="{x}" y="{at}" {more}>{html.escape(what)}</text>')

    for title, names, rows in charts:
        y += 22
        text(10, y, title, 'font-weight="bold" font-size="14"')
        y += 20
        x = 10
        for i, name in enumerate(names):
            parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[i % len(COLOURS)]}"/>')
            text(x + 14, y, name)
            x += 30 + 8 * len(name)
        y += GAP
        for label, numbers in rows:
            most = max(numbers) or 1
            text(LABELS - 10, y + BAR * len(names) // 2 + 4, label, 'text-anchor="end"')
            for i, number in enumerate(numbers):
                length = max(1, (WIDTH - LABELS - 90) * number / most)
                parts.append(f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR - 2}" '
                             f'fill="{COLOURS[i % len(COLOURS)]}"/>')
                text(f"{LABELS + length + 5:.1f}", y + BAR - 3, _shown(number), 'font-size="10"')
                y += BAR
            y += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif" '
            f'font-size="12"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
