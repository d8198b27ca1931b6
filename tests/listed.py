#!/usr/bin/env python3
"""Every test file and every example must be listed in the meson.build of its folder, or it would not be built."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["core", "protocol", "coro", "io", "net", "transport", "server", "client", "hub", "browser", "interop", "load", "system",
          "conformance"]


def listed_in(path, suffix):
    return set(re.findall(r"'([\w./-]+)" + suffix + "'", re.sub(r"#.*", "", path.read_text(encoding="utf-8"))))


problems = []
tests = listed_in(ROOT / "tests" / "meson.build", r"\.cpp")
for layer in LAYERS:
    for path in sorted((ROOT / "tests" / layer).rglob("*.cpp")):
        name = str(path.relative_to(ROOT / "tests"))[:-4]
        if name not in tests:
            problems.append(f"tests/meson.build:1: lacks '{name}.cpp'")
fuzzed = (ROOT / "tests" / "fuzz" / "meson.build").read_text(encoding="utf-8")
replayed = (ROOT / "tests" / "fuzz" / "replay.cpp").read_text(encoding="utf-8")
for path in sorted((ROOT / "tests" / "fuzz").glob("*.cpp")):
    if path.stem != "replay" and f"'{path.stem}'" not in fuzzed:
        problems.append(f"tests/fuzz/meson.build:1: lacks '{path.stem}'")
    if path.stem != "replay" and f'#include "{path.name}"' not in replayed:
        problems.append(f"tests/fuzz/replay.cpp:1: lacks '{path.name}'")
listed = (ROOT / "examples" / "meson.build").read_text(encoding="utf-8").split("example_names = [")[1].split("]")[0]
for path in sorted((ROOT / "examples").glob("*.cpp")):
    if f"'{path.stem}'" not in listed:
        problems.append(f"examples/meson.build:1: lacks '{path.stem}'")
print(*(problems or ["every test and example is listed"]), sep="\n")
sys.exit(1 if problems else 0)
