#!/usr/bin/env python3
"""examples/chat_simulation.cpp holds under all its seeds, and a seed is the same run each time."""
import re
import subprocess
import unittest

from programs import EXAMPLES, main

PROGRAM = EXAMPLES / "chat_simulation"


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=280, check=False)


class Simulation(unittest.TestCase):
    def test_all_seeds(self):
        done = run()
        self.assertEqual((done.returncode, done.stdout), (0, "1000 seeds, and nothing was lost\n"), done.stderr)

    def test_replay(self):
        once, again, other = run("4711"), run("4711"), run("4712")
        self.assertEqual((once.returncode, once.stderr), (0, ""))
        self.assertEqual(once.stdout, again.stdout)
        self.assertNotEqual(once.stdout, other.stdout)
        lines = once.stdout.splitlines()
        self.assertGreater(len(lines), 100)
        for line in lines:
            self.assertRegex(line, r"^weir: \d+\.\d{9} \w+( > \w+: | \| \w+: | )[a-z0-9]")
        for what in ("server starts", "alice > server: connects", "server > alice: accepts", "alice has ended"):
            self.assertTrue(any(re.search(what, line) for line in lines), what)


if __name__ == "__main__":
    main()
