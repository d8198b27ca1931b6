// What is compared: servers whose clients are told of each event, and the source of these.
//
// A server has a thread of its own, whose processor time the kernel counts. A source belongs to one thread, and must be gone
// before the servers that it tells.
#pragma once

#include <weir.hpp>

#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <time.h>

namespace compare {

inline constexpr std::size_t event_bytes = 100;

inline std::int64_t nanoseconds(clockid_t clock = CLOCK_MONOTONIC) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// A server that tells its clients of each event.
class stand {
public:
    // On that port, or any other one when that is taken.
    explicit stand(int port, std::string_view host = {}) {
        x_server.channel("/events", [this](weir::channel& client) { return watch(client); })
            .any_origin()
            .admit([this](const weir::http::request_head&) {
                requests.fetch_add(1, std::memory_order_relaxed);
                return std::optional<weir::response>();
            });
        x_server.spawn([this] { return attend(); });
        x_thread = std::thread([this, port, at = std::string(host)] {
            const auto runs = [&](int on) { return x_server.run({.host = at, .port = on, .handle_signals = false}) == 0; };
            if (!runs(port) && (x_port || !runs(0))) std::_Exit(1); // it has said why
        });
        x_runs.get_future().wait();
        ::pthread_getcpuclockid(x_thread.native_handle(), &x_clock);
    }
    ~stand() {
        x_server.stop(std::chrono::nanoseconds(0));
        x_thread.join();
    }

    // An event, from any thread.
    void tell(std::string event) {
        {
            const std::lock_guard lock(x_mutex);
            x_events.push_back(std::move(event));
        }
        x_loop->raise(*x_bell);
    }

    int port() const { return x_port; }
    std::int64_t cpu() const { return nanoseconds(x_clock); }

    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> messages{0}; // one event for one client

private:
    struct bell final : weir::io::interrupt {
        explicit bell(stand& of) : x_of(of) {}
        void on_interrupt() noexcept override { x_of.pass_on(); }
        stand& x_of;
    };

    weir::task<> watch(weir::channel& client) {
        weir::room::seat here(x_clients, client);
        while (auto message = co_await client.read()) {} // they have nothing to say
    }

    weir::task<> attend() { // from the server's start to its end
        bell own(*this);
        weir::event never;
        x_loop = weir::io::loop::current();
        x_loop->add(own);
        x_bell = &own;
        x_port = x_server.local_endpoint().port();
        x_runs.set_value();
        (void)co_await never.wait();
    }

    void pass_on() {
        std::vector<std::string> events;
        {
            const std::lock_guard lock(x_mutex);
            events.swap(x_events);
        }
        for (const std::string& each : events) messages.fetch_add(x_clients.send(each), std::memory_order_relaxed);
    }

    weir::server x_server;
    weir::room x_clients;
    std::mutex x_mutex;
    std::vector<std::string> x_events; // that the loop has not taken yet
    weir::io::loop* x_loop = nullptr;
    bell* x_bell = nullptr;
    int x_port = 0;
    std::promise<void> x_runs;
    clockid_t x_clock{};
    std::thread x_thread;
};

// Makes events: "17 8123456789 ...", the number and the microsecond at which it was due.
class event_source {
public:
    event_source(std::vector<stand*> to, double rate) : x_to(std::move(to)) { set_rate(rate); }

    void set_rate(double a_second) {
        x_slot = nanoseconds();
        x_slot_length = static_cast<std::int64_t>(1e9 / a_second);
        plan();
    }
    std::int64_t due() const { return x_due; }
    std::uint64_t count() const { return x_count; }

    // The event that is due.
    void emit() {
        std::string event = std::to_string(++x_count) + " " + std::to_string(x_due / 1000) + " ";
        event.resize(event_bytes, '.');
        for (stand* each : x_to) each->tell(event);
        x_slot += x_slot_length;
        plan();
    }

private:
    void plan() { // xorshift: the same moments for each of those that are compared
        x_random ^= x_random << 13;
        x_random ^= x_random >> 7;
        x_random ^= x_random << 17;
        x_due = x_slot + static_cast<std::int64_t>(x_random % static_cast<std::uint64_t>(x_slot_length));
    }

    std::vector<stand*> x_to;
    std::uint64_t x_random = 88172645463325252;
    std::int64_t x_slot = 0, x_slot_length = 0, x_due = 0;
    std::uint64_t x_count = 0;
};

} // namespace compare
