"""Processor time that a server uses for a message, beside others that are loaded by turns: one run of each, then again.
Of the runs of each the least counts, and the median is shown: what disturbs a run makes it longer. It goes on, with servers started
anew, until the least times of all of them stand; where memory happens to lie is luck that a process keeps."""
import statistics

from programs import Missing, Server, ZLIB

ROUNDS = 3  # of servers that have been started
FEWEST, MOST = 2, 5  # times that they are: until that makes none of the least times lower by more than
STEADY = 0.01
SECONDS = 0.3  # that a run takes at most, unless its load says more
SHARED = (1, 1)  # no wake-up has to cross from core to core, which costs more than an echo and would hide the rest
ECHOES = ["bare epoll", "weir epoll", "bare io_uring", "weir io_uring", "bare completions", "weir completions"]


def compare(bench, names, most=MOST, **load):
    """The nanoseconds a message that each server used, {name: [one of each round]}."""
    found = {name: [] for name in names}
    for start in range(1, most + 1):
        before = {name: min(times, default=float("inf")) for name, times in found.items()}
        _rounds(bench, found, load)
        if start >= FEWEST and all(min(found[name]) > before[name] * (1 - STEADY) for name in names):
            break
    return found


def _rounds(bench, found, load):
    servers = {}
    try:
        for name in found:
            servers[name] = Server(bench, name, cores=SHARED)
        for _ in range(ROUNDS):
            for name, server in servers.items():
                found[name].append(server.load(**{"seconds": SECONDS} | load)["server_ns"])
    finally:
        for server in servers.values():
            server.__exit__(None)


def ratio(found, one, other):
    return min(found[one]) / min(found[other])


def against(found, one, other, target):
    """The ratio of the least times, that of the medians, and a mark where the former is above the target."""
    medians = statistics.median(found[one]) / statistics.median(found[other])
    least = ratio(found, one, other)
    return f"{least:.2f} ({medians:.2f}){' !' if least > target else '  '}"


def _echoes(bench, report, title, cells):
    """`cells`: (what stands in the first column, target, load)."""
    rows = []
    for label, target, load in cells:
        found = compare(bench, ECHOES, **load)
        least = {each: min(times) for each, times in found.items()}
        rows.append([label, least["bare epoll"], least["weir epoll"], against(found, "weir epoll", "bare epoll", target),
                     least["bare io_uring"], least["weir io_uring"], against(found, "weir io_uring", "bare io_uring", target),
                     least["bare completions"], least["weir completions"],
                     against(found, "weir completions", "bare completions", target), target])
        print("  " + "  ".join(str(each) if isinstance(each, str) else f"{each:.2f}" for each in rows[-1]), flush=True)
    report.table(title, ["", "bare epoll", "weir epoll", "ratio", "bare io_uring", "weir io_uring", "ratio",
                               "bare completions", "weir completions", "ratio", "target"], rows)


def _size(count):
    return f"{count // 1048576} MiB" if count >= 1048576 else f"{count // 1024} KiB" if count >= 1024 else f"{count} B"


def cells(bench, report):
    every = []
    for connections in (1, 64, 1000):
        for size in (128, 16384):
            for depth in (1, 16):
                a_round = connections * depth
                messages = (40_000 if depth == 1 else 160_000) if size == 128 else (10_000 if depth == 1 else 16_000)
                every.append((f"{connections} x {_size(size)}, depth {depth}", 1.10,
                              {"connections": connections, "bytes": size, "depth": depth,
                               "messages": max(messages, 2 * a_round), "warm": max(messages // 5, a_round)}))
    _echoes(bench, report, "Server CPU time a message, ns: the least, ratio of the least and of the medians", every)


def large(bench, report):
    every = []
    for size, connections, messages, seconds in ((16384, 64, 10_000, SECONDS), (262144, 16, 800, SECONDS), (4194304, 1, 150, 1)):
        for kind, target in (("binary", 1.10), ("ascii", 1.10), ("korean", 1.40)):
            every.append((f"{connections} x {_size(size)} {kind}", target,
                          {"connections": connections, "bytes": size, "kind": kind, "messages": messages,
                           "warm": messages // 5, "seconds": seconds}))
    _echoes(bench, report, "Text and large messages: server CPU time a message, ns", every)


def installed(bench, names):
    """Those that are not missing, and what the others lack."""
    there, lacks = [], []
    for name in names:
        try:
            with Server(bench, name):
                there.append(name)
        except Missing as what:
            lacks.append(f"{name}: {what}")
    return there, lacks


def _beside(bench, names, **load):
    """As `compare`, without those that are missing, and what they lack."""
    there, lacks = installed(bench, names)
    return compare(bench, there, **load), lacks


def handshakes(bench, report):
    names = ["bare epoll", "weir epoll", "bare io_uring", "weir io_uring", "Beast", "websocketpp", "libwebsockets"]
    found, lacks = _beside(bench, names, mode="handshakes", connections=16, messages=800, warm=160)
    least = {name: min(times) for name, times in found.items()}
    rows = []
    for name in found:
        bare = "bare io_uring" if "io_uring" in name else "bare epoll"
        rows.append([name, least[name], against(found, name, bare, 1.2 if "weir" in name else 99), 1.2 if "weir" in name else ""])
    report.table("Opening and closing handshake: server CPU time, ns", ["", "a connection", "of bare", "target"], rows,
                 lacks)


def room(bench, report):
    rows = []
    for depth in (1, 16):
        found = compare(bench, ["bare epoll", "weir epoll", "bare io_uring", "weir io_uring"], mode="room", path="/room",
                        connections=1000, depth=depth, messages=60_000 if depth == 1 else 320_000, warm=16_000)
        for backend in ("epoll", "io_uring"):
            one, other = f"weir {backend}", f"bare {backend}"
            rows.append([f"{backend}, {depth} out at once", min(found[other]), min(found[one]), against(found, one, other, 1.10), 1.1])
    report.table("Broadcast of 128 B to 1,000: server CPU time a delivery, ns", ["", "bare", "weir", "ratio", "target"], rows)


def compression(bench, report):
    if not ZLIB[1]:
        raise Missing("zlib.h is not installed (Debian: zlib1g-dev)")
    rows = []
    for depth in (1, 16):
        found, lacks = _beside(bench, ["weir epoll", "weir io_uring", "Beast, compressing"], kind="json", deflate=1, bytes=1024,
                               connections=16, depth=depth, messages=8000)
        beast = found.get("Beast, compressing")
        rows.append([f"depth {depth}", min(found["weir epoll"]), min(found["weir io_uring"]), min(beast) if beast else "-",
                     against(found, "weir epoll", "Beast, compressing", 1.0) if beast else "-", 1])
    report.table("permessage-deflate, 1 KiB of JSON, no context kept: server CPU time a message, ns",
                 ["", "weir epoll", "weir io_uring", "Beast", "ratio", "target"], rows, lacks)


def latency(bench, report):
    rows = []
    for rate in (5000, 20000):
        for name in ECHOES[:4] + ["weir completions"]:
            with Server(bench, name, cores=(0, 1)) as server:
                best = min((server.load(mode="rate", rate=rate, connections=64, messages=rate * 2, warm=rate // 2)
                            for _ in range(2)), key=lambda line: line["p99_us"])
            rows.append([f"{rate:,} a second, {name}", *(best[f"{each}_us"] for each in ("p50", "p90", "p99", "p999", "most")),
                         best["server_ns"]])
    report.table("Latency at a fixed rate, us from when a message had to leave (64 connections, 128 B), and CPU, ns",
                 ["", "50 %", "90 %", "99 %", "99.9 %", "most", "CPU"], rows)
