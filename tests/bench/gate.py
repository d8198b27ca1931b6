#!/usr/bin/env python3
"""What tests/run holds weir to, since it does not depend on what the machine does just then: instructions a message, allocations
a message, and what the echo server costs to compile. Its seconds are tests/headers/cost.py's.

    gate.py FOLDER             builds in FOLDER; fails where a figure is more than a tenth above that in gate.txt
    gate.py FOLDER --update    writes gate.txt anew

Skipped (77) without valgrind.
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from compiling import compiled  # noqa: E402
from counts import allocated  # noqa: E402
from instructions import CASES, count  # noqa: E402
from programs import Bench, HERE, Missing, ROOT, want_program  # noqa: E402

HEAD_ROOM = 1.1
STORED = HERE / "gate.txt"
INSTRUCTIONS = ["128 B, depth 1", "128 B, depth 16", "16 KiB Korean text"]


def figures(bench):
    """Yields (name, figure)."""
    for case in CASES:
        if case[0] in INSTRUCTIONS:
            yield f"instructions a message, {case[0]}", count(bench, "weir epoll", case)
    for depth, size in ((16, 128), (1, 16384)):
        load = {"connections": 8, "depth": depth, "bytes": size, "kind": "ascii", "messages": 4000}
        yield f"allocations a message, {size} B, depth {depth}", allocated(bench, "weir epoll", **load)
    cost = compiled(bench, rounds=1)
    yield "megabytes of g++ for the echo server", cost["megabytes"]
    yield "kilobytes of the echo server, stripped", cost["kilobytes"]


def main():
    folder, *more = sys.argv[1:]
    bench = Bench(pathlib.Path(folder) / "bench", ROOT)
    try:
        want_program("valgrind")
        found = dict(figures(bench))
    except Missing as what:
        print(f"skipped: {what}")
        return 77
    if more == ["--update"]:
        STORED.write_text("".join(f"{figure:12.2f}  {name}\n" for name, figure in found.items()), encoding="utf-8")
    stored = {name: float(figure) for figure, name in re.findall(r"^ *([\d.]+)  (.+)$", STORED.read_text(encoding="utf-8"), re.M)}
    wrong = 0
    for name, figure in found.items():
        too_much = name not in stored or figure > stored[name] * HEAD_ROOM + 0.01
        wrong += too_much
        print(f"{figure:12.2f}  {name}: {stored.get(name, 'nothing')} in gate.txt{'  FAILED' if too_much else ''}")
    if wrong:
        print("If that is meant: python3 tests/bench/gate.py FOLDER --update")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
