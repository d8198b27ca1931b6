#!/usr/bin/env python3
"""What the compilers do not say. With --self-test, shows that it notices bad lines.

The coroutine rules keep our headers, examples and README clear of what g++ 12 compiles wrongly without a warning
(tests/compilers has programs that show it): in an expression with co_await no braced list but designated initialisers,
no lambda, no `new`; and no co_await in a condition that declares no variable.
Beyond that: no tabs, no trailing blanks, no line over 140 columns, and a newline at the end of each file.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LONGEST = 140
PAIRS = {"(": ")", "[": "]", "{": "}"}
BLOCK_WORDS = {"else", "do", "try", "mutable", "noexcept", "const", "override", "final"}


def blank_out(text):
    """The same text with comments and the insides of literals as spaces, so that positions stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'
        r"'(?:\\.|[^'\\\n])*'", re.S)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def is_block(text, at):
    """Whether the brace at `at` opens a block of statements, not a list of initialisers."""
    before = text[:at].rstrip()
    if not before or before[-1] in ");{}:>":
        return True
    word = re.search(r"([\w:]+)$", before)
    if not word:
        return False
    return word[1] in BLOCK_WORDS or re.search(r"(->|\bnamespace|\bstruct|\bclass)\s*[\w:<>, *&]+$", before) is not None


def expression_around(text, at):
    """The begin and end of the statement, or condition, that has `at` inside."""
    depth, begin = 0, at
    while begin > 0:
        char = text[begin - 1]
        if char in ")]" or (char == "}" and depth):
            depth += 1
        elif char == "}":
            break
        elif char in "([{" and depth:
            depth -= 1
        elif char == ";" and not depth:
            break
        elif char == "{" and is_block(text, begin - 1):
            break
        begin -= 1
    end, stack = at, []
    while end < len(text):
        char = text[end]
        if char in PAIRS:
            stack.append(char)
        elif char in ")]}":
            if not stack:
                break
            stack.pop()
        elif char == ";" and not stack:
            break
        end += 1
    return begin, end


def condition_before(text):
    """What stands before the end of `text` in a condition that is still open there; None outside of conditions."""
    for opened in re.finditer(r"\b(?:if|while|switch)\s*(?:constexpr\s*)?\(", text):
        inner = text[opened.end():]
        depth = 0
        for char in inner:
            depth += (char == "(") - (char == ")")
            if depth < 0:
                break
        else:
            return inner
    return None


def coroutine_problems(text):
    """Yields (position, message) for each co_await that g++ 12 may compile wrongly."""
    text = blank_out(text)
    for found in re.finditer(r"\bco_await\b", text):
        at = found.start()
        if re.search(r"operator\s*$", text[:at]):
            continue
        begin, end = expression_around(text, at)
        whole = text[begin:end]
        condition = condition_before(text[begin:at])
        if condition is not None and not re.search(r"[\w>&*]\s+[&*]*\w+\s*=\s*[^=]*$", condition):
            yield at, "co_await in a condition that declares no variable: g++ 12 loses the coroutine if it has no local"
        brace = re.search(r"\{(?!\s*\.\w)", whole)
        if brace:
            yield begin + brace.start(), "a braced list in an expression with co_await: g++ 12 destroys its parts twice"
        for bracket in re.finditer(r"(?<![\w\])\[])\s*\[(?!\[)", whole):
            if not re.search(r"(\bauto\s*[&*]*|[\w\])])\s*$", whole[:bracket.start()]):
                yield begin + bracket.start(), "a lambda in an expression with co_await: g++ 12 destroys its captures twice"
                break
            if re.search(r"\bauto\s*[&*]*\s*$", whole[:bracket.start()]):
                yield begin + bracket.start(), "a structured binding of a co_await: g++ 15 and 16 do not destroy it"
                break
        if re.search(r"\bnew\b", text[begin:at]):
            yield at, "new with a co_await among its arguments: g++ 12 destroys the object twice"


def form_problems(text):
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if len(line) > LONGEST:
            yield number, f"{len(line)} columns: {LONGEST} at most"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end of the file"


def problems_of(name, text, is_code):
    found = [f"{name}:{number}: {message}" for number, message in form_problems(text)]
    if is_code:
        found += [f"{name}:{text.count(chr(10), 0, at) + 1}: {message}" for at, message in coroutine_problems(text)]
    return found


GOOD_LINES = [
    "while (auto message = co_await ws.read()) co_await ws.send(*message);",
    "auto ws = co_await weir::connect(url, {.timeout = 5s});",
    "if (auto reply = co_await ws->read().within(1s)) { use(reply); }",
    "if (!ws) { co_await x.close(); }",
    "task<> f() { co_await g(); }",
    "auto f = [&](int a) -> task<> { co_await g(a); };",
    "auto f = [&]() mutable { co_await g(); };",
    "else { co_await g(); }",
    "co_await tasks[i];",
    "// if (co_await g()) {",
    "auto t = \"if (co_await g()) {\"; co_await h(\"[{\");",
    "struct a { task<> f() { co_await g(); } };",
    "for (auto& each : all) co_await each.send({.text = \"a\", .last = true});",
    "weir::task<weir::result<int>> f() {\n    const auto n = co_await g();\n    co_return n;\n}",
    "auto operator co_await() { return awaiter{*this}; }",
    "case 1: { co_await g(); }",
    "if (last) made = co_await g();",
    "while (f(a)) made = co_await g();",
    "if (auto a = f(); a) co_await g();",
    "server.websocket(\"/\", [](weir::websocket& ws) -> weir::task<> { co_await ws.close(); });",
]
BAD_LINES = [
    ("no variable", "if (co_await g()) co_return;"),
    ("no variable", "if (!co_await ws.read()) co_return;"),
    ("no variable", "while (co_await ws.read()) {}"),
    ("no variable", "if (ready && co_await g() == 3) co_return;"),
    ("no variable", "if (f(a) && co_await g(b)) co_return;"),
    ("no variable", "if (a) while (co_await g()) {}"),
    ("no variable", "switch (co_await g()) { default: break; }"),
    ("braced list", "co_await connect(options{std::string()});"),
    ("braced list", "co_await g({{\"a\", \"b\"}});"),
    ("braced list", "all.push_back({co_await g(), 2});"),
    ("braced list", "pair b{co_await g(), 1};"),
    ("braced list", "co_await g({});"),
    ("lambda", "co_await with([c](int) -> int { return c; });"),
    ("lambda", "co_await with(1, [&] { f(); });"),
    ("structured binding", "auto [a, b] = co_await g();"),
    ("new with", "auto* p = new thing(co_await g());"),
]


def self_test():
    wrong = 0
    for line in GOOD_LINES:
        for _, message in coroutine_problems(line):
            wrong += 1
            print(f"wrongly found in '{line}': {message}")
    for expected, line in BAD_LINES:
        if not any(expected in message for _, message in coroutine_problems(line)):
            wrong += 1
            print(f"not found in '{line}': {expected}; but {list(coroutine_problems(line))}")
    bad_form = "a \n\tb\n" + "c" * 141
    if [number for number, _ in form_problems(bad_form)] != [1, 2, 3, 3]:
        wrong += 1
        print("tabs, blanks, long lines or the last newline escape:", *form_problems(bad_form))
    print(f"{len(GOOD_LINES) + len(BAD_LINES) + 1 - wrong} lines judged rightly, {wrong} wrongly")
    return wrong


def main():
    problems, count = [], 0
    for folder in ["include", "examples", "tests", "single_include"]:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".cpp", ".hpp", ".py", ".js", ".build"} and path.is_file():
                count += 1
                name = str(path.relative_to(ROOT))
                is_code = folder in ("include", "examples") and path.suffix in {".cpp", ".hpp"}
                problems += problems_of(name, path.read_text(encoding="utf-8"), is_code)
    readme = ROOT / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        for block in re.finditer(r"^```cpp\n(.*?)^```", text, re.S | re.M):
            line = text.count("\n", 0, block.start(1))
            for at, message in coroutine_problems(block[1]):
                problems.append(f"README.md:{line + block[1].count(chr(10), 0, at) + 1}: {message}")
    print(*problems, f"{len(problems)} problems in {count} files", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(1 if (self_test() if "--self-test" in sys.argv else main()) else 0)
