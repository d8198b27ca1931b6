#!/usr/bin/env python3
"""Compiles each example from the single header as the README says, with nothing but a compiler, and prints the cost.

examples/echo_server.cpp has a limit: 6 s of CPU time and 300 MB with g++ -O2.
"""
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMITED, SECONDS, MEGABYTES = "echo_server.cpp", 6.0, 300


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
        for example in examples:
            command = [compiler, "-std=c++20", "-O2", "-I", f"{ROOT}/single_include", str(example), "-o", f"{folder}/program"]
            status, seconds, megabytes = cost_of(command)
            if example.name == LIMITED and (seconds > SECONDS or megabytes > MEGABYTES):
                seconds = min(seconds, cost_of(command)[1])  # once more: another program may have disturbed it
                status = status or seconds > SECONDS or megabytes > MEGABYTES
            wrong += bool(status)
            print(f"{example.name}: {seconds:.1f} s, {megabytes:.0f} MB{'  FAILED' if status else ''}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
