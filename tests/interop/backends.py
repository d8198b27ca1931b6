#!/usr/bin/env python3
"""Programs and the source of their events: what a server says, what it refuses, one of the program's own, and that a port
is free again when a server has ended."""
import os
import socket
import subprocess
import sys
import unittest

from programs import EXAMPLES, PATIENCE, TESTS, Server, main

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/load")
from peer import echo_peer  # noqa: E402

WANTED = os.environ.get("WEIR_BACKEND", "epoll")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Backends(unittest.TestCase):
    def end(self, server):
        code, said = server.end()
        self.assertEqual(code, 0, said[-20:])
        return said

    def test_what_was_chosen(self):
        server = Server(EXAMPLES / "echo_server", 0)
        self.assertIn(f" with {WANTED} (asked for by WEIR_BACKEND)", server.seen[-1])
        with echo_peer(server.port) as exchange:
            exchange(b"x" * 1000, 3)
        self.end(server)

    def test_own(self):
        server = Server(EXAMPLES / "custom_backend", 0)
        self.assertIn(" with poll (the program's own backend)", server.seen[-1])
        with echo_peer(server.port) as one, echo_peer(server.port) as other:
            for size in (0, 1, 125, 126, 4000, 65535):
                one(b"x" * size, 5)
                other(b"y" * size)
        self.end(server)

    def test_refused(self):
        """A name that is none; and io_uring in a program that does not know it."""
        for value, says in (("kqueue", "neither epoll nor io_uring"), ("io_uring", "<weir/io/uring.hpp>")):
            done = subprocess.run([TESTS.parent / "examples" / "echo_server", "0"], capture_output=True, text=True,
                                  timeout=PATIENCE, check=False, env={**os.environ, "WEIR_BACKEND": value})
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, f"^weir: .*{says}.*\n$")

    def test_port_is_free_again(self):
        """Right after the end, with connections open until then."""
        port = free_port()
        for _ in range(10):
            server = Server(EXAMPLES / "echo_server", port)
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
                with echo_peer(port) as exchange:
                    exchange(b"x")
                self.end(server)

    def test_port_is_free_again_after_a_kill(self):
        """Nobody had the time to let go of anything; the kernel does so for the process, whatever its ring still holds."""
        port = free_port()
        for _ in range(10):
            server = Server(EXAMPLES / "echo_server", port)
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
                server.process.kill()
                server.process.wait(PATIENCE)
            server.process.stdout.close()


if __name__ == "__main__":
    main()
