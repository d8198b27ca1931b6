#!/usr/bin/env python3
"""The chat example in Chromium: what tests/browser/chat.js does, with what that needs. Usage: chat.py EXAMPLES TESTS

Screenshots go to the folder 'browser' beside EXAMPLES. playwright-core is taken from NODE_PATH or installed with npm
into the folder 'npm' there; nothing is written outside. Exits with 77 when something that it needs is not there.
"""
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
from programs import node_modules, skip  # noqa: E402


def find_chromium():
    for name in ["chromium", "chromium-browser", "google-chrome"]:
        found = shutil.which(name)
        if found:
            return found
    return skip("there is no chromium (Debian: chromium)")


def main(script, program="chat"):
    examples = pathlib.Path(sys.argv[1]).resolve()
    chromium = find_chromium()
    if not shutil.which("node"):
        skip("there is no node (Debian: nodejs)")
    modules = node_modules("playwright-core", examples.parent / "npm")
    shots = examples.parent / "browser"
    shots.mkdir(exist_ok=True)
    command = ["node", str(HERE / script), str(examples / program), chromium, str(shots)]
    sys.exit(subprocess.run(command, env={**os.environ, "NODE_PATH": modules}, stdin=subprocess.DEVNULL).returncode)


if __name__ == "__main__":
    main("chat.js")
