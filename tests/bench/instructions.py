"""Instructions that a server executes in user space for one message, as valgrind's callgrind counts them.

Two runs that differ in the number of messages and in nothing else; the difference divided. One connection: at depth 1
exactly one message comes in a turn of the server's loop, at depth 16 sixteen by one write. Nothing of the kernel counts, and
the clock advances evenly, so that the same is counted each time.
"""
import re

from programs import Server, want_program

# name, depth, bytes, kind, the most that weir may take (issue 5)
CASES = [
    ("16 B, depth 1", 1, 16, "binary", 380),
    ("128 B, depth 1", 1, 128, "binary", 400),
    ("128 B, depth 16", 16, 128, "binary", 190),
    ("1 KiB, depth 1", 1, 1024, "binary", 550),
    ("16 KiB binary", 1, 16384, "binary", 2400),
    ("16 KiB ASCII text", 1, 16384, "ascii", 3500),
    ("16 KiB Korean text", 1, 16384, "korean", 10000),
]
FEWER, MORE = 320, 960  # messages


def collected(bench, name, depth, size, kind, messages, keep=None):
    wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={keep or '/dev/null'}"]
    clock = bench.build("even_clock.so", "servers/even_clock.cpp", "-shared", "-fPIC")
    with Server(bench, name, wrapper, {"LD_PRELOAD": clock}) as server:
        server.load(depth=depth, bytes=size, kind=kind, messages=messages, warm=160)
    return int(re.search(r"Collected : (\d+)", server.said)[1])


def count(bench, name, case, keep=None):
    _, depth, size, kind, _ = case
    fewer = collected(bench, name, depth, size, kind, FEWER)
    return (collected(bench, name, depth, size, kind, MORE, keep) - fewer) / (MORE - FEWER)


def run(bench, report, keep=False):
    want_program("valgrind")
    rows = []
    for case in CASES:
        file = bench.folder / f"callgrind.{case[0].replace(' ', '_').replace(',', '')}" if keep else None
        weir, bare = count(bench, "weir epoll", case, file), count(bench, "bare epoll", case)
        rows.append([case[0], weir, case[4], bare, weir / case[4]])
        print(f"  {case[0]:20} weir {weir:8.0f}  target {case[4]:6}  bare {bare:8.0f}", flush=True)
    report.table("User-space instructions a message (callgrind, epoll)",
                 ["", "weir", "target", "bare", "of the target"], rows)
