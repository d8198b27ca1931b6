#!/usr/bin/env python3
"""Plain sockets against interop_server: every violation gets its close frame on the wire and then the end of the stream,
whether it comes whole or byte by byte; half-closed connections end; and the server serves on."""
import socket
import struct
import unittest

from programs import PATIENCE, TESTS, ServerTest, main

REQUEST = (b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
KEY = b"\x37\xfa\x21\x3d"


def frame(opcode, payload=b"", fin=True, reserved=0, masked=True, length=None):
    """A client's frame; `length` overrides the length field and its form."""
    head = bytes([(fin << 7) | (reserved << 4) | opcode])
    mask = 0x80 if masked else 0
    if length is not None:
        head += bytes([mask | length[0]]) + length[1]
    elif len(payload) < 126:
        head += bytes([mask | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    return head + KEY + bytes(byte ^ KEY[i % 4] for i, byte in enumerate(payload))


def closing(code, reason=b""):
    return struct.pack("!H", code) + reason


# What is sent, and the close code and reason that must come.
VIOLATIONS = [
    (frame(1, b"x", reserved=4), 1002, "reserved bits 100 set without an extension (RFC 6455 5.2)"),
    (frame(9, b"x", reserved=3), 1002, "reserved bits 011 set without an extension (RFC 6455 5.2)"),
    (frame(3), 1002, "reserved opcode 3 (RFC 6455 5.2)"),
    (frame(15), 1002, "reserved opcode 15 (RFC 6455 5.2)"),
    (frame(9, b"x", fin=False), 1002, "fragmented control frame, opcode 9 (RFC 6455 5.5)"),
    (frame(8, b"", fin=False), 1002, "fragmented control frame, opcode 8 (RFC 6455 5.5)"),
    (frame(9, b"x" * 126), 1002, "control frame over 125 bytes, opcode 9 (RFC 6455 5.5)"),
    (frame(2, b"x", length=(126, b"\0\1")), 1002, "payload length not in its shortest form (RFC 6455 5.2)"),
    (frame(2, b"x", length=(127, b"\0\0\0\0\0\0\xff\xff")), 1002,
     "payload length not in its shortest form (RFC 6455 5.2)"),
    (frame(2, b"x", length=(127, b"\x80\0\0\0\0\0\0\1")), 1002, "payload length over 63 bits (RFC 6455 5.2)"),
    (frame(1, b"x", masked=False), 1002, "unmasked frame from a client (RFC 6455 5.1)"),
    (frame(0, b"x"), 1002, "continuation frame with no message to continue (RFC 6455 5.4)"),
    (frame(1, b"x", fin=False) + frame(2, b"y"), 1002, "new message, opcode 2, inside a fragmented one (RFC 6455 5.4)"),
    (frame(1, b"\xff"), 1007, "text is not valid UTF-8 (RFC 6455 8.1)"),
    (frame(1, b"\xf0\x9f", fin=False) + frame(0, b"\x8c"), 1007, "text is not valid UTF-8 (RFC 6455 8.1)"),
    (frame(1, b"\xed\xa0", fin=False), 1007, "text is not valid UTF-8 (RFC 6455 8.1)"),
    (frame(8, b"\3"), 1002, "close payload of 1 byte (RFC 6455 5.5.1)"),
    (frame(8, closing(1005)), 1002, "close code 1005 may not be sent (RFC 6455 7.4)"),
    (frame(8, closing(999)), 1002, "close code 999 may not be sent (RFC 6455 7.4)"),
    (frame(8, closing(2999)), 1002, "close code 2999 may not be sent (RFC 6455 7.4)"),
    (frame(8, closing(1000, b"\xc3")), 1007, "close reason is not valid UTF-8 (RFC 6455 5.5.1)"),
    (frame(2, b"x", length=(127, struct.pack("!Q", 1 << 40))), 1009,
     f"message of {1 << 40} bytes over the limit of {1 << 20}"),
    (frame(2, b"x" * 1000, fin=False) + frame(0, b"x", length=(127, struct.pack("!Q", 1 << 20))), 1009,
     f"message of {1000 + (1 << 20)} bytes over the limit of {1 << 20}"),
]


class Sockets(ServerTest):
    PROGRAM = TESTS / "interop_server", "127.0.0.1"

    def connect(self):
        made = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(made.close)
        return made

    def upgrade(self, path=b"/echo", behind=b""):
        """A connection after the handshake, as a socket and a file to read from."""
        made = self.connect()
        made.sendall(REQUEST % path + behind)
        file = made.makefile("rb")
        self.addCleanup(file.close)
        self.assertEqual(file.readline(), b"HTTP/1.1 101 Switching Protocols\r\n")
        fields = []
        while (line := file.readline()) != b"\r\n":
            fields.append(line)
        self.assertIn(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", fields)
        return made, file

    def read_frame(self, file):
        """(opcode with the FIN bit, payload) of the next frame."""
        head = file.read(2)
        self.assertEqual(len(head), 2, "the stream ended instead of a frame")
        size = head[1]
        self.assertLess(size, 128, "a masked frame from the server")
        if size == 126:
            size = struct.unpack("!H", file.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", file.read(8))[0]
        return head[0], file.read(size)

    def still_serves(self):
        made, file = self.upgrade()
        made.sendall(frame(1, b"still there?"))
        self.assertEqual(self.read_frame(file), (0x81, b"still there?"))

    def expect_close(self, file, code, reason=""):
        self.assertEqual(self.read_frame(file), (0x88, closing(code, reason.encode())))
        self.assertEqual(file.read(), b"")

    def test_violations(self):
        for sent, code, reason in VIOLATIONS:
            for size in (len(sent), 1) if len(sent) < 200 else (len(sent), 100):
                with self.subTest(reason=reason, pieces=size):
                    made, file = self.upgrade()
                    made.sendall(frame(1, b"before"))
                    self.assertEqual(self.read_frame(file), (0x81, b"before"))
                    try:
                        for at in range(0, len(sent), size):
                            made.sendall(sent[at:at + size])
                    except OSError:
                        self.fail("the server reset the connection instead of closing it")
                    self.expect_close(file, code, reason)
        self.still_serves()

    def test_violations_beside_the_handshake(self):
        for sent, code, reason in VIOLATIONS:
            with self.subTest(reason=reason):
                _, file = self.upgrade(behind=frame(1, b"before") + sent)
                first = self.read_frame(file)
                if first != (0x88, closing(code, reason.encode())):  # an answer that had not left yet may be lost
                    self.assertEqual(first, (0x81, b"before"))
                    self.expect_close(file, code, reason)

    def test_violations_while_nobody_reads(self):
        """The handler waits for a slow peer; what comes is looked at all the same."""
        made, file = self.upgrade(b"/ping")
        self.assertEqual(self.read_frame(file)[0], 0x89)
        self.assertEqual(self.read_frame(file), (0x81, b"pinged"))
        made.sendall(frame(4))
        self.expect_close(file, 1002, "reserved opcode 4 (RFC 6455 5.2)")

    def test_closing(self):
        for payload in (b"", closing(1000), closing(1001, b"going"), closing(4999, "grüße".encode())):
            made, file = self.upgrade()
            made.sendall(frame(1, b"first this") + frame(8, payload) + frame(1, b"ignored"))
            self.assertEqual(self.read_frame(file), (0x81, b"first this"))
            self.assertEqual(self.read_frame(file), (0x88, payload[:2]))
            self.assertEqual(file.read(), b"")

    def test_pings_are_answered_in_order_and_between_frames(self):
        made, file = self.upgrade()
        made.sendall(frame(9, b"1") + frame(1, b"a", fin=False) + frame(9, b"2") + frame(0, b"b"))
        got = sorted(self.read_frame(file) for _ in range(3))
        self.assertEqual(got, [(0x81, b"ab"), (0x8a, b"1"), (0x8a, b"2")])

    def test_half_closed_after_a_close_frame(self):
        made, file = self.upgrade()
        made.sendall(frame(1, b"last words") + frame(8, closing(1000)))
        made.shutdown(socket.SHUT_WR)
        self.assertEqual(self.read_frame(file), (0x81, b"last words"))
        self.expect_close(file, 1000)

    def test_half_closed_without_one(self):
        made, file = self.upgrade(b"/echo?halfclosed")
        made.sendall(frame(1, b"x"))
        self.assertEqual(self.read_frame(file), (0x81, b"x"))
        made.shutdown(socket.SHUT_WR)
        self.assertEqual(file.read(), b"")
        self.server.wait_for(r"^ended /echo\?halfclosed: the peer vanished without a close frame 1006 $")
        made, file = self.upgrade(b"/echo?cut")
        made.sendall(frame(1, b"x" * 1000)[:500])
        made.shutdown(socket.SHUT_WR)
        self.assertEqual(file.read(), b"")
        self.server.wait_for(r"^ended /echo\?cut: the peer vanished without a close frame 1006 $")

    def test_reset(self):
        made, _ = self.upgrade(b"/echo?reset")
        made.sendall(frame(1, b"x" * 1000)[:500])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.close()
        _.close()
        self.server.wait_for(r"^ended /echo\?reset: the connection broke 1006 $")
        self.still_serves()

    def test_http_half_closed(self):
        made = self.connect()
        made.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        made.shutdown(socket.SHUT_WR)
        self.assertEqual(made.makefile("rb").read().count(b"<p>a page</p>\n"), 2)
        for beginning in (b"", b"GET", b"GET / HTTP/1.1\r\nHost: local"):
            made = self.connect()
            made.sendall(beginning)
            made.shutdown(socket.SHUT_WR)
            made.makefile("rb").read()
        self.still_serves()

    def test_http_byte_by_byte(self):
        made = self.connect()
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":
            made.sendall(bytes([byte]))
        answer = made.makefile("rb").read()
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nok\n"), answer)

    def test_not_http(self):
        for sent, status in ((b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + b"x" * 500, b"400"),  # how TLS begins
                             (b"GET / HTTP/2.0\r\n\r\n", b"505"),
                             (b"GET / HTTP/1.1\r\nHost: a\r\nBad Field: x\r\n\r\n", b"400"),
                             (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
                             (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
                             (b"GET / HTTP/1.1\r\n\r\n", b"400"),
                             (b"GET /" + b"x" * 20000, b"414")):
            with self.subTest(sent=sent[:60]):
                made = self.connect()
                made.sendall(sent)
                answer = made.makefile("rb").read()
                self.assertEqual(answer[:13], b"HTTP/1.1 " + status + b" ", answer)
                self.assertIn(b"\r\nConnection: close\r\n", answer)
                self.assertTrue(answer.endswith(b"\n"))
        self.still_serves()


if __name__ == "__main__":
    main()
