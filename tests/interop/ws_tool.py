#!/usr/bin/env python3
"""examples/ws.cpp: in pipes, at a pseudo-terminal, as a server, pinging and loading; its exit codes; and against python-websockets."""
import asyncio
import base64
import contextlib
import hashlib
import http
import os
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from programs import EXAMPLES, PATIENCE, Server, main, skip

try:
    import websockets
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")

WS = EXAMPLES / "ws"


def run(*arguments, said=b"", **more):
    """What one run of the tool gives."""
    return subprocess.run([WS, *map(str, arguments)], input=said, capture_output=True, timeout=PATIENCE, check=False, **more)


class Listening(Server):
    """`ws --listen`."""

    def __init__(self, *arguments):
        super().__init__(WS, "--listen", "0", *arguments)
        self.url = self.where


class Typed:
    """The tool at a pseudo-terminal."""

    def __init__(self, *arguments, **environment):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.environ.update({"TERM": "xterm", **environment})
            os.execv(WS, ["ws", *map(str, arguments)])
        self.seen = ""

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, pattern):
        """What is shown from there on that matches."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen, re.S)):
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"not shown: {pattern!r}; but: {self.seen!r}")
            try:
                self.seen += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended without {pattern!r}: {self.seen!r}") from None
        self.seen = self.seen[found.end():]
        return found

    def end(self):
        """The exit code, and all that was shown until then."""
        with contextlib.suppress(OSError):
            while more := os.read(self.terminal, 65536):
                self.seen += more.decode(errors="replace")
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


class ToolTest(unittest.TestCase):
    def check(self, done, out, code=0):
        self.assertEqual((done.stdout, done.returncode), (out, code), done.stderr)

    def serve(self, handler, *arguments, **how):
        """Runs the tool, or a function, against a server of python-websockets."""
        async def whole():
            async with websockets.serve(handler, "127.0.0.1", 0, **how) as server:
                url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
                if callable(arguments[0]):
                    return await asyncio.to_thread(arguments[0], url)
                return await asyncio.to_thread(run, *arguments, url)
        return asyncio.run(asyncio.wait_for(whole(), PATIENCE))


class Echoed(ToolTest):
    """Against an echo server of its own."""

    @classmethod
    def setUpClass(cls):
        cls.server = Listening("--echo")
        cls.url = cls.server.url

    @classmethod
    def tearDownClass(cls):
        assert cls.server.end()[0] == 0

    def test_lines(self):
        for said in (b"one\ntwo\n\nlast\n", "ünï\n".encode(), b"x" * 300_000 + b"\n"):
            self.check(run("-c", said.count(b"\n"), self.url, said=said), said)
        self.check(run("-W", "0.1", self.url, said=b""), b"")
        self.check(run("-c", 2, self.url, said=b"one\nno end"), b"one\nno end\n")
        self.check(run("-0", "-c", 2, self.url, said=b"a\nb\0c\0"), b"a\nb\0c\0")

    def test_whole_and_binary(self):
        data = os.urandom(20_000_000)
        self.check(run("-b", "-W", 3, self.url, said=data), data) # as many messages as the pipe had it in pieces
        self.check(run("-b", "-w", "-c", 1, self.url, said=data), data)
        text = b"line\n" * 100_000
        self.check(run("-w", "-c", 1, self.url, said=text), text)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            self.check(run("-b", "-f", file.name, "-c", 1, self.url), data)

    def test_slow_reader(self):
        """Back-pressure both ways: nothing is lost when stdout is not read for long."""
        data = os.urandom(8_000_000)
        with subprocess.Popen([WS, "-b", "-W", "3", self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tool:
            def feed():
                tool.stdin.write(data)
                tool.stdin.close()
            feeder = threading.Thread(target=feed)
            feeder.start()
            got = b""
            while part := tool.stdout.read1(1000 if len(got) < 500_000 else 65536):
                got += part
            feeder.join()
        self.assertTrue(got == data and tool.returncode == 0)

    def test_broken_pipe(self):
        with subprocess.Popen([WS, self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
            tool.stdout.close()
            tool.stdin.write(b"hello\n")
            tool.stdin.flush()
            self.assertEqual((tool.wait(PATIENCE), tool.stderr.read()), (0, b""))

    def test_exit_codes(self):
        self.check(run("-c", 2, "-W", "0.1", self.url, said=b"x\n"), b"x\n", 3)
        self.check(run(self.url, said=b"\xff\n"), b"", 2)
        for arguments, says in ((["--bianry", "x"], b"--binary"), ([], b"Usage"), (["--count", "x", "y"], b"whole number"),
                                (["--echo", "x"], b"--listen"), (["-f", "/nowhere", self.url], b"/nowhere"), (["-q", "x"], b"-q")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(says, done.stderr)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.check(run(f"ws://127.0.0.1:{taken.getsockname()[1]}/"), b"", 1)
            taken.listen()
            self.check(run("--timeout", "0.2", f"ws://127.0.0.1:{taken.getsockname()[1]}/"), b"", 3)
        with subprocess.Popen([WS, self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tool:
            tool.stdin.write(b"x\n")
            tool.stdin.flush()
            self.assertEqual(tool.stdout.readline(), b"x\n")
            tool.send_signal(signal.SIGINT)
            self.assertEqual(tool.wait(PATIENCE), 130)

    def test_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertLessEqual(max(map(len, done.stdout.decode().splitlines())), 80)
        self.assertIn(b"ws of weir", run("--version").stdout)

    def test_verbose(self):
        done = run("-v", "-c", 1, self.url, said=b"hello\n")
        self.assertEqual(done.returncode, 0)
        for line in (b"> GET / HTTP/1.1", b"< HTTP/1.1 101 Switching Protocols", b'> text fin masked 5 B "hello"',
                     b'< text fin 5 B "hello"', b"> close fin masked 2 B 1000", b"< close fin 2 B 1000"):
            self.assertIn(line, done.stderr.splitlines())

    def test_ping_and_bench(self):
        done = run("--ping", "-c", 3, "-i", "0.01", self.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"pong 3: [\d.]+ ms\n.*3 pings, 3 answers, 0 % lost.*min/avg/median/max/stddev"
                         .replace(".*", r"[\s\S]*"))
        done = run("--bench", "0.5", "--connections", 3, "--size", "1k", "--depth", 2, self.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"[1-9]\d* messages/s")

    def test_typed(self):
        tool = Typed(self.url)
        tool.wait_for("connected to .*>\x1b\\[0m ")
        tool.type("wrld\x1b[D\x1b[D\x1b[Do\r")
        tool.wait_for("< \x1b\\[0mworld")
        tool.type("ünxï\x1b[D\x7f\r")  # the letter before the last one goes
        tool.wait_for("< \x1b\\[0münï")
        tool.type("\x1b[A\x1b[A\x01hello \x05!\r")
        tool.wait_for("< \x1b\\[0mhello world!")
        tool.type("one two\x17\x15kept gone\x1b[1;5D\x0b\r")
        tool.wait_for("< \x1b\\[0mkept ")
        tool.type("\x1b[200~two\rlines\x1b[201~")
        tool.type("\r")
        tool.wait_for("< \x1b\\[0mtwo\r\n +lines")
        tool.type("\x04")
        self.assertEqual(tool.end(), 0)
        self.assertIn("closed by this side: 1000", tool.seen)
        self.assertIn("\x1b[?2004l", tool.seen)  # the terminal is given back

    def test_plain_terminals(self):
        tool = Typed(self.url, NO_COLOR="1")
        tool.wait_for("connected to")
        tool.type("hello\r")
        tool.wait_for(r"\d\d:\d\d:\d\d < hello")
        tool.type("\x03")
        self.assertEqual(tool.end(), 0)
        tool = Typed(self.url, TERM="dumb")
        tool.type("hello\n")
        shown = tool.wait_for("(.*)< hello")[1]
        self.assertNotIn("\x1b", shown)
        tool.type("\x04")
        self.assertEqual(tool.end(), 0)

    def test_unix_sockets(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socket"
            server = Server(WS, "--listen", f"unix:{path}", "--echo")
            self.assertEqual(server.where, f"unix:{path}")
            for arguments in (["--unix", path, "ws://localhost/x"], [f"ws+unix:{path}:/x"]):
                self.check(run("-c", 1, *arguments, said=b"hi\n"), b"hi\n")
            self.assertEqual(server.end()[0], 0)

    def test_redirects(self):
        async def nobody(ws):
            await ws.wait_closed()

        async def redirect(*_):
            return http.HTTPStatus.FOUND, {"Location": self.url}, b""

        def follow(url):
            refused = run("-c", 1, url, said=b"hi\n")
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"the server answered 302 Found, Location: {self.url}", refused.stderr.decode())
            return run("-c", 1, "--redirects", 1, url, said=b"hi\n")
        self.check(self.serve(nobody, follow, process_request=redirect), b"hi\n")

    def test_proxy(self):
        """A proxy that serves two tunnels; the tool is told of it by an option, and by the environment."""
        if b"without proxies" in run("--version").stdout:
            self.skipTest("built without proxies")
        asked = []

        async def pump(source, to):
            while part := await source.read(65536):
                to.write(part)
            to.close()

        async def tunnel(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.split()[1].decode())
            host, port = asked[-1].rsplit(":", 1)
            reader_there, writer_there = await asyncio.open_connection(host, port)
            writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
            await asyncio.gather(pump(reader, writer_there), pump(reader_there, writer))

        async def whole():
            async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as proxy:
                url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
                for option, environment in ((url, {}), ("env", {"http_proxy": url, "no_proxy": ""})):
                    done = await asyncio.to_thread(run, "-c", 1, "--proxy", option, self.url, said=b"hi\n",
                                                   env={**os.environ, **environment})
                    self.check(done, b"hi\n")
        asyncio.run(asyncio.wait_for(whole(), PATIENCE))
        self.assertEqual(asked, [self.url.split("/")[2]] * 2)
        done = run("--proxy", "socks5://127.0.0.1:1", self.url)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"reaching the proxy socks5://127.0.0.1:1: ", done.stderr)


class AgainstOthers(ToolTest):
    def test_closed_by_the_server(self):
        for sent, code in ((1000, 0), (1001, 0), (1011, 4), (4001, 4)):
            async def handler(ws, sent=sent):
                await ws.send("last words")
                await ws.close(sent, "\x1b[31mred")
            done = self.serve(handler, "-r")
            self.assertEqual((done.returncode, done.stdout), (code, b"last words\n"))
            self.assertNotIn(b"\x1b", done.stderr)

    def test_compressed(self):
        async def handler(ws):
            async for message in ws:
                await ws.send(message * 1000)
        if b"without compression" in run("--version").stdout:
            self.skipTest("built without zlib")

        def ask(url):
            return run("-z", "-c", 1, url, said=b"abc\n")
        self.assertEqual(self.serve(handler, ask).stdout, b"abc" * 1000 + b"\n")

    def test_hostile_text_is_not_let_through(self):
        async def handler(ws):
            await ws.send("a\x1b[2Jb\x07\u202ec\x9b1m")
            await ws.send(bytes(range(32)))
            await ws.wait_closed()

        def look(url):
            tool = Typed(url, NO_COLOR="1")
            tool.wait_for(re.escape("< a\\x1b[2Jb\\x07\\u202ec\\u009b1m"))
            tool.wait_for("binary, 32 bytes\r\n  0000  00 01 02")
            tool.type("\x04")
            return tool.end()
        self.assertEqual(self.serve(handler, look), 0)

    def test_progress(self):
        """A server that reads nothing until it has been seen how far the tool is, and then all of it; or which closes then."""
        close = b"\x88\x02\x03\xe8"
        for patient in (True, False):
            listener, seen, came = socket.create_server(("127.0.0.1", 0)), threading.Event(), [0]

            def serve(listener=listener, patient=patient, seen=seen, came=came):
                over, _ = listener.accept()
                key = re.search(rb"Sec-WebSocket-Key: (\S+)", over.recv(65536))[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                over.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: " + base64.b64encode(hashlib.sha1(key).digest()) + b"\r\n\r\n")
                seen.wait(PATIENCE)
                if not patient:
                    over.sendall(close)
                with over.makefile("rb") as stream:
                    opcode = 0
                    while opcode != 8:
                        first, size = stream.read(2)
                        opcode, size = first & 15, size & 127
                        if size > 125:
                            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
                        key, payload = stream.read(4), stream.read(size)
                        if opcode < 3:
                            came[0] += size
                        if opcode == 9:  # is everything there?
                            over.sendall(bytes([0x8a, size]) + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload)))
                if patient:
                    over.sendall(close)
                over.close()

            serving = threading.Thread(target=serve)
            serving.start()
            ours, its = pty.openpty()
            with tempfile.NamedTemporaryFile() as file:
                file.truncate(40_000_000)
                with subprocess.Popen([WS, "-b", "-w", "-W", "0", "-f", file.name, f"ws://127.0.0.1:{listener.getsockname()[1]}/"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its) as tool:
                    os.close(its)
                    shown = b""
                    with contextlib.suppress(OSError):  # that is the end of it
                        while part := os.read(ours, 4096):
                            shown += part
                            if b"]" in shown:
                                seen.set()
                    os.close(ours)
            serving.join()
            listener.close()
            self.assertRegex(shown, rb"\r\x1b\[Ksent [0-9.]+ MiB of 38\.1 MiB \[=* *\] \d+ %, ")
            self.assertIn(b"\r\x1b[K", shown[shown.rindex(b"sent "):] if patient else shown)  # and is wiped away
            self.assertEqual((tool.returncode, b"before all of it was sent" in shown), (0, False) if patient else (1, True), shown)
            self.assertEqual(came[0] == 40_000_000, patient)

    def test_too_large(self):
        async def handler(ws):
            await ws.send("x" * 2000)
            await ws.wait_closed()
            self.code = ws.close_code
        self.serve(handler, "-r", "--max-bytes", "1000")
        self.assertEqual(self.code, 1009)

    def test_listen(self):
        server = Listening("-W", "forever")
        server_said = []

        async def talk():
            async with websockets.connect(server.url) as ws:
                await ws.send("to the server")
                server_said.append(await asyncio.to_thread(server.wait_for, "to the server"))
        asyncio.run(asyncio.wait_for(talk(), PATIENCE))
        self.assertEqual(server.end()[0], 0)

    def test_one_file_to_another(self):
        data = os.urandom(3_000_000)
        with tempfile.TemporaryFile() as into, tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            with subprocess.Popen([WS, "--listen", "0", "--once", "-b"], stdin=subprocess.DEVNULL, stdout=into,
                                  stderr=subprocess.PIPE, text=True) as server:
                url = re.search(r"ws://\S+", server.stderr.readline())[0]
                self.assertEqual(run("-W", "0", "-bf", file.name, url).returncode, 0)
                self.assertEqual(server.wait(PATIENCE), 0)
            into.seek(0)
            self.assertTrue(into.read() == data)

    def test_tls(self):
        if b"without TLS" in run("--version").stdout or not shutil.which("openssl"):
            done = run("wss://localhost:1/")
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"WEIR_WITH_OPENSSL", done.stderr)
            self.skipTest("built without OpenSSL")
        with tempfile.TemporaryDirectory() as folder:
            chain, key = f"{folder}/chain.pem", f"{folder}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", chain,
                            "-keyout", key], check=True, capture_output=True)
            server = Listening("--echo", "--cert", chain, "--key", key)
            self.assertTrue(server.url.startswith("wss://"))
            self.assertEqual(run("-c", 1, "--cacert", chain, server.url, said=b"x\n").stdout, b"x\n")
            done = run(server.url, said=b"x\n")
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"certificate", done.stderr)
            done = run("-k", "-v", "-c", 1, server.url, said=b"x\n")
            self.assertEqual(done.stdout, b"x\n")
            self.assertIn(b"--insecure", done.stderr)
            self.assertIn(b"> GET / HTTP/1.1", done.stderr)
            self.assertEqual(server.end()[0], 0)

            async def handler(ws):
                await ws.send(str(ws.transport.get_extra_info("peercert")["subject"]))
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=chain)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_cert_chain(chain, key)

            def show(url):
                url = url.replace("ws:", "wss:")
                self.assertEqual(run("-r", "-c", 1, "--cacert", chain, url).returncode, 1)
                return run("-r", "-c", 1, "--cacert", chain, "--cert", chain, "--key", key, url)
            self.assertIn(b"'localhost'", self.serve(handler, show, ssl=context).stdout)


main()
