#!/usr/bin/env python3
"""One room of a real server, examples/every_transport: examples/steady_client, weir.js in Node over each transport that it has there,
and curl are in it and hear the same; the server ends, in order and by a kill, another one starts at its port, and each of them
says what it must and goes on."""
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import unittest

from programs import EXAMPLES, PATIENCE, Server, main, skip

for name in ("curl", "node"):
    if not shutil.which(name):
        skip(f"there is no {name}")
HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent.parent / "include" / "weir" / "browser" / "weir.js"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Member:
    """A program in the room: what it has heard since it entered, and what else it said."""

    def __init__(self, message, lost, *command):
        self.message, self.lost = message, lost  # patterns of lines
        self.heard, self.said, self.change = [], [], threading.Condition()
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.collector = threading.Thread(target=self._collect, daemon=True)
        self.collector.start()

    def _collect(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            found = re.fullmatch(self.message, line)
            with self.change:
                if found:
                    self.heard.append(found[1])
                else:
                    self.said.append(line)
                if re.search(self.lost, line):
                    self.heard = []  # a session that is lost, and the room with it
                self.change.notify_all()

    def wait_until(self, holds):
        with self.change:
            if not self.change.wait_for(lambda: holds(self), PATIENCE):
                raise AssertionError(f"in vain: {self.process.args}: {self.said[-9:]}, {self.heard[-9:]}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def leave(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.collector.join(PATIENCE)
        self.process.stdout.close()


class Typist:
    """Somebody with curl, who numbers what is said, and acknowledges what is heard."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/chat"
        opened = self.curl(self.url + "?ack=0")
        assert re.match(r"o[\w-]{22} ", opened), opened
        self.session = f"{self.url}?session={opened[1:23]}"
        self.said, self.heard = 0, []

    @staticmethod
    def curl(*arguments):
        return subprocess.run(["curl", "-s", "-m", str(PATIENCE), *arguments], capture_output=True, text=True, timeout=PATIENCE + 5,
                              check=False).stdout

    def say(self, line):
        self.said += 1
        answer = self.curl("-d", f"t{self.said} {line}", self.session)
        assert answer == f"a{self.said}\n", answer

    def hear(self):
        answer = self.curl(f"{self.session}&transport=long-polling&ack={len(self.heard)}")
        for line in answer.splitlines():
            number, _, text = line.partition(" ")
            assert number == f"t{len(self.heard) + 1}", (answer, self.heard[-9:])
            self.heard.append(text)


class Room(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.server = Server(EXAMPLES / "every_transport", self.port)
        url = f"http://127.0.0.1:{self.port}/chat"
        self.steady = Member(r"(.*) \(by websocket\)", "may be lost$", EXAMPLES / "steady_client", url, "steady", 1000)
        self.scripted = {each: Member("message (.*)", "^lost", "node", HERE / "room.js", SCRIPT, url, each)
                         for each in ("event-stream", "long-polling", "polling")}

    def tearDown(self):
        for each in [self.steady, *self.scripted.values()]:
            each.leave()
        self.assertEqual(self.server.end()[0], 0)

    def start_again(self, *said):
        """Another server at the port of one that has gone."""
        self.server = Server(EXAMPLES / "every_transport", self.port)
        self.steady.wait_until(lambda it: len(it.said) == 1 and any(re.fullmatch(each, it.said[0]) for each in said))
        for each in self.scripted.values():
            each.wait_until(lambda it: it.said == ["open", "lost 0", "open"])

    def converse(self, subject):
        """All are in the room and say something; all hear the same in the same order."""
        for each in self.scripted.values():
            each.wait_until(lambda it: it.said[-1:] == ["open"])
        typist = Typist(self.port)
        known = len(self.steady.heard)
        self.steady.wait_until(lambda it: len(it.heard) > known)  # it is there, and has spoken
        lines = {name: f"{subject}, {name}: a\\b" for name in self.scripted}
        for name, each in self.scripted.items():
            each.say(lines[name])
        typist.say(f"{subject}, curl: a\\\\b")
        for line in lines.values():
            self.steady.wait_until(lambda it: line in it.heard)
        last = f"{subject}: that is all"
        typist.say(last)
        while last not in typist.heard:
            typist.hear()
        of_typist = [each.replace("\\\\", "\\") for each in typist.heard]
        views = [of_typist[:of_typist.index(last) + 1]]
        for each in [self.steady, *self.scripted.values()]:
            each.wait_until(lambda it: last in it.heard)
            views.append(each.heard[:each.heard.index(last) + 1])
        longest = max(views, key=len)
        for each in views:
            self.assertEqual(each, longest[-len(each):])  # who came later has heard less of the beginning
            self.assertEqual(len(set(each)), len(each))
            for line in [*lines.values(), f"{subject}, curl: a\\b"]:
                self.assertIn(line, each)
        steps = [int(each[12:]) for each in longest if each.startswith("steady says ")]
        self.assertEqual(steps, list(range(steps[0], steps[0] + len(steps))))
        return typist

    def test_a_server_that_ends(self):
        typist = self.converse("before")
        self.assertEqual(self.server.end()[0], 0)
        self.start_again(r"closed by the peer: 1001 \"the server is stopping\"; .*; \d+ messages may be lost",
                         r"the server has lost the session: 1006 .*; \d+ messages may be lost")
        self.assertTrue(typist.curl(typist.session).startswith("e404 "))
        self.converse("after")

    def test_a_server_that_is_killed(self):
        typist = self.converse("before")
        self.server.process.kill()
        self.assertEqual(self.server.process.wait(PATIENCE), -signal.SIGKILL)
        self.server.process.stdout.close()
        self.start_again(r"the server has lost the session: 1006 .*; \d+ messages may be lost")
        self.assertTrue(typist.curl(typist.session).startswith("e404 "))
        self.converse("after")


if __name__ == "__main__":
    main()
