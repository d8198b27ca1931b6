#!/usr/bin/env python3
"""python-websockets as server of our clients: interop_client goes through its scenarios, and the echo client of the
examples says hello."""
import asyncio
import http
import subprocess
import unittest

from programs import EXAMPLES, PATIENCE, TESTS, main, skip

try:
    import websockets
except ImportError as missing:
    skip(f"{missing}: Debian's python3-websockets is not installed")

MIB = 1024 * 1024


class Peer:
    """The server; notes how the connections to /record and /large ended."""

    def __init__(self):
        self.ends = []

    async def handle(self, ws, path):
        try:
            await self.serve(ws, path)
        except websockets.ConnectionClosed:
            pass

    async def serve(self, ws, path):
        if path == "/fragments":
            for _ in range(2):
                await ws.send(["grü", "ß", "", "e"])
                if _ == 0:
                    await ws.send([b"\0", b"", b"ab"])
        elif path == "/ping":
            waiting = [await ws.ping(payload) for payload in (b"", b"are you there?", b"x" * 125)]
            await asyncio.gather(*waiting)
            await ws.send("answered")
        elif path.startswith("/close?"):
            code, _, reason = path.partition("?")[2].partition(",")
            await ws.recv()
            if code == "0":
                await ws.write_close_frame(websockets.frames.Close(1005, ""), b"")
            else:
                await ws.close(int(code), reason)
        elif path == "/large":
            await ws.send(b"x" * (2 * MIB))
        received = []
        try:
            while True:
                message = await ws.recv()
                received.append(message)
                await ws.send(message)
        except websockets.ConnectionClosed as closed:
            if path in ("/record", "/large"):
                self.ends.append((received, closed.rcvd and (closed.rcvd.code, closed.rcvd.reason)))

    async def admit(self, path, headers):
        if path == "/forbidden" and headers.get("Authorization") != "Bearer right":
            return http.HTTPStatus.FORBIDDEN, {"Content-Type": "text/plain"}, b"not for you\n"
        if path == "/page":
            return http.HTTPStatus.OK, {"Content-Type": "text/html"}, b"<p>a page</p>\n"
        return None

    def serve_on(self, **options):
        return websockets.serve(self.handle, "127.0.0.1", 0, process_request=self.admit, max_size=None,
                                ping_interval=None, subprotocols=["v2.chat"], **options)


async def run(*command):
    """The exit code and the output of a program."""
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 4 * PATIENCE)
    except asyncio.TimeoutError:
        process.kill()
        said, _ = await process.communicate()
    return process.returncode, said.decode()


class Clients(unittest.TestCase):
    async def scenarios(self, **options):
        peer = Peer()
        async with peer.serve_on(**options) as server:
            port = server.sockets[0].getsockname()[1]
            code, said = await run(TESTS / "interop_client", f"ws://127.0.0.1:{port}")
        self.assertEqual(code, 0, said)
        limit = f"message of {2 * MIB} bytes over the limit of {MIB}"
        self.assertCountEqual(peer.ends, [([], (1009, limit)), ([], (4321, "grüße")), (["first this"], (1001, "")),
                                          ([], (1000, "")), ([], (1000, "x" * 122))])

    def test_all_scenarios(self):
        asyncio.run(self.scenarios())

    def test_without_extensions(self):
        asyncio.run(self.scenarios(compression=None))

    def test_echo_client(self):
        async def talk():
            async with Peer().serve_on() as server:
                port = server.sockets[0].getsockname()[1]
                return await run(EXAMPLES / "echo_client", f"ws://localhost:{port}/echo")
        self.assertEqual(asyncio.run(talk()), (0, "hello\n"))

    def test_nobody_there(self):
        async def talk():
            async with Peer().serve_on() as server:
                port = server.sockets[0].getsockname()[1]
            return port, await run(EXAMPLES / "echo_client", f"ws://127.0.0.1:{port}/echo")
        port, (code, said) = asyncio.run(talk())
        self.assertEqual(code, 1)
        self.assertIn("Connection refused", said)
        self.assertIn(f"127.0.0.1:{port}", said)


if __name__ == "__main__":
    main()
