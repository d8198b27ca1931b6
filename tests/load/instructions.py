#!/usr/bin/env python3
"""Prints how many instructions the echo server executes in user space for a message of 128 bytes, as valgrind counts them:
the difference of two runs. Judges nothing. Skipped without valgrind, and where that cannot run the server."""
import re
import shutil

from peer import echo_peer
from programs import EXAMPLES, Server, skip

if not shutil.which("valgrind"):
    skip("valgrind is not installed")
VALGRIND = "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"
FEWER, MORE = 1600, 8000


def instructions(messages, depth):
    try:
        server = Server(EXAMPLES / "echo_server", 0, wrapper=VALGRIND)
    except AssertionError:
        skip("valgrind cannot run this build of the server")
    with echo_peer(server.port) as exchange:
        for _ in range(messages // depth):
            exchange(b"x" * 128, depth)
    code, said = server.end()
    assert code == 0, said
    return int(re.search(r"Collected : (\d+)", "\n".join(said))[1])


for depth in (1, 16):
    print(f"{(instructions(MORE, depth) - instructions(FEWER, depth)) / (MORE - FEWER):.0f} instructions a message of "
          f"128 bytes, {depth} at a time")
