// The way to a server, up to a stream that reaches it.
//
// It is gone in steps, and each says what it is about to do: where a deadline cuts one short, that is what the error tells. Not
// there: TLS, which lies upon the stream, whatever the stream lies upon.
#pragma once

#include <weir/client/connect_options.hpp>
#include <weir/net/connect.hpp>

namespace weir::inline v0::detail {

// Whom to reach, and how.
struct route {
    std::string host;
    std::uint16_t port = 0;
    bool secure = false;                 // what will be said there is under TLS
    net::endpoint at = {};               // where it is: a Unix socket, say. Without one it is where `host` is
    net::connect_options how = {};
    net::client_security* tls = nullptr; // how a proxy is spoken to that has TLS of its own
    connect_refusal* refusal = nullptr;  // where the answer of a proxy goes that refuses
    std::string doing = {};              // the step that has begun, for an error that says nothing itself: "resolving NAME"
};

// "where: what", or one of them.
inline error explained(std::error_code why, std::string where, std::string_view what) {
    if (!what.empty()) where.append(where.empty() ? "" : ": ").append(what);
    return error(why, std::move(where));
}

// "connecting to 127.0.0.1:80 or [::1]:80".
template <class = void>
std::string connecting_to(const sequence<net::endpoint>& all) {
    constexpr std::size_t most_named = 8;
    std::string text = "connecting to ";
    for (std::size_t i = 0; i < all.size() && i < most_named; ++i) text.append(i ? " or " : "").append(all[i].to_string());
    return all.size() > most_named ? text.append(" or ").append(number_text(all.size() - most_named)).append(" more") : text;
}

// To one host, with nothing in between. `before` is said before each step.
template <class = void>
task<result<owned<io::stream>>> go_straight(route& along, std::string host, std::uint16_t port, std::string before) {
    along.doing = concat({before, "resolving ", host});
    result<sequence<net::endpoint>> found = co_await net::resolve(std::move(host), port, along.how.lookup);
    if (!found) co_return std::move(found).error();
    along.doing = before.append(connecting_to(*found));
    co_return co_await net::connect(std::move(*found), along.how);
}

// As it was chosen. `setting` is that of the choice.
template <class = void>
task<result<owned<io::stream>>> go(route& along, proxy_choice::function by, std::string setting) {
    if (along.at) {
        along.doing.assign("connecting to ").append(along.at.to_string());
        return net::connect(along.at);
    }
    if (by) return by(along, std::move(setting));
    return go_straight(along, along.host, along.port, std::string());
}

} // namespace weir::inline v0::detail
