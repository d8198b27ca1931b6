// Whom a server lets in: as many connections as it may have, at all and from one address.
//
// Who is refused gets a short answer that costs one write and neither a coroutine nor a look at the request. A few of
// those at a time are heard out, so that the answer arrives; when there are more they are closed at once. Owned by the
// service; the places that it gives may not outlive it. Loop thread only.
#pragma once

#include <weir/core/entropy.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/io/descriptor_limit.hpp>
#include <weir/net/address_block.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/server/address_counts.hpp>
#include <weir/server/farewell.hpp>
#include <weir/server/routes.hpp>

namespace weir::inline v0::detail {

class admission {
public:
    admission(const server_setup& of, scheduler& on, entropy& random) noexcept
        : x_server(of), x_scheduler(on), x_addresses(random.next_64()), x_most(limit(of.options.connections)) {}
    admission(const admission&) = delete;
    admission& operator=(const admission&) = delete;
    [[gnu::cold]] ~admission() {
        assert(!x_taken && "a connection outlived its server");
        while (farewell* each = x_leaving.front()) delete each;
    }

    // A connection that was let in, for as long as it lasts.
    class [[nodiscard]] place {
    public:
        place() noexcept = default;
        place(place&& other) noexcept : x_of(exchanged(other.x_of, nullptr)), x_address(other.x_address) {}
        place& operator=(place&&) = delete;
        ~place() {
            if (x_of) x_of->leave(x_address);
        }
        explicit operator bool() const noexcept { return x_of != nullptr; }

        // Gives the place up, but for what `leave` is to be told once the connection is over.
        std::uint64_t keep() noexcept {
            x_of = nullptr;
            return x_address;
        }

    private:
        friend class admission;
        place(admission& of, const std::optional<std::uint64_t>& address) noexcept
            : x_of(&of), x_address(address ? *address : nowhere) {
            ++of.x_taken;
        }

        admission* x_of = nullptr;
        std::uint64_t x_address = nowhere; // that is counted
    };

    // Ends a place that was kept; none, where there is `no_place` any more.
    static constexpr std::uint64_t no_place = UINT64_MAX - (std::uint64_t{1} << 32); // a network of multicasts, and nobody's too
    void leave(std::uint64_t kept) noexcept {
        if (kept == no_place) return;
        --x_taken;
        if (kept != nowhere) x_addresses.remove(kept);
    }

    // Lets the connection in; or answers it, takes it away, and gives no place.
    [[gnu::cold]] place admit(owned<io::stream>& stream) {
        if (x_taken >= x_most) return turn_away(stream, too_many, x_most, {});
        const std::optional<std::size_t>& each = x_server.options.connections_per_address;
        if (!each) return place(*this, {});
        const net::endpoint peer = net::peer_endpoint(*stream);
        const std::optional<std::uint64_t> address = net::address_block(peer);
        if (address) {
            if (x_addresses.count(*address) >= *each) return turn_away(stream, too_many_of_yours, *each, peer);
            x_addresses.add(*address);
        }
        return place(*this, address);
    }

private:
    static constexpr std::size_t heard_out = 32; // at a time
    static constexpr std::uint64_t nowhere = UINT64_MAX; // 255.255.255.255, which is nobody's
    static constexpr std::chrono::nanoseconds between_notes = std::chrono::seconds(1);

    static constexpr std::string_view too_many =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 74\r\n"
        "Retry-After: 5\r\nConnection: close\r\n\r\n"
        "This server has as many connections as it can have. Try again in a while.\n";
    static constexpr std::string_view too_many_of_yours =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 68\r\n"
        "Retry-After: 5\r\nConnection: close\r\n\r\n"
        "Your address has as many connections to this server as it may have.\n";

    // Without a setting: what the system allows, less room for files and for those that are refused.
    [[gnu::cold]] static std::size_t limit(const std::optional<std::size_t>& wanted) noexcept {
        if (wanted) return *wanted;
        const std::size_t all = io::descriptor_limit();
        return all - (all / 4 < 128 ? all / 4 : 128);
    }

    [[gnu::cold]] place turn_away(owned<io::stream>& stream, std::string_view words, std::size_t most,
                                  const net::endpoint& peer) {
        ++x_refused;
        if (const std::chrono::nanoseconds now = x_scheduler.now(); !x_noted || now - *x_noted >= between_notes) {
            x_noted = now;
            const std::string who = peer ? peer.address() : std::string();
            x_server.note(log_level::warning,
                          concat({number_text(exchanged(x_refused, 0)), " refused: there are ", number_text(most),
                                  " connections", peer ? " from " : "", who, ", which is the limit"}));
        }
        if (x_heard < heard_out) {
            x_leaving.push_back(*new farewell(std::move(stream), as_bytes(words), x_scheduler, x_heard));
        } else {
            const bytes_view bytes = as_bytes(words);
            stream->write_piece(bytes);
            stream->close();
            stream.reset();
        }
        return {};
    }

    const server_setup& x_server;
    scheduler& x_scheduler;
    address_counts x_addresses;
    list<farewell> x_leaving;
    std::size_t x_most;
    std::size_t x_taken = 0;
    std::size_t x_heard = 0;   // farewells that go on
    std::size_t x_refused = 0; // since the last note
    std::optional<std::chrono::nanoseconds> x_noted;
};

} // namespace weir::inline v0::detail
