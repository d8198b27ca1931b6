#!/usr/bin/env python3
"""Compiles each example from the single header as the README says, with nothing but a compiler, and prints the cost.

examples/echo_server.cpp has a limit: 6 s of CPU time with g++ -O2 on a machine that compiles the standard headers alone,
those which the single header includes, in REFERENCE seconds; a machine that is slower or busier gets as much more. And
340 MB: g++ 12 first collects its garbage when 256 MB of it are there, so that a program of this size ends at about 330
(260 with --param ggc-min-expand=20, and 235 with clang).
"""
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMITED, SECONDS, MEGABYTES, REFERENCE = "echo_server.cpp", 6.0, 340, 0.56
HEAD_ROOM = 1.1  # CPU time swings by that much on a machine that does other things as well


def cost_of(command):
    """The exit status, CPU seconds and the most megabytes that one process of it had."""
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    return status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    examples = sorted((ROOT / "examples").glob("*.cpp"))
    compiler = shutil.which("g++")
    if not examples or not compiler:
        print("no examples" if compiler else "no g++")
        return 77
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        alone = pathlib.Path(folder, "standard.cpp")
        single = (ROOT / "single_include" / "weir.hpp").read_text().split("\n// ====")[0]
        alone.write_text("".join(line + "\n" for line in single.splitlines() if line.startswith("#include <")))
        reference = min(cost_of([compiler, "-std=c++20", "-O2", "-c", str(alone), "-o", f"{folder}/o"])[1] for _ in range(3))
        limit = SECONDS * HEAD_ROOM * max(1.0, reference / REFERENCE)
        print(f"the standard headers alone: {reference:.2f} s; limit for {LIMITED}: {limit:.1f} s", flush=True)
        for example in examples:
            command = [compiler, "-std=c++20", "-O2", "-I", f"{ROOT}/single_include", str(example), "-o", f"{folder}/program"]
            status, seconds, megabytes = cost_of(command)
            if example.name == LIMITED and (seconds > limit or megabytes > MEGABYTES):
                for _ in range(3):  # other programs may have disturbed it
                    seconds = min(seconds, cost_of(command)[1])
                status = status or seconds > limit or megabytes > MEGABYTES
            wrong += bool(status)
            print(f"{example.name}: {seconds:.1f} s, {megabytes:.0f} MB{'  FAILED' if status else ''}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
