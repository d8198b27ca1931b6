#!/usr/bin/env python3
"""Uses weir as other projects do: `check.py subproject` as a Meson subproject, `check.py installed` by pkg-config."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def run(*command, **more):
    print("$", *command, flush=True)
    done = subprocess.run([str(each) for each in command], stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    if done.returncode:
        sys.exit(f"{done.stdout}\nended with {done.returncode}")
    return done.stdout


def as_subproject(place):
    shutil.copy(HERE / "main.cpp", place)
    shutil.copy(HERE / "outer.meson.build", place / "meson.build")
    weir = place / "subprojects" / "weir"
    weir.mkdir(parents=True)
    for name in ["meson.build", "meson_options.txt", "include", "examples", "tests"]:
        (weir / name).symlink_to(ROOT / name)
    run("meson", "setup", "build", cwd=place)
    run("meson", "compile", "-C", "build", cwd=place)
    said = run("build/main", cwd=place)
    if not said.startswith("weir "):
        sys.exit(f"unexpected: {said}")
    made = [path.name for path in (place / "build").rglob("test_*")]
    if made:
        sys.exit(f"the tests of a subproject were built: {made}")


def as_installed(place):
    prefix = place / "usr"
    headers = list((ROOT / "include").rglob("*.hpp"))
    run("meson", "setup", place / "build", "--prefix", prefix, "-Dtests=false", "-Dexamples=false", cwd=ROOT)
    run("meson", "install", "-C", place / "build", cwd=ROOT)
    (package,) = prefix.rglob("weir.pc")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(package.parent))
    flags = run("pkg-config", "--cflags", "--libs", "weir", env=environment).split()
    version = run("pkg-config", "--modversion", "weir", env=environment).strip()
    run("c++", "-std=c++20", HERE / "main.cpp", "-o", place / "main", *flags)
    said = run(place / "main")
    if not said.startswith(f"weir {version} "):
        sys.exit(f"pkg-config says {version}, but the program says: {said}")
    for path in headers:
        if not (prefix / path.relative_to(ROOT)).exists():
            sys.exit(f"{path.relative_to(ROOT)} was not installed")


if __name__ == "__main__":
    missing = [each for each in ["meson", "ninja", "pkg-config", "c++"] if not shutil.which(each)]
    if missing:
        print("not there:", *missing)
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        {"subproject": as_subproject, "installed": as_installed}[sys.argv[1]](pathlib.Path(folder))
    print("works")
