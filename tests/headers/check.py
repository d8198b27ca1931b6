#!/usr/bin/env python3
"""Compiles each header alone and twice in one unit, with all warnings as errors.

With one compiler, since the standard library is the same for all: what a header does not include is missing with each.
With every compiler at hand: all headers at once, and the single header, in the same way; all headers without exceptions
and RTTI, with a small program that is run; and two units that know different leaf headers, linked into one program. A
leaf header whose library is not installed is named and left out. Arguments: headers to restrict the check to, as
weir/core/buffer.hpp; then every compiler takes each of them.
"""
import concurrent.futures
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "single_include"), str(ROOT / "tests" / "headers")]
sys.dont_write_bytecode = True
from amalgamate import LEAVES  # noqa: E402
from compilers import STANDARD, WARNINGS, all_of_them, name_of, run  # noqa: E402

LIBRARY = {"WEIR_WITH_MEMORY": ("poll.h", ""), "WEIR_WITH_SIMULATION": ("poll.h", ""), "WEIR_WITH_STOP_TOKEN": ("pthread.h", ""),
           "WEIR_WITH_PROXY": ("poll.h", ""), "WEIR_WITH_RECONNECTING": ("poll.h", ""), "WEIR_WITH_REQUESTS": ("poll.h", ""),
           "WEIR_WITH_ZLIB": ("zlib.h", "-lz"), "WEIR_WITH_LIBURING": ("liburing.h", "-luring"),
           "WEIR_WITH_OPENSSL": ("openssl/ssl.h", "-lssl -lcrypto")}
INCLUDE, SINGLE = ["-I", str(ROOT / "include")], ["-I", str(ROOT / "single_include")]
NO_EXCEPTIONS = ["-fno-exceptions", "-fno-rtti"]


def main(only):
    compilers = all_of_them()
    if not compilers:
        print("no compiler")
        return 77
    base = ROOT / "include"
    headers = sorted(str(path.relative_to(base)) for path in base.rglob("*.hpp"))
    there = {macro for macro, (header, _) in LIBRARY.items() if pathlib.Path("/usr/include", header).exists()}
    leaves = {leaf: macro for leaf, macro in LEAVES.items() if (base / leaf).exists()}
    for leaf, macro in leaves.items():
        if macro not in there:
            print(f"left out: {leaf}, since <{LIBRARY[macro][0]}> is not installed")
            headers.remove(leaf)
    leaves = {leaf: macro for leaf, macro in leaves.items() if macro in there}

    jobs = []  # what, command, source
    folder = tempfile.TemporaryDirectory()
    place = pathlib.Path(folder.name)

    def syntax(compiler, what, text, flags):
        source = place / f"{len(jobs)}.cpp"
        source.write_text(text)
        jobs.append((f"{name_of(compiler)}: {what}", [[compiler, *STANDARD, *WARNINGS, *flags, "-fsyntax-only", source]]))

    def program(compiler, what, sources, flags, libraries):
        out = place / f"program{len(jobs)}"
        build = [compiler, *STANDARD, *WARNINGS, *flags, *sources, "-o", out, *libraries]
        jobs.append((f"{name_of(compiler)}: {what}", [build, [out]]))

    defines = [f"-D{macro}" for macro in leaves.values()]
    for compiler in compilers:
        for header in headers:
            if header in only or not only and compiler == compilers[0]:
                define = [f"-D{leaves[header]}"] if header in leaves else []
                syntax(compiler, f"{header} alone and twice", f"#include <{header}>\n" * 2, INCLUDE + define)
        if only:
            continue
        everything = "".join(f"#include <{header}>\n" for header in headers)
        syntax(compiler, "all headers, twice", everything * 2, INCLUDE + defines)
        libraries = [word for macro in leaves.values() for word in LIBRARY[macro][1].split()]
        syntax(compiler, "the single header, twice", "#include <weir.hpp>\n" * 2, SINGLE)
        small = ROOT / "tests" / "headers" / "no_exceptions.cpp"
        program(compiler, "without exceptions and RTTI", [small], INCLUDE + NO_EXCEPTIONS, [])
        program(compiler, "the single header without exceptions and RTTI", [small], SINGLE + NO_EXCEPTIONS, [])
        if leaves:
            syntax(compiler, "the single header with every leaf", "#include <weir.hpp>\n" * 2, SINGLE + defines)
        plain, full = place / "plain.cpp", place / "full.cpp"
        plain.write_text("#include <weir.hpp>\nint other();\nint main() { return other(); }\n")
        full.write_text("".join(f"#define {macro}\n" for macro in leaves.values()) +
                        "#include <weir.hpp>\nint other();\nint other() { return 0; }\n")
        program(compiler, "two units, one with every leaf", [plain, full], SINGLE, libraries)

    def work(job):
        for command in job[1]:
            good, said = run(command)
            if not good:
                return f"{job[0]}:\n{said}"
        return None

    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        failures = [each for each in pool.map(work, jobs) if each]
    print(*failures, sep="\n")
    print(f"{len(jobs) - len(failures)} of {len(jobs)} header checks passed, with "
          f"{' and '.join(name_of(each) for each in compilers)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
