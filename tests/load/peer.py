"""A client on a plain socket whose frames are known to the byte, for looking at what a server does with them."""
import contextlib
import socket
import struct
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/interop")
from programs import PATIENCE  # noqa: E402

REQUEST = (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def frames(payload):
    """The frame with which a client sends a binary message, with a key of zeros so that a trace can be read; and what
    comes back."""
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack("!H", len(payload))
    return b"\x82" + bytes([size[0] | 0x80]) + size[1:] + bytes(4) + payload, b"\x82" + size + payload


@contextlib.contextmanager
def echo_peer(port):
    """Gives `exchange(payload, count)`: sends `count` messages at once, and waits until they have come back."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer, peer.makefile("rb") as file:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(REQUEST)
        while file.readline() not in (b"\r\n", b""):
            pass

        def exchange(payload, count=1):
            sent, expected = frames(payload)
            peer.sendall(sent * count)
            if file.read(len(expected) * count) != expected * count:
                raise AssertionError("another message came back")

        yield exchange
