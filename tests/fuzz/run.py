#!/usr/bin/env python3
"""Runs fuzzers that were built and prints a table. Exits with 1 when one has found something.

    run.py --seconds N FOLDER [TARGET...]     each for so long, two at a time; FOLDER: where the fuzzers were built
    run.py --short FOLDER [TARGET...]         a short round with a fixed seed: what every build does
    run.py --replay FOLDER [TARGET...]        the inputs that were kept, and no fuzzer
    run.py --minimise FOLDER [TARGET...]      makes tests/fuzz/corpus/TARGET anew, as small as it gets, from what it
                                              holds and what rounds by --seconds have found

Inputs that reach something new are gathered in FOLDER/found/TARGET, and what breaks an invariant in FOLDER/findings.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROUND = {"short": ["-runs=20000", "-max_total_time=3", "-seed=1"]}
ALL_ROUNDS = ["-rss_limit_mb=1024", "-timeout=20", "-print_final_stats=1"]
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=16"}


def kept_for(target):
    return [str(folder) for folder in (HERE / "corpus" / target, HERE / "regressions" / target) if folder.is_dir()]


def options_for(target):
    words = HERE / (target + ".dict")
    return ALL_ROUNDS + ([f"-dict={words}"] if words.exists() else [])


def fuzz(folder, target, limits, found):
    """Runs one fuzzer; gives what goes into the table and, where it has found something, what it said."""
    findings = folder / "findings"
    findings.mkdir(exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    command = [str(folder / ("fuzz_" + target)), *limits, *options_for(target), f"-artifact_prefix={findings}/{target}-",
               str(found), *kept_for(target)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT)
    said = done.stderr.decode(errors="replace")

    def last(pattern):
        numbers = re.findall(pattern, said)
        return numbers[-1] if numbers else "?"

    row = [target, last(r"number_of_executed_units: (\d+)"), last(r"average_exec_per_sec: +(\d+)"), last(r"cov: (\d+)"),
           last(r"peak_rss_mb: +(\d+)"), "none" if done.returncode == 0 else last(r"Test unit written to (\S+)")]
    if row[1] == "?":
        row[1] = last(r"#(\d+)\t")
    return row, "" if done.returncode == 0 else said


def short_of_noise(said):
    lines = [line for line in said.splitlines() if not re.match(r"#\d+\t|INFO:|NEW_FUNC|\t+NEW_FUNC", line)]
    return "\n".join(lines[:80])


def rounds(folder, targets, limits, keep):
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as scratch:
        where = folder / "found" if keep else pathlib.Path(scratch)
        with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            for row, said in pool.map(lambda each: fuzz(folder, each, limits, where / each), targets):
                rows.append(row)
                if said:
                    failed.append((row[0], said))
                if keep:
                    print("done:", *row, flush=True)
    for target, said in failed:
        print(f"--- {target}\n{short_of_noise(said)}")
    titles = ["fuzzer", "executions", "a second", "edges", "peak MiB", "finding"]
    widths = [max(len(row[i]) for row in rows + [titles]) for i in range(len(titles))]
    for row in [titles] + rows:
        print("  ".join(text.ljust(width) if i in (0, 5) else text.rjust(width)
                        for i, (text, width) in enumerate(zip(row, widths))).rstrip())
    print(f"{len(rows)} fuzzers, {len(failed)} with a finding")
    return 1 if failed else 0


def replay(folder, targets):
    failed = 0
    for target in targets:
        command = [str(folder / "fuzz_replay"), target, *kept_for(target)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        print(done.stdout.decode(), end="")
        if done.returncode:
            failed += 1
            print(f"{target}: exit code {done.returncode}\n" + done.stderr.decode(errors="replace")[-4000:])
    return 1 if failed else 0


def minimise(folder, targets):
    for target in targets:
        kept = HERE / "corpus" / target
        kept.mkdir(parents=True, exist_ok=True)
        sources = [str(each) for each in (kept, folder / "found" / target) if each.is_dir()]
        with tempfile.TemporaryDirectory() as fresh:
            subprocess.run([str(folder / ("fuzz_" + target)), "-set_cover_merge=1", "-max_len=1024", fresh, *sources], check=True,
                           stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
            shutil.rmtree(kept)
            shutil.copytree(fresh, kept)
        sizes = [each.stat().st_size for each in kept.iterdir()]
        print(f"{target}: {len(sizes)} inputs, {sum(sizes)} bytes")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seconds", type=int)
    for name in ("--short", "--replay", "--minimise"):
        what.add_argument(name, action="store_true")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("targets", nargs="*")
    given = parser.parse_args()
    folder = given.folder.resolve()
    targets = given.targets or sorted(each.name[5:] for each in folder.glob("fuzz_*") if each.is_file())
    if given.replay:
        return replay(folder, targets)
    if given.minimise:
        return minimise(folder, targets)
    limits = ROUND["short"] if given.short else [f"-max_total_time={given.seconds}"]
    return rounds(folder, targets, limits, not given.short)


if __name__ == "__main__":
    sys.exit(main())
