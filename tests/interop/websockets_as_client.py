#!/usr/bin/env python3
"""python-websockets as client of our servers: the echo server of the examples and interop_server."""
import asyncio
import os
import tempfile
import unittest

from programs import EXAMPLES, PATIENCE, TESTS, Server, ServerTest, main, skip

try:
    import websockets
    from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatusCode
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")

MIB = 1024 * 1024


def pattern(size):
    block = bytes(i * 31 % 256 for i in range(251))
    return (block * (size // len(block) + 1))[:size]


def scenario(function):
    """A test that is a coroutine, with a deadline."""
    def run(self):
        asyncio.run(asyncio.wait_for(function(self), PATIENCE))
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


async def close_of(ws):
    """The close frame that the server sent, as (code, reason)."""
    try:
        await ws.recv()
    except (ConnectionClosedOK, ConnectionClosedError) as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None
    raise AssertionError("a message instead of a close")


class Common:
    """What every server answers at /echo."""

    def connect(self, path="/echo", **options):
        options = {"compression": None, "max_size": None, "ping_interval": None, "open_timeout": PATIENCE,
                   "close_timeout": PATIENCE} | options
        return websockets.connect(f"ws://127.0.0.1:{self.server.port}{path}", **options)

    async def exchange(self, ws, *messages):
        for message in messages:
            await ws.send(message)
            self.assertEqual(await ws.recv(), message)

    @scenario
    async def test_messages(self):
        async with self.connect() as ws:
            await self.exchange(ws, "hello", "", b"", "grüß dich, 🌊", b"\0\1\2\xff")
            for size in (125, 126, 127, 65535, 65536, 65537, MIB):
                await self.exchange(ws, "x" * size, pattern(size))
        self.assertEqual((ws.close_code, ws.close_reason), (1000, ""))

    @scenario
    async def test_fragments_to_the_server(self):
        async with self.connect() as ws:
            await ws.send(["one", "", " ", "twö", ""])
            self.assertEqual(await ws.recv(), "one twö")
            await ws.send([b"", b"\0", pattern(100000), b"\xff"])
            self.assertEqual(await ws.recv(), b"\0" + pattern(100000) + b"\xff")

    @scenario
    async def test_many_messages_before_the_first_answer_is_read(self):
        async with self.connect(max_queue=None) as ws:
            for number in range(1000):
                await ws.send(f"message {number}")
            for number in range(1000):
                self.assertEqual(await ws.recv(), f"message {number}")

    @scenario
    async def test_pings_of_the_client(self):
        async with self.connect() as ws:
            for payload in (b"", b"x", b"y" * 125):
                await asyncio.wait_for(await ws.ping(payload), PATIENCE)
            waiting = await ws.ping()
            await self.exchange(ws, "the pong comes before this")
            self.assertTrue(waiting.done())
            await ws.pong(b"unasked for")
            await self.exchange(ws, "still here")

    @scenario
    async def test_closed_by_the_client(self):
        for code, reason in ((1000, ""), (1001, "going"), (3000, "x" * 123), (4999, "grüße"), (1011, "")):
            async with self.connect() as ws:
                await ws.close(code, reason)
            self.assertEqual(ws.close_code, code)

    @scenario
    async def test_over_the_limit(self):
        async with self.connect() as ws:
            try:
                await ws.send(pattern(10 * MIB))
            except ConnectionClosedError:
                pass
            self.assertEqual(await close_of(ws), (1009, f"message of {10 * MIB} bytes over the limit of {MIB}"))
        async with self.connect() as ws:
            await ws.send("x" * MIB)
            self.assertEqual(await ws.recv(), "x" * MIB)
            await ws.send(["x" * MIB, "y"])
            self.assertEqual(await close_of(ws), (1009, f"message of {MIB + 1} bytes over the limit of {MIB}"))

    @scenario
    async def test_no_such_path(self):
        with self.assertRaises(InvalidStatusCode) as refused:
            await self.connect("/nowhere")
        self.assertEqual(refused.exception.status_code, 404)

    @scenario
    async def test_foreign_origin(self):
        with self.assertRaises(InvalidStatusCode) as refused:
            await self.connect(origin="https://example.com")
        self.assertEqual(refused.exception.status_code, 403)
        async with self.connect(origin=f"http://127.0.0.1:{self.server.port}") as ws:
            await self.exchange(ws, "of this origin")

    @scenario
    async def test_compression_is_offered_and_not_taken(self):
        async with self.connect(compression="deflate") as ws:
            self.assertEqual(ws.extensions, [])
            await self.exchange(ws, "x" * 1000)

    @scenario
    async def test_one_after_another(self):
        for number in range(200):
            async with self.connect() as ws:
                await self.exchange(ws, f"connection {number}")

    @scenario
    async def test_several_at_once(self):
        async def talk(number):
            async with self.connect() as ws:
                for i in range(20):
                    await self.exchange(ws, f"{number}:{i}" + "." * (number * 10))
        await asyncio.gather(*(talk(number) for number in range(50)))


class EchoServer(Common, ServerTest):
    PROGRAM = EXAMPLES / "echo_server", 0

    @scenario
    async def test_at_the_root_too(self):
        async with self.connect("/") as ws:
            await self.exchange(ws, "hello")


class TestServer(Common, ServerTest):
    PROGRAM = TESTS / "interop_server", "127.0.0.1"

    @scenario
    async def test_large_messages_by_pieces(self):
        """10 MiB pass a server whose limit is 1 MiB, since it never holds them."""
        async with self.connect("/stream") as ws:
            await self.exchange(ws, pattern(10 * MIB), "y" * (10 * MIB), "", b"")
            await ws.send(["grü", "ß", "", "e"])
            self.assertEqual(await ws.recv(), "grüße")

    @scenario
    async def test_fragments_of_the_server(self):
        async with self.connect("/split") as ws:
            for message in ("one message in many frames", "grüße 🌊", b"\0\1\2\3\xff", b"a"):
                await ws.send(message)
                self.assertEqual(await ws.recv(), message)
                self.assertEqual(await ws.recv(), "behind")
            await ws.send("")
            self.assertEqual(await ws.recv(), "")

    @scenario
    async def test_pings_of_the_server(self):
        async with self.connect("/ping") as ws:
            self.assertEqual(await ws.recv(), "pinged")
            await ws.send("and?")
            self.assertEqual(await ws.recv(), "answered")

    @scenario
    async def test_closed_by_the_server(self):
        for code, reason in ((1000, ""), (1001, "leaving"), (1011, ""), (3000, "a"), (4999, "mine")):
            async with self.connect(f"/close?{code},{reason}") as ws:
                await ws.send("close, please")
                self.assertEqual(await close_of(ws), (code, reason))
            self.server.wait_for(rf"^ended /close\?{code},{reason}: closed by this side {code} {reason}$")

    @scenario
    async def test_the_handler_ends(self):
        async with self.connect("/leave") as ws:
            self.assertEqual(await ws.recv(), "bye")
            self.assertEqual(await close_of(ws), (1000, ""))

    @scenario
    async def test_the_handler_throws(self):
        async with self.connect("/fail") as ws:
            self.assertEqual(await ws.recv(), "about to throw")
            self.assertEqual(await close_of(ws), (1011, ""))
        self.server.wait_for("a handler threw: as the test wants")

    @scenario
    async def test_what_the_server_sees_of_a_close(self):
        async with self.connect("/echo?seen") as ws:
            await ws.close(4321, "grüße")
        self.server.wait_for(r"^ended /echo\?seen: closed by the peer 4321 grüße$")
        async with self.connect("/echo?vanished") as ws:
            ws.transport.abort()
        self.server.wait_for(r"^ended /echo\?vanished: (the connection broke|the peer vanished[^:]*) 1006")

    @scenario
    async def test_subprotocols(self):
        async with self.connect("/chat", subprotocols=["v1.chat", "v2.chat", "v3.chat"]) as ws:
            self.assertEqual(ws.subprotocol, "v2.chat")
            self.assertEqual(await ws.recv(), "v2.chat")
        async with self.connect("/chat", subprotocols=["v3.chat"]) as ws:
            self.assertIsNone(ws.subprotocol)
            self.assertEqual(await ws.recv(), "")
        async with self.connect("/chat") as ws:
            self.assertIsNone(ws.subprotocol)

    @scenario
    async def test_refused_by_the_application(self):
        with self.assertRaises(InvalidStatusCode) as refused:
            await self.connect("/private")
        self.assertEqual(refused.exception.status_code, 401)
        self.assertEqual(refused.exception.headers["WWW-Authenticate"], "Bearer")
        async with self.connect("/private", extra_headers={"Authorization": "Bearer right"}) as ws:
            await self.exchange(ws, "let in")


class LargeMessages(unittest.TestCase):
    @scenario
    async def test_10_mib(self):
        server = Server(TESTS / "interop_server", "127.0.0.1", 16 * MIB)
        where = f"ws://127.0.0.1:{server.port}/echo"
        async with websockets.connect(where, compression=None, max_size=None) as ws:
            for message in (pattern(10 * MIB), "y" * (10 * MIB)):
                await ws.send(message)
                self.assertEqual(await ws.recv(), message)
            await ws.send([pattern(5 * MIB), pattern(5 * MIB)])
            self.assertEqual(await ws.recv(), pattern(5 * MIB) * 2)
        self.assertEqual(server.end()[0], 0)


class UnixSocket(unittest.TestCase):
    @scenario
    async def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            server = Server(TESTS / "interop_server", "unix:" + path)
            async with websockets.unix_connect(path, "ws://localhost/echo") as ws:
                for message in ("hello", b"x" * 100000):
                    await ws.send(message)
                    self.assertEqual(await ws.recv(), message)
            self.assertEqual(server.end()[0], 0)
            self.assertFalse(os.path.exists(path))


class Stopping(unittest.TestCase):
    @scenario
    async def test_peers_get_1001(self):
        server = Server(TESTS / "interop_server", "127.0.0.1")
        peers = [await websockets.connect(f"ws://127.0.0.1:{server.port}/echo") for _ in range(20)]
        ending = asyncio.get_running_loop().run_in_executor(None, server.end)
        for ws in peers:
            self.assertEqual(await close_of(ws), (1001, "the server is stopping"))
        self.assertEqual((await ending)[0], 0)


if __name__ == "__main__":
    main()
