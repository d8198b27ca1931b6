"""The compilers at hand: g++, and the newest clang of those that weir is held to."""
import os
import shutil
import subprocess

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Werror"]
STANDARD = ["-std=c++20", "-pthread"]


def clang():
    return next((found for found in map(shutil.which, ["clang++-19", "clang++-16", "clang++"]) if found), None)


def all_of_them():
    return [found for found in (shutil.which("g++"), clang()) if found]


def name_of(compiler):
    """As it calls itself: 'g++ 12.2.0', 'clang++-19 19.1.7'."""
    version = subprocess.run([compiler, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True)
    return f"{os.path.basename(compiler)} {version.stdout.split()[0] if version.stdout else ''}".strip()


def run(command, timeout=300, **more):
    """Whether it ended well, and what it said."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, errors="replace", **more)
    except subprocess.TimeoutExpired:
        return False, f"still running after {timeout} s"
    return done.returncode == 0, done.stdout
