"""What can be counted: system calls, allocations, bytes of memory."""
import json
import re
import resource
import subprocess
import tempfile

from cpu import ECHOES
from programs import Missing, Server, want_program

CASES = [(1, 1, 128), (1, 16, 128), (64, 1, 128), (64, 16, 128), (1, 1, 16384), (64, 1, 16384)]


def _label(connections, depth, size):
    return f"{connections} x {size:,} B, depth {depth}"


def _calls(bench, name, messages, **load):
    """How often the server called the system, all in all."""
    with tempfile.NamedTemporaryFile("r") as file:
        with Server(bench, name, ["strace", "-f", "-c", "-o", file.name]) as server:
            server.load(messages=messages, **load)
        total = [line.split() for line in file if line.rstrip().endswith("total")]
    return int(total[0][3] if len(total[0]) > 4 or total[0][3].isdigit() else total[0][2])


def calls(bench, report):
    """Two runs under strace that differ in the number of messages; the difference divided."""
    want_program("strace")
    rows = []
    for connections, depth, size in CASES:
        load = {"connections": connections, "depth": depth, "bytes": size, "warm": 0}
        fewer, more = 20 * connections * depth, 80 * connections * depth
        if connections == 1:
            fewer, more = 10 * fewer, 10 * more
        row = [_label(connections, depth, size)]
        for name in ECHOES:
            row.append(round((_calls(bench, name, more, **load) - _calls(bench, name, fewer, **load)) / (more - fewer), 3))
        rows.append(row)
    report.table("System calls a message (strace)", ["", *ECHOES], rows)


def allocated(bench, name, **load):
    """How often the server allocated for each message once it was warm."""
    library = bench.build("count_allocations.so", "servers/count_allocations.cpp", "-shared", "-fPIC")
    with tempfile.NamedTemporaryFile() as counter:
        counter.write(bytes(8))
        counter.flush()
        with Server(bench, name, environment={"LD_PRELOAD": library, "BENCH_COUNTER": counter.name}) as server:
            line = server.load(counter=counter.name, **load)
    return line["counted"] / line["messages"]


def allocations(bench, report):
    rows = []
    for connections, depth, size, kind in [(1, 1, 128, "binary"), (64, 16, 128, "binary"), (64, 1, 16384, "korean"),
                                           (16, 1, 262144, "ascii"), (1, 1, 4194304, "binary")]:
        load = {"connections": connections, "depth": depth, "bytes": size, "kind": kind,
                "messages": 20_000 if size < 1000 else 2_000 if size < 100_000 else 100}
        rows.append([f"{_label(connections, depth, size)}, {kind}",
                     *(round(allocated(bench, name, **load), 4) for name in ECHOES if name.startswith("weir")), 0])
    report.table("Allocations a message (malloc and its kin, counted), once warm",
                 ["", *(name for name in ECHOES if name.startswith("weir")), "target"], rows)


def resident(process):
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Rss:\s+(\d+) kB", file.read(), re.M)[1]) * 1024


def memory_of(bench, name, connections):
    """Bytes of RSS for each connection that is idle, after one message on each."""
    with Server(bench, name) as server:
        server.load(messages=10, warm=0)
        before = resident(server.number)
        load = subprocess.Popen(server.load_command(mode="idle", connections=connections), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        try:
            if not load.stdout.readline():
                raise SystemExit(f"{name}: the load generator could not open {connections} connections")
            used = resident(server.number) - before
        finally:
            load.stdin.close()
            load.wait()
    return used / connections


def memory(bench, report):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 10_100:
        raise Missing(f"10,100 descriptors are wanted, {hard} may be had (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sizes = json.loads(subprocess.run([bench.build("sizes", "servers/sizes.cpp", "-I", str(bench.weir / "include"))],
                                      capture_output=True, check=True).stdout)
    rows, lacks = [], []
    for name in (*ECHOES, "Beast", "websocketpp", "libwebsockets"):
        try:
            rows.append([name, memory_of(bench, name, 10_000), 700 if "weir" in name else ""])
        except Missing as what:
            lacks.append(f"{name}: {what}")
    lacks.append(f"weir: the object of a connection has {sizes['connection']} bytes, the frame of the echo handler {sizes['frame']}")
    report.table("Resident bytes of an idle connection (10,000, after one message on each)", ["", "bytes", "target"], rows,
                 lacks)
