// A backend without a kernel, for tests: pipes in memory on a virtual clock.
//
//     auto made = make_owned<io::memory>(memory_options{.pipe_bytes = 100, .fragment = true});
//     io::memory& network = *made;
//     io::loop loop(std::move(made));
//     auto [a, b] = network.pair();
//
// Everything is deterministic and no time is really waited for: when nothing is due the clock jumps to the next deadline
// (io/memory_backend.hpp says when it does not). Addresses are any bytes; those of AF_INET and AF_INET6 get a port if
// theirs is 0, and the unspecified address serves all. Servers and clients run on it unchanged. It injects failures
// (`fail_at`), and a loop that would wait for ever ends the program with a message, or tells a `stall_observer`.
#pragma once

#include <weir/io/memory_acceptor.hpp>

#include <netinet/in.h>
#include <unistd.h>

namespace weir::inline v0::io {

class memory : public memory_backend {
public:
    explicit memory(const memory_options& options = memory_options()) noexcept : memory_backend(options) {}

    // Two connected streams. Not counted as an operation.
    std::pair<owned<stream>, owned<stream>> pair() {
        memory_stream::both made = memory_stream::make(*this);
        return {std::move(made.first), std::move(made.second)};
    }

    std::string_view name() const noexcept override { return "memory"; }

    result<owned<stream>> connect(bytes_view address) override {
        if (fails(memory_operation::connect)) return errc::injected;
        memory_stream::both made = memory_stream::make(*this);
        made.first->start_connecting();
        const std::chrono::nanoseconds heard = now() + options().latency;
        if (memory_acceptor* to = listener(address)) {
            to->enqueue(std::move(made.second), heard);
        } else {
            made.second->turn_away(heard);
            made.second->close();
        }
        return owned<stream>(std::move(made.first));
    }

    result<owned<acceptor>> listen(bytes_view address, const listen_options& options) override {
        if (fails(memory_operation::listen)) return errc::injected;
        std::vector<std::byte> at(address.begin(), address.end());
        if (port_of(at) == 0) set_port(at, x_next_port++);
        for (memory_acceptor* each = x_acceptors.front(); each; each = x_acceptors.after(*each))
            if (same(each->local_address(), at) && !(options.reuse_port && each->options().reuse_port))
                return std::error_code(EADDRINUSE, std::system_category());
        auto made = make_owned<memory_acceptor>(*this, at, options);
        x_acceptors.push_back(*made);
        return owned<acceptor>(std::move(made));
    }

    // Descriptors are none of its business.
    result<owned<stream>> adopt_stream(int descriptor) override {
        ::close(descriptor);
        return errc::unsupported;
    }
    result<owned<acceptor>> adopt_acceptor(int descriptor) override {
        ::close(descriptor);
        return errc::unsupported;
    }

    // Who serves `address`; null when nobody does.
    memory_acceptor* listener(bytes_view address) noexcept {
        for (memory_acceptor* each = x_acceptors.front(); each; each = x_acceptors.after(*each))
            if (same(each->local_address(), address)) return each;
        const int port = port_of(address);
        if (port < 0) return nullptr;
        for (memory_acceptor* each = x_acceptors.front(); each; each = x_acceptors.after(*each))
            if (port_of(each->local_address()) == port && serves_all(*each, address)) return each;
        return nullptr;
    }

private:
    static bool same(bytes_view a, bytes_view b) noexcept {
        return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
    }

    template <class Address>
    static Address as(bytes_view bytes) noexcept {
        Address made{};
        std::memcpy(&made, bytes.data(), sizeof made);
        return made;
    }

    static sa_family_t family_of(bytes_view address) noexcept {
        if (address.size() < sizeof(sockaddr_in)) return AF_UNSPEC;
        const sa_family_t family = as<sockaddr_in>(address).sin_family;
        if (family == AF_INET && address.size() == sizeof(sockaddr_in)) return AF_INET;
        if (family == AF_INET6 && address.size() == sizeof(sockaddr_in6)) return AF_INET6;
        return AF_UNSPEC;
    }

    // -1 where an address has none.
    static int port_of(bytes_view address) noexcept {
        return family_of(address) == AF_UNSPEC ? -1 : ntohs(as<sockaddr_in>(address).sin_port); // the same place in both
    }
    static void set_port(std::vector<std::byte>& address, std::uint16_t port) noexcept {
        const in_port_t value = htons(port);
        std::memcpy(address.data() + offsetof(sockaddr_in, sin_port), &value, sizeof value);
    }

    // Whether who listens on `at` serves all addresses of the family of `wanted`.
    static bool serves_all(const memory_acceptor& at, bytes_view wanted) noexcept {
        const sa_family_t family = family_of(at.local_address());
        if (family == AF_INET)
            return family_of(wanted) == AF_INET && as<sockaddr_in>(at.local_address()).sin_addr.s_addr == htonl(INADDR_ANY);
        const auto local = as<sockaddr_in6>(at.local_address());
        return std::memcmp(&local.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0 &&
               (family_of(wanted) == AF_INET6 || !at.options().only_ipv6);
    }

    list<memory_acceptor> x_acceptors;
    std::uint16_t x_next_port = 49152;
};

} // namespace weir::inline v0::io
