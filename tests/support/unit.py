#!/usr/bin/env python3
"""Writes a unit that has several files in it, so that what they include is parsed and compiled once for all of them.

    unit.py OUT tests PART PARTS FILE...       test files
    unit.py OUT programs PART PARTS FILE...    programs; the unit's main calls the one that the name under which it was
                                               started says: folder_name for tests/folder/name.cpp,
                                               name for examples/name.cpp

PART: which of PARTS parts of the files to take, from 0. Each file is included in a namespace of its own, so that none has
to care for the names of the others; __FILE__ is its own. For that, files include first and then say the rest: what they
include comes before the namespace. A WEIR_WITH_... that one of them defines is defined for all, before anything is included.
A program's main is no main there, and so has to return something.
"""
import pathlib
import re
import sys

MAIN = """#include <string_view>
int main(int argc, char** argv) {{
    std::string_view name = argv[0];
    name.remove_prefix(name.rfind('/') + 1); // all of it stays where there is none
{}
    return argc > 0 ? 126 : 127; // it was started under another name
}}"""
DEFINED = re.compile(r"#define WEIR_WITH_\w+")


def fail(path, number, what):
    sys.exit(f"{path}:{number}: error: {what}")


def includes_of(path):
    """The directives of a file that include, with the conditions in which they stand."""
    lines, found, depth = path.read_text(encoding="utf-8").splitlines(), [], 0
    last = max((at for at, line in enumerate(lines) if re.match(r"\s*#\s*include\b", line)), default=-1)
    for number, line in enumerate(lines[: last + 1], 1):
        directive = re.match(r"\s*#\s*(\w+)", line)
        if directive and directive[1] == "include":
            beside = re.search(r'"(.+)"', line)
            beside = beside and (path.parent / beside[1]).resolve()
            found.append(f'#include "{beside}"' if beside and beside.exists() else line)
        elif DEFINED.match(line):
            pass  # main() has seen to it
        elif directive and re.match("if|el|endif", directive[1]):
            depth += directive[1].startswith("if") - (directive[1] == "endif")
            found.append(line)
        elif line.strip() and not line.lstrip().startswith("//"):
            fail(path, number, "this is followed by an #include, but all includes come first (tests/support/unit.py)")
    return found + ["#endif"] * depth


def call_of(path, name):
    """The line that calls the main function of a program."""
    main = re.search(r"^int main\((.*)\) {", path.read_text(encoding="utf-8"), re.M)
    if not main:
        fail(path, 1, "there is no line `int main(` (tests/support/unit.py)")
    return f'    if (name == "{name}") return in_{name}::main({"argc, argv" if main[1] else ""});'


def name_of(path):
    """folder_name for tests/folder/name.cpp, name for examples/name.cpp."""
    tests = pathlib.Path(__file__).resolve().parent.parent
    return re.sub(r"\W", "_", str(path.relative_to(tests).with_suffix("")) if tests in path.parents else path.stem)


def main():
    out, kind, part, parts = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    files = [pathlib.Path(each).resolve() for each in sys.argv[5:]][part::parts]
    names = [name_of(path) for path in files]
    defined = {line for path in files for line in DEFINED.findall(path.read_text(encoding="utf-8"))}
    text = sorted(defined)
    for path, name in zip(files, names):
        text += [*includes_of(path), f"namespace in_{name} {{", f'#include "{path}"', "}"]
    if kind == "programs":
        text.append(MAIN.format("\n".join(map(call_of, files, names))))
    text = "\n".join(text) + "\n"
    if not out.exists() or out.read_text(encoding="utf-8") != text:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
