#!/usr/bin/env python3
"""curl as a plain HTTP client of interop_server: routes, refusals with a sentence, and requests that are none."""
import shutil
import subprocess
import unittest

from programs import PATIENCE, TESTS, ServerTest, main, skip

if not shutil.which("curl"):
    skip("curl is not installed")

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


class Curl(ServerTest):
    PROGRAM = TESTS / "interop_server", "127.0.0.1"

    def url(self, path):
        return f"http://127.0.0.1:{self.server.port}{path}"

    def curl(self, *arguments):
        return subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), "--include", *arguments],
                              capture_output=True, text=True, timeout=2 * PATIENCE, check=False)

    def ask(self, path, *arguments, fields=None):
        """The answer as (status, fields, body)."""
        for name, value in (fields or {}).items():
            arguments += ("-H", f"{name}: {value}" if value is not None else f"{name}:")
        done = self.curl(*arguments, self.url(path))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        head, _, body = done.stdout.partition("\n\n")
        lines = head.split("\n")
        found = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        return int(lines[0].split()[1]), found, body

    def refused(self, answer, status, sentence, **fields):
        self.assertEqual(answer[0], status, answer)
        self.assertIn(sentence, answer[2])
        self.assertTrue(answer[2].endswith(".\n"), answer[2])
        self.assertEqual(answer[1]["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(answer[1]["content-length"], str(len(answer[2].encode())))
        for name, value in fields.items():
            self.assertEqual(answer[1].get(name.replace("_", "-")), value)

    def test_get(self):
        self.assertEqual(self.ask("/healthz"), (200, {"content-type": "text/plain; charset=utf-8",
                                                      "content-length": "3"}, "ok\n"))
        status, fields, body = self.ask("/page?with=query")
        self.assertEqual((status, fields["content-type"], body), (200, "text/html; charset=utf-8", "<p>a page</p>\n"))

    def test_head(self):
        status, fields, body = self.ask("/healthz", "--head")
        self.assertEqual((status, fields["content-length"], body), (200, "3", ""))
        status, fields, body = self.ask("/nowhere", "--head")
        self.assertEqual((status, body), (404, ""))
        self.assertGreater(int(fields["content-length"]), 10)

    def test_one_connection_for_several_requests(self):
        done = self.curl("--write-out", "%{num_connects} ", *[self.url("/healthz")] * 5, self.url("/nowhere"),
                         self.url("/page"))
        self.assertEqual(done.stdout.count("200 OK"), 6, done.stdout)
        self.assertEqual(done.stdout.count("404 Not Found"), 1)
        self.assertEqual([word for word in done.stdout.split() if word in "01"].count("1"), 1, done.stdout)

    def test_http_1_0(self):
        status, fields, body = self.ask("/healthz", "--http1.0")
        self.assertEqual((status, body, fields["connection"]), (200, "ok\n", "close"))

    def test_404(self):
        for path in ("/nowhere", "/", "/healthz/", "/Echo", "/echo/more"):
            self.refused(self.ask(path), 404, "There is nothing at this path.")
        self.refused(self.ask("/nowhere", "-X", "POST", "--data", "some body"), 404, "There is nothing at this path.")

    def test_405(self):
        for method in ("POST", "PUT", "DELETE", "TRACE"):
            self.refused(self.ask("/healthz", "-X", method), 405, "This path answers GET, HEAD, OPTIONS only.",
                         allow="GET, HEAD, OPTIONS")
        self.assertEqual(self.ask("/healthz", "-X", "OPTIONS"), (204, {"allow": "GET, HEAD, OPTIONS"}, ""))
        self.refused(self.ask("/healthz", "--data", "x" * 100000), 405, "GET, HEAD, OPTIONS only",
                     allow="GET, HEAD, OPTIONS")
        self.refused(self.ask("/echo", "-X", "POST", fields=UPGRADE), 405, "must be a GET request", allow="GET")

    def test_426(self):
        self.refused(self.ask("/echo"), 426, "This is a WebSocket endpoint", upgrade="websocket",
                     sec_websocket_version="13")
        self.assertCountEqual(self.ask("/echo")[1]["connection"].lower().split(", "), ["close", "upgrade"])
        self.refused(self.ask("/echo", fields=UPGRADE | {"Upgrade": "h2c"}), 426, "no Upgrade: websocket")
        for version in ("8", "12", "14", "x", "13, 8"):
            answer = self.ask("/echo", fields=UPGRADE | {"Sec-WebSocket-Version": version})
            self.refused(answer, 426, "Sec-WebSocket-Version must be 13", sec_websocket_version="13")

    def test_400_for_handshakes(self):
        for name, value, sentence in (
                ("Sec-WebSocket-Key", None, "Sec-WebSocket-Key must be 16 bytes in base64"),
                ("Sec-WebSocket-Key", "c2hvcnQ=", "Sec-WebSocket-Key must be 16 bytes in base64"),
                ("Connection", "keep-alive", "no Connection: Upgrade"),
                ("Content-Length", "5", "has no body"),
                ("Sec-WebSocket-Protocol", "a b", "list of tokens")):
            with self.subTest(field=name, value=value):
                self.refused(self.ask("/echo", fields=UPGRADE | {name: value}), 400, sentence)
        self.refused(self.ask("/echo", "--http1.0", fields=UPGRADE), 400, "HTTP/1.1")

    def test_403(self):
        self.refused(self.ask("/echo", fields=UPGRADE | {"Origin": "https://example.com"}), 403, "origin")

    def test_refused_by_the_application(self):
        status, fields, body = self.ask("/private", fields=UPGRADE)
        self.assertEqual((status, fields["www-authenticate"], body), (401, "Bearer", "Who are you?\n"))

    def test_too_much(self):
        self.assertEqual(self.ask("/healthz", fields={"X-Large": "x" * 20000})[0], 431)
        self.assertEqual(self.ask("/healthz", fields={f"X-{number}": "x" for number in range(200)})[0], 431)
        self.assertEqual(self.ask("/" + "x" * 10000)[0], 414)

    def test_not_requests(self):
        self.assertEqual(self.ask("/healthz", "-X", "G@T")[0], 400)
        self.assertEqual(self.ask("/healthz", "--request-target", "no-slash")[0], 400)
        self.assertEqual(self.ask("/healthz", fields={"Bad Name": "x"})[0], 400)
        for path in ("/healthz", "/echo"):
            status, _, body = self.ask(path, fields=UPGRADE | {"Host": None})
            self.assertEqual((status, "no Host field" in body), (400, True), body)


if __name__ == "__main__":
    main()
