// A network of hosts in one thread, on a virtual clock, in which a seed decides whatever chance decides: for tests.
//
//     weir::simulation world({.seed = seed});
//     world.host("server", serve);                               // task<> serve(): a weir::server, say
//     world.client("alice", talk, "ws://server:9001/chat");      // task<> talk(const char* url): weir::connect in it
//     const weir::result<> ran = world.run();                    // until every client has ended
//     if (!ran) std::puts(ran.error().message().c_str());        // "seed 4711 at 3.204000000 s: alice threw: ..."
//
// Programs run in it as they are: `server::listen` and `serve`, `connect`, `sleep`, sockets of net/. What makes a loop of
// its own does not: `weir::run`, `server::run`. Each host has a loop, an address (10.0.0.1 and so on, and its own
// 127.0.0.1), and a name that the others connect to. Time passes only while every host waits, then all at once: a day of
// pings is run in milliseconds. (A program that never waits stands still in time; after a million turns that is an error.)
//
// What the seed decides: which of the hosts that have something to do has its turn next, in which order a host hears of
// what has come at the same time, how long each piece is under way, where reads and writes are cut, what fails
// (`simulation_options::failures`), the random bytes of each loop, masking keys for instance, and `random()`, for the
// test's own decisions. Bytes of one connection stay in their order, as TCP has them; those of different connections
// overtake each other. The same seed gives the same run, and the same trace letter by letter, with every compiler, as
// long as weir and the program stay the same, and the program asks nothing else: no clock but `sleep` and the loop's, no
// random numbers of its own, no order of addresses in memory.
//
// Not simulated: packets, of which a TCP has the loss and the order in hand; what it takes its time for (a partition that
// heals is noticed at once, and no system gives up a connection by itself); time that is spent computing; Unix sockets,
// and IPv6 but for ::1; descriptors: `peer_endpoint` gives no address. `offload` really runs its function on another
// thread, and the world waits: it takes no virtual time. Names are those of the hosts; no other is ever looked up.
//
// The world owns the hosts, and keeps functions and arguments as long as it lives. It is for one thread, and not for a
// coroutine that a loop runs, but its members that say so may be called from within the hosts' programs too.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/io/simulated_host.hpp>

#include <cstdio>
#include <cstdlib>
#include <tuple>

namespace weir::inline v0 {

class simulation {
    using time = std::chrono::nanoseconds;

public:
    using operation = io::memory_operation;

    explicit simulation(const simulation_options& options = {}) : x_network(options), x_order(options.seed), x_random(~options.seed) {}
    simulation(const simulation&) = delete;
    simulation& operator=(const simulation&) = delete;

    // --- hosts; also from within ---

    // Starts a host that runs `function(arguments...)`, which returns a `task<>`, with its own copy of both. It may run
    // for ever: it is cancelled when the last client has ended. (A reference is passed as `std::ref(what)`.)
    template <class Function, class... Arguments>
        requires std::is_invocable_r_v<task<>, Function&, Arguments&...>
    void host(std::string_view name, Function function, Arguments... arguments) {
        add(name, make_owned<runs<Function, Arguments...>>(std::move(function), std::move(arguments)...), false);
    }

    // The same for one that `run` waits for.
    template <class Function, class... Arguments>
        requires std::is_invocable_r_v<task<>, Function&, Arguments&...>
    void client(std::string_view name, Function function, Arguments... arguments) {
        add(name, make_owned<runs<Function, Arguments...>>(std::move(function), std::move(arguments)...), true);
    }

    // Ends a host's program where it is, before anybody's next turn: its coroutines are destroyed, its connections reset,
    // and nobody listens there until `restart`, which runs the program from its beginning. A client that has crashed is not
    // waited for. A machine that is lost without a word is one that was cut off before: `partition`, then `crash`.
    void crash(std::string_view name) { x_requests.push_back({number_of(name), false}); }
    void restart(std::string_view name) { x_requests.push_back({number_of(name), true}); }

    // --- the network; also from within ---

    // Nothing gets from one of the two to the other any more, but what is under way already. All else is held back, also
    // the ends of connections and attempts to connect, until `heal`.
    void partition(std::string_view a, std::string_view b) { cut(a, b, true); }
    void heal(std::string_view a, std::string_view b) {
        cut(a, b, false);
        for (io::simulated_link *each = x_network.links().front(), *next; each; each = next) {
            next = x_network.links().after(*each);
            if (each->is_between(number_of(a), number_of(b))) each->heal();
        }
    }

    // Loses every connection between the two: both see a reset, now. What is under way is lost; new ones can be made.
    void disconnect(std::string_view a, std::string_view b) {
        x_network.note({a, " | ", b, ": lose their connections"});
        for (io::simulated_link *each = x_network.links().front(), *next; each; each = next) {
            next = x_network.links().after(*each);
            if (each->is_between(number_of(a), number_of(b))) each->lose();
        }
    }

    // What is sent between the two from now on is as long under way as this, and shares this bandwidth, each way.
    void link(std::string_view a, std::string_view b, latency_range latency, std::optional<std::uint64_t> bytes_per_second = {}) {
        for (auto* each : {&wire(a, b), &wire(b, a)}) {
            each->latency = latency;
            each->bytes_per_second = bytes_per_second;
        }
    }

    // Has an operation of a host fail: the next one of that kind, or one `after` so many more. Those are `connect`, which
    // is refused then; `listen`; `accept`, which is tried again; and of its connections, which break, `fill` (each attempt
    // to read, also one that finds nothing), `write` (each attempt to write) and `shutdown_write`. For as long as the
    // host is not restarted.
    void inject(std::string_view name, operation kind, std::uint64_t after = 0) {
        if (io::memory* const at = x_network.at(number_of(name)).backend) at->fail_next(kind, after);
    }

    // --- running ---

    // Runs until every client has ended; then the other hosts are cancelled, and it runs until all have ended and every
    // connection is closed. Errors, each with the seed and the time: `task_threw`, a program threw; `check_failed`, what
    // `fail` was given; `stalled`, somebody waits and nothing is left that could happen; `timed_out`, it takes longer than
    // `longest`, or somebody never waits.
    [[nodiscard]] result<> run() {
        result<> outcome = go_on(goal::clients, x_network.options().longest);
        if (!outcome) return outcome;
        for (owned<io::simulated_host>& each : x_hosts) each->cancel();
        outcome = go_on(goal::everybody, x_network.options().longest);
        if (!outcome) return outcome;
        return go_on(goal::quiet, x_network.options().longest);
    }

    // Lets that much virtual time pass, whoever has ended. Errors as above, but for those of time.
    [[nodiscard]] result<> run_for(time duration) { return go_on(goal::time, duration); }

    // Has `run` end with `check_failed` and this sentence. From within. The first one counts.
    void fail(std::string_view what) {
        if (x_failure.empty()) x_failure = what.empty() ? "fail" : what;
    }

    // Virtual time since the beginning. Also from within.
    time now() const noexcept { return x_network.now() - io::simulated_network::beginning; }

    std::uint64_t seed() const noexcept { return x_network.options().seed; }

    // Numbers for what the test decides itself. Also from within.
    pseudo_random& random() noexcept { return x_random; }

    // Adds a line of the program's own to the trace. Also from within.
    void note(std::string_view what) { x_network.note({what}); }

    // A hash of the trace so far: equal for equal runs.
    std::uint64_t digest() const noexcept { return x_network.digest(); }

    // How many connections there are, those that are being made or closed included.
    std::size_t connections() noexcept {
        std::size_t count = 0;
        for (io::simulated_link* each = x_network.links().front(); each; each = x_network.links().after(*each)) ++count;
        return count;
    }

private:
    template <class Function, class... Arguments>
    class runs final : public io::simulated_host::program {
    public:
        explicit runs(Function&& function, Arguments&&... arguments)
            : x_function(std::move(function)), x_arguments(std::move(arguments)...) {}
        task<> start() override { return std::apply(x_function, x_arguments); }

    private:
        Function x_function;
        std::tuple<Arguments...> x_arguments;
    };

    struct request {
        std::size_t host;
        bool starts;
    };

    enum class goal { clients, everybody, quiet, time };

    static constexpr std::uint64_t most_turns = 1'000'000; // without time passing

    void add(std::string_view name, owned<io::simulated_host::program> program, bool waited_for) {
        if (x_network.find(name) != io::simulated_network::nowhere) misused(name, "there is one already");
        x_hosts.push_back(make_owned<io::simulated_host>(x_network, name, std::move(program), waited_for));
        x_hosts.back()->start();
    }

    std::size_t number_of(std::string_view name) const {
        const std::size_t found = x_network.find(name);
        if (found == io::simulated_network::nowhere) misused(name, "there is none");
        return found;
    }

    [[noreturn]] static void misused(std::string_view name, const char* what) {
        std::fprintf(stderr, "weir: simulation: a host called \"%.*s\": %s\n", static_cast<int>(name.size()), name.data(), what);
        std::abort();
    }

    io::simulated_network::wire& wire(std::string_view from, std::string_view to) {
        return x_network.between(number_of(from), number_of(to));
    }

    void cut(std::string_view a, std::string_view b, bool cut_off) {
        wire(a, b).cut = wire(b, a).cut = cut_off;
        x_network.note({a, " | ", b, cut_off ? ": cut off from each other" : ": healed"});
    }

    // Crashes and restarts that were asked for.
    void obey() {
        for (const request& each : exchanged(x_requests, {})) {
            io::simulated_host& which = *x_hosts[each.host];
            if (which.runs()) {
                x_network.note({which.name(), " crashes"});
                which.stop();
            }
            if (each.starts) which.start();
        }
    }

    bool is_reached(goal wanted) const noexcept {
        if (wanted == goal::quiet || wanted == goal::time) return false;
        for (const owned<io::simulated_host>& each : x_hosts)
            if ((each->is_waited_for() || wanted == goal::everybody) && !each->ended()) return false;
        return true;
    }

    result<> go_on(goal wanted, time at_most) {
        const time until = at_most < io::backend::forever - x_network.now() ? x_network.now() + at_most : io::memory_backend::held;
        for (std::uint64_t turns = 0;;) {
            obey();
            for (const owned<io::simulated_host>& each : x_hosts)
                if (each->threw()) return failed(errc::task_threw, concat({each->name(), " threw: ", each->thrown()}));
            if (!x_failure.empty()) return failed(errc::check_failed, x_failure);
            if (is_reached(wanted)) return {};
            const time next = look();
            if (!x_ready.empty()) {
                if (++turns > most_turns) return failed(errc::timed_out, "a million turns, and nobody waits");
                x_ready[x_order.below(x_ready.size())]->turn();
                continue;
            }
            if (next > until || next == io::backend::forever) {
                if (wanted == goal::quiet && next == io::backend::forever) return {};
                if (wanted != goal::time && next == io::backend::forever) return failed(errc::stalled, who_is_left(wanted));
                x_network.advance_to(until);
                if (wanted == goal::time) return {};
                return failed(errc::timed_out, who_is_left(wanted));
            }
            turns = 0;
            x_network.advance_to(next);
        }
    }

    // Finds out who has something to do now, and otherwise when somebody will.
    time look() {
        x_ready.clear();
        time next = io::backend::forever;
        for (const owned<io::simulated_host>& each : x_hosts) {
            const time at = each->next();
            if (at <= x_network.now()) x_ready.push_back(each.get());
            if (at < next) next = at;
        }
        return next;
    }

    std::string who_is_left(goal wanted) const {
        std::string names;
        for (const owned<io::simulated_host>& each : x_hosts)
            if ((each->is_waited_for() || wanted != goal::clients) && !each->ended())
                names.append(names.empty() ? "" : ", ").append(each->name());
        return names.empty() ? "a connection that does not close" : names.append(" not at an end");
    }

    error failed(errc why, std::string_view what) const {
        return error(why, concat({"seed ", number_text(seed()), " at ", io::simulated_network::text_of(x_network.now()), " s: ", what}));
    }

    io::simulated_network x_network;
    pseudo_random x_order;
    pseudo_random x_random;
    std::string x_failure;
    std::vector<request> x_requests;
    std::vector<io::simulated_host*> x_ready;
    std::vector<owned<io::simulated_host>> x_hosts;
};

} // namespace weir::inline v0
