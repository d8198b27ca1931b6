// Where a connection comes from or goes to: an IPv4 or IPv6 address with a port, or a Unix socket.
//
// A value without resources, compared byte by byte. Text that it is parsed from comes from settings, or from a
// user: what is wrong with it is `errc::bad_address` or `errc::bad_port`, with the text in the context. Names are not
// looked up here: see net/resolve.hpp.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/result.hpp>

#include <compare>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace weir::inline v0::net {

enum class family : unsigned char { none, ipv4, ipv6, local };

class endpoint {
public:
    // No address at all.
    endpoint() noexcept = default;

    // "127.0.0.1:9001", "[::1]:9001", "[fe80::1%eth0]:9001", "unix:/run/x" or "unix:@name".
    [[gnu::cold]] static result<endpoint> parse(std::string_view text) {
        if (text.starts_with("unix:")) return local(text.substr(5));
        const std::size_t colon = text.rfind(':');
        if (colon == text.npos) return wrong(errc::bad_address, text);
        const std::string_view host = text.substr(0, colon);
        const bool brackets = host.starts_with('[');
        if (brackets ? !host.ends_with(']') : host.find(':') != host.npos) return wrong(errc::bad_address, text);
        std::uint16_t port;
        if (!parse_port(text.substr(colon + 1), port)) return wrong(errc::bad_port, text);
        return ip(host, port);
    }

    // An IPv4 or IPv6 address in its textual form, the latter with or without brackets and a scope ("fe80::1%eth0", a
    // number also). Port 0 is for listening: the system picks one.
    [[gnu::cold]] static result<endpoint> ip(std::string_view address, std::uint16_t port) {
        std::string_view bare = address;
        const bool brackets = bare.starts_with('[') && bare.ends_with(']') && bare.size() > 2;
        if (brackets) bare = bare.substr(1, bare.size() - 2);
        std::string_view scope;
        if (const std::size_t percent = bare.find('%'); percent != bare.npos) {
            scope = bare.substr(percent + 1);
            bare = bare.substr(0, percent);
            if (scope.empty()) return wrong(errc::bad_address, address);
        }
        char terminated[INET6_ADDRSTRLEN];
        if (!terminate(bare, terminated)) return wrong(errc::bad_address, address);
        sockaddr_in four{};
        if (!brackets && scope.empty() && ::inet_pton(AF_INET, terminated, &four.sin_addr) == 1) {
            four.sin_family = AF_INET;
            four.sin_port = htons(port);
            return endpoint(four);
        }
        sockaddr_in6 six{};
        if (::inet_pton(AF_INET6, terminated, &six.sin6_addr) != 1 || !parse_scope(scope, six.sin6_scope_id))
            return wrong(errc::bad_address, address);
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        return endpoint(six);
    }

    // A Unix socket: the path of its file, or "@name" for Linux's abstract names, which have no file.
    [[gnu::cold]] static result<endpoint> local(std::string_view path) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        const bool abstract = path.starts_with('@');
        if (path.size() < (abstract ? 2u : 1u) || path.size() >= sizeof at.sun_path || path.find('\0') != path.npos)
            return wrong(errc::bad_address, path);
        path.copy(at.sun_path, path.size());
        if (abstract) at.sun_path[0] = '\0';
        endpoint made;
        made.store(&at, offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
        return made;
    }

    // Every address of this machine, and the one that only this machine reaches.
    static endpoint any_ipv4(std::uint16_t port) noexcept { return ipv4(INADDR_ANY, port); }
    static endpoint any_ipv6(std::uint16_t port) noexcept { return ipv6(IN6ADDR_ANY_INIT, port); }
    static endpoint loopback_ipv4(std::uint16_t port) noexcept { return ipv4(INADDR_LOOPBACK, port); }
    static endpoint loopback_ipv6(std::uint16_t port) noexcept { return ipv6(IN6ADDR_LOOPBACK_INIT, port); }

    // From the bytes of a socket address, as the system gives them.
    [[gnu::cold]] static result<endpoint> from_bytes(bytes_view address) noexcept {
        sa_family_t kind = AF_UNSPEC;
        if (address.size() >= sizeof kind) std::memcpy(&kind, address.data(), sizeof kind);
        endpoint made;
        if (kind == AF_INET && address.size() >= sizeof(sockaddr_in)) {
            sockaddr_in from;
            std::memcpy(&from, address.data(), sizeof from);
            std::memset(from.sin_zero, 0, sizeof from.sin_zero);
            made.store(&from, sizeof from);
        } else if (kind == AF_INET6 && address.size() >= sizeof(sockaddr_in6)) {
            sockaddr_in6 from;
            std::memcpy(&from, address.data(), sizeof from);
            from.sin6_flowinfo = 0;
            made.store(&from, sizeof from);
        } else if (kind == AF_UNIX) {
            sockaddr_un from{};
            std::size_t size = address.size() < sizeof from ? address.size() : sizeof from;
            std::memcpy(&from, address.data(), size);
            if (const std::size_t head = offsetof(sockaddr_un, sun_path); size > head && from.sun_path[0] != '\0') {
                const std::size_t length = ::strnlen(from.sun_path, sizeof from.sun_path);
                size = head + length + (length < sizeof from.sun_path ? 1 : 0);
            }
            made.store(&from, size);
        } else {
            return errc::bad_address;
        }
        return made;
    }

    // The bytes of the socket address, for `io::backend`. Valid as long as this object; empty where there is none.
    bytes_view bytes() const noexcept { return {x_bytes, std::size_t(x_size)}; }

    net::family family() const noexcept {
        switch (x_size ? load<sa_family_t>() : sa_family_t{AF_UNSPEC}) {
        case AF_INET: return net::family::ipv4;
        case AF_INET6: return net::family::ipv6;
        case AF_UNIX: return net::family::local;
        default: return net::family::none;
        }
    }

    // Whether there is an address.
    explicit operator bool() const noexcept { return x_size != 0; }

    // In host byte order; 0 where there is none.
    std::uint16_t port() const noexcept {
        switch (family()) {
        case net::family::ipv4: return ntohs(load<sockaddr_in>().sin_port);
        case net::family::ipv6: return ntohs(load<sockaddr_in6>().sin6_port);
        default: return 0;
        }
    }

    // The same address with another port; a Unix socket stays as it is.
    endpoint with_port(std::uint16_t port) const noexcept {
        if (family() == net::family::ipv4) {
            auto changed = load<sockaddr_in>();
            changed.sin_port = htons(port);
            return endpoint(changed);
        }
        if (family() != net::family::ipv6) return *this;
        auto changed = load<sockaddr_in6>();
        changed.sin6_port = htons(port);
        return endpoint(changed);
    }

    // Whether only this machine can be there: 127.0.0.0/8, ::1, a Unix socket.
    bool is_loopback() const noexcept {
        switch (const endpoint plain = unmapped(); plain.family()) {
        case net::family::ipv4: return ntohl(plain.load<sockaddr_in>().sin_addr.s_addr) >> 24 == 127;
        case net::family::ipv6: {
            const in6_addr found = plain.load<sockaddr_in6>().sin6_addr;
            return std::memcmp(&found, &in6addr_loopback, sizeof found) == 0;
        }
        case net::family::local: return true;
        default: return false;
        }
    }

    // ::ffff:192.0.2.1, as which IPv4 clients of an IPv6 socket show, becomes 192.0.2.1. Everything else stays.
    [[gnu::cold]] endpoint unmapped() const noexcept {
        if (family() != net::family::ipv6) return *this;
        const auto from = load<sockaddr_in6>();
        static constexpr unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        if (std::memcmp(&from.sin6_addr, prefix, sizeof prefix) != 0) return *this;
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = from.sin6_port;
        std::memcpy(&four.sin_addr, from.sin6_addr.s6_addr + sizeof prefix, sizeof four.sin_addr);
        return endpoint(four);
    }

    // The address alone: "127.0.0.1", "::1", "fe80::1%eth0", "/run/x", "@name".
    [[gnu::cold]] std::string address() const {
        char text[INET6_ADDRSTRLEN] = "";
        switch (family()) {
        case net::family::ipv4: {
            const auto from = load<sockaddr_in>();
            return ::inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
        }
        case net::family::ipv6: {
            const auto from = load<sockaddr_in6>();
            const char* const all = ::inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text);
            if (from.sin6_scope_id == 0) return all;
            char name[IF_NAMESIZE];
            const char* const known = ::if_indextoname(from.sin6_scope_id, name);
            const number_text number(from.sin6_scope_id);
            return concat({all, "%", known ? std::string_view(known) : number});
        }
        case net::family::local: {
            std::string path(as_text(bytes().subspan(offsetof(sockaddr_un, sun_path))));
            if (!path.empty() && path[0] == '\0')
                path[0] = '@';
            else if (!path.empty() && path.back() == '\0')
                path.pop_back();
            for (char& each : path) // a name may hold any byte, a message may not
                if (static_cast<unsigned char>(each) < 0x20 || each == 0x7f) each = '?';
            return path;
        }
        default: return {};
        }
    }

    // What `parse` reads, for messages: "127.0.0.1:9001", "[::1]:9001", "unix:/run/x".
    [[gnu::cold]] std::string to_string() const {
        switch (family()) {
        case net::family::ipv4: return concat({address(), ":", number_text(port())});
        case net::family::ipv6: return concat({"[", address(), "]:", number_text(port())});
        case net::family::local: return concat({"unix:", address()});
        default: return "no address";
        }
    }

    friend bool operator==(const endpoint& a, const endpoint& b) noexcept { return (a <=> b) == 0; }

    // Some order, for sorting.
    friend std::strong_ordering operator<=>(const endpoint& a, const endpoint& b) noexcept {
        if (a.x_size != b.x_size) return a.x_size <=> b.x_size;
        return std::memcmp(a.x_bytes, b.x_bytes, a.x_size) <=> 0;
    }

private:
    template <class Address>
    explicit endpoint(const Address& from) noexcept {
        store(&from, sizeof from);
    }

    static endpoint ipv4(std::uint32_t address, std::uint16_t port) noexcept {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(port);
        at.sin_addr.s_addr = htonl(address);
        return endpoint(at);
    }
    static endpoint ipv6(const in6_addr& address, std::uint16_t port) noexcept {
        sockaddr_in6 at{};
        at.sin6_family = AF_INET6;
        at.sin6_port = htons(port);
        at.sin6_addr = address;
        return endpoint(at);
    }

    void store(const void* from, std::size_t size) noexcept {
        std::memcpy(x_bytes, from, size);
        x_size = static_cast<unsigned char>(size);
    }

    template <class Address>
    Address load() const noexcept {
        static_assert(sizeof(Address) <= sizeof x_bytes);
        Address value;
        std::memcpy(&value, x_bytes, sizeof value);
        return value;
    }

    template <std::size_t Size>
    static bool terminate(std::string_view text, char (&into)[Size]) noexcept {
        if (text.size() >= Size || text.find('\0') != text.npos) return false;
        into[text.copy(into, Size - 1)] = '\0';
        return true;
    }

    static bool parse_number(std::string_view text, std::uint32_t most, std::uint32_t& into) noexcept {
        if (text.empty() || text.size() > 10) return false;
        std::uint64_t value = 0;
        for (const char each : text) {
            if (each < '0' || each > '9') return false;
            value = value * 10 + static_cast<unsigned>(each - '0');
        }
        into = static_cast<std::uint32_t>(value);
        return value <= most;
    }

    static bool parse_port(std::string_view text, std::uint16_t& into) noexcept {
        std::uint32_t value;
        if (text.size() > 5 || !parse_number(text, 65535, value)) return false;
        into = static_cast<std::uint16_t>(value);
        return true;
    }

    static bool parse_scope(std::string_view text, std::uint32_t& into) noexcept {
        if (text.empty() || parse_number(text, 0xffffffff, into)) return true;
        char name[IF_NAMESIZE];
        return terminate(text, name) && (into = ::if_nametoindex(name)) != 0;
    }

    [[gnu::cold]] static error wrong(errc code, std::string_view text) {
        return error(code, concat({"address \"", text.substr(0, 128), "\""}));
    }

    alignas(sockaddr_in6) std::byte x_bytes[sizeof(sockaddr_un)] = {};
    unsigned char x_size = 0;
};
static_assert(__is_trivially_copyable(endpoint));

} // namespace weir::inline v0::net
