#!/usr/bin/env python3
"""The chat example in Chromium: what tests/browser/chat.js does, with what that needs. Usage: chat.py EXAMPLES

Screenshots go to the folder 'browser' beside EXAMPLES. playwright-core is taken from NODE_PATH or installed with npm
into the folder 'npm' there; nothing is written outside. Exits with 77 when something that it needs is not there.
"""
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def find_chromium():
    for name in ["chromium", "chromium-browser", "google-chrome"]:
        found = shutil.which(name)
        if found:
            return found
    return skip("there is no chromium (Debian: chromium)")


def find_playwright(folder):
    """The folder of node modules that has playwright-core."""
    for modules in [*os.environ.get("NODE_PATH", "").split(":"), str(folder / "node_modules")]:
        if modules and (pathlib.Path(modules) / "playwright-core").is_dir():
            return modules
    if not shutil.which("npm"):
        return skip("there is no npm to install playwright-core with (Debian: npm)")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "playwright-core"]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, env={**os.environ, "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}, timeout=100,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return skip("npm takes too long to install playwright-core")
    if done.returncode:
        print(done.stdout.decode(errors="replace")[-2000:])
        return skip("npm cannot install playwright-core")
    return str(folder / "node_modules")


def main():
    examples = pathlib.Path(sys.argv[1]).resolve()
    chromium = find_chromium()
    if not shutil.which("node"):
        skip("there is no node (Debian: nodejs)")
    modules = find_playwright(examples.parent / "npm")
    shots = examples.parent / "browser"
    shots.mkdir(exist_ok=True)
    command = ["node", str(HERE / "chat.js"), str(examples / "chat"), chromium, str(shots)]
    sys.exit(subprocess.run(command, env={**os.environ, "NODE_PATH": modules}, stdin=subprocess.DEVNULL).returncode)


if __name__ == "__main__":
    main()
