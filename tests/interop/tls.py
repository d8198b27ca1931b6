#!/usr/bin/env python3
"""TLS with other people's: python's ssl and websockets, curl and openssl against examples/tls_server, and examples/wss_client
against python-websockets and openssl s_server. Certificates are made here, by the openssl command, and last for a day."""
import asyncio
import contextlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from programs import EXAMPLES, PATIENCE, Server, ServerTest, main, skip

if not (EXAMPLES / "tls_server").exists():
    skip("built without OpenSSL (Debian: libssl-dev)")
if not shutil.which("openssl"):
    skip("openssl is not installed")
try:
    import websockets
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")

FOLDER = tempfile.TemporaryDirectory()
PLACE = pathlib.Path(FOLDER.name)


def openssl(*arguments, **more):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          cwd=PLACE, **more)


EC = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"


def make_certificate(name, *how, key=EC, subject="localhost"):
    done = openssl("req", "-x509", *key, "-nodes", "-days", "1", "-subj", f"/CN={subject}", "-addext",
                   "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", f"{name}.pem", "-keyout", f"{name}.key", *how)
    assert done.returncode == 0, done.stderr


make_certificate("server")
make_certificate("other", key=["-newkey", "rsa:2048"])
make_certificate("authority", subject="An authority")
BY_AUTHORITY = "-CA", "authority.pem", "-CAkey", "authority.key", "-addext", "basicConstraints=critical,CA:FALSE"
make_certificate("small", *BY_AUTHORITY, key=["-newkey", "rsa:1024"])
make_certificate("sha1", *BY_AUTHORITY, "-sha1")


def trusting(name="server", **versions):
    made = ssl.create_default_context(cafile=PLACE / f"{name}.pem")
    for which, value in versions.items():
        setattr(made, which, value)
    return made


class AsServer(ServerTest):
    PROGRAM = EXAMPLES / "tls_server", "0", PLACE / "server.pem", PLACE / "server.key"

    def connect(self, context, session=None):
        plain = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        return context.wrap_socket(plain, server_hostname="localhost", session=session)

    def ask(self, over, more=""):
        over.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        got = b""
        while not got.endswith(b"Hello over TLS.\n"):
            part = over.recv(65536)
            self.assertTrue(part, got)
            got += part
        return got

    def test_versions(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with self.subTest(name), self.connect(trusting(minimum_version=version, maximum_version=version)) as over:
                self.assertEqual(over.version(), name)
                self.assertTrue(self.ask(over).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_resumption(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(minimum_version=version, maximum_version=version)
            with self.connect(context) as over:
                self.ask(over)
                session = over.session
                self.assertFalse(over.session_reused)
            with self.connect(context, session) as over:
                self.ask(over)
                self.assertTrue(over.session_reused)

    def test_protocols(self):
        context = trusting()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with self.connect(context) as over:
            self.assertEqual(over.selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            self.connect(context)

    def test_end(self):
        """Both sides say close_notify, whoever begins."""
        with self.connect(trusting()) as over:
            self.ask(over)
            over.unwrap().close()
        with self.connect(trusting()) as over:
            self.ask(over, "Connection: close\r\n")
            self.assertEqual(over.recv(1), b"")  # python would raise an error without one
            over.unwrap()

    def test_old_versions_are_refused(self):
        for version in ("-tls1", "-tls1_1"):
            done = openssl("s_client", "-connect", f"127.0.0.1:{self.server.port}", version, "-cipher", "ALL:@SECLEVEL=0", input="")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("alert protocol version", done.stdout + done.stderr)

    def test_weak_ciphers_are_refused(self):
        for cipher in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"):  # no forward secrecy; no AEAD
            done = openssl("s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_2", "-cipher", cipher, input="")
            self.assertNotEqual(done.returncode, 0, cipher)

    def test_renegotiation_ends_the_connection(self):
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_2"], cwd=PLACE,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        client.stdin.write("R\n")
        client.stdin.flush()
        said = client.stdout.read()  # until it ends
        client.stdin.close()
        client.stdout.close()
        client.wait(PATIENCE)
        self.assertIn("RENEGOTIATING", said)
        self.assertRegex(said, "no renegotiation|unexpected eof|unexpected message|handshake failure")
        self.server.wait_for("the peer wanted to renegotiate")

    def test_plain_http(self):
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            plain.recv(1000)
        self.server.wait_for("the peer does not speak TLS here")

    def test_websockets(self):
        async def talk():
            url = f"wss://localhost:{self.server.port}/echo"
            async with websockets.connect(url, ssl=trusting(), max_size=None) as ws:
                for size in (0, 1, 125, 126, 16383, 16384, 16385, 65536, 1_000_000):
                    for message in ("x" * size, os.urandom(size)):
                        await ws.send(message)
                        self.assertEqual(await ws.recv(), message)
                for number in range(1000):
                    await ws.send(str(number))
                for number in range(1000):
                    self.assertEqual(await ws.recv(), str(number))
            self.assertEqual(ws.close_code, 1000)
        asyncio.run(asyncio.wait_for(talk(), PATIENCE))

    @unittest.skipUnless(shutil.which("curl"), "no curl")
    def test_curl(self):
        done = subprocess.run(["curl", "--silent", "--cacert", PLACE / "server.pem", f"https://localhost:{self.server.port}/"],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "Hello over TLS.\n"), done.stderr)


class AsClient(unittest.TestCase):
    def ask(self, url, authorities="server.pem"):
        done = subprocess.run([EXAMPLES / "wss_client", url, *([PLACE / authorities] if authorities else [])], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stdout.rstrip("\n")

    def test_python_websockets(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PLACE / "other.pem", PLACE / "other.key")
        ready, over = threading.Event(), None

        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        async def serve():
            nonlocal over
            over = asyncio.Event()
            self.loop = asyncio.get_running_loop()
            async with websockets.serve(echo, "127.0.0.1", 0, ssl=context) as made:
                self.port = made.sockets[0].getsockname()[1]
                ready.set()
                await over.wait()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        self.assertTrue(ready.wait(PATIENCE))
        try:
            self.assertEqual(self.ask(f"wss://127.0.0.1:{self.port}/", "other.pem"), (0, "hello"))
            url = f"wss://127.0.0.1:{self.port}/"
            self.assertEqual(self.ask(url, None), (1, f"opening {url}: checking the certificate of 127.0.0.1: \"localhost\" vouches "
                                                      "for itself: the certificate is self-signed"))
            self.assertEqual(self.ask(url, "server.pem")[0], 1)
        finally:
            self.loop.call_soon_threadsafe(over.set)
            thread.join(PATIENCE)

    @contextlib.contextmanager
    def s_server(self, *arguments, own="server"):
        """An `openssl s_server` with these arguments, and its URL."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", f"{own}.pem", "-key", f"{own}.key",
                                   *arguments], cwd=PLACE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True)
        try:
            for line in server.stdout:
                if line.startswith("ACCEPT"):
                    break
            yield server, f"wss://127.0.0.1:{port}/"
        finally:
            server.kill()
            server.communicate()

    def refusal(self, *arguments, own="server", authorities="server.pem"):
        """What wss_client says of such a server."""
        with self.s_server(*arguments, own=own) as (_, url):
            code, said = self.ask(url, authorities)
            self.assertEqual(code, 1)
            self.assertTrue(said.startswith(f"opening {url}: "), said)
            return said[len(f"opening {url}: "):]

    def test_s_server(self):
        self.assertTrue(self.refusal("-www").startswith("the server answered 200 "))
        self.assertTrue(self.refusal("-www", "-tls1_2").startswith("the server answered 200 "))
        self.assertRegex(self.refusal("-www", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
                         "no version of TLS that both sides speak|TLS with 127.0.0.1: in the handshake: the peer ended")
        self.assertIn('the peer says "certificate required"', self.refusal("-www", "-Verify", "1", "-verify_return_error"))

    def test_weak_certificates(self):
        weakly = "-www", "-cipher", "ALL:@SECLEVEL=0"
        for own, why in (("small", "EE certificate key too weak"), ("sha1", "CA signature digest algorithm too weak")):
            self.assertEqual(self.refusal(*weakly, own=own, authorities="authority.pem"),
                             f"checking the certificate of 127.0.0.1: {why}: the certificate cannot be accepted")

    def test_renegotiation_ends_the_connection(self):
        with self.s_server("-tls1_2") as (server, url):
            client = subprocess.Popen([EXAMPLES / "wss_client", url, PLACE / "server.pem"], stdout=subprocess.PIPE, text=True)
            for line in server.stdout:
                if line.startswith("GET "):
                    break
            server.stdin.write("r\n")
            server.stdin.flush()
            said, _ = client.communicate(timeout=PATIENCE)
            self.assertEqual((client.returncode, said), (1, f"opening {url}: reading the server's answer to the handshake: TLS with "
                                                            "127.0.0.1: the peer wanted to renegotiate\n"))


class Reload(unittest.TestCase):
    def test_ends_in_order_with_connections_open(self):
        server = Server(EXAMPLES / "tls_server", "0", PLACE / "server.pem", PLACE / "server.key")
        plain = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        over = trusting().wrap_socket(plain, server_hostname="localhost")
        code, said = server.end()
        self.assertEqual(code, 0, said)
        self.assertEqual(over.recv(1), b"")
        over.close()


if __name__ == "__main__":
    main()
