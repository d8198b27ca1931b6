// One machine of a simulation: a loop of its own, with a backend that knows the simulated network, and a program on it.
//
// Part of the test kit; see io/simulation.hpp.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/seeded_entropy.hpp>
#include <weir/coro/caught.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/simulated_link.hpp>

#include <optional>

namespace weir::inline v0::io {

class simulated_host {
public:
    using time = std::chrono::nanoseconds;

    // What runs on it, each time that it is started.
    class program {
    public:
        virtual ~program() = default;
        virtual task<> start() = 0;
    };

    simulated_host(simulated_network& network, std::string_view name, owned<program> runs, bool waited_for)
        : x_network(network), x_number(network.add(name)), x_program(std::move(runs)), x_waited_for(waited_for) {}
    simulated_host(const simulated_host&) = delete;
    simulated_host& operator=(const simulated_host&) = delete;
    ~simulated_host() { stop(); }

    std::string_view name() const noexcept { return x_network.at(x_number).name; }
    std::size_t number() const noexcept { return x_number; }
    bool is_waited_for() const noexcept { return x_waited_for; }
    bool runs() const noexcept { return x_life != nullptr; }

    // Whether the program has come to its end, or to that of its machine.
    bool ended() const noexcept { return x_ended; }

    // Whether an exception has left the program, and what it said.
    bool threw() const noexcept { return x_threw; }
    const std::string& thrown() const noexcept { return x_thrown; }

    // Starts the program on a new loop.
    void start() {
        x_network.note({name(), " starts"});
        const std::uint64_t seed = x_network.options().seed * 0x9e3779b97f4a7c15u + x_number * 0x10001 + x_lives++;
        x_ended = false;
        x_life = make_owned<life>(*this, seed);
        const acting now(x_life->on);
        x_life->work.emplace();
        x_life->work->spawn(live(*this));
    }

    // The machine stops where it is: its connections are reset, its coroutines destroyed, its loop is no more.
    void stop() noexcept {
        if (!x_life) return;
        for (simulated_link *each = x_network.links().front(), *next; each; each = next) {
            next = x_network.links().after(*each);
            each->leave(x_number);
        }
        {
            const acting now(x_life->on);
            x_life->work.reset();
        }
        x_life = nullptr;
        x_network.at(x_number).backend = nullptr;
        x_ended = true;
    }

    // Asks the program to end.
    void cancel() noexcept {
        if (!x_life) return;
        const acting now(x_life->on);
        x_life->work->cancel();
    }

    // When it has something to do.
    time next() noexcept {
        if (!x_life) return backend::forever;
        const time due = x_network.at(x_number).backend->next_due(), until = x_life->on.until_next();
        const time deadline = until == backend::forever ? until : x_network.now() + until;
        return due < deadline ? due : deadline;
    }

    // Does what there is to do now.
    void turn() noexcept {
        x_life->on.turn(time(0));
        x_network.at(x_number).backend->await_helpers();
    }

private:
    // What its loop has events from.
    class events final : public memory {
    public:
        events(simulated_network& network, std::size_t number, std::uint64_t seed)
            : memory({.pipe_bytes = network.options().pipe_bytes, .fragment = network.options().fragment, .shuffle = true,
                      .seed = seed}),
              x_network(network), x_number(number) {
            const failure_rates& rates = network.options().failures;
            fail_sometimes(memory_operation::connect, rates.connect);
            fail_sometimes(memory_operation::accept, rates.accept);
            fail_sometimes(memory_operation::fill, rates.fill);
            fail_sometimes(memory_operation::write, rates.write);
            advance(network.now() - now());
            network.at(number).backend = this;
        }

        std::string_view name() const noexcept override { return "simulation"; }

        result<owned<stream>> connect(bytes_view address) override {
            const bool refused = fails(memory_operation::connect);
            const std::size_t to = x_network.find(address, x_number);
            if (to == simulated_network::nowhere) return std::make_error_code(std::errc::host_unreachable);
            simulated_link& between = *new simulated_link(x_network, x_number, to, address, refused);
            owned<memory_stream> client = make_owned<memory_stream>(*this, between, 0);
            client->start_connecting();
            between.begin();
            return owned<stream>(std::move(client));
        }

        bool look_up(std::string_view name, bytes_view& address) noexcept override {
            const std::size_t found = x_network.find(name);
            if (found != simulated_network::nowhere) {
                const sockaddr_in& at = x_network.at(found).address;
                address = std::as_bytes(std::span(&at, 1));
            }
            return true;
        }

    private:
        simulated_network& x_network;
        const std::size_t x_number;
    };

    // From a start to the stop after it.
    struct life {
        life(simulated_host& of, std::uint64_t seed)
            : random(seed), on(make_owned<events>(of.x_network, of.x_number, seed + 1), &random) {}
        seeded_entropy random;
        loop on;
        std::optional<scope> work;
    };

    // Makes a loop the thread's, as it is in its turns.
    class acting {
    public:
        explicit acting(loop& which) noexcept : x_former(exchanged(scheduler::current(), &which)) {}
        acting(const acting&) = delete;
        acting& operator=(const acting&) = delete;
        ~acting() { scheduler::current() = x_former; }

    private:
        scheduler* x_former;
    };

    static task<> call(program& which) { co_await which.start(); }

    static task<> live(simulated_host& self) {
        task<> work = call(*self.x_program);
        const bool done = co_await caught(std::move(work), self.x_thrown);
        self.x_ended = true;
        self.x_threw = !done;
        self.x_network.note({self.name(), done ? " has ended" : " threw: ", self.x_thrown});
    }

    simulated_network& x_network;
    const std::size_t x_number;
    owned<program> x_program;
    const bool x_waited_for;
    owned<life> x_life;
    std::string x_thrown;
    std::uint64_t x_lives = 0;
    bool x_ended = false;
    bool x_threw = false;
};

} // namespace weir::inline v0::io
