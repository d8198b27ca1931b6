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
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from programs import TESTS, node_modules  # noqa: E402

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
SUITE = TESTS / "conformance"
QUICKLY, PATIENTLY = (["--silence", each, "--patience", "5", "--deflate"] for each in ("0.5", "2"))

# How many cases are allowed and failed at the most.
RECORDED = {
    "server, ws of npm": (41, 25),           # version 8.23 on Node.js 20; older ones take two field names that are none
    "client, ws of npm": (21, 16),
    "server, python3-websockets": (19, 46),  # version 10.4
    "client, python3-websockets": (17, 40),
}


def peers():
    """The name of each that is installed, and the commands of its server and of its client."""
    try:
        os.environ["NODE_PATH"] = node_modules("ws", TESTS.parent / "npm")
        yield "ws of npm", ["node", str(PEERS / "ws_server.js")], ["node", str(PEERS / "ws_client.js")]
    except SystemExit:
        pass  # it has been said why
    try:
        import websockets  # noqa: F401
        yield ("python3-websockets", [sys.executable, str(PEERS / "websockets_server.py")],
               [sys.executable, str(PEERS / "websockets_client.py")])
    except ImportError:
        print("left out: Debian's python3-websockets is not installed")


def recorded(key):
    allowed, failed = RECORDED[key]
    if key == "server, ws of npm":
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
        failed += 2 * (int(re.match(r"v(\d+)", version)[1]) < 20)
    return allowed, failed


def judge(role, command, times):
    """The report and its JSON."""
    if role == "client":
        said = subprocess.run([SUITE, "client", "0", "--json", *times, "--", *command], capture_output=True, text=True)
    else:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            url = re.search(r"listening on (\S+)", server.stdout.readline())[1]
            said = subprocess.run([SUITE, "server", url, "--json", *times], capture_output=True, text=True)
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
            allowed, failed = recorded(key)
            for times in QUICKLY, PATIENTLY:  # a busy machine may be late to say what it says in time
                report, score = judge(role, command, times)
                is_worse = score["failed"] > failed or score["failed"] + score["allowed"] > failed + allowed
                if not is_worse:
                    break
            worse += is_worse
            if wanted or is_worse:
                print(report)
            print(f"{key}: {score['passed']} passed, {score['allowed']} allowed, {score['failed']} failed; recorded: "
                  f"{allowed} allowed, {failed} failed{': WORSE' if is_worse else ''}", flush=True)
    if not count and not wanted:
        print("skipped: neither npm's ws nor python3-websockets is there")
        sys.exit(77)
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
