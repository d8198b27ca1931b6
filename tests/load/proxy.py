#!/usr/bin/env python3
"""Very large messages pass through the proxy of the examples, and it never holds more than 16 MiB: 1 GiB down, and 10 GiB
up where the machine is quick enough for that, or WEIR_FULL=1 is in the environment. And a client that sends and does
not read is held back, all the way from the server behind the proxy."""
import os
import pathlib
import select
import socket
import subprocess
import time
import unittest

from peer import REQUEST, frames
from programs import EXAMPLES, PATIENCE, TESTS, Server, main

GIB = 1024 ** 3
MOST_RESIDENT = 16 * 1024 ** 2
PROXY, STREAM = EXAMPLES / "proxy", TESTS / "load_stream"
SANITIZED = b"__asan_init" in PROXY.read_bytes() or b"__tsan_init" in PROXY.read_bytes()
SMALL, LARGE = (GIB // 16, GIB // 8) if SANITIZED else (GIB, 10 * GIB)
QUICK = 2  # seconds for the small one


def status_of(process, field):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {field}")


def cpu_seconds_of(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Proxy(unittest.TestCase):
    def pass_through(self, direction, size):
        """Gives how many seconds it took."""
        end = Server(STREAM, "serve")
        proxy = Server(PROXY, f"ws://127.0.0.1:{end.port}/", 0)
        before = time.monotonic()
        said = subprocess.run([STREAM, direction, f"ws://127.0.0.1:{proxy.port}/", str(size)], capture_output=True,
                              text=True, timeout=500, check=True).stdout
        seconds = time.monotonic() - before
        resident, cpu = status_of(proxy.process, "VmHWM"), cpu_seconds_of(proxy.process)
        for server in (proxy, end):
            code, log = server.end()
            self.assertEqual(code, 0, log)
        self.assertEqual(said, f"{size} bytes, all right\n")
        print(f"{size / GIB:g} GiB {direction}: {seconds:.1f} s, of the proxy {cpu:.1f} s of processor time and at most "
              f"{resident / 1024 ** 2:.1f} MiB of memory")
        if not SANITIZED:
            self.assertLess(resident, MOST_RESIDENT)
        return seconds

    def test(self):
        quick = self.pass_through("down", SMALL) < QUICK or "WEIR_FULL" in os.environ
        self.pass_through("up", LARGE if quick else SMALL)

    def test_held_back(self):
        end = Server(EXAMPLES / "echo_server", 0)
        proxy = Server(PROXY, f"ws://127.0.0.1:{end.port}/", 0)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) as peer:
            peer.sendall(REQUEST.replace(b"/echo", b"/"))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += peer.recv(1)
            message = frames(b"x" * 60_000)[0]
            sent = 0
            peer.setblocking(False)
            while select.select([], [peer], [], 1)[1]:  # until nothing is taken for a second
                sent += peer.send(message[sent % len(message):])
                self.assertLess(sent, 256 * 1024 ** 2)
            resident = status_of(proxy.process, "VmHWM")
            peer.settimeout(PATIENCE)
            whole = sent // len(message)  # the rest has not arrived
            received, got = 0, b""
            while received < whole * 60_000:
                got += peer.recv(1024 * 1024)
                while len(got) >= 4:  # frames as a server sends them, cut as the pieces came
                    size, start = got[1], 2
                    if size > 125:
                        start = 4 if size == 126 else 10
                        size = int.from_bytes(got[2:start], "big")
                    if len(got) < start + size:
                        break
                    self.assertIn(got[0] & 15, (0, 2, 9))
                    if got[0] & 15 != 9:
                        self.assertEqual(got[start:start + size].count(b"x"), size)
                        received += size
                    got = got[start + size:]
        for server in (proxy, end):
            code, log = server.end()
            self.assertEqual(code, 0, log)
        print(f"held back after {sent / 1024 ** 2:.1f} MiB, of which the proxy held {resident / 1024 ** 2:.1f} MiB, all told")
        if not SANITIZED:
            self.assertLess(resident, MOST_RESIDENT)


if __name__ == "__main__":
    main()
