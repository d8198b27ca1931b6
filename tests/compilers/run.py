#!/usr/bin/env python3
"""What the compilers at hand make of coroutines: the idioms of weir must be right on each, at -O0 and at -O2.

What is known to be wrong on g++ up to 12 is printed, so that it is seen when that ends; elsewhere it is a failure,
since then weir's rules (tests/lint.py) do not go far enough for that compiler.
"""
import concurrent.futures
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "headers"))
sys.dont_write_bytecode = True
from compilers import STANDARD, all_of_them, name_of, run  # noqa: E402


def check(job):
    """The problems and the rows that are wrong, for one compiler and level."""
    compiler, level, place = job
    name = f"{name_of(compiler)} {level}"
    flags = [compiler, *STANDARD, "-Wall", "-Wextra", level]
    old_gcc = re.match(r"g\+\+ (\d+)", name)
    known_to_be_wrong = old_gcc is not None and int(old_gcc[1]) <= 12
    problems, wrong = [], []

    program = place / f"{pathlib.Path(compiler).name}{level}"
    for source in ["right.cpp", "wrong.cpp"]:
        good, said = run([*flags, HERE / source, "-o", program])
        if good:
            good, said = run([program], timeout=60)
        if not good:
            problems.append(f"{name}: {source}:\n{said}")
        elif source == "wrong.cpp":
            wrong = [line for line in said.splitlines() if "WRONG" in line]
    good, _ = run([*flags, "-c", HERE / "braced_list.cpp", "-o", place / f"{program.name}.o"])
    if not good:
        wrong.append("G7 WRONG: a list of initialisers inside the expression does not compile")
    if wrong and not known_to_be_wrong:
        problems.append(f"{name}: wrong where only g++ 12 and older were known to be")
    return problems, [f"{name}: {len(wrong)} rows wrong", *("  " + line for line in wrong)]


def main():
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(compiler, level, pathlib.Path(folder)) for compiler in all_of_them() for level in ["-O0", "-O2"]]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(check, jobs))
    problems = [each for found, _ in results for each in found]
    print(*(line for _, lines in results for line in lines), *problems, sep="\n")
    print(f"weir's idioms are right with {len(results)} compilers and levels" if not problems else "FAILED")
    return 77 if not jobs else 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
