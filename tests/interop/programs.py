"""Starts the programs under test and ends them in order. Scripts are called with the folders of the built examples and
of the built test programs."""
import fcntl
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import unittest

EXAMPLES, TESTS = (pathlib.Path(each).resolve() for each in (sys.argv[1:3] if len(sys.argv) > 2 else (".", ".")))
PATIENCE = 60  # seconds for anything at all; only failures take them


class Server:
    """A server that prints where it listens. `end` interrupts it and says whether it left in order."""

    def __init__(self, program, *arguments, wrapper=()):
        environment = dict(os.environ)
        if wrapper:  # the leak checker traces too, and there can be only one that does
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.process = subprocess.Popen([*wrapper, program, *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=environment)
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._collect, daemon=True).start()
        self.where = self.wait_for(r"listening on (\S+)")[1]
        port = re.search(r":(\d+)", self.where)
        self.port = int(port[1]) if port else None

    def _collect(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, pattern):
        """The match of the first further line that has one. Lines before it are dropped."""
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with '{pattern}'; there was: {self.seen[-20:]}")
            self.seen.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    def end(self, number=None):
        """Interrupts the server, which is the process `number` where it runs in a wrapper; its exit code and everything
        that it printed."""
        os.kill(number or self.process.pid, signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            self.seen.append(line)
        self.process.stdout.close()
        return self.process.returncode, self.seen


class ServerTest(unittest.TestCase):
    """Tests of one server, which must leave in order after the last."""

    PROGRAM = None  # the command line
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.PROGRAM)

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.end()
        assert code == 0, f"exit code {code}: {said[-40:]}"
        assert said[-1] == "weir: stopped", said[-5:]


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def node_modules(package, folder):
    """The folder of node modules that has `package`: from NODE_PATH, or made in `folder` with npm. Skips without."""
    def found():
        for modules in [*os.environ.get("NODE_PATH", "").split(":"), str(folder / "node_modules")]:
            if modules and (pathlib.Path(modules) / package).is_dir():
                return modules

    if found():
        return found()
    for program, where in (("node", "nodejs"), ("npm", "npm")):
        if not shutil.which(program):
            skip(f"there is no {program} (Debian: {where})")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package]
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test may be about the same
        if found():
            return found()
        try:
            done = subprocess.run(command, env={**os.environ, "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}, timeout=100,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            skip(f"npm takes too long to install {package}")
    if done.returncode:
        print(done.stdout.decode(errors="replace")[-2000:])
        skip(f"npm cannot install {package}")
    return str(folder / "node_modules")


if os.environ.get("WEIR_BACKEND") == "io_uring" and (TESTS / "test_uring").exists():
    tried = subprocess.run([TESTS / "test_uring", "--count"], capture_output=True, text=True, check=False)
    if tried.returncode == 77:
        skip(tried.stdout.strip())


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
