// Listens on an address of the in-memory backend.
//
// Part of the test kit; see io/memory.hpp. Who connects while the backlog is full keeps connecting until there is room.
#pragma once

#include <weir/io/memory_stream.hpp>

namespace weir::inline v0::io {

class memory_acceptor final : public acceptor, public list_node<memory_acceptor>, private memory_event {
public:
    memory_acceptor(memory_backend& backend, bytes_view address, const listen_options& options)
        : x_backend(backend), x_address(address.begin(), address.end()), x_options(options) {}

    ~memory_acceptor() {
        for (entry& each : x_queue) {
            const memory_stream* client = each.server->peer();
            if (client && client->waits_for_acceptor()) each.server->turn_away(x_backend.now());
            each.server->reset();
        }
    }

    const listen_options& options() const noexcept { return x_options; }

    // Somebody connects, and that is known here at `at`: `server` is our end.
    void enqueue(owned<memory_stream> server, std::chrono::nanoseconds at) {
        x_queue.push_back({std::move(server), at});
        if (x_queue.size() <= backlog()) admit(x_queue.back());
    }

    status accept(owned<stream>& into, std::error_code& failure) noexcept override {
        if (x_backend.fails(memory_operation::accept)) {
            failure = errc::injected;
            return status::failed;
        }
        if (x_queue.empty() || x_queue.front().at > x_backend.now()) return status::blocked;
        if (const int number = x_backend.accept_failure()) {
            failure = {number, std::system_category()};
            return status::failed;
        }
        into = std::move(x_queue.front().server);
        x_queue.erase(x_queue.begin());
        if (x_queue.size() >= backlog()) {
            entry& next = x_queue[backlog() - 1];
            next.at = x_backend.now();
            admit(next);
        }
        return status::ready;
    }

    bytes_view local_address() const noexcept override { return x_address; }

private:
    struct entry {
        owned<memory_stream> server;
        std::chrono::nanoseconds at;
    };

    std::size_t backlog() const noexcept { return x_options.backlog > 1 ? static_cast<std::size_t>(x_options.backlog) : 1; }

    void admit(entry& which) noexcept {
        which.server->let_in(which.at);
        x_backend.schedule(*this, which.at);
    }

    void on_due() noexcept override {
        for (const entry& each : x_queue)
            if (each.at > x_backend.now()) {
                x_backend.schedule(*this, each.at);
                break;
            }
        if (x_observer) x_observer->on_acceptable();
    }

    memory_backend& x_backend;
    std::vector<std::byte> x_address;
    listen_options x_options;
    std::vector<entry> x_queue;
};

} // namespace weir::inline v0::io
