"""An echo client with python3-websockets: connects to the URL again and again, until it is answered 410."""
import asyncio
import logging
import sys

import websockets


async def main():
    logging.disable(logging.CRITICAL)  # what peers do wrong is what this is about
    while True:
        try:
            async with websockets.connect(sys.argv[1], max_size=None, ping_interval=None) as ws:
                async for message in ws:
                    await ws.send(message)
        except websockets.InvalidStatusCode as refused:
            if refused.status_code == 410:
                return
        except Exception:  # whatever it was: the next one
            pass


asyncio.run(main())
