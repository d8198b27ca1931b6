#!/usr/bin/env python3
"""1,000 clients of a channel whose requests are held: what each costs the server, and that all are answered at once."""
import os
import pathlib
import re
import socket
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/interop")
from programs import EXAMPLES, Server, skip  # noqa: E402

CLIENTS = 1000
FIELDS = "HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def resident(process):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def answer(reader):
    """The body of the next answer."""
    size = 0
    while (line := reader.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    return reader.read(size).decode()


def run(server):
    def client():
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        connection.sendall(f"GET /chat?transport=long-polling&ack=0 {FIELDS}".encode())
        reader = connection.makefile("rb")
        return connection, reader, answer(reader)[1:23]

    first = [client() for _ in range(20)]  # what the first ones cost, all share
    process = server.process.pid
    before = resident(process)
    all_of_them = [client() for _ in range(CLIENTS)]
    for connection, _, session in all_of_them:
        connection.sendall(f"GET /chat?session={session}&ack=0 {FIELDS}".encode())
    connection, reader, session = first[0]
    connection.sendall(f"GET /chat?session={session}&ack=0&transport=polling {FIELDS}".encode())
    assert answer(reader) == ""  # so all that was sent before has been taken
    held = resident(process)
    print(f"{CLIENTS} held requests: {(held - before) // CLIENTS} bytes resident each")
    began = time.monotonic()
    body = "t1 hello"
    connection.sendall(f"POST /chat?session={session} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert answer(reader) == "a1\n"
    for _, reader, _ in all_of_them:
        got = answer(reader)
        assert got == "t1 hello\n", got
    print(f"a message for all of them: {(time.monotonic() - began) * 1000:.0f} ms until the last had it")


if not os.path.exists("/proc/self/status"):
    skip("there is no /proc")
started = Server(EXAMPLES / "every_transport", 0)
run(started)
code, said = started.end()
assert code == 0, said[-40:]
