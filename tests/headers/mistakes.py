#!/usr/bin/env python3
"""Mistakes that newcomers make do not compile, and the compiler says what is wrong in a sentence of ours."""
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "headers"))
sys.dont_write_bytecode = True
from compilers import STANDARD, all_of_them, name_of, run  # noqa: E402

RIGHT = """#include <weir.hpp>
#include <iostream>
weir::task<> right(weir::websocket& ws) {
    auto message = co_await ws.read();
    if (message) std::cout << *message << message->size();
    if (!message) std::cout << message.error() << weir::errc::closed;
    std::cout << ws.closed() << '\\n';
}
weir::task<> also_right(weir::websocket&, const weir::http::request_head&) { co_return; }
void good(weir::server& server) {
    server.websocket("/", right).admit([](const weir::http::request_head&) { return std::nullopt; });
    server.websocket("/too", also_right);
    server.get("/", "text");
}
"""

# What is wrong, a function each, and what the compiler says of it.
BY_REFERENCE = "a WebSocket handler takes the connection by reference: weir::task<> handler(weir::websocket& ws)"
A_TASK = "a WebSocket handler is a coroutine that returns weir::task<>"
CALLED_AS = "a WebSocket handler is called as handler(ws) or handler(ws, request)"
MISTAKES = [
    ("""weir::task<> by_value(weir::websocket ws) { co_await ws.send("x"); }
void a(weir::server& server) { server.websocket("/", by_value); }""", BY_REFERENCE),
    ("""weir::task<> by_rvalue(weir::websocket&& ws) { co_await ws.send("x"); }
void b(weir::server& server) { server.websocket("/", by_rvalue); }""", BY_REFERENCE),
    ("""void no_coroutine(weir::websocket& ws) { ws.send("x"); }
void c(weir::server& server) { server.websocket("/", no_coroutine); }""", A_TASK),
    ("""weir::task<int> another_task(weir::websocket& ws) { co_await ws.send("x"); co_return 1; }
void d(weir::server& server) { server.websocket("/", another_task); }""", A_TASK),
    ("""weir::task<> without() { co_return; }
void e(weir::server& server) { server.websocket("/", without); }""", CALLED_AS),
    ("""weir::task<> with_more(weir::websocket& ws, int) { co_await ws.send("x"); }
void f(weir::server& server) { server.websocket("/", with_more); }""", CALLED_AS),
    ("""void g(weir::server& server) { server.get("/", [] { return "text"; }); }""",
     "server.get(path, what): `what` is a response, or is called as what(request)"),
    ("""void h(weir::server& server) { server.get("/", [](const weir::http::request_head&) { return 200; }); }""",
     "`get` wants a handler that returns a weir::response"),
    ("""void i(weir::server& server) {
    server.websocket("/", right).admit([](const weir::http::request_head&) { return true; });
}""", "`admit` one that returns a std::optional<weir::response>"),
    ("""weir::task<> print(weir::websocket& ws) { auto message = co_await ws.read(); std::cout << message; }""",
     "print_the_value_or_the_error_of_it"),
    ("""weir::task<> forgets(weir::exchange& http) { auto text = http.body(); if (!text) co_return; http.respond("thanks"); }""",
     "a task is no result yet: co_await it"),
]


def main():
    compilers = all_of_them()
    if not compilers:
        print("no compiler")
        return 77
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "program.cpp")
        for compiler in compilers:
            command = [compiler, *STANDARD, "-fsyntax-only", "-I", str(ROOT / "include"), source]
            source.write_text(RIGHT)
            well, said = run(command)
            if not well:
                wrong.append(f"{name_of(compiler)}: what is right does not compile:\n{said}")
            source.write_text(RIGHT + "\n".join(mistake for mistake, _ in MISTAKES) + "\n")
            well, said = run(command)
            for sentence in {sentence for _, sentence in MISTAKES}:
                times = sum(sentence == other for _, other in MISTAKES)
                errors = [line for line in said.splitlines() if "error:" in line or "declared here" in line]
                if sum(sentence in line for line in said.splitlines()) < times:
                    wrong.append(f"{name_of(compiler)}: {times} times wanted: {sentence}\n" + "\n".join(errors))
    print("\n".join(wrong) or f"{len(MISTAKES)} mistakes, each with a sentence")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
