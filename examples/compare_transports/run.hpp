// One run of the report: a number of clients of one transport, and events at one rate.
//
// This thread is the source of the events and all clients, and never waits, so that the server, which has a thread of its own,
// pays for waking nobody. Latency counts from the moment at which an event was due; each has a slot of its own and comes at a
// random moment of it, so that no client that asks at an even interval always asks just before, or just after.
#pragma once

#include "stand.hpp"
#include "visitor.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>

#include <sched.h>

namespace compare {

inline constexpr weir::transport_kind kinds[] = {weir::transport_kind::polling, weir::transport_kind::long_polling,
                                                 weir::transport_kind::event_stream, weir::transport_kind::websocket};

struct plan {
    std::vector<int> clients, rates;
    std::vector<double> seconds; // for each rate
    double warm_seconds;
    int interval_ms;
};
inline const plan whole{{1, 100, 1000}, {1, 10, 100}, {18, 9, 5}, 1, 1000};
inline const plan quick{{1, 20}, {10, 100}, {0.6, 0.4}, 0.2, 100};

struct figures {
    std::size_t kind;
    int clients, rate;
    double seconds = 0, messages = 0, requests = 0, cpu = 0; // cpu: seconds
    double load = 0;                                         // seconds that the clients were busy
    double p50 = 0, p99 = 0;                                 // of latency, milliseconds
    traffic passed;
    std::uint64_t lost = 0;

    double a_message(double all) const { return messages > 0 ? all / messages : 0; }
};

class run {
public:
    run(std::size_t kind, int clients, int rate, const plan& how)
        : x_how(how), x_stand(0, "127.0.0.1"), x_crowd(kinds[kind], x_stand.port(), how.interval_ms * 1'000'000LL) {
        x_found.kind = kind;
        x_found.clients = clients;
        x_found.rate = rate;
        for (int i = 0; i < clients; ++i) x_visitors.emplace_back(x_crowd);
    }

    figures measure(double seconds) {
        event_source source({&x_stand}, x_found.rate);
        const std::int64_t begin = nanoseconds();
        for (std::size_t i = 0; i < x_visitors.size(); ++i)
            x_visitors[i].begin(begin + x_crowd.interval * static_cast<std::int64_t>(i) / x_found.clients);
        turn_until(begin + static_cast<std::int64_t>(x_how.warm_seconds * 1e9), source);
        count(-1);
        x_crowd.from = nanoseconds();
        x_crowd.late.reserve(static_cast<std::size_t>(seconds * x_found.clients * x_found.rate * 1.1));
        x_crowd.until = x_crowd.from + static_cast<std::int64_t>(seconds * 1e9);
        turn_until(x_crowd.until, source);
        count(1);
        const std::uint64_t all = source.count();
        const std::int64_t patience = nanoseconds() + 10'000'000'000;
        while (!have_all(all) && nanoseconds() < patience) turn(nullptr);
        for (const visitor& each : x_visitors) x_found.lost += all - each.received();
        std::vector<std::int64_t>& late = x_crowd.late;
        std::sort(late.begin(), late.end());
        const auto at = [&](std::size_t percent) {
            return late.empty() ? 0 : static_cast<double>(late[late.size() * percent / 100]) * 1e-6;
        };
        x_found.p50 = at(50);
        x_found.p99 = at(99);
        return x_found;
    }

private:
    bool have_all(std::uint64_t count) const {
        for (const visitor& each : x_visitors)
            if (each.received() < count) return false;
        return true;
    }

    // Adds up what was counted so far, or takes it off. What takes longest comes last.
    void count(int sign) {
        x_found.cpu += sign * static_cast<double>(x_stand.cpu()) * 1e-9;
        x_found.seconds += sign * static_cast<double>(nanoseconds()) * 1e-9;
        x_found.requests += sign * static_cast<double>(x_stand.requests);
        x_found.messages += sign * static_cast<double>(x_crowd.heard);
        x_found.load += sign * static_cast<double>(x_busy) * 1e-9;
        for (const visitor& each : x_visitors) {
            const traffic now = each.passed();
            x_found.passed.bytes += static_cast<std::uint64_t>(sign) * now.bytes;
            x_found.passed.packets += static_cast<std::uint64_t>(sign) * now.packets;
        }
    }

    void turn_until(std::int64_t end, event_source& source) {
        while (nanoseconds() < end) turn(&source);
    }

    // Does what there is to do, and does not wait. Whatever else there is, an event goes out when it is due.
    void turn(event_source* source) {
        std::int64_t now = nanoseconds();
        const std::int64_t began = now;
        const auto emit = [&] {
            while (source && source->due() <= now) source->emit();
        };
        emit();
        bool any = false;
        for (; !x_crowd.timers.empty() && x_crowd.timers.front().first <= now; any = true) {
            const auto [at, whose] = x_crowd.timers.front();
            x_crowd.timers.pop_front();
            whose->awake(at);
            now = nanoseconds();
            emit();
        }
        epoll_event events[64];
        const int count = ::epoll_wait(x_crowd.epoll, events, std::size(events), 0);
        for (int i = 0; i < count; ++i) {
            now = nanoseconds();
            emit();
            visitor::receive(events[i].data.u64, now);
        }
        if (any || count > 0)
            x_busy += nanoseconds() - began;
        else
            ::sched_yield(); // for machines with one core
    }

    const plan& x_how;
    figures x_found{};
    stand x_stand;
    crowd x_crowd;
    std::deque<visitor> x_visitors;
    std::int64_t x_busy = 0;
};

} // namespace compare
