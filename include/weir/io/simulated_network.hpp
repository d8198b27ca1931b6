// What the hosts of a simulation share: a clock, addresses, the links between them, and a record of what happens.
//
// Part of the test kit; see io/simulation.hpp. It outlives the hosts and their connections.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/io/memory.hpp>
#include <weir/io/simulation_options.hpp>

#include <string>

namespace weir::inline v0::io {

class simulated_link;

class simulated_network {
public:
    using time = std::chrono::nanoseconds;

    // A host, as the others know it.
    struct place {
        std::string name;
        sockaddr_in address;
        memory* backend = nullptr; // null while nothing runs there
    };

    // What goes from one host to another one.
    struct wire {
        latency_range latency;
        std::optional<std::uint64_t> bytes_per_second;
        time free{0}; // when what is sent next can leave
        bool cut = false;
    };

    explicit simulated_network(const simulation_options& options) noexcept
        : x_options(options), x_random(options.seed ^ 0x6e6574776f726bu) {}
    simulated_network(const simulated_network&) = delete;
    simulated_network& operator=(const simulated_network&) = delete;

    const simulation_options& options() const noexcept { return x_options; }
    block_pool& blocks() noexcept { return x_blocks; }
    list<simulated_link>& links() noexcept { return x_links; }

    // Adds a host, 10.0.0.1 and so on; gives its number.
    std::size_t add(std::string_view name) {
        const std::size_t number = x_places.size();
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(0x0a000001u + static_cast<std::uint32_t>(number));
        x_places.push_back({std::string(name), address, nullptr});
        for (std::vector<wire>& each : x_wires) each.push_back(new_wire());
        x_wires.emplace_back(number + 1, new_wire());
        return number;
    }

    static constexpr std::size_t nowhere = ~std::size_t{0};

    place& at(std::size_t number) noexcept { return x_places[number]; }
    std::size_t find(std::string_view name) const noexcept {
        for (std::size_t i = 0; i < x_places.size(); ++i)
            if (x_places[i].name == name) return i;
        return nowhere;
    }

    // Who has this address, for somebody on host `from`, who may mean himself.
    std::size_t find(bytes_view address, std::size_t from) const noexcept {
        if (address.size() == sizeof(sockaddr_in6)) {
            sockaddr_in6 wanted;
            std::memcpy(&wanted, address.data(), sizeof wanted);
            return std::memcmp(&wanted.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0 ? from : nowhere;
        }
        sockaddr_in wanted;
        if (address.size() != sizeof wanted) return nowhere;
        std::memcpy(&wanted, address.data(), sizeof wanted);
        if (ntohl(wanted.sin_addr.s_addr) >> 24 == 127) return from;
        for (std::size_t i = 0; i < x_places.size(); ++i)
            if (x_places[i].address.sin_addr.s_addr == wanted.sin_addr.s_addr) return i;
        return nowhere;
    }

    wire& between(std::size_t from, std::size_t to) noexcept { return x_wires[from][to]; }

    // When something arrives that leaves `from` at `leaving`; `memory_backend::held` when it does not for now.
    time arrival(std::size_t from, std::size_t to, std::size_t bytes, time leaving) noexcept {
        if (from == to) return leaving;
        wire& over = between(from, to);
        if (over.cut) return memory_backend::held;
        if (over.bytes_per_second) {
            if (over.free < leaving) over.free = leaving;
            leaving = over.free += time(bytes * 1'000'000'000 / *over.bytes_per_second);
        }
        const auto spread = static_cast<std::uint64_t>((over.latency.most - over.latency.least).count());
        return leaving + over.latency.least + time(x_random.below(spread + 1));
    }

    // --- the clock ---

    time now() const noexcept { return x_now; }
    void advance_to(time then) noexcept {
        for (place& each : x_places)
            if (each.backend) each.backend->advance(then - x_now);
        x_now = then;
    }

    // A time as seconds since the beginning: "0.034500000".
    static std::string text_of(time moment) {
        const auto since = static_cast<std::uint64_t>((moment - beginning).count());
        std::string digits{std::string_view(number_text(since % 1'000'000'000))};
        digits.insert(0, 9 - digits.size(), '0');
        return concat({number_text(since / 1'000'000'000), ".", digits});
    }

    static constexpr time beginning = std::chrono::hours(1); // as the in-memory backend's

    // --- the record ---

    // Notes a line, with the time before it.
    void note(std::initializer_list<std::string_view> words) {
        const std::string line = concat({text_of(x_now), " ", concat(words)});
        for (const char each : line) mix(static_cast<unsigned char>(each));
        mix('\n');
        x_options.trace({.level = log_level::info, .what = line});
    }

    // Of all lines so far: FNV-1a, 64 bits.
    std::uint64_t digest() const noexcept { return x_digest; }

private:
    wire new_wire() const noexcept { return {x_options.latency, x_options.bytes_per_second}; }

    void mix(unsigned char each) noexcept { x_digest = (x_digest ^ each) * 0x100000001b3u; }

    const simulation_options x_options;
    pseudo_random x_random;
    time x_now = beginning;
    std::uint64_t x_digest = 0xcbf29ce484222325u;
    block_pool x_blocks;
    std::vector<place> x_places;
    std::vector<std::vector<wire>> x_wires;
    list<simulated_link> x_links;
};

} // namespace weir::inline v0::io
