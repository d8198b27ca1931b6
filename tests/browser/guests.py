#!/usr/bin/env python3
"""weir.js against the chat in Node.js: what tests/browser/guests.js does. Usage: guests.py EXAMPLES TESTS

Exits with 77 when there is no node that can run it. Without a WebSocket in it, that transport is left out.
"""
import pathlib
import shutil
import subprocess
import sys

from chat import HERE, skip

node = shutil.which("node")
if not node:
    skip("there is no node (Debian: nodejs)")
knows = "typeof fetch + ' ' + process.allowedNodeEnvironmentFlags.has('--experimental-websocket')"
fetches, flag = subprocess.run([node, "-p", knows], capture_output=True, text=True, check=True).stdout.split()
if fetches != "function":
    skip("this node has no fetch: it is older than 18")
command = [node, *(["--experimental-websocket"] if flag == "true" else []), str(HERE / "guests.js"),
           str(pathlib.Path(sys.argv[1]).resolve() / "chat"), str(HERE.parent.parent / "include/weir/browser/weir.js")]
sys.exit(subprocess.run(command, stdin=subprocess.DEVNULL).returncode)
