// A connection between two simulated hosts.
//
// Part of the test kit; see io/simulation.hpp. It belongs to its ends. The end of the host that is connected to comes
// into being when the news of it arrives there.
#pragma once

#include <weir/io/simulated_network.hpp>

namespace weir::inline v0::io {

class simulated_link final : public memory_link, public list_node<simulated_link>, private memory_event {
public:
    // From host `from` to host `to`, where `address` is meant. `fails`: it is refused, whoever listens there.
    simulated_link(simulated_network& network, std::size_t from, std::size_t to, bytes_view address, bool fails)
        : memory_link(network.blocks(), network.options().pipe_bytes, time(0)), x_network(network), x_hosts{from, to},
          x_address(address.begin(), address.end()), x_fails(fails) {
        network.links().push_back(*this);
    }

    // The client's end is there: connects.
    void begin() noexcept {
        x_knocks_at = arrival(0, memory_signal::connect, 0, x_network.now());
        x_network.at(x_hosts[0]).backend->schedule(*this, x_knocks_at);
    }

    bool is_between(std::size_t a, std::size_t b) const noexcept {
        return (x_hosts[0] == a && x_hosts[1] == b) || (x_hosts[0] == b && x_hosts[1] == a);
    }

    // The wires are whole again.
    void heal() noexcept {
        if (x_knocks_at == held) return begin();
        release(x_network.now());
        look();
    }

    // The network forgets about it: both ends see a reset.
    void lose() noexcept {
        memory_event::unlink();
        sever(x_network.now());
        look();
    }

    // Host `which` is no more: what it has of it is reset.
    void leave(std::size_t which) noexcept {
        for (int side = 0; side < 2; ++side)
            if (x_hosts[side] == which && ends[side]) ends[side]->reset();
    }

    time arrival(int from, memory_signal what, std::size_t bytes, time at) noexcept override {
        const time then = x_network.arrival(x_hosts[from], x_hosts[1 - from], bytes, at);
        const std::string_view on_time = then == held ? " (held back)" : "";
        const std::string count = what == memory_signal::bytes ? concat({number_text(bytes), " bytes"}) : std::string();
        x_network.note({x_network.at(x_hosts[from]).name, " > ", x_network.at(x_hosts[1 - from]).name, ": ",
                        count.empty() ? text_of(what) : std::string_view(count), on_time});
        return then;
    }

private:
    static std::string_view text_of(memory_signal what) noexcept {
        switch (what) {
        case memory_signal::connect: return "connects";
        case memory_signal::accept: return "accepts";
        case memory_signal::refuse: return "refuses";
        case memory_signal::bytes: return "bytes";
        case memory_signal::end: return "ends its direction";
        case memory_signal::close: return "closes";
        case memory_signal::reset: return "resets";
        }
        return "";
    }

    void look() noexcept {
        for (memory_stream* each : ends)
            if (each) each->look();
    }

    // The news has arrived at the host that is connected to.
    void on_due() noexcept override {
        memory* const there = x_network.at(x_hosts[1]).backend;
        memory_acceptor* const listening = there && !x_fails ? there->listener(x_address) : nullptr;
        if (listening) return listening->enqueue(make_owned<memory_stream>(*there, *this, 1), x_network.now());
        refused = true;
        ends[0]->establish(arrival(1, memory_signal::refuse, 0, x_network.now()));
    }

    simulated_network& x_network;
    const std::size_t x_hosts[2];
    const std::vector<std::byte> x_address;
    const bool x_fails;
    time x_knocks_at = held;
};

} // namespace weir::inline v0::io
