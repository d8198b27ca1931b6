#!/usr/bin/env python3
"""permessage-deflate with python-websockets: its client against our server, its server against our client, with each
parameter. Skipped without zlib, which interop_compression needs."""
import asyncio
import subprocess
import unittest

from programs import PATIENCE, TESTS, Server, main, skip

try:
    import websockets
    from websockets.extensions import permessage_deflate
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")
PROGRAM = TESTS / "interop_compression"
if not PROGRAM.exists():
    skip("interop_compression is not built: it needs zlib (Debian: zlib1g-dev)")

OPTIONS = {"max_size": None, "ping_interval": None, "close_timeout": PATIENCE}
TEXT = "".join(f"line {i * i % 997}: grüße 🌊\n" for i in range(3000))
BYTES = bytes(i * i * 31 % 251 ^ i >> 3 & 255 for i in range(100000))
# zlib deflates into no window of 8 bits, and Python hands on its refusal: nothing may ask it for that.
SERVER_SETTINGS = [(15, 15, 0, 0), (15, 15, 1, 1), (10, 9, 1, 0), (8, 9, 0, 1)]
WINDOWS = range(9, 16)


async def exchange(ws):
    for message in ["", "x", "x" * 255, "x" * 256, TEXT[:1000], TEXT[:1000], TEXT, b"", BYTES, BYTES[:300], TEXT]:
        await ws.send(message)
        assert await ws.recv() == message
    for pieces in [["one ", "", "twö ", TEXT, ""], [b"\0", BYTES, b"", BYTES], ["x" * 1000] * 100]:
        await ws.send(pieces)  # ends with an empty frame, which has nothing of a deflate block in it
        assert await ws.recv() == type(pieces[0])().join(pieces)
    await ws.send(TEXT)
    assert await ws.recv() == TEXT


class Client(unittest.TestCase):
    """Theirs against our server."""

    async def talk(self, port, **parameters):
        extensions = [permessage_deflate.ClientPerMessageDeflateFactory(**parameters)]
        for path in ("/echo", "/stream"):
            where = f"ws://127.0.0.1:{port}{path}"
            async with websockets.connect(where, compression=None, extensions=extensions, **OPTIONS) as ws:
                self.assertEqual([each.name for each in ws.extensions], ["permessage-deflate"])
                await exchange(ws)
                self.agreed = ws.extensions[0]

    def against(self, settings):
        server = Server(PROGRAM, "serve", *settings)

        async def all_parameters():
            for bits in WINDOWS:
                for flags in range(4):
                    what = {"server_no_context_takeover": bool(flags & 1), "client_no_context_takeover": bool(flags & 2),
                            "server_max_window_bits": 24 - bits, "client_max_window_bits": bits}
                    with self.subTest(settings=settings, **what):
                        await asyncio.wait_for(self.talk(server.port, **what), PATIENCE)
                        if flags & 1 or not settings[2]:
                            self.assertTrue(self.agreed.remote_no_context_takeover)
                        self.assertEqual(self.agreed.remote_max_window_bits, min(24 - bits, settings[0]))
                        self.assertEqual(self.agreed.local_max_window_bits, min(bits, settings[1]))
            with self.subTest("8 bits for the server"):
                await self.talk(server.port, server_max_window_bits=8)
                self.assertEqual(self.agreed.remote_max_window_bits, 8)
            with self.subTest("the default"):
                await self.talk(server.port)
        asyncio.run(all_parameters())
        self.assertEqual(server.end()[0], 0)

    def test_all_parameters(self):
        for settings in SERVER_SETTINGS:
            self.against(settings)

    def test_a_bomb(self):
        async def send(port):
            extensions = [permessage_deflate.ClientPerMessageDeflateFactory()]
            async with websockets.connect(f"ws://127.0.0.1:{port}/echo", extensions=extensions, compression=None,
                                          **OPTIONS) as ws:
                await ws.send(bytes(256 * 1024 * 1024))
                try:
                    await ws.recv()
                except websockets.ConnectionClosed as closed:
                    return closed.rcvd.code, closed.rcvd.reason
        server = Server(PROGRAM, "serve", 15, 15, 0, 0)
        self.assertEqual(asyncio.run(send(server.port)), (1009, "message of 1048577 bytes over the limit of 1048576"))
        self.assertEqual(server.end()[0], 0)


class Peer(unittest.TestCase):
    """Theirs as server of our client."""

    async def handle(self, ws, path):
        self.agreed.append(ws.extensions)
        try:
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass

    async def run_client(self, settings, **parameters):
        self.agreed = []
        extensions = [permessage_deflate.ServerPerMessageDeflateFactory(**parameters)]
        async with websockets.serve(self.handle, "127.0.0.1", 0, compression=None, extensions=extensions,
                                    **OPTIONS) as server:
            port = server.sockets[0].getsockname()[1]
            process = await asyncio.create_subprocess_exec(
                str(PROGRAM), "talk", f"ws://127.0.0.1:{port}/", *map(str, settings), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        self.assertEqual(process.returncode, 0, said.decode())
        self.assertIn("agreed: permessage-deflate", said.decode())
        self.assertEqual([each.name for each in self.agreed[0]], ["permessage-deflate"])

    def test_all_parameters(self):
        for bits in WINDOWS:
            for flags in range(4):
                settings = bits, 24 - bits, flags & 1, flags >> 1
                for parameters in ({}, {"server_no_context_takeover": True, "client_max_window_bits": 9},
                                   {"client_no_context_takeover": True, "server_max_window_bits": 10}):
                    with self.subTest(settings=settings, **parameters):
                        asyncio.run(self.run_client(settings, **parameters))

    def test_8_bits_for_the_client(self):
        asyncio.run(self.run_client((8, 15, 1, 1)))
        asyncio.run(self.run_client((15, 15, 1, 1), client_max_window_bits=8))


if __name__ == "__main__":
    main()
