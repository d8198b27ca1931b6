#!/usr/bin/env python3
"""Line coverage of include/weir/protocol by the tests of that layer: a line for each file, those left, and the total.

    coverage.py [--layer NAME] [--least PERCENT] [FOLDER]      FOLDER: where to build; build/coverage if none is given

Needs clang and its llvm-profdata and llvm-cov; exit code 77 without. Fails under 97 %. A line counts as covered when any
instantiation of it ran; what only the compiler runs (consteval, templates never used) does not count at all.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def find(name):
    for candidate in (f"{name}-19", f"{name}-16", name):
        if shutil.which(candidate):
            return shutil.which(candidate)
    print(f"skipped: there is no {name}")
    sys.exit(77)


def run(*command, **more):
    return subprocess.run([str(each) for each in command], check=True, stdin=subprocess.DEVNULL, **more)


def lines_of(lcov):
    """File name to {line: how often it ran}."""
    files, current = {}, {}
    for line in lcov.splitlines():
        if line.startswith("SF:"):
            current = files.setdefault(line[3:], {})
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            current[int(number)] = max(current.get(int(number), 0), int(count))
    return files


def ranges(numbers):
    text, at = [], 0
    while at < len(numbers):
        end = at
        while end + 1 < len(numbers) and numbers[end + 1] == numbers[end] + 1:
            end += 1
        text.append(str(numbers[at]) if at == end else f"{numbers[at]}-{numbers[end]}")
        at = end + 1
    return ", ".join(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", default="protocol")
    parser.add_argument("--least", type=float, default=97)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / "build" / "coverage")
    given = parser.parse_args()
    compiler, profdata, cov = find("clang++"), find("llvm-profdata"), find("llvm-cov")
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    listed = re.sub(r"#.*", "", (ROOT / "tests" / "meson.build").read_text(encoding="utf-8"))
    tests = sorted(set(re.findall(r"'(" + given.layer + r"/[\w./-]+\.cpp)'", listed)))
    zlib = pathlib.Path("/usr/include/zlib.h").exists()
    if not zlib:
        tests = [each for each in tests if not re.search(r"include <zlib|/deflate\.hpp>", (ROOT / "tests" / each).read_text())]
    flags = ["-std=c++20", "-O0", "-fprofile-instr-generate", "-fcoverage-mapping", "-pthread",
             f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests' / 'support'}"]

    works = subprocess.run([compiler, "-fprofile-instr-generate", "-x", "c++", "-", "-o", folder / "works"],
                           input=b"int main() {}", capture_output=True)
    if works.returncode:
        print("skipped: clang's runtime for profiles is not installed (Debian: libclang-rt-19-dev)")
        return 77

    def compile_one(name):
        made = folder / (name.replace("/", "_") + ".o")
        run(compiler, *flags, "-c", ROOT / "tests" / name, "-o", made)
        return made

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, tests + ["support/main.cpp"]))
    program, raw, profile = folder / "tests", folder / "tests.profraw", folder / "tests.profdata"
    run(compiler, *flags, *objects, *(["-lz"] if zlib else []), "-o", program)
    run(program, env=os.environ | {"LLVM_PROFILE_FILE": str(raw)}, stdout=subprocess.DEVNULL)
    run(profdata, "merge", "-sparse", raw, "-o", profile)
    below = ROOT / "include" / "weir" / given.layer
    lcov = run(cov, "export", "-format=lcov", f"-instr-profile={profile}", program, below, capture_output=True)

    total = covered = 0
    files = lines_of(lcov.stdout.decode())
    for name in sorted(files):
        source = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
        counted = files[name]
        left = sorted(line for line, count in counted.items() if count == 0)
        total += len(counted)
        covered += len(counted) - len(left)
        share = 100 * (len(counted) - len(left)) / max(1, len(counted))
        print(f"{share:6.1f} % of {len(counted):4} lines  {pathlib.Path(name).relative_to(ROOT)}"
              + (f"  not: {ranges(left)}" if left else ""))
        for line in left:
            print(f"{'':24}{line}: {source[line - 1].strip()}")
    for each in sorted(below.rglob("*.hpp")):
        if str(each) in files or not re.search(r"\) (const )?(noexcept )?{", each.read_text(encoding="utf-8")):
            continue
        print(f"not included by any test, or without code: {each.relative_to(ROOT)}")
    share = 100 * covered / max(1, total)
    print(f"{share:6.2f} % of {total} lines in {len(files)} files, by {len(tests)} test files of the layer; at least {given.least:g} %")
    return 0 if share >= given.least else 1


if __name__ == "__main__":
    sys.exit(main())
