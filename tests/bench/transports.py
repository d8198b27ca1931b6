"""The transports of a channel side by side: the report of examples/compare_transports.cpp."""
import pathlib
import re
import subprocess
import tempfile


def run(bench, report):
    program = bench.build("compare_transports", "../../examples/compare_transports.cpp", "-I", str(bench.weir / "include"),
                          libraries=["-pthread"])
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, "--report", folder], stdout=subprocess.PIPE, text=True, timeout=1200, check=False)
        if done.returncode:
            raise SystemExit(done.stdout[-4000:])
        text = pathlib.Path(folder, "transports.md").read_text(encoding="utf-8")
        report.drawings["transports.svg"] = pathlib.Path(folder, "transports.svg").read_text(encoding="utf-8")
    report.parts += [each.rstrip("\n") for each in re.split(r"\n\n(?=## )", text)[1:]]
