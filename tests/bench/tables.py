"""The results: tables in Markdown."""


class Report:
    def __init__(self):
        self.parts = []

    def table(self, _name, title, columns, rows):
        cells = [columns] + [[_shown(each) for each in row] for row in rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        lines = [" | ".join(each.ljust(width) if not i else each.rjust(width) for i, (each, width) in
                            enumerate(zip(row, widths))) for row in cells]
        lines.insert(1, " | ".join("-" * width if not i else "-" * (width - 1) + ":" for i, width in enumerate(widths)))
        self.parts.append(f"## {title}\n\n" + "\n".join(f"| {line} |" for line in lines))

    def left_out(self, name, why):
        self.parts.append(f"## {name}\n\nLeft out: {why}.")

    def text(self):
        return "\n\n".join(self.parts)

    def write(self, folder):
        folder.mkdir(exist_ok=True)
        (folder / "results.md").write_text(self.text() + "\n")


def _shown(cell):
    if isinstance(cell, str):
        return cell
    return f"{cell:.2f}" if abs(cell) < 10 and cell != int(cell) else f"{cell:,.0f}"
