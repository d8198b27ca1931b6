// An echo server in a process of its own, for programs that load it and look at what it takes.
//
// To be made before the program runs a loop or starts a thread. The server dies with the program.
#pragma once

#include <weir/server/server.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <arpa/inet.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

class server_process {
public:
    explicit server_process(const weir::websocket_options& options = {}) {
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        const bool listens = ::bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0 &&
                             ::listen(listener, 4096) == 0 &&
                             ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0;
        if (!listens) {
            std::perror("listening");
            std::exit(1);
        }
        x_port = ntohs(at.sin_port);
        std::fflush(stdout);
        const pid_t parent = ::getpid();
        x_process = ::fork();
        if (x_process == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != parent) std::_Exit(1);
            weir::server server;
            server.websocket("/", echo);
            server.websocket("/allocated", tell_allocated);
            std::exit(server.run({.descriptor = listener, .websocket = options}));
        }
        ::close(listener);
    }
    server_process(const server_process&) = delete;
    ~server_process() {
        if (x_process > 0) ::kill(x_process, SIGKILL);
    }

    std::string url() const { return "ws://127.0.0.1:" + std::to_string(x_port) + "/"; }

    // How much of its memory is resident.
    long resident_bytes() const {
        const std::string path = "/proc/" + std::to_string(x_process) + "/smaps_rollup";
        std::FILE* file = std::fopen(path.c_str(), "r");
        if (!file) return 0;
        long kilobytes = 0;
        for (char line[256]; std::fgets(line, sizeof line, file);)
            if (std::sscanf(line, "Rss: %ld kB", &kilobytes) == 1) break;
        std::fclose(file);
        return kilobytes * 1024;
    }

    // Processor time that it has used, in seconds.
    double cpu_seconds() const {
        clockid_t clock;
        timespec used{};
        if (::clock_getcpuclockid(x_process, &clock) == 0) ::clock_gettime(clock, &used);
        return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
    }

    // Interrupts it and waits for its end. True if it left in order.
    bool end() {
        ::kill(x_process, SIGINT);
        int status = 0;
        ::waitpid(std::exchange(x_process, 0), &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

private:
    static weir::task<> echo(weir::websocket& ws) {
        while (auto message = co_await ws.read()) co_await ws.send(*message);
    }

    // How many bytes are allocated, as a message for each message. The system's view differs: malloc keeps what was freed
    // for later, more of it than weir's own pools do.
    static weir::task<> tell_allocated(weir::websocket& ws) {
        while (auto message = co_await ws.read()) {
            const struct mallinfo2 now = ::mallinfo2();
            co_await ws.send(std::to_string(now.uordblks + now.hblkhd));
        }
    }

    pid_t x_process = 0;
    int x_port = 0;
};

// Lets this process and those it starts have `count` descriptors; ends the program with 77 where that cannot be.
inline void want_descriptors(rlim_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < count) {
        std::printf("skipped: %lu descriptors are wanted, %lu may be had\n", static_cast<unsigned long>(count),
                    static_cast<unsigned long>(limit.rlim_max));
        std::exit(77);
    }
    if (limit.rlim_cur >= count) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Ends the program unless `met`.
inline void require(bool met, const std::string& what) {
    if (met) return;
    std::printf("failed: %s\n", what.c_str());
    std::exit(1);
}
