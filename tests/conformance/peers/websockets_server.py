"""An echo server with python3-websockets. Prints where it listens."""
import asyncio
import logging

import websockets


async def echo(ws, path=None):
    async for message in ws:
        await ws.send(message)


async def main():
    logging.disable(logging.CRITICAL)  # what peers do wrong is what this is about
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await asyncio.Future()


asyncio.run(main())
