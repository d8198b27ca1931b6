"""Makes, in the folder given as argument, a header of each name in include/ that includes the single header.

With it, the tests are built against the single header as they are.
"""
import pathlib
import sys

include = pathlib.Path(__file__).resolve().parent.parent.parent / "include"
for header in include.rglob("*.hpp"):
    name = header.relative_to(include)
    if name != pathlib.Path("weir.hpp"):
        target = pathlib.Path(sys.argv[1]) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = "#pragma once\n#include <weir.hpp>\n"
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
