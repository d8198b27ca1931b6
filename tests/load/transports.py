#!/usr/bin/env python3
"""The report of examples/compare_transports.cpp, a quick one: all tables are there, every event has arrived on every transport, and
their figures stand to each other as they must, however fast the machine is."""
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/interop")
from programs import EXAMPLES, PATIENCE  # noqa: E402

NAMES = ["polling", "long polling", "event stream", "WebSocket"]
ROWS = ["1 client, 10/s", "1 client, 100/s", "20 clients, 10/s", "20 clients, 100/s"]


def tables_of(text):
    """{title: {row: {transport: [number]}}}"""
    found = {}
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        columns, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("|")]
        numbers = {row[0]: {name: [float(each.replace(",", "")) for each in re.findall(r"[\d.,]*\d", cell)]
                            for name, cell in zip(columns[1:], row[1:])} for row in rows}
        found[part.splitlines()[0]] = numbers
    return found


with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([EXAMPLES / "compare_transports", "--report", folder, "--quick"], capture_output=True, text=True,
                          timeout=3 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = pathlib.Path(folder, "transports.md").read_text(encoding="utf-8")
    chart = xml.etree.ElementTree.parse(pathlib.Path(folder, "transports.svg"))
print(text)
assert done.stdout.endswith("\n" + text)
assert "Every event has reached every client." in text

tables = tables_of(text)
assert len(tables) == 5, list(tables)
for title, table in tables.items():
    assert list(table) == ROWS, (title, list(table))
    assert all(list(row) == NAMES for row in table.values()), title
latency, requests, wire, cpu, share = tables.values()
for row in ROWS:
    for name in NAMES:
        half, most = latency[row][name]
        assert 0 < half <= most < 10_000, (row, name)
        in_all, above_tcp = wire[row][name]
        assert in_all > above_tcp > 100, (row, name)  # an event has 100
        assert cpu[row][name][0] > 0 and share[row][name][0] > 0, (row, name)
    asked = {name: requests[row][name][0] for name in NAMES}
    assert asked["WebSocket"] == 0 and asked["polling"] > 0, (row, asked)
    assert asked["long polling"] > 0.3 and asked["event stream"] < 0.3, (row, asked)
    assert wire[row]["WebSocket"][0] < wire[row]["long polling"][0], row
    assert latency[row]["WebSocket"][0] < latency[row]["polling"][0], row

tag = "{http://www.w3.org/2000/svg}"
dots = chart.getroot().findall(tag + "circle")
assert len(dots) == 4 + 4 * len(ROWS) * len(NAMES), len(dots)  # the legend, and a figure of each row in each panel
