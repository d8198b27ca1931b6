"""Other libraries that Debian packages, as far as they are installed, in the same cells."""
from cpu import compare, installed
from instructions import CASES, count

PEERS = ["Beast", "websocketpp", "libwebsockets"]


def run(bench, report):
    there, lacks = installed(bench, PEERS)
    columns = ["bare epoll", "weir epoll", *there]
    counts = [[case[0], *(count(bench, name, case) for name in columns)] for case in CASES]
    report.table("Other libraries: user-space instructions a message", ["", *columns], counts, lacks)
    rows = []
    for label, load in [("64 x 128 B, depth 1", {"bytes": 128, "messages": 20_000}),
                        ("64 x 128 B, depth 16", {"bytes": 128, "depth": 16, "messages": 60_000}),
                        ("64 x 16 KiB binary", {"bytes": 16384, "messages": 6000}),
                        ("64 x 16 KiB Korean text", {"bytes": 16384, "kind": "korean", "messages": 3000}),
                        ("16 x 256 KiB ASCII text", {"bytes": 262144, "kind": "ascii", "messages": 200, "connections": 16})]:
        found = compare(bench, columns, most=1, **{"connections": 64, **load})
        rows.append([label, *(min(found[name]) for name in columns)])
    report.table("Other libraries: server CPU time a message, ns", ["", *columns], rows, lacks)
