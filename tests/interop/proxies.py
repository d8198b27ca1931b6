#!/usr/bin/env python3
"""examples/proxy_client.cpp and the echo server with real proxies between them, those that Debian has: tinyproxy (HTTP), microsocks
and dante (SOCKS5). Those that are not installed are left out; without any of them it is skipped."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from programs import EXAMPLES, PATIENCE, Server, main, skip

TINYPROXY, MICROSOCKS, DANTE = (shutil.which(each) for each in ("tinyproxy", "microsocks", "danted"))
if not (TINYPROXY or MICROSOCKS or DANTE):
    skip("there is no proxy (Debian: tinyproxy-bin, microsocks, dante-server)")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running(command, port):
    """A proxy that listens on `port`, for as long as the block lasts."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for end in [time.monotonic() + PATIENCE]:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{command[0]} does not listen: {process.stdout.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.01)
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class Proxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(EXAMPLES / "echo_server", 0)
        cls.url = f"ws://localhost:{cls.server.port}/echo"
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.end()
        assert code == 0, said

    def ask(self, url, *proxy, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        done = subprocess.run([EXAMPLES / "proxy_client", url, *proxy], env={**environment, **variables}, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def expect_hello(self, *proxy, **variables):
        self.assertEqual(self.ask(self.url, *proxy, **variables), (0, "hello\n"))

    def expect_error(self, url, proxy, *parts):
        code, said = self.ask(url, proxy)
        self.assertEqual(code, 1, said)
        for part in (f"opening {url}: ", *parts):
            self.assertIn(part, said)
        self.assertNotIn("secret", said)

    def tinyproxy(self, port, *lines):
        conf = self.folder / f"tinyproxy-{port}.conf"
        conf.write_text("\n".join([f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 20", *lines, ""]))
        return running([TINYPROXY, "-d", "-c", conf], port)

    def danted(self, port):
        conf = self.folder / "danted.conf"
        anybody = "from: 0.0.0.0/0 to: 0.0.0.0/0"
        conf.write_text(f"logoutput: stderr\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\nclientmethod: none\n"
                        f"socksmethod: none\nuser.privileged: root\nuser.unprivileged: nobody\nclient pass {{ {anybody} }}\n"
                        f"socks block {{ from: 0.0.0.0/0 to: 0.0.0.0/0 port = 7 }}\nsocks pass {{ {anybody} }}\n")
        return running([DANTE, "-f", conf, "-p", self.folder / "danted.pid"], port)

    @unittest.skipUnless(TINYPROXY, "there is no tinyproxy")
    def test_http(self):
        port = free_port()
        proxy = f"http://127.0.0.1:{port}"
        with self.tinyproxy(port):
            self.expect_hello(proxy)
            self.expect_hello(f"127.0.0.1:{port}")
            self.expect_hello(proxy.replace("127.0.0.1", "localhost"))
            self.expect_hello(http_proxy=proxy)
            self.expect_hello(all_proxy=proxy)
            closed = f"ws://127.0.0.1:{free_port()}/echo"
            self.expect_error(closed, proxy, f"the proxy {proxy} answered 500 Unable to connect: refused by the proxy")
            self.expect_error("ws://name.invalid/", proxy, f"the proxy {proxy} answered 500 Unable to connect: refused by the proxy")
            self.expect_error(self.url + "/nothing", proxy, "the server answered 404 Not Found")
        with self.tinyproxy(port, "ConnectPort 443"):
            self.expect_error(self.url, proxy, f"the proxy {proxy} answered 403 Access violation: refused by the proxy")
        self.expect_error(self.url, proxy, f"reaching the proxy {proxy}: connecting to 127.0.0.1:{port}: Connection refused")

    @unittest.skipUnless(TINYPROXY, "there is no tinyproxy")
    def test_http_with_a_password(self):
        port = free_port()
        proxy = f"http://127.0.0.1:{port}"
        with self.tinyproxy(port, "BasicAuth me secret"):
            self.expect_hello(f"http://me:secret@127.0.0.1:{port}")
            self.expect_error(self.url, proxy, f"the proxy {proxy} answered 407 Proxy Authentication Required",
                              'Basic realm="Tinyproxy"', "give a user and a password")
            for login in ("me:other", "you:secret"):
                self.expect_error(self.url, f"http://{login}@127.0.0.1:{port}", f"the proxy {proxy} answered 401 Unauthorized",
                                  "give a user and a password")

    @unittest.skipUnless(MICROSOCKS, "there is no microsocks")
    def test_socks(self):
        port = free_port()
        proxy = f"socks5://127.0.0.1:{port}"
        with running([MICROSOCKS, "-i", "127.0.0.1", "-p", str(port)], port):
            self.expect_hello(proxy)
            self.expect_hello(f"socks5h://127.0.0.1:{port}")
            self.expect_hello(http_proxy=proxy)
            closed = f"ws://127.0.0.1:{free_port()}/echo"
            self.expect_error(closed, proxy, f"the proxy {proxy} answered connection refused (5): refused by the proxy")
            self.expect_error("ws://name.invalid/", proxy, f"the proxy {proxy} answered general failure (1): refused by the proxy")
            self.expect_error(self.url, f"http://127.0.0.1:{port}", "not HTTP: malformed HTTP status line")

    @unittest.skipUnless(MICROSOCKS, "there is no microsocks")
    def test_socks_with_a_password(self):
        port = free_port()
        proxy = f"socks5://127.0.0.1:{port}"
        with running([MICROSOCKS, "-i", "127.0.0.1", "-p", str(port), "-u", "me", "-P", "secret"], port):
            self.expect_hello(f"socks5://me:secret@127.0.0.1:{port}")
            self.expect_error(self.url, proxy, f"the proxy {proxy} answered that it wants a user and a password, or more")
            self.expect_error(self.url, f"socks5://me:other@127.0.0.1:{port}", "answered that it does not take this user and password")

    @unittest.skipUnless(DANTE and os.geteuid() == 0, "there is no danted, or it may not change users")
    def test_dante(self):
        port = free_port()
        proxy = f"socks5://127.0.0.1:{port}"
        with self.danted(port):
            self.expect_hello(proxy)
            self.expect_error("ws://127.0.0.1:7/", proxy, f"the proxy {proxy} answered not allowed by its rules (2): refused by the proxy")
            closed = f"ws://127.0.0.1:{free_port()}/echo"
            self.expect_error(closed, proxy, f"the proxy {proxy} answered connection refused (5): refused by the proxy")

    def test_none(self):
        self.expect_hello()
        nobody = f"http://127.0.0.1:{free_port()}"
        self.expect_hello(HTTP_PROXY=nobody)
        self.expect_hello(http_proxy=nobody, no_proxy="localhost")
        self.expect_hello(ALL_PROXY=nobody, NO_PROXY="example.com, *")
        self.expect_hello(https_proxy=nobody)
        code, said = self.ask(self.url, http_proxy="gopher://me:secret@gate")
        self.assertEqual((code, "http_proxy: the proxy's URL should begin with" in said, "secret" in said), (1, True, False), said)
        self.expect_error(self.url, f"http://127.0.0.1:{self.server.port}", "answered 404 Not Found", "refused by the proxy")
        self.expect_error(self.url, f"socks5://127.0.0.1:{self.server.port}",
                          "answered in HTTP: an answer of the proxy that makes no sense")


if __name__ == "__main__":
    main()
