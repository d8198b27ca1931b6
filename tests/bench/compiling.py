"""What it costs to compile the echo server from the single header: g++ -O2, as the README says."""
import pathlib
import subprocess
import sys
import tempfile

from programs import ROOT

sys.path[:0] = [str(ROOT / "tests" / "headers"), str(ROOT / "single_include")]
from amalgamate import Amalgamation  # noqa: E402
from cost import cost_of  # noqa: E402

TARGETS = {"seconds": 4, "megabytes": 250, "kilobytes": 200}


def compiled(bench, rounds=3):
    """CPU seconds (the least), peak megabytes, stripped kilobytes, with the single header of what is in include/ now."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "echo_server.cpp"), pathlib.Path(folder, "echo_server")
        pathlib.Path(folder, "weir.hpp").write_text(Amalgamation(bench.weir).whole(), encoding="utf-8")
        source.write_text((bench.weir / "examples" / "echo_server.cpp").read_text())
        command = ["g++", "-std=c++20", "-O2", "-I", folder, str(source), "-o", str(program)]
        costs = [cost_of(command) for _ in range(rounds)]
        if any(status for status, _, _ in costs):
            raise SystemExit("the echo server does not compile from the single header")
        subprocess.run(["strip", str(program)], check=True)
        return {"seconds": min(each[1] for each in costs), "megabytes": min(each[2] for each in costs),
                "kilobytes": program.stat().st_size / 1024}


def run(bench, report):
    found = compiled(bench)
    report.table("Compiling examples/echo_server.cpp from the single header (g++ -O2)", ["", "weir", "target"],
                 [["CPU seconds", found["seconds"], TARGETS["seconds"]], ["peak MB", found["megabytes"], TARGETS["megabytes"]],
                  ["stripped KB", found["kilobytes"], TARGETS["kilobytes"]]])
