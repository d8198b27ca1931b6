"""Builds the programs of the bench and starts them."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FLAGS = ["-std=c++20", "-O3", "-march=x86-64-v3", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
PATIENCE = 120  # seconds for anything at all; only failures take them


def on_core(which):
    """In front of a command: has it run on the core `which`; anywhere, without."""
    there = which is not None and shutil.which("taskset") and (os.cpu_count() or 1) > which
    return ["taskset", "-c", str(which)] if there else []


class Missing(Exception):
    """Something that is optional is not there: what depends on it is left out, and the reason printed."""


class Bench:
    """Where the programs are built, and which weir is measured: the folder that has include/weir.hpp."""

    def __init__(self, folder, weir):
        self.folder = pathlib.Path(folder)
        self.weir = pathlib.Path(weir)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.compiler = os.environ.get("CXX", "g++")

    def build(self, name, source, *options, libraries=()):
        """The program `name` of one source, compiled when something that it includes is newer, or the command another."""
        program = self.folder / name
        rules = self.folder / f"{name}.d"
        command = [self.compiler, *FLAGS, *options, "-MMD", "-MF", str(rules), "-MT", "program", str(HERE / source),
                   "-o", str(program), *libraries]
        line = self.folder / f"{name}.command"
        if program.exists() and rules.exists() and line.exists() and line.read_text() == " ".join(command):
            inputs = [each for each in rules.read_text().replace("\\\n", " ").split()[1:]]
            built = program.stat().st_mtime
            if all(os.path.exists(each) and os.stat(each).st_mtime < built for each in inputs):
                return program
        print(f"building {name}", flush=True)
        done = subprocess.run(["nice", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr[-4000:]}")
        line.write_text(" ".join(command))
        return program

    def load_program(self):
        return self.build("load", "load/main.cpp", *ZLIB[0], *OPENSSL[0], libraries=[*ZLIB[1], *OPENSSL[1]])

    def certificate(self):
        """A certificate for localhost that vouches for itself, of ECDSA and P-256, and its key: made for a day."""
        chain, key = self.folder / "chain.pem", self.folder / "key.pem"
        if not chain.exists() or time.time() - chain.stat().st_mtime > 12 * 3600:
            want_program("openssl")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", chain, "-keyout", key],
                           check=True, capture_output=True, timeout=PATIENCE)
        return chain, key


def _bare_epoll(bench):
    return [bench.build("bare_epoll", "servers/bare_epoll.cpp")], {}


def _bare_uring(bench, *arguments):
    want_header("liburing.h", "liburing-dev")
    return [bench.build("bare_uring", "servers/bare_uring.cpp", libraries=["-luring"]), *arguments], {}


def _weir(bench, backend):
    want_header("liburing.h", "liburing-dev")
    program = bench.build("weir", "servers/weir.cpp", "-I", str(bench.weir / "include"), *ZLIB[0],
                          libraries=["-luring", *ZLIB[1]])
    return [program], {"WEIR_BACKEND": backend}


def _beast(bench, *options):
    want_header("boost/beast/websocket.hpp", "libboost1.81-dev")
    return [bench.build("beast_compressing" if options else "beast", "servers/beast.cpp", "-Wno-all", "-Wno-extra", *options)], {}


def _with_certificate(bench):
    want_header("openssl/ssl.h", "libssl-dev")
    chain, key = bench.certificate()
    return {"BENCH_CHAIN": str(chain), "BENCH_KEY": str(key)}


def _weir_tls(bench, backend):
    want_header("liburing.h", "liburing-dev")
    where = _with_certificate(bench)
    program = bench.build("weir_tls", "servers/weir.cpp", "-I", str(bench.weir / "include"), "-DBENCH_TLS",
                          libraries=["-luring", "-lssl", "-lcrypto"])
    return [program], {"WEIR_BACKEND": backend, **where}


def _beast_tls(bench):
    want_header("boost/beast/websocket.hpp", "libboost1.81-dev")
    where = _with_certificate(bench)
    return [bench.build("beast_tls", "servers/beast.cpp", "-Wno-all", "-Wno-extra", "-DBENCH_TLS",
                        libraries=["-lssl", "-lcrypto"])], where


def _websocketpp(bench):
    want_header("websocketpp/server.hpp", "libwebsocketpp-dev")
    want_header("asio.hpp", "libasio-dev")
    return [bench.build("websocketpp", "servers/websocketpp.cpp", "-std=c++17", "-Wno-all", "-Wno-extra", "-DASIO_STANDALONE")], {}


def _libwebsockets(bench):
    want_header("libwebsockets.h", "libwebsockets-dev")
    return [bench.build("libwebsockets", "servers/libwebsockets.cpp", libraries=["-lwebsockets"])], {}


def want_header(name, package):
    if not pathlib.Path("/usr/include", name).exists():
        raise Missing(f"{name} is not installed (Debian: {package})")


ZLIB = (["-DWEIR_WITH_ZLIB"], ["-lz"]) if pathlib.Path("/usr/include/zlib.h").exists() else ([], [])
OPENSSL = (["-DBENCH_WITH_OPENSSL"], ["-lssl", "-lcrypto"]) if pathlib.Path("/usr/include/openssl/ssl.h").exists() else ([], [])
TLS = ", TLS"  # how the names of servers end that are spoken to over TLS
SERVERS = {
    "bare epoll": _bare_epoll,
    "bare io_uring": _bare_uring,
    "bare completions": lambda bench: _bare_uring(bench, "completion"),
    "weir epoll": lambda bench: _weir(bench, "epoll"),
    "weir io_uring": lambda bench: _weir(bench, "io_uring"),
    "weir completions": lambda bench: _weir(bench, "io_uring-completion"),
    f"weir epoll{TLS}": lambda bench: _weir_tls(bench, "epoll"),
    f"weir io_uring{TLS}": lambda bench: _weir_tls(bench, "io_uring"),
    "Beast": _beast,
    f"Beast{TLS}": _beast_tls,
    "Beast, compressing": lambda bench: _beast(bench, "-DBENCH_COMPRESSION"),
    "websocketpp": _websocketpp,
    "libwebsockets": _libwebsockets,
}


def want_program(name):
    if not shutil.which(name):
        raise Missing(f"{name} is not installed")


class Server:
    """A server that was started and says where it listens, and its load, on the two `cores`. It is told to end at the end
    of the block."""

    def __init__(self, bench, name, wrapper=(), environment=(), cores=(None, None)):
        command, own = SERVERS[name](bench)
        bench.load_program()
        self.bench, self.name, self.core = bench, name, cores[1]
        self.process = subprocess.Popen([*on_core(cores[0]), *wrapper, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **own, **dict(environment)})
        line = self.process.stdout.readline()
        found = re.search(r":(\d+), process (\d+)", line)
        if not found:
            self.process.kill()
            raise Missing(f"{name} does not start: {(line + self.process.communicate()[1]).strip()[-300:]}")
        self.port, self.number = int(found[1]), int(found[2])
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            os.kill(self.number, signal.SIGTERM if kind is None else signal.SIGKILL)
        try:
            self.said = self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def load_command(self, **options):
        words = {"port": self.port, "process": self.number, **options}
        if self.name.endswith(TLS):
            words["tls"] = self.bench.certificate()[0]
        return [*on_core(self.core), str(self.bench.load_program()), *(f"{name}={value}" for name, value in words.items())]

    def load(self, **options):
        """Has the load generator do what `options` say, and gives its line."""
        words = self.load_command(**options)
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise SystemExit(f"{self.name}, {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)
