#!/usr/bin/env python3
"""What README.md shows of channels, with curl against examples/every_transport: a conversation over each transport."""
import shutil
import subprocess

from programs import EXAMPLES, PATIENCE, ServerTest, main, skip

if not shutil.which("curl"):
    skip("curl is not installed")


class Conversation(ServerTest):
    PROGRAM = [EXAMPLES / "every_transport", 0]

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-s", "-m", str(PATIENCE), *arguments], capture_output=True, text=True, timeout=PATIENCE + 5)
        return done.stdout

    def start(self, *arguments):
        return subprocess.Popen(["curl", "-sN", "-m", str(PATIENCE), *arguments], stdout=subprocess.PIPE, text=True)

    def open(self):
        url = f"http://127.0.0.1:{self.server.port}/chat"
        opened = self.curl(url)
        self.assertRegex(opened, r"^o[\w-]{22} heartbeat=25000 keep=30000 limit=1048576\n$")
        return f"{url}?session={opened[1:23]}"

    def test_polling(self):
        session = self.open()
        self.assertEqual(self.curl("-d", "t hello", session), "a1\n")
        self.assertEqual(self.curl(session), "t1 hello\n")
        self.assertEqual(self.curl(session), "")
        self.assertEqual(self.curl("-X", "DELETE", session), "x1000\n")
        self.assertTrue(self.curl(session).startswith("e404 "))

    def test_long_polling(self):
        session = self.open()
        with self.start(f"{session}&transport=long-polling") as held:
            self.assertEqual(self.curl("-d", "t hello", session), "a1\n")
            self.assertEqual(held.stdout.read(), "t1 hello\n") # the room's, whichever came first

    def test_event_stream(self):
        session = self.open()
        with self.start(f"{session}&transport=event-stream") as events:
            self.assertEqual(events.stdout.readline(), "data: r0\n")
            self.assertEqual(events.stdout.readline(), "\n")
            self.assertEqual(self.curl("-d", "t hello", session), "a1\n")
            said = [events.stdout.readline() for _ in range(3)]
            self.assertEqual(said, ["id: 1\n", "data: t1 hello\n", "\n"])
            self.assertEqual(self.curl("-X", "DELETE", session), "x1000\n")
            self.assertEqual(events.stdout.readline(), "data: x1000\n")


if __name__ == "__main__":
    main()
