// Plays cases over TCP, against a server at a URL or clients that come by themselves. POSIX only, nothing of weir.
#pragma once

#include "systems.hpp"

#include <chrono>
#include <memory>

namespace conformance {

struct bounds {
    std::chrono::milliseconds patience{5000}; // for what must come; renewed by every byte that moves
    std::chrono::milliseconds silence{1000};  // where nothing may come
    unsigned parallel = 8;                    // connections at once to a server
};

// Connects to the server once for each case. False when `url` cannot be understood.
bool try_server(const plan& what, const std::string& url, const bounds& within, report& into);

// Listens for clients: each connection gets the next case. When there is none left, every request is answered by 410.
class client_trial {
public:
    // `port`: 0 for any. `port()` is 0 when it could not listen.
    client_trial(const plan& what, std::uint16_t port, const bounds& within);
    client_trial(const client_trial&) = delete;
    ~client_trial();
    std::uint16_t port() const { return x_port; }

    // Until every case has been played and a client has heard of the end. When `still_there()` says no, or nobody comes for
    // a while, the cases that are left have failed.
    template <class Function>
    void run(report& into, Function still_there) {
        while (turn(into))
            if (!still_there()) return give_up(into);
    }

private:
    bool turn(report& into);
    void give_up(report& into);

    struct state;
    std::unique_ptr<state> x_state;
    std::uint16_t x_port = 0;
};

} // namespace conformance
