#!/usr/bin/env python3
"""Holds the include graph of include/weir to the layers. With --self-test, shows that it notices bad trees; with
--write, brings the list in include/weir.hpp up to date first.

Each message is `file:line: what is wrong`. The table below is the architecture: changing it is a decision.
"""
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "single_include"))
sys.dont_write_bytecode = True
from amalgamate import LEAVES  # noqa: E402

# A layer, and what its headers may include besides their own layer: whole layers, or single headers of one.
BASE = ["core", "coro", "protocol"]
SEAM = ["io/stream.hpp", "io/stream_signal.hpp"]  # deadlines come from coro's scheduler
ALLOWED = {
    "core": [],
    "protocol": ["core"],
    "coro": ["core"],
    "io": ["core", "coro"],
    "net": ["core", "coro", "io"],
    "transport": BASE + SEAM,
    "server": BASE + ["io", "net", "transport"],
    "client": BASE + ["io", "net", "transport"],
    "hub": BASE + SEAM + ["transport"],
    "browser": ["server/response.hpp"],
}
TITLES = {
    "core": "errors, bytes, buffers",
    "coro": "tasks, scopes, cancellation",
    "protocol": "HTTP and WebSocket without I/O",
    "io": "the loop, its backends, streams and timers",
    "net": "addresses and sockets",
    "transport": "protocols over a byte stream",
    "server": "listening and routing",
    "client": "connecting",
    "hub": "rooms and fan-out",
    "browser": "what runs in pages",
}
EXTRA = {  # single headers that may include more than others
    "hub/redis.hpp": ["net/socket.hpp"],
    "coro/duration.hpp": ["chrono"],
    "coro/helper_threads.hpp": ["pthread.h"],
    "coro/stop.hpp": ["stop_token"],
    "io/memory_link.hpp": ["vector"],  # leaves, or parts of one
    "io/uring.hpp": ["vector"],
    "io/uring_accepting.hpp": ["vector"],
}

# Headers of the C++ standard and of the compiler. All others are the operating system's or a library's.
STANDARD = set("""
any array atomic barrier bit bitset charconv chrono compare complex concepts condition_variable coroutine deque
exception execution forward_list functional future initializer_list iterator latch limits list memory memory_resource
mutex new numbers numeric optional queue random ratio scoped_allocator semaphore set shared_mutex source_location span
stack stdexcept stop_token string string_view system_error thread tuple type_traits typeindex typeinfo utility valarray
variant vector version cassert cctype cfloat cinttypes climits cmath cstdarg cstddef cstdint cstdio cstdlib cstring
ctime cwchar emmintrin.h tmmintrin.h smmintrin.h immintrin.h arm_neon.h
""".split())
# Too heavy to compile, or not there with the oldest compilers. core/atomic.hpp, core/owned.hpp, core/shared.hpp, coro/duration.hpp and
# coro/helper_threads.hpp are there to do without some of them.
HEAVY = set("""
algorithm atomic chrono condition_variable expected filesystem format fstream functional future iomanip ios iostream istream
locale map memory ostream print ranges regex set sstream stop_token streambuf syncstream thread unordered_map unordered_set vector
""".split())
CLOCKS = {"chrono", "coroutine", "ctime", "random", "thread", "mutex", "shared_mutex", "condition_variable", "future",
          "stop_token", "semaphore", "latch", "barrier"}
NOT_IN = {"core": CLOCKS, "protocol": CLOCKS}
SYSTEM_LAYERS = {"io", "net"}
LIBRARY_OF_LEAF = {"protocol/ws/deflate.hpp": r"zlib\.h", "io/uring.hpp": r"liburing.*\.h",
                   "io/uring_buffers.hpp": r"liburing\.h", "io/uring_ring.hpp": r"liburing\.h", "net/tls.hpp": r"openssl/.*"} | {
    f"net/tls_{each}.hpp": r"openssl/.*" for each in ("description", "files", "handle", "setup", "verdict")}
# What only a leaf header includes.
PARTS = {"client/held_messages.hpp", "client/proxy_environment.hpp", "client/proxy_server.hpp", "client/reconnecting_options.hpp",
         "client/retry_verdict.hpp", "client/tunnel.hpp", "core/pseudo_random.hpp", "core/seeded_entropy.hpp",
         "io/memory_acceptor.hpp", "io/memory_backend.hpp",
         "io/memory_link.hpp", "io/memory_stream.hpp", "io/simulated_host.hpp", "io/simulated_link.hpp",
         "io/simulated_network.hpp", "io/simulation_options.hpp", "net/raw_address.hpp",
         "protocol/http/retry_after.hpp", "protocol/http/tunnel.hpp",
         "protocol/socks5/client_handshake.hpp", "protocol/ws/deflate_parameters.hpp",
         "transport/request_table.hpp", "transport/requests_options.hpp"} | {
    f"io/uring_{each}.hpp" for each in ("accepting", "acceptor", "buffers", "completion", "driver", "listening", "options", "receiver",
                                        "ring", "sender", "socket", "stream")} | {
    f"net/tls_{each}.hpp" for each in ("client", "description", "engine", "files", "handle", "leaving", "options", "server",
                                       "sessions", "setup", "stream", "verdict")}
OTHER = {"browser/weir.js"}  # what browser/script.hpp is made from
LONGEST_LINES = 400

INCLUDE = re.compile(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def may_include(header, other):
    layer = header.split("/")[0]
    allowed = ALLOWED[layer] + EXTRA.get(header, [])
    return other.split("/")[0] in allowed + [layer] or other in allowed


def check_header(header, text, headers, problems, graph):
    where = f"include/weir/{header}"
    lines = text.splitlines()
    layer = header.split("/")[0]
    if "/" not in header or layer not in ALLOWED:
        return problems.append(f"{where}:1: lies in none of the layers {', '.join(ALLOWED)}")
    if not lines or not lines[0].startswith("//"):
        problems.append(f"{where}:1: starts without a comment that says what it is")
    pragmas = [number for number, line in enumerate(lines, 1) if line.strip() == "#pragma once"]
    if len(pragmas) != 1:
        problems.append(f"{where}:1: has {len(pragmas)} lines '#pragma once' instead of one")
    elif any(line and not line.startswith("//") for line in lines[:pragmas[0] - 1]):
        problems.append(f"{where}:{pragmas[0]}: something other than the head comment precedes '#pragma once'")
    if len(lines) > LONGEST_LINES:
        problems.append(f"{where}:{LONGEST_LINES}: has {len(lines)} lines: split it ({LONGEST_LINES} at most)")
    leaf_library = LIBRARY_OF_LEAF.get(header)
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        at = f"{where}:{number}"
        name = found[1]
        if name is None:
            problems.append(f"{at}: write #include \"{found[2]}\" as <weir/...>")
        elif name == "weir.hpp":
            problems.append(f"{at}: includes everything; include the headers that it needs")
        elif name.startswith("weir/"):
            other = name[len("weir/"):]
            graph.setdefault(header, []).append((other, number))
            if other not in headers:
                problems.append(f"{at}: <{name}> does not exist")
            elif name in LEAVES and f"weir/{header}" not in LEAVES and header not in PARTS:
                problems.append(f"{at}: <{name}> is a leaf: only programs include it")
            elif not may_include(header, other):
                problems.append(f"{at}: {layer}/ may not include <{name}>")
        elif name in EXTRA.get(header, ()):
            pass
        elif name in NOT_IN.get(layer, ()):
            problems.append(f"{at}: {layer}/ may not know <{name}>")
        elif name in HEAVY:
            problems.append(f"{at}: <{name}> is too heavy for a header of weir")
        elif name not in STANDARD:
            if re.fullmatch(r"zlib\.h|liburing.*\.h|openssl/.*", name):
                if not leaf_library or not re.fullmatch(leaf_library, name):
                    problems.append(f"{at}: <{name}> belongs to a leaf header: {', '.join(LIBRARY_OF_LEAF)}")
            elif layer not in SYSTEM_LAYERS:
                problems.append(f"{at}: <{name}> is the system's: only {' and '.join(sorted(SYSTEM_LAYERS))} may know it")


def find_cycles(graph, problems):
    state, path = {}, []

    def visit(header):
        state[header] = "open"
        path.append(header)
        for other, number in graph.get(header, []):
            if state.get(other) == "open":
                ring = path[path.index(other):] + [other]
                problems.append(f"include/weir/{header}:{number}: closes a cycle: {' -> '.join(ring)}")
            elif other not in state:
                visit(other)
        path.pop()
        state[header] = "done"

    for header in sorted(graph):
        if header not in state:
            visit(header)


def check(root):
    """All that is wrong in the tree at `root`."""
    base = root / "include" / "weir"
    headers = {str(path.relative_to(base)): path.read_text(encoding="utf-8") for path in sorted(base.rglob("*.hpp"))}
    problems, graph = [], {}
    for path in sorted(base.rglob("*")):
        name = str(path.relative_to(base))
        if path.is_file() and path.suffix != ".hpp" and path.name != "README.md" and name not in OTHER:
            problems.append(f"include/weir/{name}:1: is no .hpp")
    for header, text in headers.items():
        check_header(header, text, headers, problems, graph)
    find_cycles(graph, problems)

    everything = root / "include" / "weir.hpp"
    listed, asked = {}, None
    for number, line in enumerate(everything.read_text(encoding="utf-8").splitlines() if everything.exists() else [], 1):
        found = INCLUDE.match(line)
        condition = re.match(r"#if defined\((\w+)\)|#endif", line)
        asked = condition[1] if condition else asked
        if not found:
            continue
        name = found[1] or found[2]
        if name in listed:
            problems.append(f"include/weir.hpp:{number}: <{name}> for the second time")
        listed[name] = number
        if LEAVES.get(name) != asked:
            problems.append(f"include/weir.hpp:{number}: <{name}> belongs behind {LEAVES.get(name, 'no macro')}")
        elif name.startswith("weir/") and name[len("weir/"):] not in headers:
            problems.append(f"include/weir.hpp:{number}: <{name}> does not exist")
    for header in headers:
        if header not in PARTS and f"weir/{header}" not in listed:
            problems.append(f"include/weir.hpp:1: lacks #include <weir/{header}> (tests/layers.py --write adds it)")
    return problems


def behind(macro, header):
    return f"#if defined({macro})\n#include <weir/{header}>\n#endif\n"


def write_list(root):
    """Rewrites the includes of include/weir.hpp: every header by layer, and the leaves behind their macros."""
    everything = root / "include" / "weir.hpp"
    base = root / "include" / "weir"
    headers = sorted(str(path.relative_to(base.parent)) for path in base.rglob("*.hpp"))
    text = everything.read_text(encoding="utf-8").split("#pragma once")[0] + "#pragma once\n"
    for layer, title in TITLES.items():
        own = [each for each in headers if each.startswith(f"weir/{layer}/") and each not in LEAVES and each[len("weir/"):] not in PARTS]
        if own:
            text += f"\n// {layer}: {title}\n" + "".join(f"#include <{each}>\n" for each in own)
    text += "\n// leaves\n" + "".join(behind(macro, leaf[len("weir/"):]) for leaf, macro in LEAVES.items() if leaf in headers)
    everything.write_text(text, encoding="utf-8")


GOOD = "// A thing.\n#pragma once\n"
BAD_TREES = [  # what must be said, and the headers that are wrong
    ("may not include <weir/coro/task.hpp>", {"core/a.hpp": GOOD + "#include <weir/coro/task.hpp>\n", "coro/task.hpp": GOOD}),
    ("may not include <weir/net/tcp.hpp>", {"transport/a.hpp": GOOD + "#include <weir/net/tcp.hpp>\n", "net/tcp.hpp": GOOD}),
    ("may not include <weir/io/loop.hpp>", {"transport/a.hpp": GOOD + "#include <weir/io/loop.hpp>\n", "io/loop.hpp": GOOD}),
    ("may not include <weir/client/a.hpp>", {"server/a.hpp": GOOD + "#include <weir/client/a.hpp>\n", "client/a.hpp": GOOD}),
    ("closes a cycle", {"core/a.hpp": GOOD + "#include <weir/core/b.hpp>\n", "core/b.hpp": GOOD + "#include <weir/core/a.hpp>\n"}),
    ("is the system's", {"protocol/a.hpp": GOOD + "#include <sys/socket.h>\n"}),
    ("is the system's", {"server/a.hpp": GOOD + "#include <signal.h>\n"}),
    ("is the system's", {"core/a.hpp": GOOD + "#include <cerrno>\n"}),
    ("belongs to a leaf", {"io/a.hpp": GOOD + "#include <liburing.h>\n"}),
    ("belongs to a leaf", {"protocol/ws/deflate.hpp": GOOD + "#include <openssl/ssl.h>\n"}),
    ("may not know <chrono>", {"protocol/a.hpp": GOOD + "#include <chrono>\n"}),
    ("may not know <coroutine>", {"protocol/a.hpp": GOOD + "#include <coroutine>\n"}),
    ("too heavy", {"io/a.hpp": GOOD + "#include <iostream>\n"}),
    ("is a leaf", {"net/a.hpp": GOOD + "#include <weir/net/tls.hpp>\n", "net/tls.hpp": GOOD}),
    ("starts without a comment", {"core/a.hpp": "#pragma once\n"}),
    ("lines '#pragma once' instead of one", {"core/a.hpp": "// A thing.\n"}),
    ("precedes '#pragma once'", {"core/a.hpp": "// A thing.\n#include <span>\n#pragma once\n"}),
    ("as <weir/...>", {"core/a.hpp": GOOD + '#include "b.hpp"\n', "core/b.hpp": GOOD}),
    ("does not exist", {"core/a.hpp": GOOD + "#include <weir/core/b.hpp>\n"}),
    ("lies in none of the layers", {"misc/a.hpp": GOOD}),
    ("split it", {"core/a.hpp": GOOD + "// more\n" * LONGEST_LINES}),
    ("lacks #include <weir/core/a.hpp>", {"core/a.hpp": GOOD, "weir.hpp": GOOD}),
    ("belongs behind WEIR_WITH_OPENSSL", {"net/tls.hpp": GOOD, "weir.hpp": GOOD + "#include <weir/net/tls.hpp>\n"}),
    ("belongs behind no macro", {"core/a.hpp": GOOD, "weir.hpp": GOOD + behind("WEIR_WITH_ZLIB", "core/a.hpp")}),
]
GOOD_TREE = {"core/a.hpp": GOOD + "#include <span>\n", "io/stream.hpp": GOOD + "#include <weir/core/a.hpp>\n#include <poll.h>\n",
             "transport/a.hpp": GOOD + "#include <weir/io/stream.hpp>\n", "net/tls.hpp": GOOD + "#include <openssl/ssl.h>\n"}


def problems_of(tree):
    with tempfile.TemporaryDirectory() as folder:
        include = pathlib.Path(folder) / "include"
        for header, text in tree.items():
            path = include / header if header == "weir.hpp" else include / "weir" / header
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if "weir.hpp" not in tree:
            every = [f"#include <weir/{header}>\n" if f"weir/{header}" not in LEAVES else behind(LEAVES[f"weir/{header}"], header)
                     for header in tree]
            (include / "weir.hpp").write_text(GOOD + "".join(every))
        return check(pathlib.Path(folder))


def self_test():
    wrong = 0
    if problems_of(GOOD_TREE):
        wrong += 1
        print("a good tree gave:", *problems_of(GOOD_TREE), sep="\n  ")
    for expected, tree in BAD_TREES:
        problems = problems_of(tree)
        if len(problems) != 1 or expected not in problems[0] or not re.match(r"include/\S+:\d+: ", problems[0]):
            wrong += 1
            print(f"expected one message with '{expected}', got:", *problems, sep="\n  ")
    print(f"{len(BAD_TREES) + 1 - wrong} of {len(BAD_TREES) + 1} trees judged rightly")
    return wrong


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        sys.exit(1 if self_test() else 0)
    if "--write" in sys.argv:
        write_list(ROOT)
    found_problems = check(ROOT)
    print(*(found_problems or ["the include graph agrees with the layers"]), sep="\n")
    sys.exit(1 if found_problems else 0)
