// The server as programs run it: `run`, signals and threads, on sockets.
#include "serving.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace {

// Has `server.run` tell where it listens, from its log, to who waits on another thread.
struct announcement {
    std::atomic<int> port{0};
    log_hook hook() { return {&note, this}; }
    int wait() {
        port.wait(0);
        return port.load();
    }
    static void note(void* self, const log_event& event) {
        const std::size_t at = event.what.find("http://127.0.0.1:");
        if (at == event.what.npos) return;
        auto& of = *static_cast<announcement*>(self);
        of.port.store(std::atoi(std::string(event.what.substr(at + 17)).c_str()));
        of.port.notify_all();
    }
};

// What the process writes to stderr during `work`, which gives what `run` gave.
template <class Work>
std::string stderr_of(Work work) {
    std::fflush(stderr);
    char name[] = "/tmp/weir-test-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    const int before = ::dup(2);
    ::dup2(file, 2);
    work();
    std::fflush(stderr);
    ::dup2(before, 2);
    ::close(before);
    char text[4096];
    const ssize_t size = ::pread(file, text, sizeof text, 0);
    ::close(file);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

} // namespace

TEST_CASE("run: ends with 0 when another thread stops it, several times over") {
    server of;
    of.websocket("/echo", echo);
    for (int round = 0; round < 3; ++round) {
        announcement here;
        int code = -1;
        std::thread serving([&] { code = of.run({.host = "127.0.0.1", .handle_signals = false, .log = here.hook()}); });
        const int port = here.wait();
        bool echoed = false;
        close_info ended;
        std::thread stopping;
        auto client = [&]() -> task<> {
            auto ws = co_await weir::connect("ws://127.0.0.1:" + std::to_string(port) + "/echo");
            REQUIRE(ws);
            co_await ws->send("hello");
            auto back = co_await ws->read();
            echoed = back && back->text() == "hello";
            stopping = std::thread([&] { of.stop(); });
            back = co_await ws->read();
            ended = ws->closed();
        };
        CHECK(weir::run(client()) == 0);
        serving.join();
        stopping.join();
        CHECK(code == 0);
        CHECK(echoed);
        CHECK(ended.code == ws::close_code::going_away);
    }
}

TEST_CASE("run: many threads stop it at once, at any moment") {
    server of;
    of.websocket("/echo", echo);
    for (int round = 0; round < 20; ++round) {
        std::vector<std::thread> stoppers;
        std::atomic<bool> over{false};
        int code = -1;
        std::thread serving([&] {
            code = of.run({.host = "127.0.0.1", .handle_signals = false});
            over = true;
        });
        for (int i = 0; i < 3; ++i)
            stoppers.emplace_back([&] {
                while (!over) {
                    of.stop(0s);
                    std::this_thread::yield();
                }
            });
        serving.join();
        for (std::thread& each : stoppers) each.join();
        CHECK(code == 0);
    }
}

TEST_CASE("run: SIGTERM and SIGINT end it; another one at once") {
    server of;
    of.websocket("/echo", echo);
    of.websocket("/hang", [](websocket&) -> task<> { (void)co_await weir::sleep(1h); });
    struct sigaction before {};
    ::sigaction(SIGTERM, nullptr, &before);
    for (const int number : {SIGTERM, SIGINT}) {
        announcement here;
        int code = -1;
        std::thread serving(
            [&] { code = of.run({.host = "127.0.0.1", .stop_grace = 1h, .websocket = {.close_timeout = 1h}, .log = here.hook()}); });
        const int port = here.wait();
        auto client = [&]() -> task<> {
            auto ws = co_await weir::connect("ws://127.0.0.1:" + std::to_string(port) + "/echo");
            REQUIRE(ws);
            co_await ws->send("hello");
            const auto back = co_await ws->read();
            CHECK(back);
            std::unique_ptr<raw_peer> mute = co_await dial(*net::endpoint::ip("127.0.0.1", static_cast<std::uint16_t>(port)));
            co_await mute->send(handshake("/hang"));
            const std::string accepted = co_await mute->read_response();
            CHECK(accepted.starts_with("HTTP/1.1 101 "));
            ::raise(number);
            const auto end = co_await ws->read();
            CHECK(!end);
            CHECK(ws->closed().code == ws::close_code::going_away);
            ws->reset();
            ::raise(number);
            const std::string bye = co_await mute->read_all();
            CHECK(bye.starts_with("\x88"));
        };
        CHECK(weir::run(client()) == 0);
        serving.join();
        CHECK(code == 0);
    }
    struct sigaction after {};
    ::sigaction(SIGTERM, nullptr, &after);
    CHECK((after.sa_handler == before.sa_handler)); // as it was
}

TEST_CASE("run: a third signal ends it, whatever its handlers do") {
    server of;
    of.websocket("/spin", [](websocket& ws) -> task<> {
        for (;;) {
            (void)co_await weir::sleep(100ms);
            ws.send("x");
        }
    });
    of.websocket("/shielded", [](websocket&) -> task<> { (void)co_await shield(weir::sleep(1h)); });
    announcement here;
    int code = -1;
    std::thread serving(
        [&] { code = of.run({.host = "127.0.0.1", .stop_grace = 1h, .cancel_grace = 1h, .log = here.hook()}); });
    const net::endpoint at = net::endpoint::loopback_ipv4(static_cast<std::uint16_t>(here.wait()));
    auto client = [&]() -> task<> {
        std::unique_ptr<raw_peer> one = co_await dial(at), two = co_await dial(at);
        co_await one->send(handshake("/spin"));
        co_await two->send(handshake("/shielded"));
        (void)co_await one->read_response();
        (void)co_await two->read_response();
        ::raise(SIGTERM);
        const std::string told = co_await two->read_to("is stopping"); // its close frame
        CHECK(told.starts_with("\x88"));
        ::raise(SIGTERM);
        (void)co_await one->read_all(); // until it is reset
        (void)co_await two->read_all();
        ::raise(SIGTERM);
    };
    CHECK(weir::run(client()) == 0);
    serving.join();
    CHECK(code == 0);
}

TEST_CASE("run: gives 1 and a line on stderr when it cannot listen") {
    server first, second;
    first.websocket("/echo", echo);
    announcement here;
    std::thread serving([&] { first.run({.host = "127.0.0.1", .handle_signals = false, .log = here.hook()}); });
    const int port = here.wait();
    int code = -1;
    std::string said = stderr_of([&] { code = second.run({.host = "127.0.0.1", .port = port}); });
    CHECK(code == 1);
    CHECK(said == "weir: listening on 127.0.0.1:" + std::to_string(port) + ": Address already in use\n");
    said = stderr_of([&] { code = second.run({.port = -1}); });
    CHECK(code == 1);
    CHECK(contains(said, "weir: listening on port -1: "));
    said = stderr_of([&] { code = second.run({.host = "unix:/no/such/folder/socket"}); });
    CHECK(code == 1);
    CHECK(said == "weir: listening on unix:/no/such/folder/socket: No such file or directory\n");
    first.stop();
    serving.join();
}

TEST_CASE("run: on a socket that listens already") {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const net::endpoint any = net::endpoint::loopback_ipv4(0);
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(any.bytes().data()), static_cast<socklen_t>(any.bytes().size())) == 0);
    REQUIRE(::listen(socket, 5) == 0);
    server of;
    of.get("/healthz", "ok");
    announcement here;
    int code = -1;
    std::thread serving([&] { code = of.run({.descriptor = socket, .handle_signals = false, .log = here.hook()}); });
    const int port = here.wait();
    auto client = [&]() -> task<> {
        bool over = false;
        const std::string got = co_await ask(net::endpoint::loopback_ipv4(static_cast<std::uint16_t>(port)),
                                             "GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", over);
        CHECK(got.ends_with("ok"));
    };
    CHECK(weir::run(client()) == 0);
    of.stop(0s);
    serving.join();
    CHECK(code == 0);
    CHECK(::fcntl(socket, F_GETFD) == -1); // it was taken over
}

TEST_CASE("run: on a Unix socket") {
    char folder[] = "/tmp/weir-test-XXXXXX";
    REQUIRE(::mkdtemp(folder));
    const std::string path = std::string(folder) + "/socket";
    server of;
    of.get("/healthz", "ok");
    auto work = [&]() -> task<> {
        const std::string host = "unix:" + path;
        const result<> listening = of.listen({.host = host});
        REQUIRE(listening);
        CHECK(of.local_endpoint().to_string() == host);
        scope all;
        result<> outcome;
        all.spawn(serve_into(of, outcome));
        bool over = false;
        const std::string got = co_await ask(*net::endpoint::parse(host), "GET /healthz HTTP/1.0\r\n\r\n", over);
        CHECK(got.ends_with("ok"));
        CHECK(over);
        of.stop();
        co_await all.join();
        CHECK(outcome);
    };
    CHECK(weir::run(work()) == 0);
    ::unlink(path.c_str());
    ::rmdir(folder);
}
