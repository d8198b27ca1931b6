#!/usr/bin/env python3
"""Holds README.md to the examples. With --self-test, shows that it notices what is wrong.

Each ```cpp block stands right after a marker, <!-- examples/echo_server.cpp --> for the whole file (its head comment
may be left out) or <!-- examples/chat.cpp [room] --> for the lines between two lines '// [room]' of it, and equals them.
Each file named in a shell block exists, and so does each program, unless an earlier command makes it with -o.
"""
import pathlib
import re
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = {"c++", "g++", "clang++", "cd", "git", "meson", "ninja", "python3", "sudo", "apt", "apt-get", "curl", "echo",
            "export", "tests/run", "npm", "node", "pkg-config", "wget", "websocat"}
FOLDERS = ("examples/", "include/", "tests/", "single_include/", ".ci/")
MARKER = re.compile(r"<!--\s*(examples/[\w./-]+)(?:\s+\[(\w+)\])?\s*-->")


def wanted(path, region):
    """The texts that a block with this marker may have, and what is wrong with the marker itself."""
    if not path.exists():
        return None, f"names {path.name}, which does not exist"
    text = path.read_text(encoding="utf-8")
    if not region:
        whole = text.strip("\n")
        lines = whole.split("\n")
        while lines and (lines[0].startswith("//") or not lines[0]):
            lines.pop(0)
        return [whole, "\n".join(lines)], None
    parts = re.split(r"^[ \t]*// \[" + region + r"\][ \t]*\n", text, flags=re.M)
    if len(parts) != 3:
        return None, f"names the region [{region}], which {path.name} does not have between two lines '// [{region}]'"
    return [textwrap.dedent(parts[1]).strip("\n")], None


def equal_lines(block, texts):
    """How many lines from the first on the block has in common with the likest of the texts."""
    common = [0]
    for text in texts:
        pairs = list(zip(block, text.split("\n")))
        common.append(next((i for i, (mine, other) in enumerate(pairs) if mine != other), len(pairs)))
    return max(common)


def check_shell(root, lines, number, made, problems):
    for offset, line in enumerate(lines):
        at = f"README.md:{number + offset}"
        line = re.sub(r"\s#\s.*$", "", line.strip().removeprefix("$ "))
        if not line or line.startswith("#"):
            continue
        for command in re.split(r"&&|\|\||;|\|", line):
            words = command.split()
            if not words:
                continue
            first = words[0]
            if first.startswith("./") and first[2:] not in made and not (root / first).exists():
                if not first.startswith("./build/"):
                    problems.append(f"{at}: {first} is made by no command before it")
            elif not first.startswith("./") and first not in PROGRAMS:
                problems.append(f"{at}: {first} is no program that the README may expect (tests/readme.py lists them)")
            for word in words:
                if word.startswith(FOLDERS) and not (root / word.rstrip("/")).exists():
                    problems.append(f"{at}: {word} does not exist")
            if "-o" in words[:-1]:
                made.add(words[words.index("-o") + 1].removeprefix("./"))


def check(root):
    readme = root / "README.md"
    if not readme.exists():
        return ["README.md:1: does not exist"]
    problems, made, lines = [], set(), readme.read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines):
        opened = re.match(r"```(\w*)\s*$", lines[number])
        if not opened:
            number += 1
            continue
        end = next((i for i in range(number + 1, len(lines)) if lines[i].startswith("```")), len(lines))
        block, at = lines[number + 1:end], f"README.md:{number + 1}"
        if opened[1] in ("cpp", "c++", "cxx"):
            before = [line for line in lines[max(0, number - 2):number] if line.strip()]
            marker = MARKER.fullmatch(before[-1].strip()) if before else None
            if not marker:
                problems.append(f"{at}: this code has no marker <!-- examples/... --> on the line before it")
            else:
                texts, wrong = wanted(root / marker[1], marker[2])
                if wrong:
                    problems.append(f"{at}: {wrong}")
                elif "\n".join(block).strip("\n") not in texts:
                    problems.append(f"README.md:{number + 2 + equal_lines(block, texts)}: differs from {marker[1]}")
        elif opened[1] in ("sh", "bash", "console", "shell"):
            check_shell(root, block, number + 2, made, problems)
        number = end + 1
    return problems


def self_test():
    example = "// An example.\n\nint main() {\n    // [part]\n    return 0;\n    // [part]\n}\n"
    marked = "<!-- examples/a.cpp -->\n```cpp\n"
    cases = [
        (None, marked + example + "```\n"),
        (None, marked + example.split("\n\n")[1] + "```\n"),
        (None, "<!-- examples/a.cpp [part] -->\n\n```cpp\nreturn 0;\n```\n"),
        (None, "```sh\nc++ -std=c++20 -I single_include examples/a.cpp -o a && ./a 9001   # listens\n```\n"),
        ("README.md:5: differs", marked + example.replace("main", "mian") + "```\n"),
        ("README.md:1: this code has no marker", "```cpp\nint a;\n```\n"),
        ("names b.cpp", "<!-- examples/b.cpp -->\n```cpp\n```\n"),
        ("names the region [none]", "<!-- examples/a.cpp [none] -->\n```cpp\n```\n"),
        ("README.md:2: examples/c.cpp does not exist", "```sh\nc++ examples/c.cpp\n```\n"),
        ("README.md:2: ./b is made by no command", "```sh\n./b\n```\n"),
        ("README.md:2: frobnicate is no program", "```sh\nfrobnicate --all\n```\n"),
    ]
    wrong = 0
    for expected, text in cases:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "examples").mkdir()
            (root / "examples" / "a.cpp").write_text(example)
            (root / "README.md").write_text(text)
            problems = check(root)
        if (not expected and problems) or (expected and (len(problems) != 1 or expected not in problems[0])):
            wrong += 1
            print(f"expected {expected}, got {problems} for:\n{text}")
    print(f"{len(cases) - wrong} of {len(cases)} texts judged rightly")
    return wrong


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        sys.exit(1 if self_test() else 0)
    found_problems = check(ROOT)
    print(*(found_problems or ["README.md agrees with the examples"]), sep="\n")
    sys.exit(1 if found_problems else 0)
