// What the environment says of proxies. Part of client/proxy.hpp.
//
// Variables are read at the call, by a function that tests may replace; what they say is not changed meanwhile by another thread.
#pragma once

#include <weir/net/raw_address.hpp>
#include <weir/protocol/http/syntax.hpp>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weir::inline v0::detail {

// Which variable names a proxy, and what it says; null for none.
struct proxy_variable {
    const char* name = nullptr;
    const char* url = nullptr;
};

// What `std::getenv` is.
using environment = char* (*)(const char* name);

// Whether `host` is within "192.0.2.0/24", or is that address.
template <class = void>
bool is_in_network(std::string_view network, std::string_view host) {
    const result<net::endpoint> of_host = net::endpoint::ip(host, 0);
    const std::size_t slash = network.find('/');
    const result<net::endpoint> of_network = net::endpoint::ip(network.substr(0, slash), 0);
    if (!of_host || !of_network) return false;
    const net::endpoint one = of_host->unmapped(), other = of_network->unmapped();
    const bytes_view a = net::raw_address(one), b = net::raw_address(other);
    if (a.size() != b.size()) return false;
    std::size_t bits = 8 * a.size();
    if (slash != network.npos) {
        std::size_t given = 0;
        const std::string_view digits = network.substr(slash + 1);
        for (const char each : digits)
            given = http::is_digit(each) && given < 1000 ? 10 * given + static_cast<std::size_t>(each - '0') : 1000;
        if (digits.empty() || given > bits) return false;
        bits = given;
    }
    for (std::size_t i = 0; i < a.size() && bits > 0; ++i) {
        const std::size_t here = bits < 8 ? bits : 8;
        if (std::to_integer<unsigned>(a[i] ^ b[i]) >> (8 - here) != 0) return false;
        bits -= here;
    }
    return true;
}

// Whether one entry of a list of exceptions is about a server.
template <class = void>
bool is_about(std::string_view entry, std::string_view host, std::uint16_t port) {
    if (entry == "*" || is_in_network(entry, host)) return true;
    if (const std::size_t colon = entry.rfind(':'); colon != entry.npos) {
        if (entry.substr(colon + 1) != std::string_view(number_text(port))) return false;
        entry = entry.substr(0, colon);
        if (is_in_network(entry, host)) return true;
    }
    if (entry.starts_with("*")) entry.remove_prefix(1);
    if (entry.starts_with(".")) entry.remove_prefix(1);
    if (entry.ends_with(".")) entry.remove_suffix(1);
    if (host.ends_with(".")) host.remove_suffix(1);
    if (entry.empty() || entry.size() > host.size()) return false;
    const std::size_t before = host.size() - entry.size();
    if (!http::equal_ignoring_case(host.substr(before), entry)) return false;
    return before == 0 || (host[before - 1] == '.' && !net::endpoint::ip(host, 0)); // nothing is below an address
}

// Whether a server is reached without a proxy, as a list says that has commas or blanks between: names, which stand for what is below
// them too; addresses and networks; each also with a port; "*" for everything.
template <class = void>
bool is_excepted(std::string_view list, std::string_view host, std::uint16_t port) {
    while (!list.empty()) {
        const std::size_t end = list.find_first_of(", \t");
        const std::string_view entry = list.substr(0, end);
        list = end == list.npos ? std::string_view() : list.substr(end + 1);
        if (!entry.empty() && is_about(entry, host, port)) return true;
    }
    return false;
}

// What is set, and not empty, of some variables: the first of them.
template <class = void>
proxy_variable first_set(environment read, std::initializer_list<const char*> names) {
    for (const char* each : names)
        if (const char* const value = read(each); value && *value) return {each, value};
    return {};
}

// The proxy for a server: "https_proxy" for what goes over TLS, "http_proxy" for the rest, "all_proxy" where that is not set; none for
// what "no_proxy" names. Each may be in upper case but HTTP_PROXY: in a program that a web server has started as CGI, that is
// what a client's "Proxy" field says.
template <class = void>
proxy_variable proxy_for(bool secure, std::string_view host, std::uint16_t port, environment read = std::getenv) {
    const proxy_variable exceptions = first_set(read, {"no_proxy", "NO_PROXY"});
    if (exceptions.url && is_excepted(exceptions.url, host, port)) return {};
    if (secure) return first_set(read, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
    return first_set(read, {"http_proxy", "all_proxy", "ALL_PROXY"});
}

} // namespace weir::inline v0::detail
