#!/usr/bin/env python3
"""examples/proxy.cpp between a server and clients of python-websockets: what is said, and how it ends, on both sides."""
import asyncio
import contextlib
import socket
import unittest

from programs import EXAMPLES, PATIENCE, Server, main, skip

try:
    import websockets
    from websockets.exceptions import ConnectionClosed
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")


class Proxy(unittest.TestCase):
    """Each test has an upstream server, whose `handler` it sets, and a proxy in front of it."""

    def run_scenario(self, function, subprotocols=(), upstream_subprotocols=None):
        async def whole():
            async with websockets.serve(self.upstream, "127.0.0.1", 0, compression=None, max_size=None,
                                        subprotocols=upstream_subprotocols) as upstream:
                port = upstream.sockets[0].getsockname()[1]
                await self.through(port, function, subprotocols)
        asyncio.run(asyncio.wait_for(whole(), PATIENCE))

    async def through(self, port, function, subprotocols=()):
        proxy = await asyncio.to_thread(Server, EXAMPLES / "proxy", f"ws://127.0.0.1:{port}/", 0, *subprotocols)
        self.url = f"ws://127.0.0.1:{proxy.port}/"
        self.ended = asyncio.Queue()
        try:
            await function()
        finally:
            code, said = await asyncio.to_thread(proxy.end)
        self.assertEqual(code, 0, said)
        self.assertFalse([line for line in said if "handler threw" in line], said)

    async def upstream(self, ws):
        self.seen = ws
        try:
            await self.handler(ws)
        finally:
            await ws.wait_closed()
            self.ended.put_nowait((ws.close_code, ws.close_reason))

    def connect(self, **options):
        return websockets.connect(self.url, compression=None, max_size=None, **options)

    async def connect_through(self):
        """The same, and the proxy has reached the server: who leaves before that has never been there."""
        ws = await self.connect()
        await ws.send("are you there?")
        await ws.recv()
        return ws

    async def echo(self, ws):
        with contextlib.suppress(ConnectionClosed):
            async for message in ws:
                await ws.send(message)

    handler = echo

    def test_messages(self):
        async def scenario():
            async with self.connect() as ws:
                for message in ("text", "", b"binary", b"", "é" * 40_000, b"\0\xff" * 1_500_000):
                    await ws.send(message)
                    self.assertEqual(await ws.recv(), message)
                await ws.send(["in ", "", "pieces"])
                self.assertEqual(await ws.recv(), "in pieces")
                await (await ws.ping())
        self.run_scenario(scenario)

    def test_closed_by_the_client(self):
        async def scenario():
            for code, reason in ((1000, ""), (1001, "leaving"), (3999, "é"), (4000, "x" * 123)):
                ws = await self.connect_through()
                await ws.close(code, reason)
                self.assertEqual(await self.ended.get(), (code, reason))
        self.run_scenario(scenario)

    def test_closed_by_the_server(self):
        async def scenario():
            for code, reason in ((1000, ""), (1011, "failed"), (4999, "é")):
                async def close(_, ws, code=code, reason=reason):
                    await ws.send("last words")
                    await ws.close(code, reason)
                self.handler = close.__get__(self)
                async with self.connect() as ws:
                    self.assertEqual(await ws.recv(), "last words")
                    with self.assertRaises(ConnectionClosed):
                        await ws.recv()
                    self.assertEqual((ws.close_code, ws.close_reason), (code, reason))
        self.run_scenario(scenario)

    def test_without_a_code(self):
        async def scenario():
            ws = await self.connect_through()
            await ws.write_close_frame(websockets.frames.Close(1005, ""), b"")
            await ws.wait_closed()
            self.assertEqual(await self.ended.get(), (1005, ""))
        self.run_scenario(scenario)

    def test_broken(self):
        async def scenario():
            ws = await self.connect_through()
            ws.transport.abort()
            code, reason = await self.ended.get()
            self.assertEqual(code, 1014)
            ws = await self.connect_through()
            self.seen.transport.abort()
            with self.assertRaises(ConnectionClosed):
                await ws.recv()
            self.assertEqual(ws.close_code, 1014)
            self.assertIn(ws.close_reason, ("the connection broke", "the peer vanished without a close frame"))
        self.run_scenario(scenario)

    def test_no_server(self):
        async def scenario():
            async with self.connect() as ws:
                with self.assertRaises(ConnectionClosed):
                    await ws.recv()
                self.assertEqual((ws.close_code, ws.close_reason), (1014, "the server cannot be reached"))
        with socket.socket() as taken:  # nobody listens there
            taken.bind(("127.0.0.1", 0))
            asyncio.run(asyncio.wait_for(self.through(taken.getsockname()[1], scenario), PATIENCE))

    def test_fields_and_subprotocols(self):
        async def scenario():
            async with self.connect(subprotocols=["c", "b"], extra_headers={"Authorization": "Bearer sesame"}) as ws:
                await ws.send("x")
                await ws.recv()
                self.assertEqual((ws.subprotocol, self.seen.subprotocol), ("b", "b"))
                self.assertEqual(self.seen.request_headers["Authorization"], "Bearer sesame")
            async with self.connect(subprotocols=["c"]) as ws:
                await ws.send("x")
                await ws.recv()
                self.assertEqual((ws.subprotocol, self.seen.subprotocol), (None, None))
            async with self.connect(subprotocols=["a"]) as ws:  # known here only
                with self.assertRaises(ConnectionClosed):
                    await ws.recv()
                self.assertEqual((ws.close_code, ws.close_reason), (1014, "the server does not speak this subprotocol"))
        self.run_scenario(scenario, ["a", "b"], ["b"])

    def test_slow_client(self):
        """The server is held back, and the rest is not lost."""
        async def pour(_, ws):
            for _ in range(400):
                await ws.send(b"y" * 100_000)
            await ws.close()
        self.handler = pour.__get__(self)

        async def scenario():
            async with self.connect(max_queue=1, read_limit=4096) as ws:
                size = 0
                with contextlib.suppress(ConnectionClosed):
                    async for message in ws:
                        size += len(message)
                self.assertEqual(size, 40_000_000)
        self.run_scenario(scenario)


if __name__ == "__main__":
    main()
