// The load generator: plain sockets and epoll, nothing of any WebSocket library. It sends frames that were made before,
// compares every answer, and prints one line of JSON.
//
//     load port=9001 [mode=echo] [connections=1] [depth=1] [bytes=128] [kind=binary|ascii|korean|json] [messages=10000]
//          [warm=1000] [seconds=NO END] [path=/] [process=PID] [counter=FILE] [rate=MESSAGES A SECOND] [deflate=1]
//          [tls=AUTHORITY'S FILE] [resume=1]
//
// mode=echo: on each connection `depth` messages leave by one write, and the next when all answers have come, until all
//   `messages` are sent or the `seconds` are over.
// mode=rate: messages leave at fixed times, whatever has come back; latencies count from the time at which a message had
//   to leave, so that one slow answer does not hide those behind it ('coordinated omission').
// mode=room: the first connection sends `depth` messages by one write, all connections get all of them, and so on.
// mode=handshakes: opens a connection, closes it by a closing handshake, waits for its end; `messages` times, `connections`
//   at a time.
// mode=idle: opens the connections, has one message echoed on each, prints the line and waits for the end of stdin.
//
// With tls=FILE all of it goes over TLS 1.3, to a server that has to be localhost to that authority. With resume=1 each
// connection resumes the session of the one that was there before; that all handshakes of the part that is measured were
// short ones, or full ones without it, is seen to. With deflate=1 messages are sent compressed (permessage-deflate, no context
// kept) and answers may be. `process` is the server's: its processor time is reported for the part that is measured, which
// begins after `warm` messages. `counter` is a file of eight bytes that the server counts in (count_allocations.cpp); its
// growth is reported too.
#include "client.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

namespace {

using namespace load;

class options {
public:
    options(int count, char** words) {
        for (int i = 1; i < count; ++i) {
            const std::string word = words[i];
            const std::size_t equals = word.find('=');
            if (equals == std::string::npos) fail("options are NAME=VALUE");
            x_values[word.substr(0, equals)] = word.substr(equals + 1);
        }
    }

    std::string text(const std::string& name, const std::string& otherwise) const {
        const auto found = x_values.find(name);
        return found == x_values.end() ? otherwise : found->second;
    }

    long number(const std::string& name, long otherwise) const {
        return std::atol(text(name, std::to_string(otherwise)).c_str());
    }

private:
    std::map<std::string, std::string> x_values;
};

std::int64_t nanoseconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// What the server uses between two moments.
class usage {
public:
    explicit usage(const options& from) {
        const long process = from.number("process", 0);
        if (process && ::clock_getcpuclockid(static_cast<pid_t>(process), &x_clock) != 0) fail("no such process");
        x_has_process = process != 0;
        const std::string counter = from.text("counter", "");
        if (counter.empty()) return;
        const int file = ::open(counter.c_str(), O_RDONLY | O_CLOEXEC);
        void* const mapped = ::mmap(nullptr, 8, PROT_READ, MAP_SHARED, file, 0);
        if (mapped == MAP_FAILED) fail("the counter");
        x_counter = static_cast<const volatile std::uint64_t*>(mapped);
    }

    void begin() {
        x_cpu = x_has_process ? nanoseconds(x_clock) : 0;
        x_count = x_counter ? *x_counter : 0;
        x_time = nanoseconds(CLOCK_MONOTONIC);
    }

    // The begin of a line, with what was used for `messages`.
    void report(std::int64_t messages) const {
        const double seconds = static_cast<double>(nanoseconds(CLOCK_MONOTONIC) - x_time) * 1e-9;
        std::printf("{\"messages\": %lld, \"seconds\": %.6f", static_cast<long long>(messages), seconds);
        if (x_has_process) {
            const double used = static_cast<double>(nanoseconds(x_clock) - x_cpu);
            std::printf(", \"server_ns\": %.1f", used / static_cast<double>(messages));
        }
        if (x_counter)
            std::printf(", \"counted\": %llu", static_cast<unsigned long long>(*x_counter - x_count));
    }

private:
    clockid_t x_clock = 0;
    bool x_has_process = false;
    const volatile std::uint64_t* x_counter = nullptr;
    std::int64_t x_cpu = 0, x_time = 0;
    std::uint64_t x_count = 0;
};

class generator {
public:
    explicit generator(const options& from)
        : x_options(from), x_port(static_cast<int>(from.number("port", 9001))), x_path(from.text("path", "/")),
          x_depth(static_cast<std::size_t>(from.number("depth", 1))), x_messages(from.number("messages", 10'000)),
          x_warm(from.number("warm", x_messages / 10)), x_deflates(from.number("deflate", 0) != 0),
          x_resumes(from.number("resume", 0) != 0), x_usage(from) {
        const std::string kind_name = from.text("kind", "binary");
        const kind of = kind_name == "korean"  ? kind::korean
                        : kind_name == "ascii" ? kind::ascii
                        : kind_name == "json"  ? kind::json
                                               : kind::binary;
        const auto bytes = static_cast<std::size_t>(from.number("bytes", 128));
        x_batches = make_batches(x_depth, bytes, of, x_deflates);
        x_clients = std::vector<client>(static_cast<std::size_t>(from.number("connections", 1)));
    }

    void run() {
        const std::string authority = x_options.text("tls", "");
#if defined(BENCH_WITH_OPENSSL)
        std::optional<security> over;
        if (!authority.empty()) x_security = &over.emplace(authority, x_resumes);
        act();
        for (client& each : x_clients) each.end();
#else
        if (!authority.empty()) fail("built without OpenSSL");
        act();
#endif
    }

private:
    void act() {
        const std::string mode = x_options.text("mode", "echo");
        if (mode == "handshakes") return handshakes();
        open_all();
        if (mode == "echo")
            echo();
        else if (mode == "rate")
            rate();
        else if (mode == "room")
            room();
        else if (mode == "idle")
            idle();
        else
            fail("no such mode");
    }

    // As many at a time as any server's backlog holds.
    template <class Do>
    void by_groups(Do act) {
        constexpr std::size_t group = 64;
        for (std::size_t at = 0; at < x_clients.size(); at += group)
            act(std::span(x_clients).subspan(at, std::min(group, x_clients.size() - at)));
    }

    void open_all() {
        by_groups([this](std::span<client> some) {
            for (client& each : some) each.open(x_port, x_path, x_security, x_deflates ? compression_offer : "");
            for (client& each : some) each.await_upgrade(x_epoll);
        });
    }

    const batch& next_batch() { return x_batches[x_next_batch++ % x_batches.size()]; }

    // Handles what has happened; `told(client, asked_at)` for each answer. Waits at most so many milliseconds.
    template <class Told>
    void turn(int at_most, Told told) {
        epoll_event events[256];
        const int count = ::epoll_wait(x_epoll, events, 256, at_most);
        if (count < 0 && errno != EINTR) fail("waiting");
        for (int i = 0; i < count; ++i) {
            client& one = *static_cast<client*>(events[i].data.ptr);
            if (events[i].events & EPOLLOUT) one.write();
            if (events[i].events & ~static_cast<unsigned>(EPOLLOUT))
                one.read(x_buffer, events[i].events & EPOLLRDHUP, [&](std::int64_t asked_at) { told(one, asked_at); });
        }
    }

    // `rounds` batches on each connection, fewer if the time is over before; gives how many they were in all.
    std::int64_t exchange(std::int64_t rounds, double seconds) {
        if (rounds == 0) return 0;
        const std::int64_t until = nanoseconds(CLOCK_MONOTONIC) + static_cast<std::int64_t>(seconds * 1e9);
        std::size_t busy = x_clients.size();
        auto asked = static_cast<std::int64_t>(busy);
        std::vector<std::int64_t> left(x_clients.size(), rounds - 1);
        for (client& each : x_clients) each.ask(next_batch(), 0);
        while (busy > 0) {
            turn(-1, [&](client& one, std::int64_t) {
                if (one.expected().outstanding() > 0) return;
                if (left[static_cast<std::size_t>(&one - x_clients.data())]-- > 0 && nanoseconds(CLOCK_MONOTONIC) < until) {
                    one.ask(next_batch(), 0);
                    ++asked;
                } else {
                    --busy;
                }
            });
        }
        return asked;
    }

    void echo() {
        const auto a_round = static_cast<std::int64_t>(x_clients.size() * x_depth);
        const std::int64_t rounds = (x_messages + a_round - 1) / a_round;
        const double seconds = std::atof(x_options.text("seconds", "1e9").c_str());
        exchange((x_warm + a_round - 1) / a_round, seconds / 4);
        x_usage.begin();
        x_usage.report(exchange(rounds, seconds) * static_cast<std::int64_t>(x_depth));
        std::printf("}\n");
    }

    void room() {
        const auto deliveries = static_cast<std::int64_t>(x_clients.size() * x_depth);
        const auto rounds_of = [&](std::int64_t messages) { return (messages + deliveries - 1) / deliveries; };
        const auto tell = [&](std::int64_t rounds) {
            while (rounds-- > 0) {
                const batch& next = next_batch();
                for (client& each : x_clients)
                    if (&each != x_clients.data())
                        for (const message& one : next.messages) each.expected().expect(one, 0);
                x_clients.front().ask(next, 0);
                auto left = deliveries;
                while (left > 0) turn(-1, [&](client&, std::int64_t) { --left; });
            }
        };
        tell(rounds_of(x_warm));
        x_usage.begin();
        tell(rounds_of(x_messages));
        x_usage.report(rounds_of(x_messages) * deliveries);
        std::printf("}\n");
    }

    void rate() {
        const auto interval = 1e9 / static_cast<double>(x_options.number("rate", 10'000));
        std::vector<std::int64_t> latencies;
        latencies.reserve(static_cast<std::size_t>(x_messages));
        const std::int64_t count = x_warm + x_messages;
        std::int64_t sent = 0, answered = 0;
        const std::int64_t start = nanoseconds(CLOCK_MONOTONIC) + 1'000'000;
        while (answered < count) {
            std::int64_t now = nanoseconds(CLOCK_MONOTONIC);
            while (sent < count) {
                const auto due = start + static_cast<std::int64_t>(static_cast<double>(sent) * interval);
                if (due > now) break;
                if (sent == x_warm) x_usage.begin();
                x_clients[static_cast<std::size_t>(sent) % x_clients.size()].ask(next_batch(), due);
                ++sent;
            }
            turn(0, [&](client&, std::int64_t asked_at) { // never sleeps: waking up would count as the server's
                if (++answered > x_warm) latencies.push_back(nanoseconds(CLOCK_MONOTONIC) - asked_at);
            });
        }
        x_usage.report(x_messages);
        std::sort(latencies.begin(), latencies.end());
        const auto at = [&](double part) {
            return static_cast<double>(latencies[static_cast<std::size_t>(part * static_cast<double>(latencies.size() - 1))]) / 1000;
        };
        std::printf(", \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"most_us\": %.1f}\n", at(0.5),
                    at(0.9), at(0.99), at(0.999), at(1));
    }

    void handshakes() {
        std::string close;
        append_frame(close, 0x88, std::string_view("\x03\xE8", 2), 0x12345678);
        const message goodbye{std::string("\x03\xE8", 2), 8};
        std::int64_t resumed = 0;
        const auto cycle = [&](std::int64_t count) {
            std::int64_t done = 0;
            while (done < count) {
                open_all();
                for (client& each : x_clients) {
                    resumed += each.is_resumed();
                    each.expected().expect(goodbye, 0);
                    each.say(close);
                }
                for (client& each : x_clients) {
                    while (!each.over()) turn(-1, [](client&, std::int64_t) {});
                    each.end();
                }
                done += static_cast<std::int64_t>(x_clients.size());
            }
            return done;
        };
        cycle(x_warm);
        resumed = 0;
        x_usage.begin();
        const std::int64_t done = cycle(x_messages);
        x_usage.report(done);
        if (resumed != (x_resumes ? done : 0)) fail(x_resumes ? "a session was not resumed" : "a session was resumed");
        std::printf("}\n");
    }

    void idle() {
        by_groups([this](std::span<client> some) {
            for (client& each : some) each.ask(next_batch(), 0);
            for (client& each : some)
                while (each.expected().outstanding() > 0) turn(-1, [](client&, std::int64_t) {});
        });
        std::printf("{\"connections\": %zu}\n", x_clients.size());
        std::fflush(stdout);
        char byte;
        while (::read(STDIN_FILENO, &byte, 1) > 0) {}
    }

    const options& x_options;
    int x_epoll = ::epoll_create1(EPOLL_CLOEXEC);
    int x_port;
    std::string x_path;
    std::size_t x_depth;
    std::int64_t x_messages, x_warm;
    bool x_deflates, x_resumes;
    const security* x_security = nullptr;
    usage x_usage;
    std::vector<batch> x_batches;
    std::size_t x_next_batch = 0;
    std::vector<client> x_clients;
    std::string x_buffer = std::string(256 * 1024, '\0');
};

} // namespace

int main(int count, char** words) {
    ::signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    const options from(count, words);
    generator(from).run();
}
