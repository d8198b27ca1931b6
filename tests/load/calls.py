#!/usr/bin/env python3
"""The system calls of the echo server: one receive, one send and one wait for each message that comes alone; one send for
all that come together. Skipped without strace, or where tracing is forbidden."""
import collections
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/interop")
from programs import EXAMPLES, PATIENCE, Server, main, skip  # noqa: E402

if not shutil.which("strace"):
    skip("strace is not installed")
tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
if tried.returncode:
    skip("tracing is forbidden here: " + tried.stderr.strip()[-200:])

REQUEST = (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def frames(payload):
    """The frame with which a client sends a short message, with a key of zeros so that a trace can be read; and what
    comes back."""
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack("!H", len(payload))
    return b"\x82" + bytes([size[0] | 0x80]) + size[1:] + bytes(4) + payload, b"\x82" + size + payload


class Calls(unittest.TestCase):
    def trace(self, talk):
        """What the server calls between a message BEGIN and a message END, with `talk(exchange)` between the two."""
        with tempfile.NamedTemporaryFile("r") as file:
            server = Server(EXAMPLES / "echo_server", 0, wrapper=("strace", "-f", "-o", file.name))
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer.sendall(REQUEST)
                with peer.makefile("rb") as file_of_peer:
                    while file_of_peer.readline() != b"\r\n":
                        pass

                    def exchange(payload, count=1):
                        sent, expected = frames(payload)
                        peer.sendall(sent * count)
                        self.assertEqual(file_of_peer.read(len(expected) * count), expected * count)

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
                return collections.Counter(names), names
            if begun:
                names.append(found[1])
            begun = begun or ("BEGIN" in line and found[1].startswith("send"))
        raise AssertionError(f"no marks in the trace: {lines[-20:]}")

    def expect(self, calls, **expected):
        counts, names = calls
        self.assertEqual(dict(counts), expected, names[:40])

    def test_one_by_one(self):
        """The wait before END's receive belongs to END."""
        for size in (16, 125, 4000):
            def talk(exchange, size=size):
                for _ in range(100):
                    exchange(b"x" * size)
            self.expect(self.trace(talk), recvfrom=100, sendto=100, epoll_wait=101)

    def test_together(self):
        for count in (2, 16, 100, 400):
            self.expect(self.trace(lambda exchange, count=count: exchange(b"x" * 100, count)), recvfrom=1, sendto=1,
                        epoll_wait=2)


if __name__ == "__main__":
    main()
