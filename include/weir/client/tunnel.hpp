// Having a proxy pass a stream on to a server, by HTTP's CONNECT or by SOCKS5. Part of client/proxy.hpp.
//
// The stream may be any that reaches the proxy: a socket, TLS over one, a tunnel through another proxy. What comes of it is the
// same stream, which from then on reaches the server, so that TLS with the server goes on top. Names are looked up by the proxy.
#pragma once

#include <weir/client/connect.hpp>
#include <weir/client/proxy_server.hpp>
#include <weir/net/raw_address.hpp>
#include <weir/protocol/http/tunnel.hpp>
#include <weir/protocol/socks5/client_handshake.hpp>

namespace weir::inline v0::detail {

// A proxy may say nothing of its own behind its answer, since a server of ours speaks when it was spoken to: such bytes would be taken
// for the server's.
template <class = void>
result<> expect_silence(byte_source& from) {
    if (from.rest().empty()) return {};
    return error(errc::bad_proxy_answer, concat({number_text(from.rest().size()), " bytes too many, before anything was said"}));
}

template <class = void>
task<result<>> ask_by_http(byte_source& over, const proxy_server& proxy, route& along) {
    const bool is_ipv6 = along.host.find(':') != along.host.npos;
    const std::string authority = concat({is_ipv6 ? "[" : "", along.host, is_ipv6 ? "]:" : ":", number_text(along.port)});
    std::string login;
    if (!proxy.login.empty()) {
        result<std::string> basic = proxy.login.basic();
        if (!basic) co_return std::move(basic).error();
        login = std::move(*basic);
    }
    const result<http::request_head> request = http::make_tunnel_request(authority, login);
    if (!request) co_return request.error();
    std::string text;
    if (!http::append_head(text, *request)) co_return errc::bad_field;
    const result<> written = co_await over.write(as_bytes(text));
    if (!written) co_return written.error();

    const http::head_limits limits;
    result<http::response_head> head = co_await read_answer(over, limits);
    if (!head) co_return std::move(head).error();
    const result<> granted = http::check_tunnel_response(*head);
    if (granted) co_return expect_silence(over);
    std::string context(granted.error().context());
    context = co_await read_refusal(over, std::move(*head), std::move(context), along.refusal);
    co_return error(granted.error().code(), std::move(context));
}

template <class = void>
task<result<>> ask_by_socks5(byte_source& over, const proxy_server& proxy, route& along) {
    const result<net::endpoint> literal = net::endpoint::ip(along.host, along.port);
    socks5::destination to;
    to.name = along.host;
    to.port = along.port;
    if (literal) to.address = net::raw_address(*literal);
    socks5::client_handshake handshake(to, proxy.login.user, proxy.login.password);
    for (;;) {
        switch (handshake.next()) {
        case socks5::step::done: co_return expect_silence(over);
        case socks5::step::failed: co_return handshake.error();
        case socks5::step::send: {
            const result<> written = co_await over.write(handshake.output());
            if (!written) co_return written.error();
            handshake.sent();
            break;
        }
        case socks5::step::receive: {
            bytes_view input = over.rest();
            handshake.take(input);
            over.rest() = over.rest().last(input.size());
            if (handshake.next() != socks5::step::receive) break;
            const result<bool> got = co_await over.more();
            if (!got) co_return got.error();
            if (!*got) co_return errc::end_of_stream;
        }
        }
    }
}

// Has the proxy at the other end of `plain` connect to where `along` leads.
template <class = void>
task<result<owned<io::stream>>> open_tunnel(owned<io::stream> plain, const proxy_server& proxy, route& along) {
    result<> asked;
    along.doing = concat({"waiting for the answer of the proxy ", proxy.name});
    {
        byte_source source(*plain);
        if (proxy.kind == proxy_kind::socks5)
            asked = co_await ask_by_socks5(source, proxy, along);
        else
            asked = co_await ask_by_http(source, proxy, along);
    }
    if (asked) co_return std::move(plain);
    const error& why = asked.error();
    const bool answered = why == errc::proxy_refused || why == errc::proxy_unauthorized || why == errc::bad_proxy_answer;
    if (answered) co_return error(why.code(), concat({"the proxy ", proxy.name, " answered ", why.context()}));
    co_return explained(why, along.doing, why.context());
}

} // namespace weir::inline v0::detail
