#!/usr/bin/env python3
"""Compression with Chromium: what tests/browser/compression.js does. Usage: compression.py EXAMPLES TESTS

Exits with 77 when something that it needs is not there, zlib among it.
"""
import os
import pathlib
import shutil
import subprocess
import sys

from chat import HERE, find_chromium, node_modules, skip

examples, tests = (pathlib.Path(each).resolve() for each in sys.argv[1:3])
if not (tests / "interop_compression").exists():
    skip("interop_compression is not built: it needs zlib (Debian: zlib1g-dev)")
chromium = find_chromium()
if not shutil.which("node"):
    skip("there is no node (Debian: nodejs)")
modules = node_modules("playwright-core", examples.parent / "npm")
command = ["node", str(HERE / "compression.js"), str(tests / "interop_compression"), chromium]
sys.exit(subprocess.run(command, env={**os.environ, "NODE_PATH": modules}, stdin=subprocess.DEVNULL).returncode)
