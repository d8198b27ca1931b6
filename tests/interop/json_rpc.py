#!/usr/bin/env python3
"""examples/json_rpc.cpp: client and server, each with the other, and with python-websockets as a peer that does as it likes."""
import asyncio
import json
import subprocess
import unittest

from programs import EXAMPLES, PATIENCE, Server, ServerTest, main, skip

try:
    import websockets
except ImportError:
    skip("python3-websockets is not installed")


def answers_of(output):
    return dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)


class Served(ServerTest):
    PROGRAM = EXAMPLES / "json_rpc", 0

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.server.port}/rpc"

    def test_itself(self):
        done = subprocess.run([EXAMPLES / "json_rpc", "0", self.url], capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(answers_of(done.stdout), {"1": '{"id":1,"result":50}', "2": '{"id":2,"result":10}', "3": "timed out"})
        self.assertEqual(done.stdout.splitlines()[-1], 'and {"method":"hello"}')

    def test_order(self):
        async def talk():
            async with websockets.connect(self.url) as ws:
                self.assertEqual(json.loads(await ws.recv()), {"method": "hello"})
                await ws.send('{"id":7,"method":"sleep","wait":200}')
                await ws.send('{"id":8,"method":"sleep","wait":0}')
                return [json.loads(await ws.recv()) for _ in range(2)]

        self.assertEqual(asyncio.run(asyncio.wait_for(talk(), PATIENCE)), [{"id": 8, "result": 0}, {"id": 7, "result": 200}])


class Asked(unittest.TestCase):
    def against(self, peer):
        """The client's exit code and output where each connection is handed to `peer`."""

        async def serve():
            async with websockets.serve(peer, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                client = await asyncio.create_subprocess_exec(EXAMPLES / "json_rpc", "0", f"ws://127.0.0.1:{port}/",
                                                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                said, _ = await asyncio.wait_for(client.communicate(), PATIENCE)
                return client.returncode, said.decode()

        return asyncio.run(serve())

    def test_answers_in_any_order_twice_and_of_nobody(self):
        async def peer(ws, *_):
            ids = sorted([json.loads(await ws.recv())["id"] for _ in range(3)])
            for number in (99, *reversed(ids), ids[0]):
                await ws.send(json.dumps({"id": number, "result": 10 * number}, separators=(",", ":")))
            await ws.wait_closed()

        code, said = self.against(peer)
        self.assertEqual(code, 0, said)
        self.assertEqual(answers_of(said), {str(n): '{"id":%d,"result":%d}' % (n, 10 * n) for n in (1, 2, 3)})
        self.assertIn('and {"id":99,"result":990}', said)  # asked for by nobody: for whoever reads

    def test_garbage_answers_nothing(self):
        async def peer(ws, *_):
            for _ in range(3):
                await ws.recv()
            for text in ("", "{", '{"id":}', b"\xff\x00", '{"id":1,"method":"mine"}', '{"id":1,"result":"yes"}'):
                await ws.send(text)
            await ws.wait_closed()

        code, said = self.against(peer)
        self.assertEqual(code, 0, said)
        self.assertEqual(answers_of(said), {"1": '{"id":1,"result":"yes"}', "2": "timed out", "3": "timed out"})

    def test_the_end_answers_all(self):
        async def peer(ws, *_):
            await ws.recv()
            await ws.close(1001, "enough")

        code, said = self.against(peer)
        self.assertEqual(code, 1, said)
        self.assertEqual(answers_of(said), dict.fromkeys("123", "closed"))


if __name__ == "__main__":
    main()
