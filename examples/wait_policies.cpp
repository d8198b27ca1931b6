// Interrupts against polling: what an echo takes, and what the server's thread takes of a core, with each way of waiting
// (weir/io/wait_policy.hpp) at several rates of messages. Prints a table after ten seconds. WEIR_BACKEND=epoll or io_uring
// chooses where events come from, in a program that knows both.
//
// The client is a thread of its own that looks for the answer all the time, so that its own waking up does not count. It
// needs a second core for that; where something else wants the cores the slowest per cent tells of that and not of weir.
#include <weir.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <pthread.h>

using namespace std::chrono_literals;
using real_time = std::chrono::steady_clock;

constexpr auto how_long = 700ms; // each line

struct row {
    const char* name;
    weir::wait_policy waiting;
};
const row policies[] = {{"block", weir::wait_policy::block()},
                        {"adaptive(200us)", weir::wait_policy::adaptive(200us)},
                        {"spin", weir::wait_policy::spin()}};
const int rates[] = {100, 1000, 10'000, 0}; // messages a second; 0: as many as can be, one after the other

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

// A socket that listens on a port of its own; -1 where that cannot be.
int listen_somewhere(std::string& url) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        return -1;
    url = "ws://127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "/";
    return listener;
}

double cpu_seconds(clockid_t clock) {
    timespec used{};
    ::clock_gettime(clock, &used);
    return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

// Sends `rate` messages a second for a while, each when its time has come; gives how long the answers took.
weir::task<int> measure(std::string url, int rate, clockid_t server, std::vector<double>& micros, double& share) {
    auto ws = co_await weir::connect(url, {.timeout = 10s});
    if (!ws) co_return std::printf("%s\n", ws.error().message().c_str()), 1;
    const double before = cpu_seconds(server);
    const auto begin = real_time::now();
    const auto step = rate ? std::chrono::nanoseconds(1s) / rate : 0ns;
    for (auto next = begin; next - begin < how_long; next = rate ? next + step : real_time::now()) {
        while (real_time::now() < next) {} // nothing else happens on this thread
        const auto sent = real_time::now();
        ws->send("what time is it?");
        auto reply = co_await ws->read();
        if (!reply) co_return std::printf("%s\n", ws->closed().message().c_str()), 1;
        micros.push_back(std::chrono::duration<double, std::micro>(real_time::now() - sent).count());
    }
    share = (cpu_seconds(server) - before) / std::chrono::duration<double>(real_time::now() - begin).count();
    co_await ws->close();
    co_return 0;
}

int main() {
    const auto backend = weir::io::make_backend();
    if (!backend) return std::printf("%s\n", backend.error().message().c_str()), 1;
    std::printf("events from %s (%s)\n\n", std::string((*backend)->name()).c_str(), std::string((*backend)->reason()).c_str());
    std::printf("%-16s %8s %8s %8s %8s %8s %6s\n", "waiting", "wanted/s", "done/s", "p50 us", "p99 us", "p99.9", "core");
    for (const row& each : policies)
        for (const int rate : rates) {
            std::string url;
            const int listener = listen_somewhere(url);
            if (listener < 0) return std::perror("listening"), 1;
            weir::server server;
            server.websocket("/", echo);
            std::thread runs([&] { server.run({.descriptor = listener, .handle_signals = false, .waiting = each.waiting}); });
            clockid_t clock;
            ::pthread_getcpuclockid(runs.native_handle(), &clock);
            std::vector<double> micros;
            double share = 0;
            const int failed = weir::run(measure(url, rate, clock, micros, share), {.waiting = weir::wait_policy::spin()});
            server.stop();
            runs.join();
            if (failed) return failed;
            std::sort(micros.begin(), micros.end());
            const auto at = [&](double part) { return micros[static_cast<std::size_t>(part * static_cast<double>(micros.size()))]; };
            std::printf("%-16s %8s %8.0f %8.1f %8.1f %8.1f %5.0f%%\n", each.name, rate ? std::to_string(rate).c_str() : "all",
                        static_cast<double>(micros.size()) / std::chrono::duration<double>(how_long).count(), at(0.5), at(0.99),
                        at(0.999), share * 100);
            std::fflush(stdout);
        }
    return 0;
}
