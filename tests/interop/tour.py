#!/usr/bin/env python3
"""What README.md shows does what it says: python-websockets and plain HTTP against examples/tour.cpp."""
import asyncio
import urllib.request

from programs import EXAMPLES, PATIENCE, ServerTest, main, skip

try:
    import websockets
    from websockets.exceptions import ConnectionClosed, InvalidStatusCode
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")


def scenario(function):
    """A test that is a coroutine, with a deadline."""
    def run(self):
        asyncio.run(asyncio.wait_for(function(self), PATIENCE))
    return run


class Ticker(ServerTest):
    PROGRAM = [EXAMPLES / "ticker", 0]

    @scenario
    async def test_pushes(self):
        async with websockets.connect(f"ws://127.0.0.1:{self.server.port}/", compression=None) as ws:
            first, second = await ws.recv(), await ws.recv()
            self.assertRegex(first, r"^\d\d:\d\d:\d\d$")
            self.assertNotEqual(first, second)

    def test_page(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/", timeout=PATIENCE) as answer:
            self.assertIn(b"new WebSocket(", answer.read())


class Tour(ServerTest):
    PROGRAM = [EXAMPLES / "tour", 0]

    def connect(self, path, **options):
        return websockets.connect(f"ws://127.0.0.1:{self.server.port}{path}", compression=None, **options)

    async def assert_refused(self, status, path, **options):
        with self.assertRaises(InvalidStatusCode) as caught:
            await self.connect(path, **options)
        self.assertEqual(caught.exception.status_code, status)

    def test_plain_routes(self):
        for path, expected in [("/healthz", b"ok"), ("/hello?you", b"You asked for /hello?you\n")]:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=PATIENCE) as answer:
                self.assertEqual(answer.read(), expected)

    @scenario
    async def test_pieces(self):
        async with self.connect("/measure", subprotocols=["other", "measure.v1"]) as ws:
            self.assertEqual(ws.subprotocol, "measure.v1")
            for size in (0, 5, 3_000_000):
                await ws.send("x" * size)
                self.assertEqual(await ws.recv(), f"{size} bytes")
            await ws.send(["two", "", " parts"])
            self.assertEqual(await ws.recv(), "9 bytes")

    @scenario
    async def test_origins(self):
        await self.assert_refused(403, "/measure", origin="https://example.org")
        async with self.connect("/measure", origin="https://example.com"):
            pass

    @scenario
    async def test_admission_and_scopes(self):
        await self.assert_refused(401, "/metronome")
        async with self.connect("/metronome", extra_headers={"Authorization": "Bearer sesame"}) as ws:
            await ws.send("tick?")
            heard = [await ws.recv(), await ws.recv()]
            self.assertEqual(sorted(heard), ["0", "tick?"])

    @scenario
    async def test_closing(self):
        async with self.connect("/patient") as ws:
            await ws.send("here")
            self.assertEqual(await ws.recv(), "here")
            with self.assertRaises(ConnectionClosed):
                await ws.recv()
            self.assertEqual(ws.close_code, 1000)

    @scenario
    async def test_room(self):
        async with self.connect("/chat") as one, self.connect("/chat") as two:
            await two.send("both are here")
            self.assertEqual(await two.recv(), "both are here")
            await one.send("hello")
            self.assertEqual(await two.recv(), "hello")

    @scenario
    async def test_threads(self):
        async with self.connect("/compute") as ws:
            self.assertEqual(await ws.recv(), "from a thread of your own")
            await ws.send("grind")
            self.assertTrue((await ws.recv()).isdigit())


main()
