#!/usr/bin/env python3
"""weir.js, as it is read and minified, against a strict server in virtual time: what tests/browser/channel.js does.

Exits with 77 when there is no node.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "interop"), str(ROOT / "single_include")]
sys.dont_write_bytecode = True
from browser_script import SOURCE, minify  # noqa: E402
from programs import skip  # noqa: E402


def main():
    node = shutil.which("node")
    if not node:
        skip("there is no node (Debian: nodejs)")
    with tempfile.TemporaryDirectory() as folder:
        minified = pathlib.Path(folder, "weir.js")
        minified.write_text(minify(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
        for each in (SOURCE, minified):
            status = subprocess.run([node, str(HERE / "channel.js"), str(each)], stdin=subprocess.DEVNULL).returncode
            if status:
                sys.exit(status)
        module = pathlib.Path(folder, "weir.mjs")
        module.write_text(minified.read_text(encoding="utf-8") + "\nexport const Channel=weir.Channel;\n", encoding="utf-8")
        use = f"import('{module}').then(({{Channel}}) => process.exit(Channel === weir.Channel && Channel.OPEN === 1 ? 0 : 1))"
        sys.exit(subprocess.run([node, "-e", use], stdin=subprocess.DEVNULL).returncode)


if __name__ == "__main__":
    main()
