"""TLS 1.3 beside plain connections, for weir and for Boost.Beast, in the same run."""
import shutil
import statistics
import subprocess

from counts import memory_of
from cpu import against, compare, installed
from instructions import count
from programs import OPENSSL, Missing, TLS

PLAIN = ["weir epoll", "weir io_uring", "Beast"]
SECURE = [name + TLS for name in PLAIN]
CONNECTIONS = 1000  # that are idle, for the memory of each
CELLS = [("1 x 128 B", {"connections": 1, "bytes": 128, "messages": 8000}),
         ("64 x 128 B", {"connections": 64, "bytes": 128, "messages": 16_000}),
         ("64 x 128 B, depth 16", {"connections": 64, "bytes": 128, "depth": 16, "messages": 60_000}),
         ("1 x 16 KiB", {"connections": 1, "bytes": 16384, "messages": 3000}),
         ("64 x 16 KiB", {"connections": 64, "bytes": 16384, "messages": 5000})]
COUNTED = [("128 B, depth 1", 1, 128, "binary", 0), ("128 B, depth 16", 16, 128, "binary", 0), ("16 KiB", 1, 16384, "binary", 0)]


def run(bench, report):
    if not OPENSSL[1]:
        raise Missing("openssl/ssl.h is not installed (Debian: libssl-dev)")
    there, lacks = installed(bench, PLAIN + SECURE)
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    notes = [f"OpenSSL {version}, TLS_AES_128_GCM_SHA256 and X25519 for all, a certificate of ECDSA with P-256.", *lacks]
    _messages(bench, report, there, notes)
    _handshakes(bench, report, [name for name in SECURE if name in there], lacks)
    _instructions(bench, report, [name for name in (SECURE[0], SECURE[2]) if name in there], lacks)
    report.table(f"TLS: resident bytes of an idle connection ({CONNECTIONS:,}, after one message on each)", ["", "plain", "TLS"],
                 [[name, *(memory_of(bench, each, CONNECTIONS) for each in (name, name + TLS))] for name in PLAIN
                  if name + TLS in there], lacks)


def _against_beast(found, name):
    beast = f"Beast{TLS}"
    return against(found, name, beast, 1.0) if beast in found else "-"


def _messages(bench, report, there, notes):
    rows = []
    for label, load in CELLS:
        found = compare(bench, there, **load)
        rows.append([label, *(min(found[name]) for name in there), _against_beast(found, SECURE[0]), _against_beast(found, SECURE[1])])
        print("  " + "  ".join(str(each) if isinstance(each, str) else f"{each:.0f}" for each in rows[-1]), flush=True)
    report.table("TLS beside plain: server CPU time a message, ns", ["", *there, "epoll of Beast", "io_uring of Beast"], rows, notes)


def _instructions(bench, report, there, lacks):
    if not shutil.which("valgrind"):
        return
    rows = [[case[0], *(count(bench, name, case) for name in there)] for case in COUNTED]
    report.table("TLS: user-space instructions a message", ["", *there], rows, lacks)


def _handshakes(bench, report, there, lacks):
    rows = []
    for label, resume in (("full", 0), ("resumed", 1)):
        found = compare(bench, there, mode="handshakes", connections=16, messages=320, warm=64, resume=resume)
        for name in there:
            least = min(found[name])
            rows.append([f"{label}, {name}", least / 1000, statistics.median(found[name]) / 1000, 1e9 / least, _against_beast(found, name)])
    report.table("TLS: a connection with its opening and closing handshakes, server CPU time",
                 ["", "us, least", "us, median", "a second of CPU", "of Beast"], rows, lacks)
