#!/usr/bin/env python3
"""400 channels, 100 over each transport, in the room of examples/every_transport: every line that is said reaches all, once and in
the same order. On the backend that is asked for, and on io_uring's other mode as well."""
import os
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/interop")
from programs import EXAMPLES, PATIENCE, TESTS, Server  # noqa: E402

backend = os.environ.get("WEIR_BACKEND", "epoll")
for each in [backend] + ([backend + "-completion"] if backend == "io_uring" else []):
    os.environ["WEIR_BACKEND"] = each
    server = Server(EXAMPLES / "every_transport", 0)
    url = f"http://127.0.0.1:{server.port}/chat"
    done = subprocess.run([TESTS / "load_channels", url, "100", "25"], capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    code, said = server.end()
    print(each, done.stdout + done.stderr, sep=": ", end="")
    assert code == 0, said[-20:]
    assert done.returncode == 0
