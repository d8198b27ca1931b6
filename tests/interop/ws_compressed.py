#!/usr/bin/env python3
"""permessage-deflate with npm's ws: its client against our server, its server against our client, with each parameter.
Skipped without zlib, node or ws; ws is taken from NODE_PATH or installed with npm into the build folder."""
import json
import os
import pathlib
import subprocess
import unittest

from programs import EXAMPLES, PATIENCE, TESTS, Server, main, node_modules, skip

PROGRAM = TESTS / "interop_compression"
if not PROGRAM.exists():
    skip("interop_compression is not built: it needs zlib (Debian: zlib1g-dev)")
NODE = "node", str(pathlib.Path(__file__).resolve().parent / "ws_compressed.js")
ENVIRONMENT = {**os.environ, "NODE_PATH": node_modules("ws", EXAMPLES.parent / "npm")}


def parameters_of(flags, **more):
    """Those of a client or server of ws, which takes False for a refusal to let the other side want it."""
    names = [name for bit, name in ((1, "serverNoContextTakeover"), (2, "clientNoContextTakeover")) if flags & bit]
    return {"threshold": 0, **dict.fromkeys(names, True), **more}


class Client(unittest.TestCase):
    """Theirs against our server."""

    def talk(self, port, parameters, path="/echo"):
        done = subprocess.run([*NODE, "talk", f"ws://127.0.0.1:{port}{path}", json.dumps(parameters)], env=ENVIRONMENT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_all_parameters(self):
        for settings in [(15, 15, 1, 1), (9, 8, 0, 0)]:
            server = Server(PROGRAM, "serve", *settings)
            for bits in range(8, 16):
                flags = bits % 4 if settings[0] == 15 else 0
                for path in ("/echo", "/stream"):
                    with self.subTest(settings=settings, bits=bits, flags=flags, path=path):
                        more = {"serverMaxWindowBits": 23 - bits, "clientMaxWindowBits": bits}
                        self.talk(server.port, parameters_of(flags, **more), path)
            self.talk(server.port, {})
            self.assertEqual(server.end()[0], 0)


class Peer(unittest.TestCase):
    """Theirs as server of our client."""

    def talk(self, settings, parameters):
        server = subprocess.Popen([*NODE, "serve", json.dumps(parameters)], env=ENVIRONMENT, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            port = int(server.stdout.readline())
            done = subprocess.run([PROGRAM, "talk", f"ws://127.0.0.1:{port}/", *map(str, settings)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        finally:
            server.stdin.close()
            said = server.stdout.read()
            server.wait(PATIENCE)
            server.stdout.close()
        self.assertEqual((done.returncode, said), (0, ""), done.stdout)
        self.assertIn("agreed: permessage-deflate", done.stdout)
        return done.stdout

    def test_all_parameters(self):
        for bits in range(8, 16):
            settings = bits, 23 - bits, bits & 1, bits >> 1 & 1
            with self.subTest(settings=settings):
                self.talk(settings, {"threshold": 0})
        for flags in range(4):
            with self.subTest(flags=flags):
                self.talk((15, 15, 1, 1), parameters_of(flags))
        self.talk((15, 15, 1, 1), {"threshold": 0, "clientMaxWindowBits": 8, "serverMaxWindowBits": 8})
        self.talk((15, 15, 1, 1), {})


if __name__ == "__main__":
    main()
