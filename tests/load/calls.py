#!/usr/bin/env python3
"""The system calls of the echo server: one receive, one send and one wait for each message that comes alone; one send for
all that come together. Skipped without strace, or where tracing is forbidden."""
import collections
import re
import shutil
import subprocess
import tempfile
import unittest

from peer import echo_peer
from programs import EXAMPLES, Server, main, skip

if not shutil.which("strace"):
    skip("strace is not installed")
tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
if tried.returncode:
    skip("tracing is forbidden here: " + tried.stderr.strip()[-200:])

TRACED = "trace=network,desc,epoll_wait,epoll_pwait"
FOR_MEMORY = "mmap"  # counts as one with a descriptor; the address sanitizer calls it
LOOK_AT_MEMORY = ["pipe2", "write", "close", "close"]  # how the other sanitizer looks whether an object is there, now and then


def without(part, names):
    """The names, but for every run of those of `part`."""
    kept = []
    for name in names:
        kept.append(name)
        if kept[-len(part):] == part:
            del kept[-len(part):]
    return kept


class Calls(unittest.TestCase):
    def trace(self, talk):
        """What the server calls from the end of a message BEGIN to the receiving of a message END, with
        `talk(exchange)` between the two."""
        with tempfile.NamedTemporaryFile("r") as file:
            server = Server(EXAMPLES / "echo_server", 0, wrapper=("strace", "-f", "-e", TRACED, "-o", file.name))
            with echo_peer(server.port) as exchange:
                exchange(b"warm")
                exchange(b"BEGIN")
                talk(exchange)
                exchange(b"END")
            lines = file.read().split("\n")
            self.assertEqual(server.end(int(lines[0].split()[0]))[0], 0)  # strace itself does not listen to signals
        names = []
        begun = False
        for line in lines:
            found = re.match(r"\d+\s+(\w+)\(", line)
            if not found:
                continue
            if "END" in line and found[1].startswith("recv"):
                return without(LOOK_AT_MEMORY, names)
            if begun and found[1] != FOR_MEMORY:
                names.append(found[1])
            begun = begun or ("BEGIN" in line and found[1].startswith("send"))
        raise AssertionError(f"no marks in the trace: {lines[-20:]}")

    def expect(self, names, **expected):
        self.assertEqual(dict(collections.Counter(names)), expected, names[:40])

    def test_one_by_one(self):
        """One wait more than messages: that for END."""
        for size in (16, 125, 4000):
            def talk(exchange, size=size):
                for _ in range(100):
                    exchange(b"x" * size)
            self.expect(self.trace(talk), recvfrom=100, sendto=100, epoll_wait=101)

    def test_together(self):
        for count in (2, 16, 100, 400):
            names = self.trace(lambda exchange, count=count: exchange(b"x" * 100, count))
            self.expect(names, recvfrom=1, sendto=1, epoll_wait=2)


if __name__ == "__main__":
    main()
