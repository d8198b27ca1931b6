#!/usr/bin/env python3
"""Compiles each example from the single header as the README says, with nothing but a compiler and what the example says that it
has to be linked with, and prints the cost: at -O2 for the one that has a limit, and for the others at -O0, since what matters is
that they compile; with --all at -O2 for all.

examples/echo_server.cpp has a limit: 6 s of CPU time with g++ -O2 on a machine that compiles the standard headers alone,
those which the single header includes, in REFERENCE seconds; a machine that is slower or busier gets as much more. And
300 MB, which are the same everywhere: g++ 12 collects no garbage before it has 256 MB of it, to which come 40 for the
compiler itself, so that everything counts that is ever parsed, instantiated or optimised (--param ggc-min-heapsize=1000000
shows how much that is). With --headers it prints instead what each header adds to that while it is parsed, with the
instantiations that it makes necessary.

What such things cost g++ 12, for each type that they are made for: std::vector 2 MB where something is added to it and half
a megabyte where it is gone through, <vector> itself 6 (core/sequence.hpp: 0.5); std::optional 0.9 as a member and 1.4 where it
is returned (core/late.hpp: 0.15); std::exchange 0.2 (core/exchanged.hpp: 0.05); a std::span or std::string_view made from
a pointer 1.3 for each type and constness of the pointer, and 0.3 for each type of the size (so: std::size_t); going through
a std::span 0.5; weir::result 0.5; a coroutine 0.7, and 0.4 more for each type of its result; ten lines that are only parsed
0.02, ten that are compiled 0.06.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMITED, SECONDS, MEGABYTES, REFERENCE = "echo_server.cpp", 6.0, 300, 0.37
HEAD_ROOM = 1.1  # CPU time swings by that much on a machine that does other things as well


def cost_of(command):
    """The exit status, CPU seconds and the most megabytes that one process of it had."""
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    return status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def print_headers(compiler):
    """Compiles longer and longer beginnings of the single header, and prints what each part of it has added."""
    parts = re.split(r"^// ==== (\S+) =*$", (ROOT / "single_include" / "weir.hpp").read_text(), flags=re.M)
    text, before, costs = "", 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "beginning.cpp")
        for name, part in zip(["what is included"] + parts[1::2], parts[::2]):
            text += part.replace("#pragma once", "")
            still_open = len(re.findall(r"^ *# *if", text, re.M)) - len(re.findall(r"^ *# *endif", text, re.M))
            source.write_text(text + "\n#endif" * still_open + "\n")
            megabytes = cost_of([compiler, "-std=c++20", "-O2", "-fsyntax-only", str(source)])[2]
            costs.append((megabytes - before, name))
            before = megabytes
    for megabytes, name in sorted(costs, reverse=True):
        print(f"{megabytes:6.1f} MB  {name}")


def main():
    examples = sorted((ROOT / "examples").glob("*.cpp"))
    if not pathlib.Path("/usr/include/openssl/ssl.h").exists():
        examples = [each for each in examples if "WEIR_WITH_OPENSSL" not in each.read_text()]
    compiler = shutil.which("g++")
    if not examples or not compiler:
        print("no examples" if compiler else "no g++")
        return 77
    if "--headers" in sys.argv[1:]:
        return print_headers(compiler)
    wrong, limited = 0, ROOT / "examples" / LIMITED
    with tempfile.TemporaryDirectory() as folder:
        alone = pathlib.Path(folder, "standard.cpp")
        single = (ROOT / "single_include" / "weir.hpp").read_text().split("\n// ====")[0]
        alone.write_text("".join(line + "\n" for line in single.splitlines() if line.startswith("#include <")))
        bare = [compiler, "-std=c++20", "-O2", "-c", str(alone), "-o", f"{folder}/o"]

        def limit_now():
            reference = min(cost_of(bare)[1] for _ in range(3))
            limit = SECONDS * HEAD_ROOM * max(1.0, reference / REFERENCE)
            print(f"the standard headers alone: {reference:.2f} s; limit for {LIMITED}: {limit:.1f} s", flush=True)
            return limit

        def compile_one(example):
            level = "-O2" if example == limited or "--all" in sys.argv[1:] else "-O0"
            program = f"{folder}/{example.stem}"
            libraries = re.findall(r"// link with (.*)", example.read_text())
            return cost_of([compiler, "-std=c++20", level, "-I", f"{ROOT}/single_include", str(example), "-o", program,
                            *" ".join(libraries).split()])

        limit = limit_now()
        status, seconds, megabytes = compile_one(limited)  # alone
        for _ in range(3):  # other programs may have disturbed it
            if seconds > limit and not status:
                seconds, limit = compile_one(limited)[1], limit_now()
        costs = {limited: (status or seconds > limit or megabytes > MEGABYTES, seconds, megabytes)}
        others = [each for each in examples if each != limited]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            costs.update(zip(others, pool.map(compile_one, others)))
        for example in examples:
            status, seconds, megabytes = costs[example]
            wrong += bool(status)
            print(f"{example.name}: {seconds:.1f} s, {megabytes:.0f} MB{'  FAILED' if status else ''}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
