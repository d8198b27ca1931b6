#!/usr/bin/env python3
"""examples/reconnecting_feed.cpp follows examples/ticker.cpp over servers that end in order and by a kill."""
import signal
import subprocess
import unittest

from programs import EXAMPLES, PATIENCE, Server, main

TIME = r"^\d\d:\d\d:\d\d$"


class Reconnecting(unittest.TestCase):
    def test_restarts(self):
        server = Server(EXAMPLES / "ticker", 0)
        port = server.port
        feed = subprocess.Popen([EXAMPLES / "reconnecting_feed", f"ws://127.0.0.1:{port}/", "4"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        try:
            said = [feed.stdout.readline(), feed.stdout.readline()]
            self.assertIn("connected", said[0])
            self.assertRegex(said[1].strip(), TIME)
            for number in (signal.SIGINT, signal.SIGKILL):
                server.process.send_signal(number)
                server.process.wait(PATIENCE)
                server.process.stdout.close()
                said.append(feed.stdout.readline())
                while "next attempt in" not in said[-1]:
                    self.assertRegex(said[-1].strip(), TIME)
                    said.append(feed.stdout.readline())
                server = Server(EXAMPLES / "ticker", port)
                while "connected" not in said[-1]:
                    said.append(feed.stdout.readline())
            said += feed.communicate(timeout=PATIENCE)[0].splitlines()
        finally:
            feed.kill()
            feed.wait()
            server.end()
        self.assertEqual(feed.returncode, 0, said)
        self.assertTrue(any("closed by the peer: 1001" in each for each in said), said)

    def test_refused(self):
        server = Server(EXAMPLES / "ticker", 0)
        url = f"ws://127.0.0.1:{server.port}/nothing"
        done = subprocess.run([EXAMPLES / "reconnecting_feed", url], capture_output=True, text=True, timeout=PATIENCE, check=False)
        server.end()
        self.assertEqual((done.returncode, done.stderr), (1, ""), done.stdout)
        self.assertIn(f"opening {url}: the server answered 404 Not Found", done.stdout)


if __name__ == "__main__":
    main()
