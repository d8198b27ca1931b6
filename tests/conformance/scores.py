#!/usr/bin/env python3
"""Judges npm's ws and python3-websockets by the suite, and holds each to the score that is recorded here or a better one.

    scores.py EXAMPLES TESTS [NAME...]

prints the reports of the peers whose names contain one of the words. A peer that is not installed is left out; exit code
77 when none is.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent / "peers"
SUITE = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".").resolve() / "conformance"
PYTHON = "/usr/bin/python3"
NODE = shutil.which("node")
TIME = ["--silence", "0.5", "--patience", "5"]

# How many cases are allowed and failed at the most.
RECORDED = {
    "server, ws of npm": (0, 0),
    "client, ws of npm": (0, 0),
    "server, python3-websockets": (0, 0),
    "client, python3-websockets": (0, 0),
}


def available(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def peers():
    if NODE and available([NODE, "-e", "require('ws')"]):
        yield "ws of npm", [NODE, str(HERE / "ws_server.js")], [NODE, str(HERE / "ws_client.js")]
    else:
        print("left out: npm's ws is not installed")
    if available([PYTHON, "-c", "import websockets"]):
        yield ("python3-websockets", [PYTHON, str(HERE / "websockets_server.py")],
               [PYTHON, str(HERE / "websockets_client.py")])
    else:
        print("left out: Debian's python3-websockets is not installed")


def judge(role, command):
    """The report and its JSON."""
    if role == "client":
        said = subprocess.run([SUITE, "client", "0", "--json", *TIME, "--", *command], capture_output=True, text=True)
    else:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            url = re.search(r"listening on (\S+)", server.stdout.readline())[1]
            said = subprocess.run([SUITE, "server", url, "--json", *TIME], capture_output=True, text=True)
            server.kill()
    if said.returncode > 1:
        raise SystemExit(f"the suite ended with {said.returncode}: {said.stderr}")
    report, _, line = said.stdout.rstrip("\n").rpartition("\n")
    return report, json.loads(line)


def main():
    wanted = sys.argv[3:]
    worse = count = 0
    for name, server, client in peers():
        for role, command in ("server", server), ("client", client):
            key = f"{role}, {name}"
            if wanted and not any(word in key for word in wanted):
                continue
            count += 1
            report, score = judge(role, command)
            allowed, failed = RECORDED[key]
            is_worse = score["failed"] > failed or score["failed"] + score["allowed"] > failed + allowed
            worse += is_worse
            if wanted or is_worse:
                print(report)
            print(f"{key}: {score['passed']} passed, {score['allowed']} allowed, {score['failed']} failed; recorded: "
                  f"{allowed} allowed, {failed} failed{': WORSE' if is_worse else ''}", flush=True)
    if not count:
        print("skipped: neither npm's ws nor python3-websockets is there")
        sys.exit(77)
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
