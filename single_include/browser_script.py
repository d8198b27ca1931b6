#!/usr/bin/env python3
"""Writes include/weir/browser/script.hpp, which holds include/weir/browser/weir.js minified; with --check, compares it with
the committed file instead. With --minified it prints the minified text.

The minifier knows as much of JavaScript as weir.js needs: it drops comments and blanks and gives short names to what is
declared by const, let or as a parameter. It relies on a semicolon after each statement and has no template literals. The tests
run on its output as well as on the source.
"""
import collections
import itertools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE, TARGET = ROOT / "include/weir/browser/weir.js", ROOT / "include/weir/browser/script.hpp"
MOST_BYTES, COLUMNS = 6144, 120
KEPT = {"Channel"}  # a class says its name
TOKEN = re.compile(r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)|(?P<string>'(?:\\.|[^'\\\n])*')|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)
    |(?P<mark>=>|\?\.(?!\d)|\.\.\.|===|!==|\*\*|&&|\|\||\+\+|--|[-+*/]=|<=|>=|[-+*/%=<>!?:;,.(){}\[\]&|~])""", re.S | re.X)
REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\[])+/[a-z]*")
PAIRS = {"(": ")", "[": "]", "{": "}"}


def is_name(token):
    return re.match(r"[A-Za-z_$]", token) is not None


def tokens_of(text):
    """The tokens without blanks and comments."""
    tokens, at = [], 0
    while at < len(text):
        before_value = not tokens or tokens[-1] in set("(,=:[!&|?{};") | {"=>", "return", "&&", "||"}
        found = text[at:at + 2] not in ("//", "/*") and text[at] == "/" and before_value and REGEX.match(text, at) or TOKEN.match(text, at)
        if not found:
            sys.exit(f"weir.js:{text.count(chr(10), 0, at) + 1}: the minifier does not know what this is: {text[at:at + 20]!r}")
        if found.re is REGEX or not found["blank"]:
            tokens.append(found[0])
        at = found.end()
    return tokens


def matching(tokens):
    """For each bracket the place of the other one."""
    pairs, stack = {}, []
    for at, token in enumerate(tokens):
        if token in PAIRS:
            stack.append(at)
        elif token in PAIRS.values():
            pairs[at] = stack.pop()
            pairs[pairs[at]] = at
    return pairs


def bound_in(tokens, begin, end, pairs):
    """The names that the patterns from `begin` to `end` bind; what follows a '=' there is a value."""
    at, names = begin, set()
    while at < end:
        if tokens[at] == "=":
            while at < end and tokens[at] not in ",}":
                at = pairs[at] + 1 if tokens[at] in PAIRS else at + 1
        elif is_name(tokens[at]):
            names.add(tokens[at])
        at += 1
    return names


def end_of(tokens, at, pairs, ends):
    """Where what begins at `at` ends: at the first of `ends`, or at a bracket that was open before."""
    while tokens[at] not in ends and tokens[at] not in PAIRS.values():
        at = pairs[at] + 1 if tokens[at] in PAIRS else at + 1
    return at


def scopes_of(tokens, pairs):
    """For each name that is declared the stretches of tokens, as (begin, end), in which it may mean what was declared."""
    scopes, opened = collections.defaultdict(list), [(0, len(tokens))]
    for at, token in enumerate(tokens):
        if token == "{":
            opened.append((at, pairs[at]))
        elif token == "}":
            opened.pop()
        if token in ("const", "let"):
            names, scope = bound_in(tokens, at + 1, end_of(tokens, at + 1, pairs, (";", "of", "in")), pairs), opened[-1]
        elif token == "=>" or (token == "{" and tokens[at - 1] == ")" and tokens[pairs[at - 1] - 1] == "constructor"):
            begin = pairs[at - 1] if tokens[at - 1] == ")" else at - 1
            body = at + 1 if token == "=>" else at
            scope = begin, pairs[body] if tokens[body] == "{" else end_of(tokens, body, pairs, (";", ","))
            names = bound_in(tokens, begin, at, pairs)
        else:
            continue
        for name in names - KEPT:
            scopes[name].append(scope)
    return scopes


def uses_of(tokens, names):
    """Yields (place, whether it is a shorthand) of each name that is a variable, and not a property or a key."""
    opened = []  # whether each bracket is the brace of an object or a pattern
    for at, token in enumerate(tokens):
        if token in PAIRS:
            opened.append(token == "{" and (tokens[at - 1] in list("(,=[:?") or tokens[at - 1] in ("return", "const", "let")))
        elif token in PAIRS.values():
            opened.pop()
        elif token in names and tokens[at - 1] not in (".", "?."):
            in_braces = opened[-1] and tokens[at - 1] in "{,"
            if not (in_braces and tokens[at + 1] == ":"):
                yield at, in_braces and tokens[at + 1] in ",}="


def shorten(tokens):
    """Gives variables and properties x_... short names; those that cannot meet may get the same."""
    scopes = scopes_of(tokens, matching(tokens))
    uses = list(uses_of(tokens, scopes))
    for at, _ in uses:
        if not any(begin <= at <= end for begin, end in scopes[tokens[at]]):
            sys.exit(f"weir.js: {tokens[at]} is used outside of where it is declared, too: name one of them otherwise")
    taken = {token for at, token in enumerate(tokens) if is_name(token)} - set(scopes)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"
    short = [each for each in itertools.chain(letters, map("".join, itertools.product(letters, letters))) if each not in taken]
    new = {}

    def meet(one, other):
        return any(a < d and c < b for a, b in scopes[one] for c, d in scopes[other])

    def by_count(names):
        return [name for name, _ in sorted(collections.Counter(names).items(), key=lambda each: (-each[1], each[0]))]

    for name in by_count(tokens[at] for at, _ in uses):
        unfree = {new[other] for other in new if meet(name, other)}
        new[name] = next(each for each in short if each not in unfree)
    properties = dict(zip(by_count(token for token in tokens if token.startswith("x_")), short))
    for at, shorthand in uses:
        tokens[at] = (tokens[at] + ":" if shorthand else "") + new[tokens[at]]
    return [properties.get(token, token) for token in tokens]


def with_numbers(tokens):
    """Puts the numbers that constants stand for in their places, and drops the constants."""
    numbers, left, pairs = {}, [], matching(tokens)
    for at, token in enumerate(tokens):
        name = at + 1
        while token == "const" and name < end_of(tokens, at, pairs, (";", "of", "in")):
            end = end_of(tokens, name, pairs, (";", ","))
            if tokens[name + 1] == "=" and end == name + 3 and tokens[name + 2].isdigit():
                numbers[tokens[name]] = tokens[name + 2]
            name = end + 1
    at = 0
    while at < len(tokens):
        if tokens[at] in numbers and tokens[at + 1] == "=" and left[-1] in ("const", ","):
            at += 3
            if tokens[at] == ",":
                at += 1  # what follows takes its place
            elif left.pop() == "const":
                at += 1
            continue
        left.append(numbers.get(tokens[at], tokens[at]) if tokens[at - 1] not in (".", "?.") else tokens[at])
        at += 1
    return left


def joined(tokens):
    """Without what is not needed: one `let` for neighbouring declarations, no semicolon or comma before a brace."""
    out, declares, depth = [], [], 0
    for at, token in enumerate(tokens):
        depth += (token in PAIRS) - (token in PAIRS.values())
        after = tokens[at + 1:at + 2]
        if token in ("const", "let"):
            if out[-1:] == [";"] and declares and declares[-1] == depth:
                out[-1] = ","
                continue
            token = "let"
            declares.append(depth)
        elif declares and depth < declares[-1]:
            declares.pop()
        elif declares and declares[-1] == depth and token == ";" and after not in (["const"], ["let"]):
            declares.pop()
        if token in (";", ",") and after == ["}"]:
            continue
        token = re.sub(r"^(\d+?)(0{3,})$", lambda found: f"{found[1]}e{len(found[2])}", token)
        out.append({"true": "!0", "false": "!1", "===": "==", "!==": "!="}.get(token, token))
    return out


def minify(text):
    whole = ""
    for token in joined(shorten(with_numbers(tokens_of(text)))):
        before = whole[-1:]
        if re.match(r"[\w$]", token) and re.match(r"[\w$]", before) or token[0] in "+-" and before == token[0]:
            token = " " + token
        whole += token
    return whole


def header(text):
    lines = "\n".join(f'    R"js({text[at:at + COLUMNS]})js"' for at in range(0, len(text), COLUMNS))
    return f"""// What <script src="/weir.js"> loads: the browser's side of a channel, include/weir/browser/weir.js minified.
//
//     server.get("/weir.js", weir::browser_script());
//
// Generated by single_include/browser_script.py: change weir.js instead. Each call gives an answer that owns its text.
#pragma once

#include <weir/server/response.hpp>

namespace weir::inline v0 {{

// As a plain script, or for its effect (`import "/weir.js"`): it sets the global `weir`.
inline constexpr char browser_script_text[] =
{lines};

inline response browser_script() {{ return {{browser_script_text, "text/javascript; charset=utf-8"}}; }}

// For `import {{Channel}} from "/weir.mjs"`.
inline response browser_module() {{
    return {{std::string(browser_script_text) + "\\nexport const Channel=weir.Channel;\\n", "text/javascript; charset=utf-8"}};
}}

}} // namespace weir::inline v0
"""


def main(arguments):
    text = minify(SOURCE.read_text(encoding="utf-8"))
    if "--minified" in arguments:
        return sys.stdout.write(text)
    size = len(text.encode())
    if size > MOST_BYTES:
        sys.exit(f"weir.js has {size} bytes when it is minified: {MOST_BYTES} at most")
    if "--check" not in arguments:
        TARGET.write_text(header(text), encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != header(text):
        sys.exit("browser/script.hpp is not what weir.js gives: run python3 single_include/browser_script.py")
    return print(f"browser/script.hpp: {size} bytes of script")


if __name__ == "__main__":
    main(sys.argv[1:])
